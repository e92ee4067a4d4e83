"""Means and gains of channels have whole weights on coarser scales, and mean what they did."""

from __future__ import annotations

import numpy as np
import pytest
from circuit_graphs import Graph, float_logits, integer_logits

from wmproof.circuit.compile import compile_model
from wmproof.core.reading import Reading
from wmproof.errors import InputError

READING = Reading(layout="NCHW")


def relative_error(graph: Graph) -> float:
    """How far the circuit's logits are from the model's, as a part of how they vary."""
    model, images = graph.model(), graph.images(32)
    made = compile_model(model, graph.images(16, seed=2), reading=READING)
    exact = float_logits(model, images)
    error = integer_logits(made, images) - exact
    return float(np.sqrt(np.square(error).mean() / np.square(exact - exact.mean(axis=0)).mean()))


@pytest.mark.parametrize(("far", "low"), [(0.0, None), (50.0, None), (-50.0, None), (-0.5, -0.1)])
def test_a_mean_may_lie_far_from_0(far, low):
    graph = Graph((3, 16, 16))
    graph.op("Mul", graph.last, graph.constant(1 / 255))
    graph.op("AveragePool", kernel_shape=[8, 8], strides=[4, 4])
    graph.op("Add", graph.last, graph.constant(np.full((1, 3, 1, 1), far)))
    if low is not None:
        graph.op("Clip", graph.last, graph.constant(np.float32(low)))
    graph.op("MaxPool", kernel_shape=[2, 2], strides=[1, 1])
    graph.op("Sub", graph.last, graph.constant(np.full((1, 3, 1, 1), far)))
    graph.shape = (3, 2, 2)
    graph.classify()
    assert relative_error(graph) < 0.05


def test_queries_and_keys_may_be_gains_of_one_tensor():
    graph = Graph((3, 4, 4))
    graph.op("Mul", graph.last, graph.constant(1 / 255))
    graph.conv(4, (1, 1), pads=(0, 0, 0, 0))
    common, random = graph.op("Relu"), graph.random
    sides = []
    for _ in range(2):
        gain, bias = random.uniform(0.5, 2, (1, 4, 1, 1)), random.normal(size=(1, 4, 1, 1))
        graph.op("Mul", common, graph.constant(gain))
        graph.op("Add", graph.last, graph.constant(bias))
        sides.append(graph.op("Reshape", graph.last, graph.constant(np.array([0, 4, 16]))))
    rows = graph.op("Transpose", sides[0], perm=[0, 2, 1])
    graph.op("MatMul", rows, sides[1])
    graph.shape = (16, 16)
    graph.classify()
    assert relative_error(graph) < 0.1


def test_files_that_read_a_tensor_often_are_compiled_at_once():
    """Each window reads four slices of what is before it: nothing may walk all of those ways."""
    graph = Graph((3, 4, 4))
    first = graph.op("Relu")
    for _ in range(40):
        graph.op("MaxPool", kernel_shape=[2, 2], strides=[1, 1], pads=[0, 0, 1, 1])
    graph.op("Mul", graph.last, first)
    graph.op("GlobalAveragePool")
    graph.shape = (3, 1, 1)
    graph.classify()
    assert np.isfinite(relative_error(graph))


def test_long_files_are_compiled():
    graph = Graph((3, 4, 4))
    first = graph.op("Relu")
    for _ in range(600):
        graph.op("Transpose", perm=[0, 2, 1, 3])
        graph.op("Transpose", perm=[0, 1, 3, 2])
    graph.op("Mul", graph.last, first)
    graph.op("GlobalAveragePool")
    graph.shape = (3, 1, 1)
    graph.classify()
    made = compile_model(graph.model(), graph.images(4), reading=READING)
    assert made.circuit.classes == 5


@pytest.mark.parametrize("size", [1e-15, 1e15])
def test_products_beyond_floats_are_refused_by_name(size):
    graph = Graph((1, 4, 4))
    graph.op("Mul", graph.last, graph.constant(size))
    for _ in range(6):
        graph.op("Mul", graph.last, graph.last)
    graph.classify()
    with pytest.raises(InputError, match="in float32, so a runtime computes something else"):
        compile_model(graph.model(), graph.images(4), reading=READING)
