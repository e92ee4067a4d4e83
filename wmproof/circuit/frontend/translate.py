"""Walking through an ONNX graph and building the float network."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import helper

from wmproof.circuit.frontend.activation_operators import ACTIVATION_OPERATORS
from wmproof.circuit.frontend.arguments import Arguments, normal_axis
from wmproof.circuit.frontend.builder import Builder
from wmproof.circuit.frontend.constants import fold
from wmproof.circuit.frontend.gathered import (
    GATHERED_OPERATORS,
    absorb,
    gathered,
    starts_gathering,
)
from wmproof.circuit.frontend.linear_operators import LINEAR_OPERATORS
from wmproof.circuit.frontend.load import OnnxGraph, check_finite
from wmproof.circuit.frontend.patterns import recognise
from wmproof.circuit.frontend.pool_operators import POOL_OPERATORS
from wmproof.circuit.frontend.shape_operators import SHAPE_OPERATORS
from wmproof.circuit.frontend.values import (
    Answer,
    Constant,
    Gathered,
    Padded,
    Tensor,
    Value,
)
from wmproof.circuit.network import FloatLinear, Network
from wmproof.errors import InputError

Operator = Callable[[Builder, Arguments], Value]
OPERATORS: dict[str, Operator] = {
    **LINEAR_OPERATORS,
    **SHAPE_OPERATORS,
    **ACTIVATION_OPERATORS,
    **POOL_OPERATORS,
}
# These do not change which class is largest, so a graph that ends in them has its logits before.
_ENDINGS = frozenset({"Softmax", "LogSoftmax", "Sigmoid", "Tanh", "ArgMax"})

_FOLDED_LIMIT = 2**29
# What NumPy and onnx raise at shapes, lengths and types of attributes that ONNX's checks let pass.
_MISFITS = (ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError)


def translate(graph: OnnxGraph, pixel_scale: float) -> Network:
    """The float network of an ONNX graph.

    Parameters
    ----------
    graph : OnnxGraph
    pixel_scale : float
        Value that the model expects for a pixel of 1: 1, or 1/255.

    Raises
    ------
    InputError
        If an operator, or its use, has no integer form; it names the node and its shapes.
    """
    return _Translation(graph, pixel_scale).run()


class _Translation:
    def __init__(self, graph: OnnxGraph, pixel_scale: float) -> None:
        self._graph = graph
        self._builder = Builder(graph.input_shape, pixel_scale)
        self._values: dict[str, Value] = {k: Constant(v) for k, v in graph.constants.items()}
        self._values[graph.input_name] = self._builder.input
        self._uses = Counter(name for node in graph.nodes for name in node.input)
        self._uses[graph.output_name] += 1
        self._folded = 0

    def run(self) -> Network:
        for node in recognise(self._graph):
            self._visit(node)
        if self._graph.output_name not in self._values:
            raise InputError(f"output {self._graph.output_name} is never computed", where="ONNX")
        logits = self._logits(self._values[self._graph.output_name])
        return Network(tuple(self._builder.nodes), tuple(self._builder.shapes), logits)

    def _visit(self, node: onnx.NodeProto) -> None:
        inputs = [self._values.get(name) if name else None for name in node.input]
        try:
            missing = [n for n, v in zip(node.input, inputs, strict=True) if n and v is None]
            if missing:
                raise InputError(f"reads {missing[0]}, which nothing computes")
            self._builder.name = _label(node)
            outputs = self._outputs(node, inputs)
        except InputError as error:
            raise InputError(
                error.what, where=error.where or _describe(node, inputs), remedy=error.remedy
            ) from None
        except _MISFITS as error:
            raise InputError(
                f"its inputs and attributes do not fit each other ({error})",
                where=_describe(node, inputs),
            ) from None
        for name, value in zip(node.output, outputs, strict=False):
            self._values[name] = value

    def _outputs(self, node: onnx.NodeProto, inputs: list[Value | None]) -> list[Value]:
        if node.op_type == "Shape" and not isinstance(inputs[0], Constant) and inputs[0]:
            return [Constant(_shape(node, inputs[0]))]
        constants = [v.array if isinstance(v, Constant) else None for v in inputs]
        if all(v is None or isinstance(v, Constant) for v in inputs):
            folded = fold(node, constants, self._graph.opset)
            for array in folded:
                check_finite(array, f"constant {node.output[0]}")
            self._folded += sum(array.size for array in folded)
            if self._folded > _FOLDED_LIMIT:
                raise InputError("makes more constants than fit, over 2^29 elements in all")
            return [Constant(array) for array in folded]
        ending = node.op_type in _ENDINGS
        known = ending or node.op_type in OPERATORS or node.op_type in GATHERED_OPERATORS
        if node.domain not in {"", "ai.onnx"} or not known:
            raise InputError("this operator has no integer form here")
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        arguments = Arguments(tuple(inputs), attributes, self._graph.opset)
        if any(isinstance(v, Answer) for v in inputs):
            return [_after_answer(node, arguments)]
        gathers = starts_gathering(node.op_type, arguments)
        if gathers or any(isinstance(v, Gathered) for v in inputs):
            return [self._gathered(node, arguments)]
        if ending and self._ends(node):
            return [_answer(node, arguments)]
        if node.op_type not in OPERATORS:
            raise InputError("has an integer form only as the last operator")
        if self._uses_other_outputs(node):
            raise InputError("has a second output that is used")
        return [OPERATORS[node.op_type](self._builder, arguments)]

    def _gathered(self, node: onnx.NodeProto, arguments: Arguments) -> Value:
        if node.op_type == "Gemm":
            return absorb(self._builder, arguments)
        if node.op_type not in GATHERED_OPERATORS:
            raise InputError("works on elements rearranged as only a dense layer could take them")
        return GATHERED_OPERATORS[node.op_type](gathered(self._builder, arguments))

    def _uses_other_outputs(self, node: onnx.NodeProto) -> bool:
        return any(self._uses[name] for name in node.output[1:])

    def _ends(self, node: onnx.NodeProto) -> bool:
        """Whether only the answer depends on this node."""
        name = node.output[0]
        while True:
            if self._uses[name] != 1:
                return False
            if name == self._graph.output_name:
                return True
            following = next(n for n in self._graph.nodes if name in n.input)
            if following.op_type not in {"Identity", "ArgMax", "Squeeze", "Cast", "Reshape"}:
                return False
            name = following.output[0]

    def _logits(self, value: Value) -> FloatLinear:
        if isinstance(value, Answer):
            value = value.inner
        if isinstance(value, Constant | Gathered):
            raise InputError("the output does not depend on the image", where="ONNX model")
        classes = math.prod(value.shape)
        if classes < 2 or max(value.shape) != classes:
            raise InputError(
                f"the output has shape {value.shape}, not (N, classes)", where="ONNX model"
            )
        self._builder.name = "logits"
        affine = self._builder.affine(value)
        if affine.linear.shape != (classes, 1, 1):
            flat = self._builder.reshape(self._builder.bytes(affine), (classes,))
            affine = self._builder.affine(flat)
        return affine.linear


def _label(node: onnx.NodeProto) -> str:
    name = str(node.name or (*node.output, "")[0])  # bytes where they are not UTF-8
    return "".join(c if c.isprintable() else "?" for c in name)[:200]


def _describe(node: onnx.NodeProto, inputs: list[Value | None]) -> str:
    shapes = [None if value is None else value.shape for value in inputs]
    operator = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
    return f"node {_label(node)} ({operator}, inputs {shapes})"


def _shape(node: onnx.NodeProto, value: Value) -> Any:
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    shape = value.shape[attributes.get("start", 0) : attributes.get("end", len(value.shape))]
    return np.array(shape, np.int64)


def _answer(node: onnx.NodeProto, arguments: Arguments) -> Answer:
    """The logits before a final Softmax, Sigmoid or ArgMax."""
    value: Tensor = arguments.tensor()
    rank = len(value.shape)
    default = 0 if node.op_type == "ArgMax" else (-1 if arguments.opset >= 13 else 1)
    axis = normal_axis(arguments.integer("axis", default), rank)
    if node.op_type not in {"Sigmoid", "Tanh"} and value.shape[axis] != math.prod(value.shape):
        raise InputError(f"works along axis {axis}, which is not the classes' axis")
    if arguments.integer("select_last_index", 0):
        raise InputError("gives ties to the last class; the lowest index wins here")
    if isinstance(value, Padded):
        raise InputError("answers with padded logits")
    return Answer(value, value.shape)


def _after_answer(node: onnx.NodeProto, arguments: Arguments) -> Answer:
    value = arguments.inputs[0]
    if not isinstance(value, Answer) or node.op_type not in {
        "Identity",
        "ArgMax",
        "Squeeze",
        "Cast",
        "Reshape",
    }:
        raise InputError("works on the answer; only the answer itself may be the output")
    return value
