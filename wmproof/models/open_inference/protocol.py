"""What is said to an endpoint: requests and replies of the Open Inference Protocol, REST, JSON.

The protocol's tensors are flat or nested lists in row-major order with a shape and a datatype
beside them. Requests are written in one canonical form, so that a transcript can be compared byte
by byte.
"""

import json
import math
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from wmproof.core.reading import Reading
from wmproof.core.triggers import MAX_IMAGE_BYTES, Shape, format_shape
from wmproof.errors import InputError
from wmproof.models.interface import Interface, find_interface
from wmproof.models.open_inference.strict_json import integers, objects, read_object, text

_BYTES = frozenset(range(256))
_LONGEST_NAME = 1000
PIXEL_TYPES = {"UINT8": np.uint8, "FP32": np.float32}
_ANSWER_TYPES = {
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
}


@dataclass(frozen=True)
class ModelMetadata:
    """What an endpoint says of a model: one tensor of pixels in, answers out."""

    input_name: str
    datatype: str
    """input_name and datatype: of the pixels; the datatype is UINT8 or FP32."""
    input_dims: tuple[int, ...]
    """Without the batch; -1 where the model leaves a dimension open."""
    batch: int | None
    """Images in a request, where the model fixes it."""
    output_name: str
    """The first output: scores or classes."""
    classes: int | None
    """Where the model says."""

    def check_batch(self, known: Shape | None, where: str) -> None:
        """Refuse batches that nobody can fill.

        InputError if pictures of the shape `known`, or of the model's own, would be too
        much.
        """
        one = max(math.prod(known or ()), math.prod(max(size, 1) for size in self.input_dims))
        if (self.batch or 1) * one > MAX_IMAGE_BYTES:
            raise InputError(
                f"takes {self.batch or 1} images at once of {one} bytes, which is more than "
                f"{MAX_IMAGE_BYTES} together",
                where=where,
            )

    def interface(self, reading: Reading, known: Shape | None, where: str) -> Interface:
        """Return how pictures enter, see `find_interface`; a reading that cannot be is refused."""
        sizes = [self.batch, *(None if size == -1 else size for size in self.input_dims)]
        found = find_interface(sizes, reading, known, where)
        found.check(reading, PIXEL_TYPES[self.datatype], where)
        return found


def model_path(name: str, version: str | None) -> str:
    """Return the path of a model below the endpoint's address.

    InputError if the name or the version cannot be one.
    """
    for word in (name, version or "1"):
        if not 0 < len(word) <= _LONGEST_NAME or not word.isprintable() or word in (".", ".."):
            raise InputError(f"{word[:80]!r} cannot be the name or version of a model")
    path = f"v2/models/{quote(name, safe='')}"
    return f"{path}/versions/{quote(version, safe='')}" if version else path


def read_metadata(data: bytes, name: str, where: str, output: str | None = None) -> ModelMetadata:
    """Parse the reply to a request for a model's metadata.

    `output` names the output that answers; the first without one. InputError if it is no such
    reply, it is another model's, the model takes no single tensor of pixels, or has no such output.
    """
    fields = read_object(data, where)
    _same(text(fields, "name", where), name, "model", where)
    inputs, outputs = objects(fields, "inputs", where), objects(fields, "outputs", where)
    if len(inputs) != 1 or not outputs:
        raise InputError(
            f"has {len(inputs)} inputs and {len(outputs)} outputs; a classifier has one input",
            where=where,
        )
    datatype = text(inputs[0], "datatype", where)
    if datatype not in PIXEL_TYPES:
        raise InputError(f"takes {datatype}, not UINT8 or FP32 pixels", where=where)
    batch, *dims = integers(inputs[0], "shape", where) or [0]
    if len(dims) not in (2, 3) or any(size == 0 or size < -1 for size in (batch, *dims)):
        raise InputError("takes no images (N, H, W), (N, C, H, W) or (N, H, W, C)", where=where)
    names = [text(item, "name", where) for item in outputs]
    if output is not None and output not in names:
        raise InputError(f"has no output {output!r}, but {', '.join(names)}", where=where)
    answers = outputs[names.index(output) if output is not None else 0]
    answer = integers(answers, "shape", where)
    classes = answer[1] if len(answer) == 2 and answer[1] > 1 else None
    return ModelMetadata(
        text(inputs[0], "name", where),
        datatype,
        tuple(dims),
        batch if batch > 0 else None,
        text(answers, "name", where),
        classes,
    )


def encode_request(metadata: ModelMetadata, inputs: NDArray[Any], number: int) -> bytes:
    """Return the one canonical body of an inference request.

    Parameters
    ----------
    inputs : ndarray of uint8, shape (n, *sizes)
        As the model takes them; of float32 where it takes no raw pixels.
    number : int
        The request's id.
    """
    pixels = {
        "name": metadata.input_name,
        "shape": list(inputs.shape),
        "datatype": metadata.datatype,
        "data": inputs.reshape(-1).tolist(),
    }
    body = {"id": str(number), "inputs": [pixels], "outputs": [{"name": metadata.output_name}]}
    return json.dumps(body, separators=(",", ":")).encode()


