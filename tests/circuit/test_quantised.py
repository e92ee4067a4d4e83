"""Quantised models: what is refused by name, and what becomes the integers of ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from circuit_graphs import Graph, assert_same_bits, float_logits, integer_logits
from numpy.typing import NDArray
from onnx import TensorProto, helper

from wmproof.circuit.compile import compile_model
from wmproof.circuit.evaluate import Evaluator
from wmproof.circuit.ir import Activation
from wmproof.errors import InputError
from wmproof.models.onnx_file import OnnxClassifier

_HALF = np.float32(0.5)


def _with(graph: Graph, numbers: dict[str, Any]) -> None:
    """QuantizeLinear and DequantizeLinear of the newest tensor with what `numbers` say."""
    given = {"scale": _HALF, "zero": np.uint8(0), "back": None, "attributes": {}} | numbers
    names = [graph.constant(given["scale"]), graph.constant(given["zero"])]
    graph.op("QuantizeLinear", graph.last, *names, **given["attributes"])
    names = names if given["back"] is None else [graph.constant(v) for v in given["back"]]
    graph.op("DequantizeLinear", graph.last, *names, **given["attributes"])


def _quantised(**numbers: Any) -> bytes:
    """A classifier with one quantised tensor."""
    graph = Graph((2, 4, 4))
    _with(graph, numbers)
    graph.classify()
    return graph.model(opset=21)


def _compile(model: bytes) -> Any:
    return compile_model(model, Graph((2, 4, 4)).images())


ABSURD = {
    "a scale of 0": ({"scale": np.float32(0)}, "no positive numbers"),
    "a negative scale": ({"scale": -_HALF}, "no positive numbers"),
    "a scale that is NaN": ({"scale": np.float32(np.nan)}, "NaN or infinite"),
    "a huge scale": ({"scale": np.float32(1e30)}, "no positive numbers"),
    "a scale that is no float32": ({"scale": np.float32(1e-42)}, "no positive numbers"),
    "a scale for each channel": (
        {
            "scale": np.full(2, _HALF),
            "zero": np.zeros(2, np.uint8),
            "attributes": {"axis": 1},
        },
        "2 scales and 2 zero points",
    ),
    "scales along no axis": (
        {
            "scale": np.full(3, _HALF),
            "zero": np.zeros(3, np.uint8),
            "attributes": {"axis": 1},
        },
        "3 scales and 3 zero points",
    ),
    "blocks": (
        {
            "scale": np.full((1, 2, 4, 2), _HALF),
            "zero": np.zeros((1, 2, 4, 2), np.uint8),
            "attributes": {"axis": 3, "block_size": 2},
        },
        "block_size = 2",
    ),
    "16 bits": ({"zero": np.int16(0)}, "quantised to int16"),
    "two scales": ({"back": (np.float32(0.5), np.int8(0))}, "inconsistent type"),
}


@pytest.mark.parametrize("name", ABSURD)
def test_absurd_numbers_are_refused(name: str) -> None:
    numbers, message = ABSURD[name]
    with pytest.raises(InputError, match=message):
        _compile(_quantised(**numbers))


@pytest.mark.parametrize("kind", ["INT4", "UINT4", "FLOAT8E4M3FN", "FLOAT8E5M2"])
def test_narrow_types_are_refused(kind: str) -> None:
    graph = Graph((2, 4, 4))
    graph.constants.append(helper.make_tensor("z", getattr(TensorProto, kind), [], [0]))
    scale = graph.constant(_HALF)
    graph.op("QuantizeLinear", graph.last, scale, "z")
    graph.op("DequantizeLinear", graph.last, scale, "z")
    graph.classify()
    with pytest.raises(InputError, match=r"quantised to|has no integer form|ONNX's own checks"):
        _compile(graph.model(opset=21))


def _dense(
    weight: NDArray[Any], scale: Any, zero: Any, axis: int = 0, *, bias: int = 0, scales: int = 1
) -> bytes:
    """A classifier whose last layer has quantised weights and bias."""
    graph = Graph((2, 4, 4))
    _with(graph, {})
    graph.op("Flatten", axis=1)
    value, names = graph.last, [graph.constant(v) for v in (weight, scale, zero)]
    weights = graph.op("DequantizeLinear", *names, axis=axis)
    whole = graph.constant(np.full(len(weight), bias, np.int32))
    steps = graph.constant(np.full(scales, 0.01, np.float32))
    biases = graph.op("DequantizeLinear", whole, steps, axis=0)
    graph.op("Gemm", value, weights, biases, transB=1)
    return graph.model(opset=21)


_WEIGHT = np.random.default_rng(0).integers(-127, 128, (5, 32)).astype(np.int8)


def test_wrong_scales_of_constants_are_refused() -> None:
    fine = np.full(5, 0.01, np.float32), np.zeros(5, np.int8)
    _compile(_dense(_WEIGHT, *fine))
    for arguments, message in (
        ((fine[0], fine[1], 1), "along axis 1"),
        ((fine[0], fine[1], 2), "ONNX's own checks|along axis 2"),
        ((fine[0][:4], fine[1][:4]), "along axis 0"),
        ((fine[0] * 0, fine[1]), "no positive numbers"),
        ((fine[0].astype(np.float16), fine[1]), "scale of type float16|inconsistent type"),
        ((fine[0], fine[1].astype(np.uint8)), "zero points of type uint8|inconsistent type"),
        ((fine[0], fine[1][:1]), "5 scales and 1 zero points"),
    ):
        with pytest.raises(InputError, match=message):
            _compile(_dense(_WEIGHT, *arguments))
    with pytest.raises(InputError, match="2\\^30"):
        _compile(_dense(_WEIGHT, *fine, bias=2**30))


def test_scale_found_in_the_image_has_one_use() -> None:
    graph = Graph((2, 4, 4))
    outputs = ["integers", "scale", "zero"]
    graph.nodes.append(helper.make_node("DynamicQuantizeLinear", [graph.last], outputs))
    graph.op("Cast", "integers", to=TensorProto.FLOAT)
    graph.op("Mul", graph.last, "scale")
    graph.classify()
    with pytest.raises(InputError, match="scale that depends on the image"):
        _compile(graph.model())


def _of_pixels(zero: Any, step: float) -> tuple[Graph, bytes]:
    """A classifier that first quantises its 256 pixels."""
    graph = Graph((1, 16, 16))
    _with(graph, {"scale": np.float32(step), "zero": zero})
    graph.classify()
    return graph, graph.model()


@pytest.mark.parametrize("zero", [np.uint8(0), np.uint8(7), np.int8(-128), np.int8(-3)])
@pytest.mark.parametrize("step", [2.0, 4.0, 0.5, 1.25])
def test_ties_and_ends_are_those_of_the_runtime(zero: Any, step: float) -> None:
    graph, model = _of_pixels(zero, step)
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    circuit = compile_model(model, graph.images()).circuit
    committed = Evaluator(circuit)(pixels).committed
    found = [committed[i] for i, n in enumerate(circuit.nodes) if isinstance(n, Activation)]
    proto = onnx.load_from_string(model)
    node = next(n for n in proto.graph.node if n.op_type == "QuantizeLinear")
    proto.graph.node.append(helper.make_node("Cast", [node.output[0]], ["q"], to=TensorProto.FLOAT))
    proto.graph.output[0].CopyFrom(helper.make_empty_tensor_value_info("q"))
    inferred = onnx.shape_inference.infer_shapes(proto)
    integers = float_logits(inferred.SerializeToString(), pixels)
    lowest = int(np.iinfo(zero.dtype).min)
    np.testing.assert_array_equal(found[0].reshape(-1), integers.reshape(-1) - lowest)


def test_equal_scores_are_the_first_class() -> None:
    """Integer logits are often equal; the runtime's argmax takes the first, and so must we."""
    graph = Graph((2, 4, 4))
    graph.op("Flatten", axis=1)
    weight = np.random.default_rng(3).normal(size=(10, 32))
    graph.op("MatMul", graph.last, graph.constant(weight.T / 32))
    _with(graph, {"scale": np.float32(13.7), "zero": np.int8(3)})
    images = graph.images(400, seed=5)
    model = graph.model()
    compilation = compile_model(model, graph.images())
    expected, actual = float_logits(model, images), integer_logits(compilation, images)
    ties = (expected == expected.max(axis=1, keepdims=True)).sum(axis=1) > 1
    same = np.abs(actual - expected).max(axis=1) < 1
    assert (ties & same).sum() > 20
    np.testing.assert_array_equal(actual[same].argmax(axis=1), expected[same].argmax(axis=1))


