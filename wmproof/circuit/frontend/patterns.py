"""Recognising activation functions that an exporter has spelled out in elementary operators.

Exporters write GELU as Div, Erf, Add, Mul, Mul (in several orders), SiLU as a product with a
sigmoid, HardSwish with a clip. Instead of one template for each spelling, a part of the graph that
computes an elementwise function of one tensor is brought to a normal form (see `elementwise`) and
compared with those of the functions that have tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from wmproof.circuit.frontend import elementwise as ew
from wmproof.circuit.frontend.load import OnnxGraph

_DEEPEST = 14


def _clip(x: ew.Elementwise, *limits: ew.Elementwise | None, **numbers: float) -> ew.Elementwise:
    """Clip, its limits given as inputs (None where left out) or as attributes."""
    low, high = (*limits, None, None)[:2]
    low = ew.constant(numbers["min"]) if "min" in numbers else low
    high = ew.constant(numbers["max"]) if "max" in numbers else high
    x = x if low is None else ew.maximum(x, low)
    return x if high is None else ew.minimum(x, high)


def _hard_sigmoid(x: ew.Elementwise, alpha: float = 0.2, beta: float = 0.5) -> ew.Elementwise:
    line = ew.add(ew.multiply(ew.constant(alpha), x), ew.constant(beta))
    return _clip(line, ew.constant(0.0), ew.constant(1.0))


def _sigmoid(x: ew.Elementwise) -> ew.Elementwise:
    return ew.atom("sigmoid")(x)


_ELEMENTARY: dict[str, Callable[..., ew.Elementwise]] = {
    "Add": ew.add,
    "Sub": ew.subtract,
    "Mul": ew.multiply,
    "Div": ew.divide,
    "Pow": ew.power,
    "Neg": lambda x: ew.multiply(ew.constant(-1.0), x),
    "Exp": ew.atom("exp"),
    "Log": ew.log_of_sigmoid,
    "Reciprocal": lambda x: ew.divide(ew.constant(1.0), x),
    "Erf": ew.atom("erf"),
    "Tanh": ew.atom("tanh"),
    "Sigmoid": _sigmoid,
    "Relu": lambda x: ew.maximum(x, ew.constant(0.0)),
    "Identity": lambda x: x,
    "Min": ew.minimum,
    "Max": ew.maximum,
    "Clip": _clip,
    "HardSigmoid": _hard_sigmoid,
}


def _product(*factors: ew.Elementwise | float) -> ew.Elementwise:
    total = ew.constant(1.0)
    for factor in factors:
        total = ew.multiply(total, ew.constant(factor) if isinstance(factor, float) else factor)
    return total


def _halved(inner: ew.Elementwise) -> ew.Elementwise:
    """Half of x, times 1 + inner."""
    return _product(0.5, ew.VARIABLE, ew.add(ew.constant(1.0), inner))


_CUBE = _product(0.044715, ew.VARIABLE, ew.VARIABLE, ew.VARIABLE)
_SMOOTH: dict[str, tuple[ew.Elementwise, dict[str, Any]]] = {
    "Gelu": (_halved(ew.atom("erf")(_product(math.sqrt(0.5), ew.VARIABLE))), {}),
    "GeluTanh": (
        _halved(ew.atom("tanh")(_product(math.sqrt(2 / math.pi), ew.add(ew.VARIABLE, _CUBE)))),
        {"approximate": "tanh"},
    ),
    "Swish": (_product(ew.VARIABLE, _sigmoid(ew.VARIABLE)), {}),
    "HardSwish": (_product(ew.VARIABLE, _hard_sigmoid(ew.VARIABLE, 1 / 6)), {}),
    "Tanh": (ew.atom("tanh")(ew.VARIABLE), {}),
    "Sigmoid": (_sigmoid(ew.VARIABLE), {}),
    "_LogSigmoid": (ew.atom("log_sigmoid")(ew.VARIABLE), {}),
}
# What a spelled function computes on the way, as attributes of the node that replaces it.
WAY = ("_peak", "_low", "_high")
# Operators whose integer form needs what is around them: they start the search.
_SEEDS = frozenset({"Erf", "Pow", "Exp", "Log", "Min", "Max", "Reciprocal"})


def recognise(graph: OnnxGraph) -> list[onnx.NodeProto]:
    """The graph's nodes, each spelled-out activation function replaced by one node."""
    return _Recogniser(graph).run()


