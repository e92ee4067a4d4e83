"""Whatever answers `classify(images)`: ONNX files, torch modules, Python callables."""

from __future__ import annotations

from wmproof._base.files import Source
from wmproof.core.reading import Reading
from wmproof.core.triggers import Shape
from wmproof.models.base import NO_ANSWER, Classifier, classify_triggers, fit_images
from wmproof.models.function import FunctionClassifier
from wmproof.models.onnx_file import OnnxClassifier, open_onnx
from wmproof.models.torch_module import TorchClassifier

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
    path: Source,
    *,
    input_shape: Shape | None = None,
    batch: int = 256,
    pixels: str = "raw",
    reading: Reading | None = None,
) -> OnnxClassifier:
    """Open a model file.

    Parameters
    ----------
    path : path or bytes
        An ONNX file, or its content; see `OnnxClassifier` for what it must take and return. Of a
        path the files of weights that it names are read too.
    input_shape : tuple of int, optional
        Of the images that will be asked about, where that is known.
    batch : int
        Images in one call where the file leaves N open.
    pixels : str
        What a float model takes: 'raw' for 0 to 255, 'unit' for 0 to 1.
    reading : Reading, optional
        That and all else that the file does not say.

    Raises
    ------
    InputError
        The file cannot be read, is no ONNX model, or is no classifier of images.
    """
    return open_onnx(path, input_shape=input_shape, batch=batch, pixels=pixels, reading=reading)