def _wide_int8() -> Graph:
    """Two convolutions by int8 numbers up to 127, whose sums of two products leave 16 bits."""
    graph = Graph((2, 8, 8))
    graph.op("Div", graph.last, graph.constant(np.float32(64)))
    _with(graph, {"scale": np.float32(1 / 64), "zero": np.uint8(0)})
    random = np.random.default_rng(2)
    for shape, scale in (((6, 2, 3, 3), 0.0031), ((4, 6, 3, 3), 0.0047)):
        value, whole = graph.last, random.integers(-127, 128, shape).astype(np.int8)
        weight = graph.op(
            "DequantizeLinear", graph.constant(whole), graph.constant(np.float32(scale))
        )
        graph.op("Conv", value, weight)
        _with(graph, {"scale": np.float32(0.037), "zero": np.uint8(31)})
    graph.op("Flatten", axis=1)
    return graph


def test_whole_sums_are_those_of_the_runtime() -> None:
    """With one scale for its weights a layer has whole sums, and the runtime's integers."""
    graph = _wide_int8()
    model, images = graph.model(), graph.images(64, seed=7)
    compilation = compile_model(model, graph.images())
    expected, actual = float_logits(model, images), integer_logits(compilation, images)
    assert len(np.unique(expected)) > 20
    np.testing.assert_allclose(actual, expected, rtol=0, atol=0.037 / 100)


