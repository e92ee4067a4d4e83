"""Whatever answers `classify(images)`: ONNX files, torch modules, Python callables."""

from __future__ import annotations

import os

from wmproof.models.base import NO_ANSWER, Classifier, classify_triggers, fit_images
from wmproof.models.function import FunctionClassifier
from wmproof.models.onnx_file import OnnxClassifier, open_onnx
from wmproof.models.torch_module import TorchClassifier
from wmproof.triggers import Shape

__all__ = [
    "NO_ANSWER",
    "Classifier",
    "FunctionClassifier",
    "OnnxClassifier",
    "TorchClassifier",
    "classify_triggers",
    "fit_images",
    "open_model",
]


def open_model(
    path: str | os.PathLike[str],
    *,
    input_shape: Shape | None = None,
    batch: int = 256,
    pixels: str = "raw",
) -> OnnxClassifier:
    """Open a model file.

    Parameters
    ----------
    path : path
        An ONNX file, see `OnnxClassifier` for what it must take and return.
    input_shape : tuple of int, optional
        Needed where the file leaves height and width open.
    batch : int
        Images in one call where the file leaves N open.
    pixels : str
        What a float32 model takes: 'raw' for 0 to 255, 'unit' for 0 to 1.

    Raises
    ------
    InputError
        The file cannot be read, is no ONNX model, or is no classifier of images.
    """
    return open_onnx(path, input_shape=input_shape, batch=batch, pixels=pixels)
