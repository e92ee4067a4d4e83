"""One reader of ONNX files, for everybody: the model, with the weights that it keeps beside it.

A file of weights is named by the model, so its name is hostile: it must be the plain name of a
regular file in the model's own folder. All files are read once. Their bytes are put into the model,
and that one model is what ONNX Runtime runs and what is compiled.
"""

from __future__ import annotations

import hashlib
import math
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from wmproof._base.files import Source, read_file, read_open
from wmproof.errors import FormatError, InputError
from wmproof.models.onnx_checks import MODEL_LIMIT, check_model, check_pools, check_text, messages
from wmproof.models.strict import inlined

if TYPE_CHECKING:
    import onnx

_TAG = b"wmproof/model-files/v1".ljust(32, b"\0")
_KEYS = frozenset({"location", "offset", "length", "checksum"})
_BYTES = {
    **dict.fromkeys(("BOOL", "INT8", "UINT8"), 1),
    **dict.fromkeys(("FLOAT16", "BFLOAT16", "INT16", "UINT16"), 2),
    **dict.fromkeys(("FLOAT", "INT32", "UINT32"), 4),
    **dict.fromkeys(("DOUBLE", "INT64", "UINT64"), 8),
}
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
        if len(self.data) + sum(map(len, self.weights.values())) > MODEL_LIMIT:
            raise InputError(f"is larger than {MODEL_LIMIT} bytes in all", where=self.where)
        self._put_in()
        check_model(self.model, self.where)
        check_pools(self.model, self.where)
        _ = self.inlined

    def _put_in(self) -> None:
        """Move the weights into the model; tensors that share them cannot make it much larger."""
        room = 2 * sum(map(len, self.weights.values()))
        for tensor in _external(self.model):
            room -= _put_in(tensor, self.weights, self.where)
            if room < 0:
                raise FormatError("uses the bytes of its weights' files again and again")

    @cached_property
    def model(self) -> onnx.ModelProto:
        """The model with its weights inside; who wants to change it makes a copy."""
        return _parse(self.data, self.where)

    @cached_property
    def inlined(self) -> onnx.ModelProto:
        """The same with its functions put in: what is compiled, looked into and run."""
        return inlined(self.model, self.where)

    @property
    def content(self) -> bytes:
        """The same as bytes, which ONNX Runtime is given; written anew, as they are many."""
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
    room = MODEL_LIMIT - len(data)
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
        raise InputError(f"is larger than {MODEL_LIMIT} bytes with its model", where=where)
    return data


def _put_in(tensor: onnx.TensorProto, weights: Mapping[str, bytes], where: str) -> int:
    """Move a tensor's bytes into it, as many as its type and shape need; return how many."""
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
    del tensor.external_data[:]
    tensor.ClearField("data_location")
    tensor.raw_data = content[offset : offset + size]
    return size


def _size(tensor: onnx.TensorProto, where: str) -> int:
    import onnx

    types = onnx.TensorProto.DataType
    kind = types.Name(tensor.data_type) if tensor.data_type in types.values() else "?"
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