def test_no_processor_makes_sums_saturate() -> None:
    """Without VNNI a runtime adds up pairs in 16 bits, unless it is told not to."""
    graph = _wide_int8()
    model, images = graph.model(), graph.images(64, seed=7)
    actual = integer_logits(compile_model(model, graph.images()), images)
    expected = OnnxClassifier(model, input_shape=(2, 8, 8)).scores(images)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=0.037 / 100)


def test_layers_may_share_quantised_weights() -> None:
    """As normalisations do whose factors are alike; the runtime's exact sums do not know of it."""
    graph = Graph((2, 8, 8))
    graph.op("Div", graph.last, graph.constant(np.float32(64)))
    random = np.random.default_rng(3)
    whole = random.integers(-127, 128, (2, 2, 1, 1)).astype(np.int8)
    names = [graph.constant(v) for v in (whole, np.float32(0.01), np.int8(0))]
    _with(graph, {"scale": np.float32(1 / 64), "zero": np.uint8(0)})
    value = graph.last
    weight = graph.op("DequantizeLinear", *names)
    for _ in range(2):
        value = graph.op("Conv", value, weight)
        _with(graph, {"scale": np.float32(0.037), "zero": np.uint8(128)})
        value = graph.last
    graph.op("Flatten", axis=1)
    model, images = graph.model(), graph.images(64, seed=7)
    expected = OnnxClassifier(model, input_shape=(2, 8, 8)).scores(images)
    actual = integer_logits(compile_model(model, graph.images()), images)
    steps = np.abs(actual - expected) / 0.037
    assert steps.max() < 1.01
    assert (steps > 0.01).mean() < 0.02, "floats that are halfway are rounded either way"