class _Recogniser:
    def __init__(self, graph: OnnxGraph) -> None:
        self._nodes = list(graph.nodes)
        self._output = graph.output_name
        self._scalars = {k: v for k, v in graph.constants.items() if _is_scalar(v)}
        self._constants = set(graph.constants)
        for node in self._nodes:
            if node.op_type == "Constant":
                value = helper.get_attribute_value(node.attribute[0])
                if isinstance(value, onnx.TensorProto):
                    value = onnx.numpy_helper.to_array(value)
                self._constants.add(node.output[0])
                if _is_scalar(np.asarray(value)):
                    self._scalars[node.output[0]] = np.asarray(value)
        self._producer = {name: node for node in self._nodes for name in node.output}
        self._users: dict[str, list[onnx.NodeProto]] = {}
        for node in self._nodes:
            for name in node.input:
                self._users.setdefault(name, []).append(node)

    def run(self) -> list[onnx.NodeProto]:
        replaced: dict[str, onnx.NodeProto] = {}
        gone: set[int] = set()
        for node in self._nodes:
            if id(node) in gone or not self._starts(node):
                continue
            found = self._match(node)
            if found is not None:
                new, cone = found
                replaced[new.output[0]] = new
                gone |= {id(member) for member in cone}
        result = []
        for node in self._nodes:
            if node.output[0] in replaced:
                result.append(replaced[node.output[0]])
            elif id(node) not in gone:
                result.append(node)
        return result

    def _starts(self, node: onnx.NodeProto) -> bool:
        if node.op_type in _SEEDS:
            return any(name and name not in self._constants for name in node.input)
        product = node.op_type == "Mul"
        return product and all(name not in self._constants for name in node.input)

    def _match(self, seed: onnx.NodeProto) -> tuple[onnx.NodeProto, list[onnx.NodeProto]] | None:
        """The largest recognised function that `seed` is part of."""
        best = None
        for root in self._forward(seed):
            for source in self._ancestors(root):
                cone = self._cone(root, source)
                if cone is None or not self._closed(cone, root):
                    continue
                kind = self._identify(root, source)
                if kind is not None:
                    best = (_node(*kind, source, root.output[0]), cone)
        return best

    def _forward(self, seed: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
        """`seed` and the elementary nodes that follow it one after the other."""
        node, depth = seed, 0
        while node.op_type in _ELEMENTARY and depth < _DEEPEST:
            yield node
            users = self._users.get(node.output[0], [])
            if node.output[0] == self._output or len({id(user) for user in users}) != 1:
                return
            node, depth = users[0], depth + 1

    def _ancestors(self, root: onnx.NodeProto) -> list[str]:
        """Tensors before `root`, nearest first."""
        found: list[str] = []
        frontier, depth = [root], 0
        while frontier and depth < _DEEPEST:
            names = [n for node in frontier for n in node.input if n and n not in self._constants]
            names = [n for n in dict.fromkeys(names) if n not in found]
            found += names
            frontier = [self._producer[n] for n in names if n in self._producer]
            frontier = [node for node in frontier if node.op_type in _ELEMENTARY]
            depth += 1
        return found

    def _cone(self, root: onnx.NodeProto, source: str) -> list[onnx.NodeProto] | None:
        """Nodes between `source` and `root`, if they read nothing else but scalars."""
        cone: dict[int, onnx.NodeProto] = {}
        waiting = [root]
        while waiting:
            node = waiting.pop()
            if id(node) in cone:
                continue
            if node.op_type not in _ELEMENTARY or len(cone) > 4 * _DEEPEST:
                return None
            cone[id(node)] = node
            for name in node.input:
                if not name or name == source or name in self._scalars:
                    continue
                if name not in self._producer:
                    return None
                waiting.append(self._producer[name])
        return list(cone.values())

    def _closed(self, cone: list[onnx.NodeProto], root: onnx.NodeProto) -> bool:
        """Whether nothing outside reads what is inside, except the result."""
        members = {id(node) for node in cone}
        inner = [node.output[0] for node in cone if node is not root]
        return self._output not in inner and all(
            id(user) in members for name in inner for user in self._users.get(name, [])
        )

    def _identify(self, root: onnx.NodeProto, source: str) -> tuple[str, dict[str, Any]] | None:
        """Operator and attributes of the function of `source` that `root` is."""
        steps = {source: ew.VARIABLE}
        try:
            function = self._function(root.output[0], steps)
        except (ew.NoNormalFormError, TypeError, ValueError, ArithmeticError):
            return None
        found = _known(function)
        way = ew.way(steps.values())
        if found is None or way == ew.NOTHING_ON_THE_WAY:
            return found
        return found[0], found[1] | dict(zip(WAY, way, strict=True))

    def _function(self, name: str, known: dict[str, ew.Elementwise]) -> ew.Elementwise:
        if name not in known:
            if name in self._scalars:
                known[name] = ew.constant(float(self._scalars[name].reshape(())))
            else:
                node = self._producer[name]
                inputs = [self._function(n, known) if n else None for n in node.input]
                numbers = {a.name: helper.get_attribute_value(a) for a in node.attribute}
                known[name] = _ELEMENTARY[node.op_type](*inputs, **numbers)
        return known[name]


def _known(function: ew.Elementwise) -> tuple[str, dict[str, Any]] | None:
    limits, slope = ew.as_clip(function), ew.as_leaky(function)
    if limits is not None:
        low, high = limits
        return ("Relu", {}) if limits == (0, math.inf) else ("Clip", {"min": low, "max": high})
    if slope is not None:
        return "LeakyRelu", {"alpha": slope}
    for kind, (known, attributes) in _SMOOTH.items():
        if ew.same(function, known):
            return ("Gelu" if kind == "GeluTanh" else kind), attributes
    return None


def _is_scalar(array: NDArray[Any]) -> bool:
    """One number that broadcasts to a tensor of two or more axes without adding any."""
    return array.size == 1 and array.ndim <= 2 and array.dtype.kind in "fiu"


def _node(kind: str, attributes: dict[str, Any], source: str, output: str) -> onnx.NodeProto:
    return helper.make_node(kind, [source], [output], name=output, **attributes)
