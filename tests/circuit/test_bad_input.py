"""What cannot be compiled or evaluated: each its own error saying what, where and what to do."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from circuit_graphs import Graph, cancelling
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from wmproof.circuit import ir
from wmproof.circuit.calibrate import Settings
from wmproof.circuit.compile import compile_model
from wmproof.circuit.evaluate import Evaluator
from wmproof.circuit.frontend.load import open_graph
from wmproof.circuit.images import read_images
from wmproof.circuit.reference import evaluate_reference
from wmproof.circuit.runtime import RuntimeEvaluator
from wmproof.circuit.tables import Table, clamp_table
from wmproof.core.reading import Reading
from wmproof.errors import InputError


def small(**arguments) -> Graph:
    graph = Graph(seed=20, **arguments)
    graph.normalise()
    graph.conv(4)
    graph.op("Relu")
    graph.classify()
    return graph


def refused(model, match: str, **arguments) -> InputError:
    images = arguments.pop("images", Graph().images())
    with pytest.raises(InputError, match=match) as caught:
        compile_model(model, images, **arguments)
    return caught.value


def test_truncated_files(tmp_path):
    data = small().model()
    path = tmp_path / "cut.onnx"
    for length in (0, 1, 10, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        error = refused(path, "is not a complete ONNX model|does not pass ONNX's own checks")
        assert str(path) in str(error) or "ONNX model" in str(error)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_truncated_anywhere(place):
    data = small().model()
    with pytest.raises(InputError):
        compile_model(data[: place % len(data)], Graph().images())


def test_foreign_and_absent_files(tmp_path):
    path = tmp_path / "model.onnx"
    refused(path, "cannot be read")
    for content in (b"PK\x03\x04 zip", b"\x89PNG\r\n\x1a\n" + bytes(50), b"WMPROOF-CIRCUIT\n"):
        path.write_bytes(content)
        refused(path, "is not a complete ONNX model")
    refused(b"", "is not a complete ONNX model")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("which", [0, -1])
def test_weights_that_are_no_numbers(value, which):
    model = onnx.load_from_string(small().model())
    tensors = [t for t in model.graph.initializer if t.data_type == TensorProto.FLOAT]
    array = onnx.numpy_helper.to_array(tensors[which]).copy()
    array.reshape(-1)[0] = value
    tensors[which].CopyFrom(onnx.numpy_helper.from_array(array, tensors[which].name))
    error = refused(model.SerializeToString(), f"has 1 NaN or infinite values of {array.size}")
    assert f"initializer {tensors[which].name}" in str(error)


def test_infinity_that_arises_in_folding():
    graph = Graph(seed=21)
    graph.op("Mul", graph.last, graph.constant(np.float32(1e38)))
    graph.op("Mul", graph.last, graph.constant(np.float32(1e38)))
    graph.op("Mul", graph.last, graph.constant(np.float32(1e38)))
    for _ in range(8):
        graph.op("Mul", graph.last, graph.constant(np.float32(1e38)))
    graph.classify()
    refused(graph.model(), "has a constant of 1e\\+38, with which float32 loses what it meets")


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_dynamic_shapes(axis):
    model = onnx.load_from_string(small().model())
    dimension = model.graph.input[0].type.tensor_type.shape.dim[axis]
    dimension.Clear()
    dimension.dim_param = "any"
    data = model.SerializeToString()
    assert (
        compile_model(data, Graph().images()).digest
        == compile_model(small().model(), Graph().images()).digest
    )
    with pytest.raises(InputError, match=r"leaves the shape of its images open: .*any.*--shape"):
        open_graph(data, Reading())
    assert open_graph(data, Reading(shape=(3, 8, 8))).interface.shape == (3, 8, 8)


def test_inputs_that_are_not_one_image():
    model = onnx.load_from_string(small().model())
    del model.graph.input[0].type.tensor_type.shape.dim[3]
    refused(model.SerializeToString(), r"takes images of \(N, 3, 8\)|own checks")
    model = onnx.load_from_string(small().model())
    model.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["N", 1]))
    refused(model.SerializeToString(), "takes 2 inputs instead of one")
    model = onnx.load_from_string(small().model())
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64
    refused(model.SerializeToString(), "not uint8 or float pixels")


@pytest.mark.parametrize("operator", ["Sin", "LpNormalization", "Atan"])
def test_unknown_operators_are_named(operator):
    graph = Graph(seed=22)
    graph.conv(4)
    graph.op(operator)
    graph.classify()
    error = refused(graph.model(), operator)
    assert "4" in str(error)
    assert "8" in str(error)


def test_an_accumulator_that_could_reach_the_limit():
    """|bias| + 255 sum |weight| at 2^30 - 1 is a circuit, at 2^30 it is not."""
    weight = np.array([[[[1]]], [[[1]]]], np.int32)
    nodes = (ir.Input("images", (1, 1, 1)),)

    def circuit(bias: int) -> ir.Circuit:
        biases = np.array([[[0]], [[bias]]], np.int32)
        return ir.Circuit(nodes, (), ir.Linear(biases, (ir.Conv(0, weight, (1, 1)),)))

    assert circuit(2**30 - 256).output.bound([255]) == 2**30 - 1
    for bias in (2**30 - 255, -(2**30) + 255, 2**31 - 1, -(2**31)):
        with pytest.raises(InputError, match=r"could reach \d+, and must stay below 2\^30"):
            circuit(bias)


@pytest.mark.parametrize(
    ("largest", "weight", "kernel"), [(2**15, -(2**31), (1, 1)), (2**15, 2**30, (2**10, 2**9))]
)
def test_no_bound_on_an_accumulator_wraps(largest, weight, kernel):
    """-2^31 has no opposite in 32 bits, and 2^15 * 2^30 * 2^19 is 0 in 64: neither is a circuit."""
    table = Table("step", 9, ((-256, 0), (0, largest)))
    none = np.zeros((1, 1, 1), np.int32)
    first = ir.Linear(none, (ir.Conv(0, np.ones((1, 1, 1, 1), np.int32), (1, 1)),))
    nodes = (ir.Input("images", (1, 1, 1)), ir.Activation("wide", 0, first))
    pads = (kernel[0] - 1, kernel[1] - 1, 0, 0)
    term = ir.Conv(1, np.full((2, 1, 1, 1), weight, np.int32), kernel, pads=pads)
    with pytest.raises(InputError, match=r"could reach \d+, and must stay below 2\^30"):
        ir.Circuit(nodes, (table,), ir.Linear(np.zeros((2, 1, 1), np.int32), (term,)))


def test_the_compiler_proves_the_limit_itself():
    """Weights that cancel on every calibration image can still add up for another image."""
    graph, grey = cancelling(10.0)
    error = refused(
        graph.model(), r"could reach \d+", images=grey, settings=Settings(probes=0, shift=14)
    )
    assert "layer" in str(error)


def test_images_of_another_kind():
    model, circuit = small().model(), compile_model(small().model(), Graph().images()).circuit
    wrong = [
        np.zeros((2, 3, 8, 9), np.uint8),
        np.zeros((2, 1, 8, 8), np.uint8),
        np.zeros((3, 8, 8), np.uint8),
        np.zeros((2, 3, 8, 8), np.float32),
    ]
    evaluators = [
        lambda images: compile_model(model, images),
        Evaluator(circuit),
        lambda images: evaluate_reference(circuit, images),
        RuntimeEvaluator(circuit, threads=1),
    ]
    for evaluate in evaluators:
        for images in wrong:
            with pytest.raises(InputError, match=f"images are {images.dtype}|, and these are"):
                evaluate(images)
        with pytest.raises(InputError, match="there are no images"):
            evaluate(np.zeros((0, 3, 8, 8), np.uint8))


def _narrow() -> ir.Circuit:
    """z = 4 p in a table for -256 to 255: pixels above 63 leave it."""
    weight = np.array([[[[4]]]], np.int32)
    linear = ir.Linear(np.zeros((1, 1, 1), np.int32), (ir.Conv(0, weight, (1, 1)),))
    pair = np.array([[[[1]]], [[[2]]]], np.int32)
    output = ir.Linear(np.zeros((2, 1, 1), np.int32), (ir.Conv(1, pair, (1, 1)),))
    nodes = (ir.Input("images", (1, 1, 1)), ir.Activation("narrow", 0, linear))
    return ir.Circuit(nodes, (clamp_table(9, 1),), output)


def test_images_outside_the_table():
    images = np.full((80, 1, 1, 1), 63, np.uint8)
    circuit = _narrow()
    for evaluate in (
        Evaluator(circuit, batch=7),
        lambda images: evaluate_reference(circuit, images),
        RuntimeEvaluator(circuit, threads=1, batch=7),
    ):
        evaluate(images)
        outside = images.copy()
        outside[66] = 64
        with pytest.raises(InputError, match=r"image 66 .*no answer in this circuit") as caught:
            evaluate(outside)
        assert "Compile again" in str(caught.value)


def test_padding_that_bytes_cannot_stand_for():
    graph = Graph(seed=24)
    graph.conv(4)
    graph.op("Relu")
    widths = graph.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1]))
    graph.op("Pad", graph.last, widths, graph.constant(-3.0))
    graph.shape = (4, 10, 10)
    graph.classify()
    refused(graph.model(), "pads with -3.0, which its numbers cannot stand for")


def test_pixel_ranges():
    refused(small().model(), "pixels are 'raw' or 'unit', not 'percent'", pixels="percent")
    refused(small().model(), "takes uint8 pixels, which are always raw", pixels="unit")


def test_picture_folders(tmp_path):
    shape = (3, 8, 8)
    with pytest.raises(InputError, match="neither a folder"):
        read_images(tmp_path / "absent", shape)
    with pytest.raises(InputError, match="has no pictures"):
        read_images(tmp_path, shape)
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    with pytest.raises(InputError, match="is not a picture that can be read"):
        read_images(tmp_path, shape)
    archive = tmp_path / "images.npz"
    np.savez(archive, images=np.zeros((2, 3, 9, 8), np.uint8))
    with pytest.raises(InputError, match=r"holds uint8 \(2, 3, 9, 8\)"):
        read_images(archive, shape)
    np.savez(archive, images=np.zeros((2, 3, 8, 8), np.uint8), labels=np.zeros(3, np.int64))
    with pytest.raises(InputError, match="holds labels"):
        read_images(archive, shape)
    archive.write_bytes(archive.read_bytes()[:100])
    with pytest.raises(InputError, match=r"is not an \.npz file"):
        read_images(archive, shape)
