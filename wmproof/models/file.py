"""One reader of ONNX files, for everybody: the model, with the weights that it keeps beside it.

A file of weights is named by the model, so its name is hostile: it must be the plain name of a
regular file in the model's own folder. All files are read once. Small tensors are put into the
model; large initializers stay views of those bytes, since with them a model may be larger than a
protocol buffer can be. ONNX Runtime runs, and the compiler reads, the same model and views.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wmproof._base.files import Source, read_file, read_open
from wmproof.errors import FormatError, InputError
from wmproof.models.onnx_checks import MODEL_LIMIT, check_model, check_pools, check_text, messages
from wmproof.models.strict import inlined

if TYPE_CHECKING:
    import onnx

LIMIT_VARIABLE = "WMPROOF_MODEL_LIMIT"
_TAG = b"wmproof/model-files/v1".ljust(32, b"\0")
_KEYS = frozenset({"location", "offset", "length", "checksum"})
_BYTES = {
    **dict.fromkeys(("BOOL", "INT8", "UINT8"), 1),
    **dict.fromkeys(("FLOAT16", "BFLOAT16", "INT16", "UINT16"), 2),
    **dict.fromkeys(("FLOAT", "INT32", "UINT32"), 4),
    **dict.fromkeys(("DOUBLE", "INT64", "UINT64"), 8),
}
# Types of large initializers that stay outside of the model.
_OUTSIDE: dict[str, np.dtype[Any]] = {
    "FLOAT": np.dtype("<f4"),
    "FLOAT16": np.dtype("<f2"),
    "DOUBLE": np.dtype("<f8"),
    "INT8": np.dtype("i1"),
    "UINT8": np.dtype("u1"),
}
_LARGE = 2**6  # elements; shapes and axes, into which checks look, are smaller
_LONGEST_NAME = 255
_MOST_FILES = 2**16


@dataclass(frozen=True, eq=False)
class ModelFile:
    """An ONNX file and the files of weights that it names.

    Raises
    ------
    FormatError
        The bytes are no ONNX model, a file of weights is missing or is not named by it, or a tensor
        reaches beyond its file.
    InputError
        It is too large, or too many operators once its functions are put in, or these have more
        than one meaning.
    """

    data: bytes
    """The ONNX file."""
    weights: Mapping[str, bytes]
    """The content of each file that it names."""
    where: str = "model"
    """Names the model in errors."""

    def __post_init__(self) -> None:
        named = _named(self.model, self.where)
        missing, unused = named - set(self.weights), set(self.weights) - named
        if missing:
            raise FormatError(
                f"keeps weights in another file, {min(missing)!r}, which was not given",
                where=self.where,
                remedy="Give both files, or save the model as one: onnx.save(model, path)",
            )
        if unused:
            raise FormatError(
                f"does not name the file of weights {min(unused)!r}", where=self.where
            )
        if len(self.data) + sum(map(len, self.weights.values())) > model_limit():
            raise _too_large(self.where)
        self._put_in()
        check_model(self.model, self.where)
        check_pools(self.model, self.where)
        _ = self.inlined

    def _put_in(self) -> None:
        """Move small weights into the model; tensors that share any cannot make it much larger."""
        room, inside = 2 * sum(map(len, self.weights.values())), MODEL_LIMIT - len(self.data)
        large = {id(t): t for t in self.model.graph.initializer if _stays_outside(t)}
        for tensor in _external(self.model):
            content = _content(tensor, self.weights, self.where)
            room -= len(content)
            if room < 0:
                raise FormatError("uses the bytes of its weights' files again and again")
            if id(tensor) in large:
                continue
            inside -= len(content)
            if inside < 0:
                raise InputError(
                    f"is larger than {MODEL_LIMIT} bytes in one piece", where=self.where
                )
            del tensor.external_data[:]
            tensor.ClearField("data_location")
            tensor.raw_data = bytes(content)

    @cached_property
    def model(self) -> onnx.ModelProto:
        """The model without what is `outside`; who wants to change it makes a copy."""
        return _parse(self.data, self.where)

    @cached_property
    def inlined(self) -> onnx.ModelProto:
        """The same with its functions put in: what is compiled, looked into and run."""
        return inlined(self.model, self.where)

    @cached_property
    def outside(self) -> dict[str, NDArray[Any]]:
        """Large initializers by their names: views of the files of weights."""
        found: dict[str, NDArray[Any]] = {}
        for tensor in self.model.graph.initializer:
            if tensor.external_data:
                if tensor.name in found:
                    raise FormatError(f"has two initializers {tensor.name!r}", where=self.where)
                content = _content(tensor, self.weights, self.where)
                values = np.frombuffer(content, _OUTSIDE[_kind(tensor)])
                # Runtimes read no number across the bounds of its size.
                found[tensor.name] = np.require(values, requirements="A").reshape(tensor.dims)
        return found

    @property
    def content(self) -> bytes:
        """The same as bytes, which ONNX Runtime is given with `outside`; written anew each time."""
        if not self.weights and not self.model.functions:
            return self.data
        written: bytes = self.inlined.SerializeToString()
        return written

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the file; where it names others, of the digests of all (docs/formats.md)."""
        own = hashlib.sha256(self.data).digest()
        if not self.weights:
            return own
        total = hashlib.sha256(_TAG + own)
        for name in sorted(self.weights, key=str.encode):
            encoded, content = name.encode(), self.weights[name]
            total.update(len(encoded).to_bytes(2, "big") + encoded)
            total.update(len(content).to_bytes(8, "big") + hashlib.sha256(content).digest())
        return total.digest()


