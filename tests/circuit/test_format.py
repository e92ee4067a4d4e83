"""Circuit files: one encoding each, and a parser that takes nothing else."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wmproof.circuit import ir
from wmproof.circuit.evaluate import Evaluator
from wmproof.circuit.format import MAGIC, decode, digest, encode, load, save
from wmproof.circuit.tables import Table
from wmproof.errors import FormatError, InputError

CIRCUITS = Path(__file__).parents[2] / "circuits"
DOCS = Path(__file__).parents[2] / "docs" / "circuit-format.md"


def vector() -> ir.Circuit:
    """The circuit of the test vector in docs/circuit-format.md."""
    table = Table("clamp", 9, ((-256, 0), (1, 1), (3, 2)))
    first = ir.Linear(
        np.array([[[-200]], [[7]]], np.int32),
        (ir.Conv(0, np.array([[[[1, -2]]], [[[0, 3]]]], np.int32), (1, 2)),),
    )
    output = ir.Linear(
        np.array([[[70000]], [[0]]], np.int32),
        (ir.Conv(1, np.array([[[[5]], [[-300]]], [[[1]], [[2]]]], np.int32), (1, 1)),),
    )
    nodes = (ir.Input("images", (1, 1, 2)), ir.Activation("hidden", 0, first))
    return ir.Circuit(nodes, (table,), output)


def parts(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and tensors of a file."""
    start = len(MAGIC) + 8
    length = int.from_bytes(data[len(MAGIC) : start], "little")
    return json.loads(data[start : start + length]), data[start + length :]


