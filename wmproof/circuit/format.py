"""Circuit files: one canonical encoding, specified in docs/circuit-format.md.

Magic, header length, a readable JSON header, and the integer tensors in the order in which the
header names them. The parser re-encodes what it read and compares, so a circuit has exactly one
file and its SHA-256 digest names it. A file's version is the first that has what the circuit needs,
so circuits that version 1 can hold keep their files.
"""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from wmproof._base.files import read_file, write_file
from wmproof.circuit import ir
from wmproof.circuit.product import Product
from wmproof.circuit.tables import Table
from wmproof.errors import FormatError, InputError

MAGIC = b"WMPROOF-CIRCUIT\n"
VERSIONS = (1, 2)
"""A circuit is written in the oldest that can say it, so it has one file."""
FILE_LIMIT = 2**32
_HEADER_LIMIT = 2**26
_DTYPES: dict[str, np.dtype[Any]] = {
    "i1": np.dtype("i1"),
    "i2": np.dtype("<i2"),
    "i4": np.dtype("<i4"),
}
# What foreign JSON can make the decoder stumble over.
_WRONG_HEADER = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    RecursionError,
)
_WIRING: dict[str, type[ir.Node]] = {
    "reshape": ir.Reshape,
    "transpose": ir.Transpose,
    "concat": ir.Concat,
    "slice": ir.Slice,
    "pad": ir.Pad,
    "product": Product,
    "maximum": ir.Maximum,
    "input": ir.Input,
}
_KINDS = {cls: kind for kind, cls in _WIRING.items()}


def encode(circuit: ir.Circuit) -> bytes:
    """The canonical bytes of a circuit.

    Returns
    -------
    bytes
        As docs/circuit-format.md says; equal circuits have equal bytes.
    """
    tensors: list[bytes] = []
    header = {
        "format": "wmproof circuit",
        "version": _version(circuit),
        "tables": [
            {"name": table.name, "bits": table.bits, "steps": [list(s) for s in table.steps]}
            for table in circuit.tables
        ],
        "nodes": [_encode_node(node, tensors) for node in circuit.nodes],
        "output": _encode_linear(circuit.output, tensors),
    }
    text = _header_bytes(header)
    return b"".join([MAGIC, len(text).to_bytes(8, "little"), text, *tensors])


def _version(circuit: ir.Circuit) -> int:
    """Version 1 has bytes only, and no products of tensors."""
    products = any(isinstance(node, Product) for node in circuit.nodes)
    return 2 if products or max(circuit.largest) > ir.LARGEST_PIXEL else 1


def _header_bytes(header: dict[str, Any]) -> bytes:
    """One line for each table and node: readable, and a change shows as one changed line."""
    lines = []
    for key in sorted(header):
        value = header[key]
        if isinstance(value, list):
            rows = ",\n".join(_compact(row) for row in value)
            lines.append(f"{_compact(key)}:[\n{rows}\n]")
        else:
            lines.append(f"{_compact(key)}:{_compact(value)}")
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode("ascii")


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _encode_node(node: ir.Node, tensors: list[bytes]) -> dict[str, Any]:
    if isinstance(node, ir.Activation):
        linear = _encode_linear(node.linear, tensors)
        return {"kind": "activation", "name": node.name, "table": node.table, "linear": linear}
    fields = {key: _plain(value, tensors) for key, value in sorted(vars(node).items())}
    return {"kind": _KINDS[type(node)], **fields}


def _plain(value: Any, tensors: list[bytes]) -> Any:
    if isinstance(value, np.ndarray):
        return _encode_tensor(value, tensors)
    return list(value) if isinstance(value, tuple) else value


def _encode_linear(linear: ir.Linear, tensors: list[bytes]) -> dict[str, Any]:
    return {
        "bias": _encode_tensor(linear.bias, tensors),
        "terms": [
            {
                "source": term.source,
                "kernel": list(term.kernel),
                "strides": list(term.strides),
                "pads": list(term.pads),
                "dilations": list(term.dilations),
                "groups": term.groups,
                "weight": _encode_tensor(term.weight, tensors),
            }
            for term in linear.terms
        ],
    }


def _encode_tensor(tensor: ir.Ints, tensors: list[bytes]) -> dict[str, Any]:
    low, high = int(tensor.min()), int(tensor.max())
    name = next(n for n, d in _DTYPES.items() if np.iinfo(d).min <= low <= high <= np.iinfo(d).max)
    tensors.append(np.ascontiguousarray(tensor, _DTYPES[name]).tobytes())
    return {"dtype": name, "shape": list(tensor.shape)}


_digests: WeakKeyDictionary[ir.Circuit, bytes] = WeakKeyDictionary()


def digest(circuit: ir.Circuit) -> bytes:
    """SHA-256 of the canonical bytes: the circuit's name, computed once for each object.

    Returns
    -------
    bytes
        32 of them.
    """
    if circuit not in _digests:
        _digests[circuit] = hashlib.sha256(encode(circuit)).digest()
    return _digests[circuit]