def model_limit() -> int:
    """How many bytes a model may have with its weights: WMPROOF_MODEL_LIMIT in GiB, else 4.

    InputError if that is not a whole number from 1 to 1024.
    """
    said = os.environ.get(LIMIT_VARIABLE, "").strip() or "4"
    if not re.fullmatch(r"[0-9]{1,4}", said) or not 1 <= int(said) <= 1024:
        raise InputError(
            f"is {said!r}, not a whole number of GiB from 1 to 1024", where=LIMIT_VARIABLE
        )
    return int(said) * 2**30


def _too_large(where: str) -> InputError:
    return InputError(
        f"is larger than {model_limit()} bytes with its weights",
        where=where,
        remedy=f"Set {LIMIT_VARIABLE} to as many GiB as may be read and fit into memory",
    )


ModelSource: TypeAlias = "ModelFile | Source"


def model_file(source: ModelSource, where: str = "ONNX model") -> ModelFile:
    """What is given as a model: a file, its path, or the bytes of one without others."""
    if isinstance(source, ModelFile):
        return source
    if isinstance(source, (bytes, bytearray, memoryview)):
        return ModelFile(bytes(source), {}, where)
    if not isinstance(source, (str, os.PathLike)):
        raise InputError(f"the {where} is of type {type(source).__name__}, not a path or bytes")
    return read_model_file(source)


def read_model_file(path: str | os.PathLike[str], data: bytes | None = None) -> ModelFile:
    """Read a model, unless its content is given, and the files of weights that it names, each once.

    Raises
    ------
    InputError
        As `ModelFile`, or a file cannot be read, or is none of the model's own folder.
    """
    where = str(path)
    if data is None:
        data = read_file(path, limit=MODEL_LIMIT)
    named = _named(_parse(data, where), where)
    room = model_limit() - len(data)
    weights = {}
    for name in sorted(named):
        weights[name] = _read_weights(Path(path).parent / name, room, where)
        room -= len(weights[name])
    return ModelFile(data, weights, where)


def _parse(data: bytes, where: str) -> onnx.ModelProto:
    import onnx

    try:
        model = onnx.load_from_string(data)
    except Exception as error:  # protobuf's decoder has its own hierarchy
        raise _not_onnx(where, " ".join(str(error).split())[:200]) from None
    if not model.graph.node or not model.opset_import:
        raise _not_onnx(where, "it has no operators")
    check_text(model, where)
    return model


def _not_onnx(where: str, reason: str) -> FormatError:
    return FormatError(
        f"is not a complete ONNX model ({reason})",
        where=where,
        remedy="Check which file is meant, or export the model again",
    )