def read_request(
    data: bytes, metadata: ModelMetadata, number: int, where: str, *, raw: bool = True
) -> NDArray[Any]:
    """Return the inputs of a request; it must be what `encode_request` writes for them.

    They are uint8 pixels if `raw`, and float32 otherwise. InputError for any other bytes.
    """
    inputs = objects(read_object(data, where), "inputs", where)
    wrong = InputError(f"request {number} is not in its canonical form", where=where)
    if len(inputs) != 1:
        raise wrong
    shape = integers(inputs[0], "shape", where)
    if raw:
        pixels = integers(inputs[0], "data", where)
        if not set(pixels) <= _BYTES:
            raise wrong
        values: NDArray[Any] = np.array(pixels, dtype=np.uint8)
    else:
        values = _cast(_numbers(inputs[0].get("data"), where), "FP32", where)
    made = _shaped(values, shape)
    if made is None or encode_request(metadata, made, number) != data:
        raise wrong
    return made


def read_reply(
    data: bytes, metadata: ModelMetadata, name: str, version: str | None, number: int, where: str
) -> NDArray[Any]:
    """Parse the reply to an inference request.

    Returns an array of the datatype and shape that the reply states; a last axis of length one is
    taken off integers, which some servers add.

    InputError if the reply is another model's or another request's, or its numbers do not fit its
    shape, its datatype, or are not finite.
    """
    fields = read_object(data, where)
    _same(text(fields, "model_name", where), name, "model", where)
    if version is not None and fields.get("model_version") is not None:
        _same(text(fields, "model_version", where), version, "version", where)
    if fields.get("id") is not None:
        _same(text(fields, "id", where), str(number), "request", where)
    outputs = [
        item
        for item in objects(fields, "outputs", where)
        if item.get("name") == metadata.output_name
    ]
    if len(outputs) != 1:
        raise InputError(
            f"answered with {len(outputs)} outputs named {metadata.output_name!r}", where=where
        )
    answers = _tensor(outputs[0], where)
    squeezable = answers.ndim == 2 and answers.shape[1] == 1 and answers.dtype.kind in "iu"
    return answers[:, 0] if squeezable else answers


def _tensor(output: dict[str, Any], where: str) -> NDArray[Any]:
    """Read one output, with everything about it checked."""
    datatype, shape = text(output, "datatype", where), integers(output, "shape", where)
    if datatype not in _ANSWER_TYPES:
        raise InputError(f"answers with {datatype}, which are no scores or classes", where=where)
    values = _numbers(output.get("data"), where)
    answers = _shaped(_cast(values, datatype, where), shape)
    if answers is None:
        raise InputError(
            f"answered with {values.size} numbers for the shape {format_shape(tuple(shape))[:80]}",
            where=where,
        )
    return answers


def _shaped(values: NDArray[Any], shape: list[int]) -> NDArray[Any] | None:
    """Give numbers a shape that a stranger says; None if it cannot be theirs."""
    if min([*shape, 0]) < 0 or math.prod(shape) != values.size:
        return None
    try:
        return values.reshape(shape)
    except (ValueError, OverflowError):  # more axes, or longer ones beside an empty, than there are
        return None


def _cast(values: NDArray[Any], datatype: str, where: str) -> NDArray[Any]:
    """Give numbers the type that the reply states, which must hold every one of them."""
    target: np.dtype[Any] = np.dtype(_ANSWER_TYPES[datatype])
    if target.kind == "f":
        with np.errstate(over="ignore"):
            answers = values.astype(target)
        fits = bool(np.isfinite(answers).all())
    else:
        limits: np.iinfo[Any] = np.iinfo(target)
        fits = values.dtype.kind in "iu" or not values.size
        fits = fits and all(limits.min <= value <= limits.max for value in values.tolist())
        answers = values.astype(target) if fits else values
    if not fits:
        raise InputError(f"answered with numbers that are no (finite) {datatype}", where=where)
    return answers


def _numbers(data: Any, where: str) -> NDArray[Any]:
    """Return a flat array of a tensor's data, which may be flat or nested."""
    wrong = InputError("answered with data that are no even lists of numbers", where=where)
    if not isinstance(data, list):
        raise wrong
    while data and all(type(row) is list for row in data):
        if len({len(row) for row in data}) != 1:
            raise wrong
        data = [value for row in data for value in row]
    if not all(type(value) in (int, float) for value in data):
        raise wrong
    values = np.array(data)
    if values.dtype.kind not in "iuf":
        raise wrong
    return values


def _same(found: str, expected: str, what: str, where: str) -> None:
    if found != expected:
        raise InputError(f"answered for {what} {found!r}, not {expected!r}", where=where)
