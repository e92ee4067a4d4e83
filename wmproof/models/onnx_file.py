"""An ONNX file as a classifier, through ONNX Runtime."""

from __future__ import annotations

import hashlib
import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wmproof._files import read_file
from wmproof.errors import FormatError, InputError
from wmproof.models.base import check_pixels
from wmproof.models.function import read_answers
from wmproof.models.onnx_checks import check_model
from wmproof.triggers import MAX_SET_BYTES, Shape, check_shape, format_shape

if TYPE_CHECKING:
    import onnxruntime

# Protocol buffers, and so ONNX files without external data, end here.
MODEL_LIMIT = 2**31 - 1
_DTYPES = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32}


class OnnxClassifier:
    """Run an ONNX model on uint8 pixels.

    Parameters
    ----------
    data : bytes
        A complete ONNX file. One input, uint8 or float32, (N, H, W) or (N, C, H, W) with N fixed or
        free; a float32 input gets the raw pixels 0.0 to 255.0, so a normalisation belongs inside
        the model; see `pixels`. The first output is scores (N, classes) or integer classes (N,).
    where : str
        Names the model in errors.
    input_shape : tuple of int, optional
        Needed where the file leaves height and width open.
    batch : int
        Images in one call where the file leaves N open.
    pixels : str
        What a float32 input takes: 'raw' for 0 to 255, 'unit' for 0 to 1.

    Raises
    ------
    FormatError
        The bytes are no ONNX model that ONNX Runtime can load.
    InputError
        The model does not take images, or does not answer with classes.

    Attributes
    ----------
    input_shape : tuple of int
    classes : int or None
        None where the model answers with classes instead of scores.
    digest : bytes
        SHA-256 of the file, 32 bytes.
    """

    def __init__(
        self,
        data: bytes,
        where: str = "model",
        *,
        input_shape: Shape | None = None,
        batch: int = 256,
        pixels: str = "raw",
    ) -> None:
        self._where = where
        self._session = _open_session(data, where)
        self.digest = hashlib.sha256(data).digest()
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            raise InputError(f"takes {len(inputs)} inputs instead of one", where=where)
        if inputs[0].type not in _DTYPES:
            raise InputError(
                f"takes {inputs[0].type}, not uint8 or float32 pixels",
                where=where,
                remedy="Export it with its preparation of the pixels inside",
            )
        self._input_name = inputs[0].name
        self._dtype = _DTYPES[inputs[0].type]
        self._white = _white(pixels, self._dtype, where)
        self._fixed_batch, self.input_shape = _input_shape(inputs[0].shape, input_shape, where)
        self._batch = self._fixed_batch or batch
        self._output_name = self._session.get_outputs()[0].name
        self.classes = self._probe()

    def classify(self, images: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the class of each image, see `Classifier.classify`.

        Raises
        ------
        InputError
            The images are not uint8, or the model fails on them.
        """
        check_pixels(images)
        answers = [np.empty(0, dtype=np.int64)]
        for start in range(0, len(images), self._batch):
            part = images[start : start + self._batch]
            output = self._run(part)
            try:
                answers.append(read_answers(output, len(part), self.classes))
            except InputError as error:
                raise InputError(error.what, where=self._where) from error
        return np.concatenate(answers)

    def _probe(self) -> int | None:
        """Classify one black image, so that a model that cannot run is found here."""
        output = self._run(np.zeros((1, *self.input_shape), dtype=np.uint8))
        try:
            read_answers(output, 1)
        except InputError as error:
            raise InputError(error.what, where=self._where) from error
        return output.shape[1] if output.ndim == 2 else None

    def _run(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        count = len(images)
        if self._fixed_batch and count < self._fixed_batch:
            filler = np.zeros((self._fixed_batch - count, *self.input_shape), dtype=np.uint8)
            images = np.concatenate([images, filler])
        pixels = np.ascontiguousarray(images, dtype=self._dtype)
        feed = {self._input_name: pixels / self._white if self._white else pixels}
        try:
            output = self._session.run([self._output_name], feed)[0]
        except Exception as error:  # ONNX Runtime's errors share no public base class
            raise InputError(
                f"fails on images of {format_shape(self.input_shape)} ({_first_line(error)})",
                where=self._where,
            ) from error
        if not isinstance(output, np.ndarray) or output.ndim == 0:
            raise InputError("does not answer with an array of classes", where=self._where)
        return output[:count]


def open_onnx(
    path: str | os.PathLike[str],
    *,
    input_shape: Shape | None = None,
    batch: int = 256,
    pixels: str = "raw",
) -> OnnxClassifier:
    """Open an ONNX file; parameters and errors as `OnnxClassifier`."""
    data = read_file(path, limit=MODEL_LIMIT)
    return OnnxClassifier(data, str(path), input_shape=input_shape, batch=batch, pixels=pixels)


def _white(pixels: str, dtype: Any, where: str) -> np.float32 | None:
    """Return what pixels are divided by, if by anything."""
    if pixels == "raw":
        return None
    if pixels != "unit":
        raise InputError(f"pixels are 'raw' or 'unit', not {pixels!r}")
    if dtype is np.uint8:
        raise InputError("takes uint8 pixels, which are always raw", where=where)
    return np.float32(255)


def _open_session(data: bytes, where: str) -> onnxruntime.InferenceSession:
    import onnxruntime

    _check_file(data, where)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    # Bytes can be an ONNX file and one of the runtime's own format, which is another model.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    preferred = ("CUDAExecutionProvider", "CPUExecutionProvider")
    available = onnxruntime.get_available_providers()
    providers = [name for name in preferred if name in available]
    try:
        return onnxruntime.InferenceSession(data, options, providers=providers)
    except Exception as error:  # as above
        raise FormatError(
            f"is not a model that ONNX Runtime can load ({_first_line(error)})",
            where=where,
            remedy="Export the model again as one ONNX file",
        ) from error


def _check_file(data: bytes, where: str) -> None:
    import onnx

    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's decoder has its own hierarchy
        raise FormatError(
            "is not an ONNX model", where=where, remedy="Check which file is meant"
        ) from error
    if not model.graph.node:
        raise FormatError("is not an ONNX model (it has no operators)", where=where)
    check_model(model, where)


def _input_shape(
    declared: list[int | str | None], given: Shape | None, where: str
) -> tuple[int | None, Shape]:
    """Return the fixed batch size, if any, and the shape of one image."""
    if len(declared) not in (3, 4):
        raise InputError(
            f"takes an input of {len(declared)} dimensions, not (N, H, W) or (N, C, H, W)",
            where=where,
        )
    batch, *dims = declared
    if given is not None and len(given) == len(dims):
        merged = [
            size if isinstance(size, int) else want for size, want in zip(dims, given, strict=True)
        ]
    else:
        merged = [size for size in dims if isinstance(size, int)]
    if len(merged) != len(dims) or min(merged) < 1:
        raise InputError(
            f"leaves the shape of its images open ({format_shape(tuple(map(str, dims)))})",  # type: ignore[arg-type]
            where=where,
            remedy="Give the shape of an image, or export the model with a fixed one",
        )
    shape = tuple(merged)
    check_shape(shape)
    fixed = batch if isinstance(batch, int) and batch > 0 else None
    if fixed and fixed * math.prod(shape) > MAX_SET_BYTES:
        raise InputError(f"takes {fixed} images at once, which is too much", where=where)
    return fixed, shape


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    text = lines[0] if lines else type(error).__name__
    return text if len(text) <= 200 else text[:197] + "..."
