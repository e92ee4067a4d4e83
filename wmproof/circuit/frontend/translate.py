"""Walking through an ONNX graph and building the float network."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from wmproof.circuit.frontend.activation_operators import ACTIVATION_OPERATORS
from wmproof.circuit.frontend.arguments import Arguments
from wmproof.circuit.frontend.builder import Builder
from wmproof.circuit.frontend.constants import fold, fold_counts, fold_repeated
from wmproof.circuit.frontend.doubt import doubted
from wmproof.circuit.frontend.einsum import einsum
from wmproof.circuit.frontend.endings import ENDINGS, after_answer, answer, check_ending
from wmproof.circuit.frontend.entrance import enter, first_scale
from wmproof.circuit.frontend.folded import fold_out, starts_folding
from wmproof.circuit.frontend.gathered import GATHERED_OPERATORS, absorb, gathered, starts_gathering
from wmproof.circuit.frontend.linear_operators import LINEAR_OPERATORS
from wmproof.circuit.frontend.load import OnnxGraph, check_finite
from wmproof.circuit.frontend.normalisations import spelled_normalisations
from wmproof.circuit.frontend.patterns import WAY, recognise
from wmproof.circuit.frontend.pool_operators import POOL_OPERATORS
from wmproof.circuit.frontend.product_operators import PRODUCT_OPERATORS
from wmproof.circuit.frontend.quantisation import PIXELS
from wmproof.circuit.frontend.quantised_operators import (
    QUANTISED_OPERATORS,
    check_weights,
    find_operator,
    fold_linear,
    is_quantised,
    moves,
    unwrapped,
)
from wmproof.circuit.frontend.resize import resize
from wmproof.circuit.frontend.rounded_constants import (
    Ends,
    at_ends,
    check_alike,
    check_certain,
    ends_of_product,
    is_rounded,
    values_asked,
    widened,
)
from wmproof.circuit.frontend.shape_operators import FLOATING, SHAPE_OPERATORS, split
from wmproof.circuit.frontend.unread import without_unread
from wmproof.circuit.frontend.values import (
    TENSORS,
    Answer,
    Constant,
    Dynamic,
    Folded,
    Gathered,
    Quantised,
    Value,
)
from wmproof.circuit.network import FloatLinear, Network, Passed
from wmproof.circuit.rounding import before_function, passed
from wmproof.errors import InputError
from wmproof.models.ending import CLASSIFYING, doubtful_score, is_move
from wmproof.models.strict import MAIN_DOMAINS

Operator = Callable[[Builder, Arguments], Value | list[Value]]
OPERATORS: dict[str, Operator] = {
    **LINEAR_OPERATORS,
    **SHAPE_OPERATORS,
    **ACTIVATION_OPERATORS,
    **POOL_OPERATORS,
    **PRODUCT_OPERATORS,
    "Split": split,
    "Einsum": einsum,
    "Resize": resize,
}
# These work on bytes and floats alike; all others compute, and need floats.
_MOVING = frozenset(SHAPE_OPERATORS) - {"Tile"} | {
    "GatherND",
    "GlobalMaxPool",
    "MaxPool",
    "Pad",
    "Split",
}

_FOLDED_LIMIT = 2**29
# A few bytes can ask for the sum of a large constant, or a function of it, again and again.
_READ_LIMIT, _ASKED_LIMIT = 2**31, 2**19
# What NumPy and onnx raise at shapes, lengths and types of attributes that ONNX's checks let pass.
_MISFITS = (ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError)


def translate(graph: OnnxGraph) -> Network:
    """The float network of an ONNX graph.

    InputError if an operator, or its use, has no integer form; it names the node and its
    shapes.
    """
    check_weights(graph.nodes, graph.constants)
    return _Translation(graph).run()


class _Translation:
    def __init__(self, graph: OnnxGraph) -> None:
        self._graph = graph
        self._batch = graph.interface.batch
        self._builder = Builder(graph.interface.shape, first_scale(graph.reading))
        self._values: dict[str, Value] = {k: Constant(v) for k, v in graph.constants.items()}
        self._values[graph.input_name] = enter(self._builder, graph.interface, graph.reading)
        self._elements = {graph.input_name: graph.element}
        self._uses = Counter(name for node in graph.nodes for name in node.input)
        self._uses[graph.output_name] += 1
        self._tail = _tail(graph)
        self._folded = self._read = self._asked = 0
        self._digits = 24

    def run(self) -> Network:
        for node in recognise(spelled_normalisations(self._graph)):
            self._visit(node)
        if self._graph.output_name not in self._values:
            raise InputError(f"output {self._graph.output_name} is never computed", where="ONNX")
        value = self._values[self._graph.output_name]
        squashed = value.squashed if isinstance(value, Answer) else ""
        logits = self._logits(value)
        nodes, shapes = tuple(self._builder.nodes), tuple(self._builder.shapes)
        return without_unread(Network(nodes, shapes, logits, squashed, self._digits))

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
        if all(v is None or isinstance(v, Constant) for v in inputs):
            return [
                *self._constants(node, [v if isinstance(v, Constant) else None for v in inputs])
            ]
        made = self._made(node, inputs)
        for place, value in enumerate(inputs):
            if isinstance(value, Constant) and value.ends is not None:
                check_alike(value)
                others = [replace(value, array=end, ends=None) for end in value.ends]
                low, high = (self._made(node, _with(inputs, place, other)) for other in others)
                made = [doubted(m, a, b, value) for m, a, b in zip(made, low, high, strict=True)]
        return made

    def _made(self, node: onnx.NodeProto, inputs: list[Value | None]) -> list[Value]:
        """What a node makes of tensors and constants."""
        domain = "" if node.domain in MAIN_DOMAINS else node.domain
        classifies = node.op_type in CLASSIFYING
        if is_quantised(domain, node.op_type, inputs) and not (
            classifies or node.op_type == "Shape"
        ):
            return self._quantised(node, domain, inputs)
        if node.op_type not in {"Split", "TopK"} and self._uses_other_outputs(node):
            raise InputError("has a second output that is used")
        if node.op_type == "Shape" and inputs[0] and node.domain in MAIN_DOMAINS:
            return [_shape(node, inputs[0], self._batch)]
        self._check_element(node, answered=isinstance(inputs[0], Answer))
        if classifies:  # the largest integer is the largest number
            inputs = [v.inner if isinstance(v, Quantised) else v for v in inputs]
        ending = node.op_type in ENDINGS
        known = ending or node.op_type in OPERATORS or node.op_type in GATHERED_OPERATORS
        if node.domain not in MAIN_DOMAINS or not known:
            raise InputError("this operator has no integer form here")
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        arguments = Arguments(
            tuple(inputs), attributes, self._graph.opset, self._batch, len(node.output)
        )
        if any(isinstance(v, Answer) for v in inputs):
            return [after_answer(node.op_type, arguments)] * len(node.output)
        if self._folds(node, arguments):
            function = OPERATORS.get(node.op_type)
            return _listed(fold_out(self._builder, node.op_type, arguments, function))
        gathers = starts_gathering(node.op_type, arguments)
        if gathers or any(isinstance(v, Gathered) for v in inputs):
            return [self._gathered(node, arguments)]
        if (ending or self._moves_one_score(node, inputs)) and self._ends(node):
            return [answer(node.op_type, arguments)] * len(node.output)
        if node.op_type not in OPERATORS:
            raise InputError("has an integer form only as the last operator")
        if WAY[0] in attributes:
            arguments = self._spelled(arguments)
        return _listed(OPERATORS[node.op_type](self._builder, arguments))

    def _folds(self, node: onnx.NodeProto, arguments: Arguments) -> bool:
        """Whether the batch is not alone on the first axis before or after the node."""
        folded = any(isinstance(v, Folded) for v in arguments.inputs)
        if folded and node.op_type in {"GatherND", "Where"}:
            return False  # `Gathered` has the batch in any axis
        one_score = self._moves_one_score(node, list(arguments.inputs)) and self._ends(node)
        return folded or (not one_score and starts_folding(node.op_type, arguments))

    def _quantised(
        self, node: onnx.NodeProto, domain: str, inputs: list[Value | None]
    ) -> list[Value]:
        """A node of a quantised model; pixels are integers of scale 1."""
        if (domain, node.op_type) in QUANTISED_OPERATORS:
            pixels = {n for n in node.input if self._elements.get(n) == TensorProto.UINT8}
            inputs = [
                Quantised(v, PIXELS) if n in pixels and isinstance(v, TENSORS) else v
                for n, v in zip(node.input, inputs, strict=True)
            ]
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        arguments = Arguments(
            tuple(inputs), attributes, self._graph.opset, self._batch, len(node.output)
        )
        if not moves(domain, node.op_type, inputs):
            return find_operator(domain, node.op_type, inputs)(self._builder, arguments)
        if node.op_type != "Split" and self._uses_other_outputs(node):
            raise InputError("has a second output that is used")
        inner, scale = unwrapped(node.op_type, arguments)
        function = OPERATORS[node.op_type]
        if self._folds(node, inner):
            moved = _listed(fold_out(self._builder, node.op_type, inner, function))
        else:
            moved = _listed(function(self._builder, inner))
        return [Quantised(v, scale) if isinstance(v, (*TENSORS, Folded)) else v for v in moved]

    def _spelled(self, arguments: Arguments) -> Arguments:
        """The arguments of a function that the file spells out, its steps remembered."""
        affine = self._builder.affine(arguments.tensor())
        steps = (float(arguments.attributes[name]) for name in WAY)
        way = before_function(passed(affine.linear), *steps)
        value = replace(affine, linear=replace(affine.linear, passed=way))
        return replace(arguments, inputs=(value, *arguments.inputs[1:]))

    def _constants(self, node: onnx.NodeProto, inputs: list[Constant | None]) -> list[Constant]:
        if node.domain not in MAIN_DOMAINS:
            raise InputError("this operator has no integer form here")
        folded = self._fold(node, inputs)
        doubtful = any(v is not None and v.ends is not None for v in inputs)
        rounded = is_rounded(node.op_type, folded[0].array)
        if not doubtful and not rounded:
            return folded
        ends = [(v.array, v.array) for v in folded]
        if doubtful:
            ends = self._between(node, inputs, folded)
        if rounded:
            arrays = [None if v is None else v.array for v in inputs]
            ends = [widened(node, arrays, v.array, e) for v, e in zip(folded, ends, strict=True)]
        return [replace(v, ends=e) for v, e in zip(folded, ends, strict=True)]

    def _between(
        self, node: onnx.NodeProto, inputs: list[Constant | None], folded: list[Constant]
    ) -> list[Ends]:
        """Between which the results of doubtful constants are."""
        if node.op_type == "MatMul":
            return [ends_of_product(inputs, folded[0].array)]
        with np.errstate(all="ignore"):  # an end may be what no number is
            found = [self._fold(node, chosen) for chosen in at_ends(node, inputs)]
        ends = []
        for mine, *others in zip(folded, *found, strict=True):
            arrays = [other.array for other in others]
            check_certain(node.op_type, mine.array, arrays)
            wide = [mine.array.astype(arrays[0].dtype), *arrays]
            ends.append((np.minimum.reduce(wide), np.maximum.reduce(wide)))
        return ends

    def _fold(self, node: onnx.NodeProto, inputs: list[Constant | None]) -> list[Constant]:
        if node.op_type in {"QuantizeLinear", "DequantizeLinear"}:
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            return [fold_linear(node.op_type, Arguments(tuple(inputs), attributes, 0))]
        self._count(node, [v.array for v in inputs if v is not None])
        if any(v is not None and v.batch is not None for v in inputs):
            folded = fold_repeated(node, inputs, self._graph.opset)
        elif any(v is not None and v.counts is not None for v in inputs):
            folded = fold_counts(node, inputs, self._graph.opset)
        else:
            arrays = [None if v is None else v.array for v in inputs]
            folded = [Constant(array) for array in fold(node, arrays, self._graph.opset)]
        for constant in folded:
            check_finite(constant.array, f"constant {node.output[0]}")
        self._folded += sum(constant.array.size for constant in folded)
        if self._folded > _FOLDED_LIMIT:
            raise InputError("makes more constants than fit, over 2^29 elements in all")
        return folded

    def _count(self, node: onnx.NodeProto, arrays: list[NDArray[Any]]) -> None:
        """Bound the work on constants, whose results may be small."""
        self._read += sum(array.size for array in arrays)
        if self._read > _READ_LIMIT:
            raise InputError("computes with more constants than fit, over 2^31 elements in all")
        self._asked += values_asked(node.op_type, arrays)
        if self._asked > _ASKED_LIMIT:
            raise InputError("asks for functions of more constants than fit, over 2^19 in all")

    def _check_element(self, node: onnx.NodeProto, *, answered: bool) -> None:
        """Numbers are computed with in floats: others wrap or round to nothing."""
        known = [self._elements[name] for name in node.input if name in self._elements]
        element = known[0] if known else TensorProto.FLOAT
        if node.op_type not in _MOVING | ENDINGS and element not in FLOATING:
            raise InputError(
                f"computes in ONNX type {element}, which wraps or rounds",
                remedy="Export the model with its pixels cast to float32 first",
            )
        made = element
        if node.op_type == "Cast":
            made = next((a.i for a in node.attribute if a.name == "to"), element)
        if TensorProto.FLOAT16 in (element, made) and not answered:
            self._digits = 11
        self._elements[node.output[0]] = made

    def _gathered(self, node: onnx.NodeProto, arguments: Arguments) -> Value:
        if node.op_type == "Gemm":
            return absorb(self._builder, arguments)
        if node.op_type not in GATHERED_OPERATORS:
            raise InputError("works on elements rearranged as only a dense layer could take them")
        return GATHERED_OPERATORS[node.op_type](gathered(self._builder, arguments))

    def _uses_other_outputs(self, node: onnx.NodeProto) -> bool:
        return any(self._uses[name] for name in node.output[1:])

    def _moves_one_score(self, node: onnx.NodeProto, inputs: list[Value | None]) -> bool:
        """The one score of a picture may lose its axis on its way out."""
        return is_move(node) and inputs[0] is not None and math.prod(inputs[0].shape) == 1

    def _ends(self, node: onnx.NodeProto) -> bool:
        """Whether nothing but the answer is made of what this node gives."""
        return not self._tail.isdisjoint(node.output)

    def _logits(self, value: Value) -> FloatLinear:
        probability = isinstance(value, Answer) and value.is_probability
        one = math.prod(value.shape) == 1 and not (isinstance(value, Answer) and value.is_class)
        ending = self._graph.ending
        if one and (ending.doubtful or probability != ending.is_probability):
            raise doubtful_score()
        if isinstance(value, Answer):
            value = value.inner
        if isinstance(value, Quantised) and not one:
            value = value.inner
        if isinstance(value, Folded):
            raise InputError("the batch is not the output's first axis", where="ONNX model")
        if isinstance(value, Quantised | Dynamic):
            raise InputError("ends in integers of no scale, or in one score that is an integer")
        if isinstance(value, Constant | Gathered):
            raise InputError("the output does not depend on the image", where="ONNX model")
        classes = math.prod(value.shape)
        if max(value.shape) != classes:
            raise InputError(
                f"the output has shape {value.shape}, not (N, classes)", where="ONNX model"
            )
        self._builder.name = "logits"
        affine = self._builder.affine(value)
        if classes > 1:
            check_ending(affine.linear, self._builder.nodes)
        if affine.linear.shape != (classes, 1, 1):
            flat = self._builder.reshape(self._builder.bytes(affine), (classes,))
            affine = self._builder.affine(flat)
        return affine.linear if classes > 1 else _against_zero(affine.linear)


def _tail(graph: OnnxGraph) -> set[str]:
    """The tensors of which nothing but the answer is made."""
    producers = {name: node for node in graph.nodes for name in node.output}
    name, tail = graph.output_name, {graph.output_name}
    while name in producers:
        node = producers[name]
        ending = node.op_type in {*CLASSIFYING, "Sigmoid"} and node.domain in MAIN_DOMAINS
        if not (ending or is_move(node)) or node.input[0] in tail:
            break
        name = node.input[0]
        tail.add(name)
    return tail


def _against_zero(score: FloatLinear) -> FloatLinear:
    """One score of two classes as two: the second wins where it is above 0."""
    terms = tuple(
        replace(term, weight=np.concatenate([np.zeros_like(term.weight), term.weight]))
        for term in score.terms
    )
    bias = np.concatenate([np.zeros_like(score.bias), score.bias])
    before = passed(score)
    way = Passed(
        np.append(0.0, before.peak),
        np.append(1.0, before.low),
        np.append(1.0, before.high),
        np.append(0.0, before.share),
        np.append(0.0, before.shift),
    )
    return FloatLinear(bias, terms, (2, 1, 1), way)


def _listed(result: Value | list[Value]) -> list[Value]:
    return result if isinstance(result, list) else [result]


def _label(node: onnx.NodeProto) -> str:
    name = node.name or (*node.output, "")[0]
    return "".join(c if c.isprintable() else "?" for c in name)[:200]


def _describe(node: onnx.NodeProto, inputs: list[Value | None]) -> str:
    shapes = [None if value is None else value.shape for value in inputs]
    operator = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
    return f"node {_label(node)} ({operator}, inputs {shapes})"


def _with(inputs: list[Value | None], place: int, value: Value) -> list[Value | None]:
    return [*inputs[:place], value, *inputs[place + 1 :]]


def _shape(node: onnx.NodeProto, value: Value, batch: int | None) -> Constant:
    """The shape of a tensor; where the batch is open, its length stays unknown."""
    if isinstance(value, Answer):
        raise InputError("asks for the shape of the answer")
    value = value.inner if isinstance(value, Quantised) else value
    axis = value.batch if isinstance(value, Gathered) else 0
    axis = value.axis if isinstance(value, Folded) else axis
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    part = slice(attributes.get("start", 0), attributes.get("end", len(value.shape)))
    shape, counts = np.array(value.shape, np.int64), np.zeros(len(value.shape), np.int64)
    if batch is None:
        shape[axis], counts[axis] = 0, shape[axis]
    else:
        shape[axis] *= batch
    return Constant(shape[part], counts[part] if counts[part].any() else None)