def joined(header: dict[str, Any], tensors: bytes) -> bytes:
    """A file with this header, written as docs/circuit-format.md says."""

    def compact(value: Any) -> str:
        return json.dumps(value, sort_keys=True, separators=(",", ":"))

    entries = []
    for key in sorted(header):
        value = header[key]
        if isinstance(value, list):
            text = "[\n" + ",\n".join(compact(row) for row in value) + "\n]"
        else:
            text = compact(value)
        entries.append(f"{compact(key)}:{text}")
    text = "{\n" + ",\n".join(entries) + "\n}\n"
    return MAGIC + len(text).to_bytes(8, "little") + text.encode() + tensors


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from leaves(entry, (*path, key))
    elif isinstance(value, list):
        yield path
        # A table has hundreds of steps: its ends stand for all.
        for index in sorted({0, 1, len(value) - 1} & set(range(len(value)))):
            yield from leaves(value[index], (*path, index))
    else:
        yield path


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A header with another value at a place; what is not on the way is shared."""
    key, *rest = path
    changed = copy.copy(value)
    changed[key] = replaced(value[key], tuple(rest), new) if rest else new
    return changed


@pytest.fixture(scope="module")
def small() -> bytes:
    return encode(vector())


@pytest.fixture(scope="module", params=["lenet", "mobilenet"])
def golden(request) -> bytes:
    return (CIRCUITS / f"{request.param}.circuit").read_bytes()


def test_the_vector_of_the_documentation(small):
    text = DOCS.read_text()
    (dump,) = re.findall(r"```hex\n(.*?)```", text, re.DOTALL)
    assert bytes.fromhex(dump) == small
    assert hashlib.sha256(small).hexdigest() in text
    logits = Evaluator(vector())(np.array([[[[250, 20]]], [[[0, 1]]]], np.uint8)).logits
    for row in logits:
        assert f"({row[0]}, {row[1]})" in text


def test_the_documented_layout(small, golden):
    """A writer made from the documentation alone gives the same bytes."""
    for data in (small, golden):
        header, tensors = parts(data)
        assert joined(header, tensors) == data
        assert encode(decode(data)) == data
        assert digest(decode(data)) == hashlib.sha256(data).digest()


def test_cut_off_anywhere(small):
    for length in range(len(small)):
        with pytest.raises(FormatError):
            decode(small[:length])


@pytest.mark.parametrize("extra", [b"\0", b"\n", b"WMPROOF-CIRCUIT\n"])
def test_anything_after_the_end(small, golden, extra):
    for data in (small, golden):
        with pytest.raises(FormatError, match="not in canonical form"):
            decode(data + extra)


def test_foreign_files():
    for data in (b"", b"PK\x03\x04", MAGIC, MAGIC.lower() + bytes(100), b"\x08\x07" * 60):
        with pytest.raises(FormatError):
            decode(data)


def test_header_longer_than_the_file_or_the_limit(small):
    for length in (len(small), 2**26 + 1, 2**63, 2**64 - 1):
        data = MAGIC + length.to_bytes(8, "little") + small[len(MAGIC) + 8 :]
        with pytest.raises(FormatError, match="cut off"):
            decode(data)


def test_every_header_field_changed(golden):
    """A changed field is refused, or is another circuit with another digest: never the same."""
    header, tensors = parts(golden)
    refused = accepted = 0
    for path in leaves(header):
        for value in (None, -1, 0, 3, 2**31, 2**70, 1.0, True, "x", "i2", [], [0], {}, [[0, 0]]):
            changed = joined(replaced(header, path, value), tensors)
            if changed == golden:
                continue
            try:
                circuit = decode(changed)
            except FormatError:
                refused += 1
                continue
            accepted += 1
            assert encode(circuit) == changed
            assert path[-1] in {"name", "table", "value"} or isinstance(path[-1], int)
    assert refused > 20 * accepted > 0


@pytest.mark.parametrize("key", ["format", "version", "tables", "nodes", "output"])
def test_missing_and_additional_fields(small, key):
    header, tensors = parts(small)
    with pytest.raises(FormatError):
        decode(joined({k: v for k, v in header.items() if k != key}, tensors))
    with pytest.raises(FormatError, match="canonical"):
        decode(joined(header | {key + "2": 1}, tensors))
    for kind, entry in (("nodes", 0), ("nodes", 1), ("tables", 0)):
        changed = replaced(header, (kind, entry, "surplus"), 1)
        with pytest.raises(FormatError):
            decode(joined(changed, tensors))


def test_another_spelling_of_the_same_header(small):
    header, tensors = parts(small)
    spaced = json.dumps(header, sort_keys=True).encode()
    with pytest.raises(FormatError, match="canonical"):
        decode(MAGIC + len(spaced).to_bytes(8, "little") + spaced + tensors)
    start = len(MAGIC) + 8
    twice = small[start:].replace(b'"version":1', b'"version":1,\n"version":1')
    length = len(twice) - len(tensors)
    with pytest.raises(FormatError, match="canonical"):
        decode(MAGIC + length.to_bytes(8, "little") + twice)


def test_a_wider_type_than_needed(small):
    header, tensors = parts(small)
    weight = header["nodes"][1]["linear"]["terms"][0]["weight"]
    assert weight["dtype"] == "i1"
    at = 2 * 2  # behind the bias of two i2
    wide = np.frombuffer(tensors[at : at + 4], "i1").astype("<i2").tobytes()
    path = ("nodes", 1, "linear", "terms", 0, "weight", "dtype")
    with pytest.raises(FormatError, match="canonical"):
        decode(joined(replaced(header, path, "i2"), tensors[:at] + wide + tensors[at + 4 :]))


def test_deep_nesting_and_foreign_json(small):
    _, tensors = parts(small)
    for text in (b"[" * 100_000, b"NaN", b"{}", b"[]", b"\xff\xfe", b'"x"', b"1e999"):
        with pytest.raises(FormatError, match="header"):
            decode(MAGIC + len(text).to_bytes(8, "little") + text + tensors)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_a_changed_byte(data):
    """One foreign byte anywhere: refused, or another circuit whose encoding this is."""
    original = encode(vector())
    changed = bytearray(original)
    place = data.draw(st.integers(0, len(original) - 1))
    changed[place] ^= data.draw(st.integers(1, 255))
    try:
        circuit = decode(bytes(changed))
    except FormatError:
        return
    assert encode(circuit) == changed
    assert digest(circuit) != digest(vector())


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 400))
def test_random_bytes(noise, length):
    for data in (noise, MAGIC + noise, MAGIC + length.to_bytes(8, "little") + noise):
        with pytest.raises(FormatError):
            decode(data)


def test_files(tmp_path, small):
    path = tmp_path / "vector.circuit"
    assert save(vector(), path) == hashlib.sha256(small).digest()
    assert path.read_bytes() == small
    assert encode(load(path)) == small
    with pytest.raises(InputError, match=r"exists"):
        save(vector(), path)
    path.write_bytes(small[:-1])
    with pytest.raises(FormatError) as caught:
        load(path)
    assert str(path) in str(caught.value)
    with pytest.raises(InputError):
        load(tmp_path / "absent.circuit")