def _external(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    import onnx

    for message in messages(model):
        if isinstance(message, onnx.TensorProto) and (
            message.data_location == onnx.TensorProto.EXTERNAL or message.external_data
        ):
            yield message


def _named(model: onnx.ModelProto, where: str) -> set[str]:
    """Return the names of a model's files of weights, which cannot lead out of its folder."""
    named = {_entries(tensor, where)["location"] for tensor in _external(model)}
    if len(named) > _MOST_FILES:
        raise FormatError(
            f"names {len(named)} files of weights, and at most {_MOST_FILES} are read", where=where
        )
    return named


def _entries(tensor: onnx.TensorProto, where: str) -> dict[str, str]:
    import onnx

    entries = {entry.key: entry.value for entry in tensor.external_data}
    place = f"{where}, tensor {str(tensor.name)[:200]!r}"
    if len(entries) != len(tensor.external_data) or not set(entries) <= _KEYS:
        raise FormatError(f"says {sorted(entries)} of its weights' file", where=place)
    if tensor.data_location != onnx.TensorProto.EXTERNAL or tensor.raw_data:
        raise FormatError("has weights both in the model and in another file", where=place)
    name = entries.get("location", "")
    plain = name.isprintable() and not set(name) & set('/\\:*?"<>|') and name.strip(". ") != ""
    if not plain or len(name.encode()) > _LONGEST_NAME:
        raise FormatError(
            f"keeps weights in another file, {name[:200]!r}, which is not the name of one in the "
            "model's own folder",
            where=place,
            remedy="Save the model as one file: onnx.save(model, path)",
        )
    return entries


def _read_weights(path: Path, limit: int, model: str) -> bytes:
    """Read a regular file; no symbolic link is followed, as it can point anywhere."""
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    where = f"{path}, with weights of {model}"
    try:
        if path.is_symlink():
            raise InputError(
                "is a symbolic link", where=where, remedy="Copy model and weights into one folder"
            )
        descriptor = os.open(path, flags | getattr(os, "O_NOFOLLOW", 0))
    except OSError as error:
        raise InputError(
            f"cannot be read ({error.strerror})",
            where=where,
            remedy="The model keeps weights in this file: put it beside the model",
        ) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InputError("is not a file", where=where)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor
        data = read_open(file, limit)
    if data is None:
        raise _too_large(where)
    return data


def _content(tensor: onnx.TensorProto, weights: Mapping[str, bytes], where: str) -> memoryview:
    """A tensor's bytes in a file of weights, as many as its type and shape need."""
    entries = _entries(tensor, where)
    content, place = weights[entries["location"]], f"{where}, tensor {tensor.name!r}"
    offset = _count(entries.get("offset", "0"), place)
    size = _size(tensor, place)
    length = _count(entries.get("length", str(size)), place)
    if length != size:
        raise FormatError(f"has {length} bytes in another file, and needs {size}", where=place)
    if offset + size > len(content):
        raise FormatError(
            f"reaches to byte {offset + size} of {entries['location']!r}, which has {len(content)}",
            where=place,
        )
    return memoryview(content)[offset : offset + size]


def _stays_outside(tensor: onnx.TensorProto) -> bool:
    return bool(tensor.external_data) and is_large(tensor) and _kind(tensor) in _OUTSIDE


def is_large(tensor: onnx.TensorProto) -> bool:
    """Whether a tensor is larger than shapes and axes, into which checks look."""
    return bool(math.prod(tensor.dims) > _LARGE)


def _kind(tensor: onnx.TensorProto) -> str:
    import onnx

    types = onnx.TensorProto.DataType
    return types.Name(tensor.data_type) if tensor.data_type in types.values() else "?"


def _size(tensor: onnx.TensorProto, where: str) -> int:
    kind = _kind(tensor)
    if kind not in _BYTES or min(tensor.dims, default=0) < 0:
        raise FormatError(
            f"is of type {kind} and in a file of weights, where no such type is read", where=where
        )
    return int(math.prod(tensor.dims)) * _BYTES[kind]


def _count(text: str, where: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise FormatError(
            f"names its place in the file of weights by {text[:40]!r}, which is no number",
            where=where,
        )
    return int(text)
