"""Nothing here speaks to anybody unasked; ONNX Runtime would.

Its official builds for Linux (since 1.29) and Windows report each model that they open to their
maker: the file's name, hashes of graph and weights.
"""

import os
import sys


def silence_onnx_runtime() -> None:
    """Switch its reports off, in this process and its children."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    loaded = sys.modules.get("onnxruntime")  # which has read the variable already
    if loaded is not None and hasattr(loaded, "disable_telemetry_events"):
        loaded.disable_telemetry_events()
