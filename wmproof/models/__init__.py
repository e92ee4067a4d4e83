"""Whatever answers `classify(images)`: ONNX files, torch modules, Python callables."""

from wmproof.models.base import NO_ANSWER, Classifier, classify_triggers, fit_images
from wmproof.models.function import FunctionClassifier
from wmproof.models.onnx_file import OnnxClassifier, open_model
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
