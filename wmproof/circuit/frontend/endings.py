"""The end of a graph: what follows the logits and does not change which class is the answer."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from onnx import TensorProto

from wmproof.circuit.frontend.arguments import Arguments, normal_axis
from wmproof.circuit.frontend.values import Answer, Padded
from wmproof.circuit.ir import Shape
from wmproof.circuit.network import FloatActivation, FloatLinear, FloatNode, Smooth, float_sources
from wmproof.circuit.rounding import LARGEST_SCORE, equal_scores
from wmproof.errors import InputError
from wmproof.models.ending import CLASSIFYING, MOVING, SQUASHING

ENDINGS = SQUASHING | CLASSIFYING
AFTER_ANSWER = MOVING | CLASSIFYING
# Types of a class, and the numbers below which each of them holds every integer.
_CLASS_TYPES: dict[int, int] = {
    TensorProto.FLOAT: 2**24,
    TensorProto.DOUBLE: 2**53,
    TensorProto.FLOAT16: 2**11,
    TensorProto.BFLOAT16: 2**8,
    TensorProto.INT8: 2**7,
    TensorProto.INT16: 2**15,
    TensorProto.INT32: 2**31,
    TensorProto.INT64: 2**63,
    TensorProto.UINT8: 2**8,
    TensorProto.UINT16: 2**16,
    TensorProto.UINT32: 2**32,
    TensorProto.UINT64: 2**64,
}


def answer(operator: str, arguments: Arguments) -> Answer:
    """The logits before a final Softmax, ArgMax or TopK, or before the Sigmoid of one score.

    InputError if the logits are padded, or the operator works along another axis than the
    classes'.
    """
    value = arguments.tensor()
    if isinstance(value, Padded):
        raise InputError("answers with padded logits")
    if math.prod(value.shape) == 1 and operator not in CLASSIFYING:
        return after_answer(
            operator,
            replace(arguments, inputs=(Answer(value, value.shape, False), *arguments.inputs[1:])),
        )
    if operator in LARGEST_SCORE:
        return Answer(value, value.shape, False, squashed=operator)
    shape = _along_classes(operator, arguments, value.shape)
    is_class = operator in CLASSIFYING
    return Answer(value, shape, is_class, squashed="" if is_class else operator)


def _along_classes(operator: str, arguments: Arguments, shape: Shape) -> Shape:
    """Shape of Softmax, ArgMax or TopK, which must work along the classes."""
    last = arguments.opset >= 13 or operator == "TopK"
    default = 0 if operator == "ArgMax" else (-1 if last else 1)
    axis = normal_axis(arguments.integer("axis", default), len(shape))
    if axis == 0 or shape[axis] != math.prod(shape):
        raise InputError(f"works along axis {axis}, which is not the classes' axis")
    if arguments.integer("select_last_index", 0):
        raise InputError("gives ties to the last class; the lowest index wins here")
    if operator not in CLASSIFYING:
        return shape
    kept = (1,) if arguments.integer("keepdims", 1) else ()
    if operator == "TopK":  # whose classes come in order, see `models.ending.find_ending`
        listed = arguments.constant(1) if arguments.has(1) else arguments.attributes["k"]
        kept = (int(np.asarray(listed).reshape(())),)
    return (*shape[:axis], *kept, *shape[axis + 1 :])


def after_answer(operator: str, arguments: Arguments) -> Answer:
    """The answer after an operator that leaves it what it is.

    InputError if the operator would make another answer of it.
    """
    value = arguments.inputs[0]
    if not isinstance(value, Answer) or operator not in AFTER_ANSWER | ENDINGS:
        raise InputError("works on the answer; only the answer itself may be the output")
    match operator:
        case "Sigmoid" if math.prod(value.shape) == 1 and not value.is_probability:
            return replace(value, is_probability=True)
        case "Sigmoid" | "Tanh" | "Softmax" | "LogSoftmax":
            raise InputError("works on the answer; only the answer itself may be the output")
        case "ArgMax" | "TopK":
            if value.is_class:
                raise InputError("looks for the largest of one class")
            shape = _along_classes(operator, arguments, value.shape)
            return replace(value, shape=shape, is_class=True)
        case "Cast":
            _check_cast(arguments.integer("to", 1), value)
            return value
        case "Identity" | "Dropout" | "Concat" | "Transpose":  # see `models.ending.is_move`
            return value
        case _:
            return replace(value, shape=_moved(operator, arguments, value.shape))


def _check_cast(target: int, value: Answer) -> None:
    classes = math.prod(value.inner.shape)
    if value.is_class and classes <= _CLASS_TYPES.get(target, 0):
        return
    if value.is_class or target not in {TensorProto.FLOAT, TensorProto.DOUBLE}:
        raise InputError(
            f"casts the answer to ONNX type {target}, which makes different ones equal",
            remedy="Export the model without this cast",
        )


def _moved(operator: str, arguments: Arguments, shape: Shape) -> Shape:
    """Shape after Reshape, Flatten, Squeeze or Unsqueeze that keeps the batch in front."""
    if operator == "Reshape":
        return arguments.new_shape(shape)
    if operator == "Flatten":
        if normal_axis(arguments.integer("axis", 1), max(len(shape), 2)) != 1:
            raise InputError("flattens the batch")
        return (1, math.prod(shape))
    if operator == "Squeeze":
        axes = arguments.axes(1, len(shape))
        if not axes or axes[0] == 0 or any(shape[axis] != 1 for axis in axes):
            raise InputError("must name the axes that it removes, and not the batch")
        return tuple(size for axis, size in enumerate(shape) if axis not in axes)
    given = arguments.attributes.get("axes")
    count = len(given) if given is not None else arguments.constant(1).size
    longer = list(shape)
    for axis in arguments.axes(1, len(shape) + count) or ():
        if axis == 0:
            raise InputError("puts an axis before the batch")
        longer.insert(axis, 1)
    return tuple(longer)


def check_ending(logits: FloatLinear, nodes: list[FloatNode]) -> None:
    """Refuse, by InputError, scores that are each a byte of a function that saturates."""
    waiting = {term.source for term in logits.terms if term.depthwise}
    for index in range(len(nodes) - 1, -1, -1):
        node = nodes[index]
        if index not in waiting:
            continue
        if not isinstance(node, FloatActivation):
            waiting.update(float_sources(node))
        elif isinstance(node.function, Smooth) and node.function.kind in {"sigmoid", "tanh"}:
            raise equal_scores(node.function.kind.capitalize())
