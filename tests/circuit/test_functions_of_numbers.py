"""Functions of one number and extremes of tensors, compared with ONNX Runtime or refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from circuit_graphs import Graph
from float_meaning import difference

from wmproof.circuit.compile import compile_model
from wmproof.errors import InputError


def network(*steps: tuple[str, Any]) -> Graph:
    """A convolution, these operators of its output, and a dense layer."""
    graph = Graph((3, 6, 6), seed=5)
    graph.normalise()
    graph.conv(4)
    for kind, given in steps:
        inputs = [graph.last]
        attributes = given if isinstance(given, dict) else {}
        if not isinstance(given, dict):
            inputs += [graph.constant(np.asarray(value)) for value in given]
        graph.op(kind, *inputs, **attributes)
        if kind.startswith("Reduce"):
            graph.shape = tuple(
                1 if 1 + axis in given[0] else size for axis, size in enumerate(graph.shape)
            )
    graph.classify()
    return graph


_ACCEPTED: dict[str, list[tuple[str, Any]]] = {
    "Abs": [("Abs", {})],
    "Softsign": [("Softsign", {})],
    "Erf": [("Mul", [np.float32(2)]), ("Erf", {})],
    "softsign in two": [("Shrink", {"lambd": 0.3, "bias": 0.3}), ("Softsign", {})],
    "Sqrt of what is clipped": [("Clip", [np.float32(1e-3)]), ("Sqrt", {})],
    "Sqrt of lengths": [("Abs", {}), ("Add", [np.float32(0.1)]), ("Sqrt", {})],
    "roots of roots": [("Relu", {}), ("Sqrt", {}), ("Sqrt", {})],
    "Reciprocal": [("Abs", {}), ("Add", [np.float32(1)]), ("Reciprocal", {})],
    "log of a sigmoid": [("Sigmoid", {}), ("Log", {})],
    "squared ReLU": [("Relu", {}), ("Pow", [np.float32(2)])],
    "ThresholdedRelu": [("ThresholdedRelu", {"alpha": 0.0})],
    "Max of constants": [("Max", [np.linspace(-1, 1, 4, dtype=np.float32)[:, None, None]])],
    "Min of constants": [("Min", [np.linspace(-1, 1, 4, dtype=np.float32)[:, None, None]])],
    "ReduceMax of channels": [("ReduceMax", [[1]])],
    "ReduceMin of places": [("ReduceMin", [[2, 3]])],
}
_REFUSED: dict[str, tuple[list[tuple[str, Any]], str]] = {
    "Sqrt": ([("Sqrt", {})], "might be negative"),
    "Reciprocal": ([("Abs", {}), ("Reciprocal", {})], "might be 0"),
    "Shrink": ([("Shrink", {"lambd": 0.5})], "jumps"),
    "ThresholdedRelu": ([("ThresholdedRelu", {"alpha": 0.5})], "jumps"),
    "Log": ([("Abs", {}), ("Add", [np.float32(1)]), ("Log", {})], "no integer form"),
    "Sign": ([("Sign", {})], "no integer form"),
    "Floor": ([("Floor", {})], "no integer form"),
    "ReduceMax of the batch": ([("ReduceMax", [[0]])], "batch"),
}


@pytest.mark.parametrize("name", _ACCEPTED)
def test_what_a_table_is_enough_for(name):
    graph = network(*_ACCEPTED[name])
    found = difference(graph.model(opset=20), graph.images(20), graph.images(24, seed=2))
    assert not found.misread, found
    assert not found.noise, found


@pytest.mark.parametrize("name", _REFUSED)
def test_what_jumps_or_has_no_value(name):
    steps, words = _REFUSED[name]
    graph = network(*steps)
    with pytest.raises(InputError, match=words) as caught:
        compile_model(graph.model(opset=20), graph.images())
    assert steps[-1][0] in str(caught.value)


@pytest.mark.parametrize("kind", ["Max", "Min"])
def test_extremes_of_tensors(kind):
    """Of three, one of which is repeated along its places, and a constant."""
    graph = Graph((3, 6, 6), seed=5)
    graph.normalise()
    given, names = graph.last, []
    for _ in range(3):
        graph.last, graph.shape = given, (3, 6, 6)
        graph.conv(4)
        names.append(graph.last)
    names[2] = graph.op("GlobalAveragePool")
    graph.shape = (4, 6, 6)
    graph.op(kind, graph.constant(np.float32(0.1)), *names)
    graph.classify()
    found = difference(graph.model(opset=20), graph.images(20), graph.images(24, seed=2))
    assert not found.misread, found
    assert not found.noise, found
