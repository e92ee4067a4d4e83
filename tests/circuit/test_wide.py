"""Activations wider than a byte: three evaluators, the bounds, and circuit files of version 2."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from circuit_graphs import Graph, assert_close_to_float, assert_same_circuit_bits
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from wide_circuit import wide_circuit

from wmproof.circuit import ir
from wmproof.circuit.calibrate import Settings, sizes
from wmproof.circuit.compile import compile_model
from wmproof.circuit.evaluate import Evaluator
from wmproof.circuit.export import export_onnx
from wmproof.circuit.format import MAGIC, decode, encode
from wmproof.circuit.ir import LARGEST_PIXEL, Circuit
from wmproof.circuit.tables import Table, clamp_table
from wmproof.errors import FormatError, InputError

IMAGES = np.random.default_rng(3).integers(0, 256, (20, 2, 4, 6), dtype=np.uint8)


@pytest.mark.parametrize("largest", [254, 255, 256, 1023, 4095, 2**16 - 1])
def test_three_evaluators_one_result(largest):
    circuit = wide_circuit(largest)
    assert_same_circuit_bits(circuit, IMAGES)
    committed = Evaluator(circuit)(IMAGES).committed
    assert committed[1].max() > 0.9 * largest
    for index, values in committed.items():
        assert values.max() <= circuit.largest[index]


def test_largest_values_follow_the_data():
    """Pixels are bytes; moving and maxima keep what their sources reach, tables say their own."""
    circuit = wide_circuit(1023)
    first, *middle, last = circuit.largest
    assert first == LARGEST_PIXEL
    assert set(middle) == {1023}
    assert last == 1500


@given(st.integers(1, 2**16 - 1), st.integers(1, 2**15))
@settings(max_examples=40, deadline=None)
def test_the_bound_counts_what_a_source_can_hold(largest, weight):
    """|bias| + largest |weight| < 2^30, for the largest value of this source."""
    table = Table("step", 9, ((-256, 0), (0, largest)))
    one = np.ones((1, 1, 1, 1), np.int32)
    first = ir.Linear(np.zeros((1, 1, 1), np.int32), (ir.Conv(0, one, (1, 1)),))
    bias = np.array([[[0]], [[2**30 - 1 - largest * weight]]], np.int64)
    nodes = (ir.Input("images", (1, 1, 1)), ir.Activation("wide", 0, first))

    def circuit(more: int) -> Circuit:
        weights = np.array([[[[1]]], [[[weight]]]], np.int32)
        biases = (bias + np.array([[[0]], [[more]]])).astype(np.int32)
        output = ir.Linear(biases, (ir.Conv(1, weights, (1, 1)),))
        return Circuit(nodes, (table,), output)

    assume(largest * weight < 2**30)
    assert circuit(0).output.bound(circuit(0).largest) == 2**30 - 1
    with pytest.raises(InputError, match=r"could reach \d+, and must stay below 2\^30"):
        circuit(1)


def test_large_weights_on_wide_values_are_exact():
    """Sums that no float32 slice holds: float64 in the evaluator, digits in the exported graph."""
    circuit = wide_circuit(4095)
    last = circuit.output.terms[0]
    weight = last.weight.copy()
    weight[0, ::2], weight[0, 1::2] = 1_801, -1_800
    output = replace(circuit.output, terms=(replace(last, weight=weight),))
    heavy = Circuit(circuit.nodes, circuit.tables, output)
    assert heavy.output.bound(heavy.largest) > 2**28
    assert_same_circuit_bits(heavy, IMAGES)
    assert export_onnx(heavy).ByteSize() > export_onnx(circuit).ByteSize()


def test_groups_whose_sums_are_too_large_for_float32():
    """A grouped convolution cannot be sliced by channels: its weights are cut into digits."""
    random = np.random.default_rng(4)
    table = clamp_table(20, 6, 4095)
    first = np.zeros((128, 2, 1, 1), np.int32)
    first[:, 0, 0, 0] = random.integers(900, 1000, 128)
    second = random.integers(-150, 150, (2, 64, 1, 1)).astype(np.int32)
    second[0] = abs(second[0])
    zero = np.zeros((128, 1, 1), np.int32)
    nodes = (
        ir.Input("images", (2, 1, 1)),
        ir.Activation("wide", 0, ir.Linear(zero, (ir.Conv(0, first, (1, 1)),))),
    )
    output = ir.Linear(zero[:2], (ir.Conv(1, second, (1, 1), groups=2),))
    assert_same_circuit_bits(Circuit(nodes, (table,), output), IMAGES[:, :, :1, :1].copy())


def header_of(data: bytes) -> tuple[dict, bytes]:
    start = len(MAGIC) + 8
    length = int.from_bytes(data[len(MAGIC) : start], "little")
    return json.loads(data[start : start + length]), data[start + length :]


def with_version(data: bytes, version: int) -> bytes:
    found = header_of(data)[0]["version"]
    return data.replace(b'"version":%d' % found, b'"version":%d' % version)


def test_files_of_wide_circuits_have_version_2():
    data = encode(wide_circuit(256))
    assert header_of(data)[0]["version"] == 2
    again = decode(data)
    assert encode(again) == data
    assert again.largest == wide_circuit(256).largest
    assert header_of(encode(wide_circuit(255)))[0]["version"] == 1


def test_an_old_file_cannot_have_wide_nodes():
    with pytest.raises(FormatError, match="activations up to 1500, and version 1 has bytes only"):
        decode(with_version(encode(wide_circuit(1023)), 1))
    with pytest.raises(FormatError, match="not in canonical form"):
        decode(with_version(encode(wide_circuit(255)), 2))
    with pytest.raises(FormatError, match="version 3 is unknown"):
        decode(with_version(encode(wide_circuit(1023)), 3))


def test_values_beyond_two_bytes_are_refused():
    with pytest.raises(InputError, match="canonical form"):
        Table("step", 9, ((-256, 0), (0, 2**16)))
    nodes = (ir.Input("images", (1, 1, 1)), ir.Pad("pad", 0, (0, 0, 1), (0, 0, 0), 2**16))
    weight = np.ones((2, 1, 1, 2), np.int32)
    output = ir.Linear(np.zeros((2, 1, 1), np.int32), (ir.Conv(1, weight, (1, 2)),))
    with pytest.raises(InputError, match="padding"):
        Circuit(nodes, (), output)


def sparse_layer() -> tuple[Graph, np.ndarray]:
    """A dense layer that sees few bright pixels of many, and could see all."""
    graph = Graph((3, 128, 128), seed=9)
    graph.op("Flatten", axis=1)
    weight = graph.random.uniform(0.5, 1, (3 * 128 * 128, 6)) / 100
    graph.op("MatMul", graph.last, graph.constant(weight))
    graph.op("Sub", graph.last, graph.constant(np.float32(3)))
    return graph, np.where(np.random.default_rng(4).random((24, 3, 128, 128)) < 3e-5, 255, 0)


@pytest.mark.parametrize("operator", ["Relu", "LeakyRelu", "HardSwish"])
def test_wide_layers_have_coarser_accumulators(operator, monkeypatch):
    """What all inputs together could bring to 2^30 loses bits, and is not refused."""
    graph, images = sparse_layer()
    graph.op(operator)
    graph.shape = (6,)
    graph.gemm(3)
    model, seen = graph.model(), images.astype(np.uint8)
    compilation = compile_model(model, seen, settings=Settings(probes=0, bits=12))
    assert_same_circuit_bits(compilation.circuit, seen[:4])
    assert_close_to_float(compilation, model, seen)
    monkeypatch.setattr(sizes, "_MOST_COARSER", 0)
    with pytest.raises(InputError, match="must stay below 2"):
        compile_model(model, seen, settings=Settings(probes=0, bits=12))