def decode(data: bytes) -> ir.Circuit:
    """Parse canonical bytes.

    Raises
    ------
    FormatError
        If `data` is not the canonical encoding of a valid circuit. Memory stays within a small
        multiple of the size of `data`.
    """
    if data[: len(MAGIC)] != MAGIC:
        raise FormatError("not a circuit file", remedy="Make one with `wmproof compile`")
    start = len(MAGIC) + 8
    length = int.from_bytes(data[len(MAGIC) : start], "little")
    if len(data) < start or length > min(len(data) - start, _HEADER_LIMIT):
        raise FormatError("the circuit file is cut off in its header")
    try:
        header = json.loads(data[start : start + length])
        circuit = _decode(header, _Tensors(data, start + length))
        again = encode(circuit)
    except FormatError:
        raise
    except InputError as error:
        raise FormatError(error.what, where=error.where or "circuit file") from None
    except _WRONG_HEADER as error:
        raise FormatError(f"the circuit file's header is wrong ({error!r})") from None
    if again != data:
        raise FormatError("the circuit file is not in canonical form")
    return circuit


class _Tensors:
    """Reads tensors one after the other, never beyond the end of the file."""

    def __init__(self, data: bytes, offset: int) -> None:
        self._data = data
        self._offset = offset

    def take(self, entry: dict[str, Any]) -> ir.Ints:
        dtype, shape = _DTYPES[entry["dtype"]], _ints(entry["shape"])
        if min(shape, default=0) < 1:
            raise FormatError(f"a tensor of shape {shape} in the circuit file")
        count = math.prod(shape)
        if count * dtype.itemsize > len(self._data) - self._offset:
            raise FormatError("the circuit file is cut off in its tensors")
        flat = np.frombuffer(self._data, dtype, count, self._offset)
        self._offset += count * dtype.itemsize
        return np.asarray(flat, np.int32).reshape(shape)


def _ints(values: Any) -> tuple[int, ...]:
    # At the speed of built-ins: tables have tens of thousands of steps.
    integers = isinstance(values, list) and set(map(type, values)) <= {int}
    if not integers or max(map(abs, values), default=0) >= 2**31:
        raise FormatError("the circuit file's header has something else where integers belong")
    return tuple(values)


def _int(value: Any) -> int:
    return _ints([value])[0]


def _decode(header: dict[str, Any], tensors: _Tensors) -> ir.Circuit:
    version = header["version"]
    if header["format"] != "wmproof circuit" or version not in VERSIONS:
        raise FormatError(
            f"circuit format version {version} is unknown",
            remedy="Get a newer wmproof, or compile the model again",
        )
    tables = tuple(
        Table(str(entry["name"]), _int(entry["bits"]), tuple(_step(s) for s in entry["steps"]))
        for entry in header["tables"]
    )
    nodes = tuple(_decode_node(entry, tensors) for entry in header["nodes"])
    circuit = ir.Circuit(nodes, tables, _decode_linear(header["output"], tensors))
    if _version(circuit) > version:
        raise FormatError(
            f"the circuit file has activations up to {max(circuit.largest)}, and version {version} "
            "has bytes only"
        )
    return circuit


def _step(entry: Any) -> tuple[int, int]:
    start, value = _ints(entry)
    return start, value


def _decode_node(entry: dict[str, Any], tensors: _Tensors) -> ir.Node:
    name = entry["name"]
    if not isinstance(name, str):
        raise FormatError("a node without a name in the circuit file")
    if entry["kind"] == "activation":
        return ir.Activation(name, _int(entry["table"]), _decode_linear(entry["linear"], tensors))
    fields = {key: value for key, value in entry.items() if key not in {"kind", "name"}}
    values = {key: _value(value, tensors) for key, value in fields.items()}
    return _WIRING[entry["kind"]](name, **values)


def _value(value: Any, tensors: _Tensors) -> Any:
    if isinstance(value, dict):
        return tensors.take(value)
    return _ints(value) if isinstance(value, list) else _int(value)


def _decode_linear(entry: dict[str, Any], tensors: _Tensors) -> ir.Linear:
    bias = tensors.take(entry["bias"])
    if bias.ndim != 3:
        raise FormatError(f"a bias of shape {bias.shape} in the circuit file")
    return ir.Linear(bias, tuple(_decode_term(term, tensors) for term in entry["terms"]))


def _decode_term(entry: dict[str, Any], tensors: _Tensors) -> ir.Conv:
    kernel, strides, pads, dilations = (
        _ints(entry[key]) for key in ("kernel", "strides", "pads", "dilations")
    )
    if not len(kernel) == len(strides) == len(dilations) == 2 or len(pads) != 4:
        raise FormatError("a convolution in the circuit file is not two-dimensional")
    weight = tensors.take(entry["weight"])
    return ir.Conv(
        _int(entry["source"]),
        weight,
        (kernel[0], kernel[1]),
        (strides[0], strides[1]),
        (pads[0], pads[1], pads[2], pads[3]),
        (dilations[0], dilations[1]),
        _int(entry["groups"]),
    )


def load(path: Path) -> ir.Circuit:
    """Read a circuit file.

    Raises
    ------
    FormatError
        The file is not the canonical encoding of a circuit; names it.
    InputError
        It cannot be read, or the circuit in it is impossible (`Circuit` checks itself).
    """
    data = read_file(path, limit=FILE_LIMIT)
    try:
        return decode(data)
    except FormatError as error:
        raise FormatError(error.what, where=str(path), remedy=error.remedy) from None


def save(circuit: ir.Circuit, path: Path, *, overwrite: bool = False) -> bytes:
    """Write a circuit file, whole or not at all; returns its digest.

    Parameters
    ----------
    overwrite : bool
        Whether a file of this name may be replaced.

    Returns
    -------
    bytes
        SHA-256 of the file, 32 bytes.

    Raises
    ------
    InputError
        The file exists or cannot be written.
    """
    data = encode(circuit)
    write_file(path, data, overwrite=overwrite)
    return hashlib.sha256(data).digest()
