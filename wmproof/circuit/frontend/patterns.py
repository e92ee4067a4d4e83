"""Recognising activation functions that an exporter has spelled out in elementary operators.

Exporters write GELU as Div, Erf, Add, Mul, Mul (in several orders), SiLU as a product with a
sigmoid, HardSwish with a clip. Instead of one template for each spelling, a part of the graph that
computes an elementwise function of one tensor is tried out on a grid of numbers and compared with
the functions that have tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from wmproof.circuit.frontend.load import OnnxGraph

Floats = NDArray[np.float64]
_GRID = np.arange(-320, 321) / 32.0
_TOLERANCE = 1e-4
_DEEPEST = 14


def _erf(x: Floats) -> Floats:
    return np.array([math.erf(v) for v in x])


def _sigmoid(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-x))


_ELEMENTARY: dict[str, Callable[..., Floats]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Pow": np.power,
    "Neg": np.negative,
    "Exp": np.exp,
    "Log": np.log,
    "Sqrt": np.sqrt,
    "Reciprocal": np.reciprocal,
    "Erf": _erf,
    "Tanh": np.tanh,
    "Sigmoid": _sigmoid,
    "Softplus": lambda x: np.logaddexp(x, 0),
    "Relu": lambda x: np.maximum(x, 0),
    "Identity": lambda x: x,
    "Min": lambda *x: np.minimum.reduce(np.broadcast_arrays(*x)),
    "Max": lambda *x: np.maximum.reduce(np.broadcast_arrays(*x)),
    "Clip": lambda x, low=-np.inf, high=np.inf: np.clip(x, low, high),
    "HardSigmoid": lambda x, alpha=0.2, beta=0.5: np.clip(alpha * x + beta, 0, 1),
}
_KNOWN: dict[str, tuple[Callable[[Floats], Floats], dict[str, Any]]] = {
    "Relu": (lambda x: np.maximum(x, 0), {}),
    "Clip": (lambda x: np.clip(x, 0, 6), {"min": 0.0, "max": 6.0}),
    "Gelu": (lambda x: x * (1 + _erf(x / math.sqrt(2))) / 2, {}),
    "GeluTanh": (
        lambda x: x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2,
        {"approximate": "tanh"},
    ),
    "Swish": (lambda x: x * _sigmoid(x), {}),
    "HardSwish": (lambda x: x * np.clip(x / 6 + 0.5, 0, 1), {}),
    "Softplus": (lambda x: np.logaddexp(x, 0), {}),
    "Tanh": (np.tanh, {}),
    "Sigmoid": (_sigmoid, {}),
}
# Operators that have no integer form of their own: they start the search.
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
                    best = (_node(kind, source, root.output[0]), cone)
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
        """Whether nothing outside reads what is inside, but for the result."""
        members = {id(node) for node in cone}
        inner = [node.output[0] for node in cone if node is not root]
        return self._output not in inner and all(
            id(user) in members for name in inner for user in self._users.get(name, [])
        )

    def _identify(self, root: onnx.NodeProto, source: str) -> str | None:
        try:
            with np.errstate(all="ignore"):
                values = self._evaluate(root.output[0], {source: _GRID})
        except (TypeError, ValueError):
            return None
        for kind, (function, _) in _KNOWN.items():
            if np.allclose(values, function(_GRID), rtol=_TOLERANCE, atol=_TOLERANCE):
                return kind
        return None

    def _evaluate(self, name: str, known: dict[str, Floats]) -> Floats:
        if name not in known:
            if name in self._scalars:
                known[name] = self._scalars[name].astype(np.float64).reshape(())
            else:
                node = self._producer[name]
                inputs = [self._evaluate(n, known) for n in node.input if n]
                numbers = {
                    {"min": "low", "max": "high"}.get(a.name, a.name): a.f for a in node.attribute
                }
                known[name] = _ELEMENTARY[node.op_type](*inputs, **numbers)
        return known[name]


def _is_scalar(array: NDArray[Any]) -> bool:
    return array.size == 1 and array.dtype.kind in "fiu"


def _node(kind: str, source: str, output: str) -> onnx.NodeProto:
    operator = "Gelu" if kind == "GeluTanh" else kind
    attributes = _KNOWN[kind][1]
    return helper.make_node(operator, [source], [output], name=output, **attributes)
