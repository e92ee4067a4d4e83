"""Mark (section 5 of the paper): embed a trigger set while training any torch module.

The only part of the package that needs torch. The names below are imported when they are first
used, so that lists such as the presets can be read without it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wmproof.training.embedding import mark, reinitialize, train
    from wmproof.training.export import ExportCheck, export_onnx
    from wmproof.training.loop import EpochRecord, TrainingInterruptedError, TrainingResult
    from wmproof.training.normalization import Normalization
    from wmproof.training.recipe import PRESETS, Recipe, preset
    from wmproof.training.weights import load_weights, save_weights

__all__ = [
    "PRESETS",
    "EpochRecord",
    "ExportCheck",
    "Normalization",
    "Recipe",
    "TrainingInterruptedError",
    "TrainingResult",
    "export_onnx",
    "load_weights",
    "mark",
    "preset",
    "reinitialize",
    "save_weights",
    "train",
]

_HOMES = {
    "embedding": ("mark", "reinitialize", "train"),
    "export": ("ExportCheck", "export_onnx"),
    "loop": ("EpochRecord", "TrainingInterruptedError", "TrainingResult"),
    "normalization": ("Normalization",),
    "recipe": ("PRESETS", "Recipe", "preset"),
    "weights": ("load_weights", "save_weights"),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
