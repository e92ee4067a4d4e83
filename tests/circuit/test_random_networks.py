"""Random small networks over the operator list: three evaluators, the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from circuit_graphs import Graph, assert_close_to_float, assert_same_bits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wmproof.circuit.compile import compile_model
from wmproof.circuit.format import decode, encode

ACTIVATIONS: list[tuple[str, dict[str, Any]]] = [
    ("Relu", {}),
    ("Relu", {}),
    ("LeakyRelu", {"alpha": 0.125}),
    ("Sigmoid", {}),
    ("Tanh", {}),
    ("HardSwish", {}),
    ("HardSigmoid", {}),
    ("Gelu", {}),
]


def _convolution(draw: st.DrawFn, graph: Graph) -> None:
    channels, height, width = graph.shape
    kernel = (
        draw(st.integers(1, min(3, height)), label="kh"),
        draw(st.integers(1, min(3, width)), label="kw"),
    )
    dilation = draw(st.integers(1, 2)) if min(height, width) >= 5 else 1
    pads = tuple(draw(st.integers(0, 2)) for _ in range(4))
    outputs = draw(st.integers(1, 6))
    group = 1
    if draw(st.booleans()) and channels > 1:
        group, outputs = channels, channels * draw(st.integers(1, 2))
    strides = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    graph.conv(
        outputs, kernel, strides=strides, pads=pads, dilations=(dilation, dilation), group=group
    )


def _activation(draw: st.DrawFn, graph: Graph) -> None:
    kind, attributes = draw(st.sampled_from(ACTIVATIONS))
    graph.op(kind, **attributes)


def _max_pool(draw: st.DrawFn, graph: Graph) -> None:
    if min(graph.shape[1:]) >= 3:
        size = draw(st.integers(2, 3))
        graph.op(
            "MaxPool",
            kernel_shape=[size, size],
            strides=[draw(st.integers(1, 2))] * 2,
            pads=[draw(st.integers(0, 1))] * 4,
            ceil_mode=draw(st.integers(0, 1)),
        )
        graph.conv_shape_from_runtime()


def _average_pool(draw: st.DrawFn, graph: Graph) -> None:
    if min(graph.shape[1:]) >= 3:
        size = draw(st.integers(2, 3))
        graph.op(
            "AveragePool",
            kernel_shape=[size, size],
            strides=[draw(st.integers(1, 2))] * 2,
            pads=[draw(st.integers(0, 1))] * 4,
            count_include_pad=draw(st.integers(0, 1)),
        )
        graph.conv_shape_from_runtime()


def _residual(draw: st.DrawFn, graph: Graph) -> None:
    start = graph.last
    graph.conv(graph.shape[0])
    if draw(st.booleans()):
        graph.batch_norm()
    graph.op(draw(st.sampled_from(["Add", "Sub"])), graph.last, start)


def _concat(draw: st.DrawFn, graph: Graph) -> None:
    start, shape = graph.last, graph.shape
    graph.conv(draw(st.integers(1, 3)))
    _activation(draw, graph)
    graph.op("Concat", start, graph.last, axis=1)
    graph.shape = (shape[0] + graph.shape[0], *shape[1:])


def _batch_norm(draw: st.DrawFn, graph: Graph) -> None:
    graph.batch_norm()


def _gate(draw: st.DrawFn, graph: Graph) -> None:
    start = graph.last
    if draw(st.booleans()):
        graph.op("GlobalAveragePool")
    shape = graph.shape
    graph.conv(graph.shape[0], (1, 1), pads=(0, 0, 0, 0))
    graph.op(draw(st.sampled_from(["Sigmoid", "HardSigmoid", "Relu"])))
    graph.shape = shape
    graph.op("Mul", *draw(st.permutations([start, graph.last])))


def _square(draw: st.DrawFn, graph: Graph) -> None:
    graph.op("Mul", graph.last, graph.last)


def _correlation(draw: st.DrawFn, graph: Graph) -> None:
    """Rows with rows, or columns with columns, in each channel."""
    start, (channels, height, width) = graph.last, graph.shape
    swapped = graph.op("Transpose", perm=[0, 1, 3, 2])
    rows = draw(st.booleans())
    graph.op("MatMul", *((start, swapped) if rows else (swapped, start)))
    graph.op("Mul", graph.last, graph.constant(np.array(0.2)))
    graph.shape = (channels, height, height) if rows else (channels, width, width)


def _softmax(draw: st.DrawFn, graph: Graph) -> None:
    graph.op("Softmax", axis=draw(st.sampled_from([1, 2, 3, -1])))


def _normalisation(draw: st.DrawFn, graph: Graph) -> None:
    channels, _, width = graph.shape
    if draw(st.booleans()):
        gain = graph.constant(graph.random.uniform(0.5, 2, width))
        graph.op("LayerNormalization", graph.last, gain, axis=-1, epsilon=0.01)
    else:
        gain, bias = (graph.constant(graph.random.uniform(0.5, 2, channels)) for _ in "gb")
        graph.op("InstanceNormalization", graph.last, gain, bias, epsilon=0.01)


BLOCKS = [
    _convolution,
    _convolution,
    _activation,
    _activation,
    _max_pool,
    _average_pool,
    _residual,
    _concat,
    _batch_norm,
]
PRODUCTS = [_gate, _square, _correlation, _softmax, _normalisation]


@st.composite
def networks(draw: st.DrawFn) -> Graph:
    """A classifier of 2 to 6 random blocks."""
    shape = (draw(st.integers(1, 3)), draw(st.integers(4, 8)), draw(st.integers(4, 8)))
    graph = Graph(shape, seed=draw(st.integers(0, 2**16)))
    graph.normalise()
    for block in draw(st.lists(st.sampled_from(BLOCKS), min_size=2, max_size=6)):
        block(draw, graph)
    if draw(st.booleans()):
        graph.op("GlobalAveragePool")
        graph.shape = (graph.shape[0], 1, 1)
    graph.classify(draw(st.integers(2, 5)))
    return graph


@st.composite
def products(draw: st.DrawFn) -> Graph:
    """A block that multiplies tensors, between convolutions and ReLUs.

    The mean of a normalised row is 0 whatever the image: what follows must not be a mean alone.
    """
    shape = (draw(st.integers(1, 3)), draw(st.integers(4, 8)), draw(st.integers(4, 8)))
    graph = Graph(shape, seed=draw(st.integers(0, 2**16)))
    graph.normalise()
    graph.conv(draw(st.integers(3, 6)))
    graph.op("Relu")
    draw(st.sampled_from(PRODUCTS))(draw, graph)
    graph.conv(draw(st.integers(6, 12)))
    graph.op("Relu")
    graph.classify(draw(st.integers(2, 5)))
    return graph


def check(graph: Graph, tolerance: float) -> None:
    """Three evaluators, one result, which is close to the float model's; and one file."""
    images = graph.images(16)
    model = graph.model()
    compilation = compile_model(model, images)
    assert_same_bits(compilation, images)
    assert_close_to_float(compilation, model, images, tolerance)
    data = encode(compilation.circuit)
    assert encode(decode(data)) == data


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(networks())
def test_three_evaluators_one_result(graph: Graph) -> None:
    check(graph, 0.35)


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(products())
def test_products_of_tensors_in_networks(graph: Graph) -> None:
    check(graph, 0.35)