def test_all_evaluators_agree() -> None:
    graph = Graph((2, 8, 8))
    graph.normalise()
    _with(graph, {"scale": np.float32(0.02), "zero": np.uint8(128)})
    graph.conv(6)
    graph.op("Relu")
    _with(graph, {"scale": np.float32(0.03), "zero": np.int8(-128)})
    graph.op("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    _with(graph, {"scale": np.float32(0.03), "zero": np.int8(-128)})
    graph.shape = (6, 4, 4)
    graph.classify()
    compilation = compile_model(graph.model(), graph.images())
    assert_same_bits(compilation, graph.images(9, seed=3))
    # A ReLU is a narrower range, and a second pair of the same scale does nothing.
    assert sum(isinstance(node, Activation) for node in compilation.circuit.nodes) == 2


def test_one_huge_number_makes_the_others_vanish() -> None:
    """With one dynamic scale for a tensor, what is small beside the rest is 0 in both."""
    graph = Graph((2, 4, 4))
    graph.op("Flatten", axis=1)
    gains = np.where(np.arange(32) < 16, 1e4, 1.0).astype(np.float32)
    graph.op("Mul", graph.last, graph.constant(gains))
    outputs = ["integers", "scale", "zero"]
    graph.nodes.append(helper.make_node("DynamicQuantizeLinear", [graph.last], outputs))
    weight = np.zeros((32, 2), np.int8)
    weight[16:] = np.random.default_rng(1).integers(-127, 128, (16, 2))
    graph.op("MatMulInteger", "integers", graph.constant(weight), "zero")
    graph.op("Cast", graph.last, to=TensorProto.FLOAT)
    graph.op("Mul", graph.last, "scale")
    images = graph.images()
    model = graph.model()
    assert not float_logits(model, images).any()
    assert not integer_logits(compile_model(model, images), images).any()


@pytest.mark.parametrize("operator", ["DequantizeLinear", "QLinearConv"])
def test_pixels_are_integers_of_scale_1(operator: str) -> None:
    """A model may take its uint8 pixels as quantised numbers, with a scale of its own."""
    graph = Graph((2, 6, 6), uint8=False)
    graph.uint8 = True
    into = [graph.constant(np.float32(1 / 64)), graph.constant(np.uint8(120))]
    if operator == "DequantizeLinear":
        graph.op(operator, "images", *into)
    else:
        whole = np.random.default_rng(5).integers(-127, 128, (3, 2, 3, 3)).astype(np.int8)
        weight = [graph.constant(v) for v in (whole, np.float32(0.004), np.int8(0))]
        out = [graph.constant(np.float32(0.03)), graph.constant(np.uint8(128))]
        graph.op(operator, "images", *into, *weight, *out, pads=[1, 1, 1, 1])
        graph.op("DequantizeLinear", graph.last, *out)
        graph.shape = (3, 6, 6)
    graph.classify()
    model, images = graph.model(), graph.images(64, seed=4)
    compilation = compile_model(model, graph.images())
    expected, actual = float_logits(model, images), integer_logits(compilation, images)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=0.02 * np.ptp(expected))


def test_parts_of_a_quantised_tensor() -> None:
    """Split gives several tensors of the same scale."""
    graph = Graph((4, 6, 6))
    scale, zero = graph.constant(np.float32(1.5)), graph.constant(np.uint8(9))
    graph.op("QuantizeLinear", graph.last, scale, zero)
    graph.nodes.append(helper.make_node("Split", [graph.last], ["a", "b"], axis=1, num_outputs=2))
    parts = [graph.op("DequantizeLinear", name, scale, zero) for name in ("b", "a")]
    graph.op("Concat", *parts, axis=1)
    graph.classify()
    model, images = graph.model(), graph.images(32, seed=4)
    expected = float_logits(model, images)
    actual = integer_logits(compile_model(model, graph.images()), images)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=0.02 * np.ptp(expected))
