"""Each operator that the compiler takes, against ONNX Runtime's floats and in three evaluators."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from circuit_graphs import (
    Graph,
    assert_close_to_float,
    assert_same_bits,
    float_logits,
    integer_logits,
)
from onnx import TensorProto

from wmproof.circuit.compile import compile_model
from wmproof.circuit.evaluate import classify
from wmproof.circuit.ir import Maximum

Block = Callable[[Graph], None]


def _activation(kind: str, **attributes: object) -> Block:
    def block(graph: Graph) -> None:
        graph.conv(6)
        graph.op(kind, **attributes)

    return block


def _clip(graph: Graph) -> None:
    graph.conv(6)
    graph.op("Clip", graph.last, graph.constant(-0.5), graph.constant(1.25))


def _relu6(graph: Graph) -> None:
    graph.conv(6)
    graph.op("Clip", graph.last, graph.constant(0.0), graph.constant(6.0))


def _strided(graph: Graph) -> None:
    graph.conv(6, (5, 3), strides=(2, 1), pads=(2, 1, 1, 0))
    graph.op("Relu")


def _dilated(graph: Graph) -> None:
    graph.conv(6, (3, 3), dilations=(2, 3), pads=(2, 3, 2, 3))
    graph.op("Relu")


def _depthwise(graph: Graph) -> None:
    graph.conv(6, (1, 1), pads=(0, 0, 0, 0))
    graph.op("Relu")
    graph.conv(12, group=6)
    graph.op("Relu")


def _grouped(graph: Graph) -> None:
    graph.conv(6)
    graph.op("Relu")
    graph.conv(8, group=2, strides=(2, 2))
    graph.op("Relu")


def _batch_norm(graph: Graph) -> None:
    graph.conv(6)
    graph.batch_norm()
    graph.op("Relu")


def _preactivation(graph: Graph) -> None:
    graph.batch_norm()
    graph.op("Relu")
    graph.conv(6)
    graph.batch_norm()
    graph.op("Relu")


def _norm_before_padded_conv(graph: Graph) -> None:
    """The zero border is a zero after the normalisation, not a byte 0."""
    graph.batch_norm()
    graph.conv(6)
    graph.op("Relu")


def _auto_pad(graph: Graph) -> None:
    weight = graph.constant(graph.random.normal(size=(4, 3, 4, 4)) * 0.2)
    graph.op("Conv", graph.last, weight, auto_pad="SAME_UPPER", strides=[2, 2])
    graph.shape = (4, 4, 4)
    graph.op("Relu")


def _max_pool(**attributes: object) -> Block:
    def block(graph: Graph) -> None:
        graph.conv(4)
        graph.op("Relu")
        graph.op("MaxPool", **attributes)
        graph.conv_shape_from_runtime()

    return block


def _residual(graph: Graph) -> None:
    graph.conv(6)
    graph.op("Relu")
    shortcut = graph.last
    graph.conv(6)
    graph.op("Relu")
    graph.conv(6)
    graph.op("Add", graph.last, shortcut)
    graph.op("Relu")


def _projection(graph: Graph) -> None:
    start = graph.last
    graph.conv(6, strides=(2, 2))
    left, shape = graph.last, graph.shape
    graph.last, graph.shape = start, (3, 8, 8)
    graph.conv(6, (1, 1), strides=(2, 2), pads=(0, 0, 0, 0))
    assert graph.shape == shape
    graph.op("Sub", left, graph.last)
    graph.op("Relu")


def _linear_bottleneck(graph: Graph) -> None:
    graph.conv(4)
    start = graph.last
    graph.conv(4)
    graph.op("Add", graph.last, start)
    graph.conv(6)
    graph.op("Relu")


def _average_pool(**attributes: object) -> Block:
    def block(graph: Graph) -> None:
        graph.conv(4)
        graph.op("Tanh")
        graph.op("AveragePool", **attributes)
        graph.conv_shape_from_runtime()

    return block


def _pool_then_conv(graph: Graph) -> None:
    graph.conv(4)
    graph.op("Relu")
    graph.op("AveragePool", kernel_shape=[2, 2], strides=[2, 2])
    graph.shape = (4, 4, 4)
    graph.conv(5)
    graph.op("Relu")


def _densenet_transition(graph: Graph) -> None:
    graph.conv(4)
    graph.op("Relu")
    graph.conv(6, (1, 1), pads=(0, 0, 0, 0))
    graph.op("AveragePool", kernel_shape=[2, 2], strides=[2, 2])
    graph.shape = (6, 4, 4)
    graph.batch_norm()
    graph.op("Relu")


def _overlapping_pool_then_pointwise(graph: Graph) -> None:
    graph.conv(4)
    graph.op("Relu")
    graph.op("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)
    graph.conv(5, (1, 1), pads=(0, 0, 0, 0))
    graph.op("Relu")


def _global_average(graph: Graph) -> None:
    graph.conv(8)
    graph.op("Relu")
    graph.op("GlobalAveragePool")
    graph.shape = (8, 1, 1)


def _global_max(graph: Graph) -> None:
    graph.conv(8)
    graph.op("Relu")
    graph.op("GlobalMaxPool")
    graph.shape = (8, 1, 1)


def _reduce_mean(axes: list[int], keep: int, shape: tuple[int, ...]) -> Block:
    def block(graph: Graph) -> None:
        graph.conv(8)
        graph.op("Relu")
        graph.op("ReduceMean", graph.last, graph.constant(np.array(axes)), keepdims=keep)
        graph.shape = shape

    return block


def _concat(graph: Graph) -> None:
    start, shape = graph.last, graph.shape
    graph.conv(3)
    graph.op("Relu")
    left = graph.last
    graph.last, graph.shape = start, shape
    graph.conv(4)
    graph.op("Concat", left, graph.last, start, axis=1)
    graph.shape = (10, 8, 8)
    graph.conv(6)
    graph.op("Relu")


def _pad(value: float) -> Block:
    def block(graph: Graph) -> None:
        graph.conv(4)
        graph.op("Relu")
        widths = graph.constant(np.array([0, 0, 1, 2, 0, 0, 0, 1]))
        graph.op("Pad", graph.last, widths, graph.constant(value))
        graph.shape = (4, 9, 11)
        graph.conv(4)
        graph.op("Relu")

    return block


def _shapes(graph: Graph) -> None:
    graph.conv(4)
    graph.op("Unsqueeze", graph.last, graph.constant(np.array([2])))
    graph.op("Squeeze", graph.last, graph.constant(np.array([2])))
    graph.op("Transpose", perm=[0, 2, 3, 1])
    graph.op("Reshape", graph.last, graph.constant(np.array([0, -1, 4])))
    graph.op("Relu")
    graph.op("Dropout")
    graph.op("Identity")
    weight = graph.constant(graph.random.normal(size=(4, 6)) * 0.5)
    graph.op("MatMul", graph.last, weight)
    graph.op("Transpose", perm=[0, 2, 1])
    graph.op("Relu")
    graph.shape = (6, 64)


def _dynamic_flatten(graph: Graph) -> None:
    """view(x.size(0), -1), as exporters write it."""
    graph.conv(4)
    graph.op("Relu")
    value = graph.last
    shape = graph.op("Shape", value)
    batch = graph.op("Gather", shape, graph.constant(np.array(0)), axis=0)
    batch = graph.op("Unsqueeze", batch, graph.constant(np.array([0])))
    target = graph.op("Concat", batch, graph.constant(np.array([-1])), axis=0)
    graph.op("Reshape", value, target)
    graph.shape = (256,)


def _channel_shuffle(graph: Graph) -> None:
    graph.conv(6)
    graph.op("Relu")
    graph.op("Reshape", graph.last, graph.constant(np.array([0, 2, 3, 8, 8])))
    graph.op("Transpose", perm=[0, 2, 1, 3, 4])
    graph.op("Reshape", graph.last, graph.constant(np.array([0, 6, 8, 8])))
    graph.conv(6, group=3)
    graph.op("Relu")


def _slices(graph: Graph) -> None:
    graph.conv(6)
    graph.op("Relu")
    bounds = [graph.constant(np.array(v)) for v in ([1, 0], [5, 8], [1, 3], [2, 1])]
    graph.op("Slice", graph.last, *bounds)
    graph.shape = (2, 8, 8)


def _arithmetic(graph: Graph) -> None:
    graph.conv(6)
    per_channel = graph.constant(np.linspace(0.5, 2, 6)[:, None, None])
    graph.op("Mul", graph.last, per_channel)
    graph.op("Div", graph.last, graph.constant(np.array([3.0])))
    graph.op("Add", graph.constant(np.linspace(-1, 1, 64).reshape(1, 1, 8, 8)), graph.last)
    graph.op("Sub", graph.constant(np.array(0.5)), graph.last)
    graph.op("Neg")
    graph.op("Relu")


def _mlp(graph: Graph) -> None:
    graph.op("Flatten", axis=1)
    graph.gemm(16)
    graph.op("Relu")
    graph.op("MatMul", graph.last, graph.constant(graph.random.normal(size=(16, 12)) * 0.3))
    graph.op("Add", graph.last, graph.constant(np.linspace(-0.3, 0.3, 12)))
    graph.op("Sigmoid")
    graph.shape = (12,)


def _prelu(graph: Graph) -> None:
    graph.conv(6)
    graph.op("PRelu", graph.last, graph.constant(np.full((6, 1, 1), 0.25)))


BLOCKS: dict[str, Block] = {
    "relu": _activation("Relu"),
    "clip": _clip,
    "relu6": _relu6,
    "leaky": _activation("LeakyRelu", alpha=0.1),
    "leaky steep": _activation("LeakyRelu", alpha=-0.5),
    "prelu": _prelu,
    "sigmoid": _activation("Sigmoid"),
    "tanh": _activation("Tanh"),
    "hard sigmoid": _activation("HardSigmoid", alpha=0.3, beta=0.4),
    "hard swish": _activation("HardSwish"),
    "gelu": _activation("Gelu"),
    "gelu tanh": _activation("Gelu", approximate="tanh"),
    "elu": _activation("Elu"),
    "softplus": _activation("Softplus"),
    "strided": _strided,
    "dilated": _dilated,
    "depthwise": _depthwise,
    "grouped": _grouped,
    "batch norm": _batch_norm,
    "preactivation": _preactivation,
    "norm before padding": _norm_before_padded_conv,
    "auto pad": _auto_pad,
    "max pool": _max_pool(kernel_shape=[2, 2], strides=[2, 2]),
    "max pool padded": _max_pool(kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    "max pool ceil": _max_pool(kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
    "max pool dilated": _max_pool(kernel_shape=[2, 3], dilations=[3, 2]),
    "residual": _residual,
    "projection": _projection,
    "linear bottleneck": _linear_bottleneck,
    "average pool": _average_pool(kernel_shape=[2, 2], strides=[2, 2]),
    "average pool border": _average_pool(kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    "average pool counted": _average_pool(
        kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1
    ),
    "average pool ceil": _average_pool(kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
    "pool then conv": _pool_then_conv,
    "densenet transition": _densenet_transition,
    "overlapping pool": _overlapping_pool_then_pointwise,
    "global average": _global_average,
    "global max": _global_max,
    "reduce mean": _reduce_mean([2, 3], 0, (8,)),
    "reduce mean kept": _reduce_mean([-1, -2], 1, (8, 1, 1)),
    "reduce mean channels": _reduce_mean([1], 0, (8, 8)),
    "reduce mean rows": _reduce_mean([2], 0, (8, 8)),
    "concat": _concat,
    "pad": _pad(0.0),
    "pad by value": _pad(0.5),
    "shapes": _shapes,
    "dynamic flatten": _dynamic_flatten,
    "channel shuffle": _channel_shuffle,
    "slices": _slices,
    "arithmetic": _arithmetic,
    "mlp": _mlp,
}


@pytest.mark.parametrize("name", BLOCKS)
def test_operator(name: str) -> None:
    graph = Graph(seed=len(name))
    graph.normalise()
    BLOCKS[name](graph)
    graph.classify()
    model, images = graph.model(), graph.images()
    compilation = compile_model(model, images)
    assert_same_bits(compilation, images)
    assert_close_to_float(compilation, model, images)


@pytest.mark.parametrize("ending", ["Softmax", "LogSoftmax", "ArgMax", "Sigmoid"])
def test_endings_do_not_change_the_answer(ending: str) -> None:
    graph = Graph(seed=3)
    graph.normalise()
    graph.conv(4)
    graph.op("Relu")
    graph.classify()
    plain, images = graph.model(), graph.images()
    attributes = {"axis": 1} if ending == "ArgMax" else {}
    graph.op(ending, **attributes)
    if ending == "ArgMax":
        graph.op("Cast", to=TensorProto.INT32)
    ended = compile_model(graph.model(), images)
    assert ended.digest == compile_model(plain, images).digest
    expected = float_logits(plain, images).argmax(axis=1)
    assert np.mean(classify(ended.circuit, images) == expected) > 0.8


def test_ties_go_to_the_lowest_index() -> None:
    graph = Graph((1, 2, 2))
    graph.op("Flatten", axis=1)
    weight = np.zeros((3, 4), np.float32)
    weight[1:] = 1
    graph.op("Gemm", graph.last, graph.constant(weight), transB=1)
    circuit = compile_model(graph.model(), graph.images()).circuit
    assert classify(circuit, graph.images(8)).tolist() == [1] * 8


def test_float_input_in_units() -> None:
    graph = Graph(uint8=False, seed=4)
    graph.conv(4)
    graph.op("Relu")
    graph.classify()
    model, images = graph.model(), graph.images()
    compilation = compile_model(model, images, pixels="unit")
    assert_same_bits(compilation, images)
    expected = float_logits(model, (images / 255).astype(np.float32))
    actual = integer_logits(compilation, images)
    assert np.abs(actual - expected).max() < 0.05 * np.abs(expected).max()


def test_pooled_layers_cost_no_requantisation() -> None:
    """Average pools, normalisations and flattenings before a linear layer are folded."""
    graph = Graph(seed=5)
    graph.normalise()
    _pool_then_conv(graph)
    graph.op("GlobalAveragePool")
    graph.shape = (5, 1, 1)
    graph.classify()
    circuit = compile_model(graph.model(), graph.images()).circuit
    assert circuit.lookups() == 4 * 64 + 5 * 16


def test_maximum_counts() -> None:
    graph = Graph(seed=6)
    graph.conv(4)
    graph.op("Relu")
    graph.op("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    graph.shape = (4, 4, 4)
    graph.classify()
    circuit = compile_model(graph.model(), graph.images()).circuit
    assert sum(isinstance(node, Maximum) for node in circuit.nodes) == 2
    assert circuit.lookups() == 4 * 64 + 4 * 32 + 4 * 16
