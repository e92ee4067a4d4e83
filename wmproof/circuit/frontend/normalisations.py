"""Normalisations that a file spells out in means, squares and roots become one node each.

They are recognised by their structure alone: which tensor each step reads, over which axes. Two
nodes stand for them, whose names no file can have: `_Normalise`, (x - mean) / sqrt(variance +
epsilon), its mean left out where `centred` is 0, and `_UnitLength`, x over its Euclidean norm.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from onnx import helper

from wmproof.circuit.frontend.load import OnnxGraph, names_read
from wmproof.models.strict import MAIN_DOMAINS

_LARGEST_FLOOR = 1e-5  # of a norm: calibration looks whether numbers can show it
_ADDED = 10.0  # what is added to a norm matters so many times farther from it than what bounds it


def spelled_normalisations(graph: OnnxGraph) -> OnnxGraph:
    """The graph with one node for each normalisation, without nodes that nothing reads now."""
    known = _Known(graph)
    nodes = [known.normalisation(node) or node for node in graph.nodes]
    if all(new is old for new, old in zip(nodes, graph.nodes, strict=True)):
        return graph
    used, kept = {graph.output_name}, []
    for node in reversed(nodes):
        if used.intersection(node.output):
            kept.append(node)
            used.update(names_read(node))
    return replace(graph, nodes=tuple(reversed(kept)))


class _Known:
    """What is read where, and small constants."""

    def __init__(self, graph: OnnxGraph) -> None:
        self._producer = {name: node for node in graph.nodes for name in node.output}
        self._constants = {k: v for k, v in graph.constants.items() if v.size <= 8}
        for node in graph.nodes:
            if node.op_type == "Constant":
                value = helper.get_attribute_value(node.attribute[0])
                if isinstance(value, onnx.TensorProto):
                    value = onnx.numpy_helper.to_array(value)
                if np.size(value) <= 8 and not isinstance(value, bytes | onnx.SparseTensorProto):
                    self._constants[node.output[0]] = np.asarray(value)

    def normalisation(self, node: onnx.NodeProto) -> onnx.NodeProto | None:
        """The node that does what `node` and those before it do, if they normalise."""
        if node.domain not in MAIN_DOMAINS:
            return None
        for numerator, root in self._quotients(node):
            found = self._normalise(node, numerator, root)
            if found is not None:
                return found
        if node.op_type == "Div":
            return self._unit_length(node)
        return self._without_doubt(node)

    def _without_doubt(self, node: onnx.NodeProto) -> onnx.NodeProto | None:
        """Where(IsNaN(s), ..., s), as safe softmaxes are exported: s is never no number."""
        doubt = self._made(node.input[0], "IsNaN") if node.op_type == "Where" else None
        if doubt is None or doubt.input[0] != node.input[2]:
            return None
        if self._number(node.input[1]) is None:  # more than a number could widen s
            return None
        if self._made(node.input[2], "Softmax") is None:
            return None
        return helper.make_node("Identity", [node.input[2]], [node.output[0]], name=node.name)

    def _quotients(self, node: onnx.NodeProto) -> list[tuple[str, str]]:
        """(x, v) for every way in which a node is x / sqrt(v)."""
        if node.op_type == "Div":
            root = self._root(node.input[1], 0.5)
            return [(node.input[0], root)] if root else []
        if node.op_type != "Mul":
            return []
        found = []
        for side in (0, 1):
            inverse, root = (
                self._made(node.input[side], "Reciprocal"),
                self._root(node.input[side], -0.5),
            )
            if inverse is not None:
                root = self._root(inverse.input[0], 0.5)
            one = self._made(node.input[side], "Div")
            if one is not None and self._number(one.input[0]) == 1:
                root = self._root(one.input[1], 0.5)
            if root:
                found.append((node.input[1 - side], root))
        return found

    def _root(self, name: str, exponent: float) -> str | None:
        root, power = self._made(name, "Sqrt"), self._made(name, "Pow")
        if root is not None and exponent > 0:
            return str(root.input[0])
        if power is not None and self._number(power.input[1]) == exponent:
            return str(power.input[0])
        return None

    def _normalise(self, node: onnx.NodeProto, x: str, root: str) -> onnx.NodeProto | None:
        total = self._made(root, "Add")
        if total is None:
            return None
        numbers = [self._number(name) for name in total.input]
        mean, epsilon = (0, numbers[1]) if numbers[0] is None else (1, numbers[0])
        if epsilon is None or epsilon <= 0:
            return None
        variance = self._mean(total.input[mean])
        square = None if variance is None else self._square(variance[0])
        if variance is None or square is None:
            return None
        centred, inner = self._centred(square), self._centred(x)
        if centred is not None and centred == inner and centred[1] == variance[1]:
            return self._node(
                "_Normalise", node, centred[0], variance[1], epsilon=epsilon, centred=1
            )
        if square == x:
            return self._node("_Normalise", node, x, variance[1], epsilon=epsilon, centred=0)
        return None

    def _unit_length(self, node: onnx.NodeProto) -> onnx.NodeProto | None:
        name, shape, least = node.input[1], "", 0.0
        wide = self._made(name, "Expand")
        if wide is not None:
            name, shape = wide.input
        floor = self._made(name, "Clip", "Max", "Add")
        if floor is not None:
            given = {a.name: a.f for a in floor.attribute}
            bounds = [n for n in floor.input[1:] if n]  # exporters name a missing bound ""
            number = self._number(bounds[0]) if len(bounds) == 1 else given.get("min")
            other = given.get("max", 3e38) if floor.op_type == "Clip" else 3e38
            below = len(floor.input) > 1 and not floor.input[1]
            if below or number is None or not 0 <= number <= _LARGEST_FLOOR or other < 1e30:
                return None
            name, least = floor.input[0], number * (_ADDED if floor.op_type == "Add" else 1)
        norm = self._made(name, "ReduceL2")
        axes = None if norm is None else self._axes(norm)
        if norm is None or axes is None or norm.input[0] != node.input[0]:
            return None
        return self._node("_UnitLength", node, node.input[0], axes, shape, least=least)

    def _centred(self, name: str) -> tuple[str, tuple[int, ...]] | None:
        """(x, axes) if a tensor is x - mean(x)."""
        difference = self._made(name, "Sub")
        mean = None if difference is None else self._mean(difference.input[1])
        if difference is None or mean is None or mean[0] != difference.input[0]:
            return None
        return mean

    def _mean(self, name: str) -> tuple[str, tuple[int, ...]] | None:
        """(x, axes) if a tensor is the mean of x that keeps its axes."""
        node = self._made(name, "ReduceMean")
        axes = None if node is None else self._axes(node)
        return None if node is None or axes is None else (str(node.input[0]), axes)

    def _square(self, name: str) -> str | None:
        power, product = self._made(name, "Pow"), self._made(name, "Mul")
        if power is not None and self._number(power.input[1]) == 2:
            return str(power.input[0])
        if product is not None and product.input[0] == product.input[1]:
            return str(product.input[0])
        return None

    def _axes(self, node: onnx.NodeProto) -> tuple[int, ...] | None:
        given: dict[str, Any] = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        axes = given.get("axes")
        if axes is None and len(node.input) > 1 and node.input[1] in self._constants:
            axes = self._constants[node.input[1]].reshape(-1).tolist()
        return tuple(axes) if axes and given.get("keepdims", 1) == 1 else None

    def _made(self, name: str, *kinds: str) -> onnx.NodeProto | None:
        node = self._producer.get(name)
        plain = node is not None and node.op_type in kinds and node.domain in MAIN_DOMAINS
        return node if plain else None

    def _number(self, name: str) -> float | None:
        array = self._constants.get(name)
        scalar = (
            array is not None and array.size == 1 and array.ndim <= 1 and array.dtype.kind in "fiu"
        )
        return float(array.reshape(-1)[0]) if array is not None and scalar else None

    def _node(
        self,
        kind: str,
        node: onnx.NodeProto,
        x: str,
        axes: tuple[int, ...],
        shape: str = "",
        **numbers: Any,
    ) -> onnx.NodeProto:
        inputs = [x, shape] if shape else [x]
        name = node.name or node.output[0]
        return helper.make_node(kind, inputs, [node.output[0]], name=name, axes=axes, **numbers)
