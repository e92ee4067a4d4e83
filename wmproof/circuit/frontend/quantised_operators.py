"""Quantised models: an int8 operator is a float operator between dequantising and quantising.

A quantised tensor is kept as the real numbers that its integers stand for (`Quantised`), so moving
and comparing them is what it is for floats. QuantizeLinear is an activation whose steps the file
says; DequantizeLinear does nothing to what was quantised with the same scale.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx
from numpy.typing import NDArray

from wmproof.circuit.frontend.activation_operators import leaky_relu, sigmoid
from wmproof.circuit.frontend.arguments import Arguments, batch_dependent
from wmproof.circuit.frontend.builder import Builder
from wmproof.circuit.frontend.dynamic_operators import (
    DYNAMIC_OPERATORS,
    QuantisedOperator,
    dynamic_quantize_linear,
)
from wmproof.circuit.frontend.linear_operators import add, conv, gemm, scaled, shifted
from wmproof.circuit.frontend.pool_operators import average_pool, global_average_pool
from wmproof.circuit.frontend.product_operators import matmul, multiply, softmax
from wmproof.circuit.frontend.quantisation import (
    check_attributes,
    dequantised,
    factors,
    quantisation,
    quantised,
)
from wmproof.circuit.frontend.shape_operators import concat
from wmproof.circuit.frontend.values import (
    Bytes,
    Constant,
    Dynamic,
    Folded,
    Quantisation,
    Quantised,
    Tensor,
    Value,
)
from wmproof.circuit.network import (
    FloatActivation,
    FloatInput,
    FloatPad,
    FloatProduct,
    Rounded,
    float_sources,
)
from wmproof.errors import InputError

FloatOperator = Callable[[Builder, Arguments], Tensor]
MICROSOFT = "com.microsoft"


def _dequantize_linear(builder: Builder, arguments: Arguments) -> list[Value]:
    """DequantizeLinear of what depends on the image."""
    check_attributes(arguments.attributes)
    return [_real(builder, arguments, 0)]


def _quantize_linear(builder: Builder, arguments: Arguments) -> list[Value]:
    """QuantizeLinear: round to nearest, ties to even, and clip to the integers of the type."""
    check_attributes(arguments.attributes)
    value, wanted = arguments.inputs[0], _quantisation(arguments, 1)
    if not isinstance(value, Folded):
        return [_quantised(builder, arguments.tensor(), wanted)]
    inner = _rounded(builder, value.inner, wanted.function)
    return [Quantised(replace(value, inner=inner), wanted)]


def _cast(builder: Builder, arguments: Arguments) -> list[Value]:
    """Cast of integers to float32: the integers themselves."""
    value = arguments.inputs[0]
    if not isinstance(value, Quantised) or arguments.integer("to", 1) != 1:
        raise InputError("casts integers to another type than float32")
    given = value.quantisation
    return [_line(builder, value.inner, 1 / given.step, given.zero)]


def _line(builder: Builder, value: Tensor | Folded, gain: float, start: float) -> Tensor | Folded:
    """Gain * x + start, of one image's part where the images are not the first axis."""
    inner = value.inner if isinstance(value, Folded) else value
    line = shifted(scaled(builder.affine(inner), np.array(gain)), np.array(float(start)))
    return replace(value, inner=line) if isinstance(value, Folded) else line


def fold_linear(operator: str, arguments: Arguments) -> Constant:
    """QuantizeLinear or DequantizeLinear of a constant.

    InputError if the quantisation is none that has an integer form here.
    """
    check_attributes(arguments.attributes)
    zero = arguments.constant(2) if arguments.has(2) else None
    work = dequantised if operator == "DequantizeLinear" else quantised
    value, scale, axis = arguments.inputs[0], arguments.constant(1), arguments.integer("axis", 1)
    if not isinstance(value, Constant):
        raise InputError("its input 0 must be a constant")
    # A copy for each image stays one where all have the same scale.
    if value.counts is not None or value.ramp or (value.batch is not None and scale.size > 1):
        raise batch_dependent()
    return Constant(work(value.array, scale, zero, axis), None, value.batch)


def _quantisation(arguments: Arguments, index: int) -> Quantisation:
    """Scale and zero point, which are inputs `index` and the next."""
    zero = arguments.constant(index + 1) if arguments.has(index + 1) else None
    return quantisation(arguments.constant(index), zero)


def _real(
    builder: Builder, arguments: Arguments, index: int, axis: int = 0
) -> Tensor | Folded | Constant:
    """The numbers for which the integers of input `index` stand, scale and zero point after it."""
    value = arguments.inputs[index] if arguments.has(index) else None
    if isinstance(value, Constant):
        zero = arguments.constant(index + 2) if arguments.has(index + 2) else None
        scale = arguments.constant(index + 1)
        return Constant(dequantised(arguments.constant(index), scale, zero, axis))
    if not isinstance(value, Quantised):
        raise InputError(f"its input {index} is not quantised")
    given, wanted = value.quantisation, _quantisation(arguments, index + 1)
    if given == wanted:
        return value.inner
    if (given.low, given.high) != (wanted.low, wanted.high):
        raise InputError(f"its input {index} and that one's zero point are of different types")
    gain, start = wanted.step / given.step, wanted.step * (given.zero - wanted.zero)
    return _line(builder, value.inner, gain, start)


def _quantised(builder: Builder, value: Tensor, wanted: Quantisation) -> Quantised:
    return Quantised(_rounded(builder, value, wanted.function), wanted)


def _rounded(builder: Builder, value: Tensor, function: Rounded) -> Bytes:
    """Commit the integers of a value, unless they are what is committed already."""
    if isinstance(value, Bytes) and _on_grid(builder, value.node, function):
        return value
    inner, clamp = builder.unclamped(value)
    low, high = (_whole(end, function) for end in (clamp.low, clamp.high))
    if low <= 0 <= high and low < high:  # rounding keeps the order, so a clip is a narrower range
        value, function = inner, replace(function, least=low, most=high)
    return builder.activation(value, function)


def _whole(value: float, function: Rounded) -> int:
    """How many steps a number is rounded to."""
    steps = np.clip(np.float32(value) / np.float32(function.step), function.least, function.most)
    return int(np.rint(steps))


def _inside(inner: Rounded, outer: Rounded) -> bool:
    """Whether rounding by `outer` leaves what `inner` has rounded as it is."""
    return inner.step == outer.step and outer.least <= inner.least and inner.most <= outer.most


def _on_grid(builder: Builder, index: int, function: Rounded) -> bool:
    """Whether all values of a node are multiples that `function` keeps."""
    node = builder.nodes[index]
    if isinstance(node, FloatInput | FloatProduct):
        return False
    if isinstance(node, FloatActivation):
        return isinstance(node.function, Rounded) and _inside(node.function, function)
    if isinstance(node, FloatPad) and node.value != -math.inf:
        steps = node.value / function.step
        if steps != round(steps) or not function.least <= steps <= function.most:
            return False
    return all(_on_grid(builder, source, function) for source in float_sources(node))


@dataclass(frozen=True)
class _Between:
    """An operator on integers: a float operator between quantised inputs and its output.

    `operands` are the places of the quantised inputs, each followed by scale and zero point;
    `output` is that of the output's scale.
    """

    work: FloatOperator
    operands: tuple[int, ...]
    output: int

    def __call__(self, builder: Builder, arguments: Arguments) -> list[Value]:
        if arguments.integer("channels_last", 0):
            raise InputError("has its channels last")
        reals = [_real(builder, arguments, index) for index in self.operands]
        result = self.work(builder, replace(arguments, inputs=tuple(reals)))
        return [_quantised(builder, result, _quantisation(arguments, self.output))]


def _softmax(builder: Builder, arguments: Arguments) -> Tensor:
    """Softmax, which says the operator set whose meaning it has."""
    opset = arguments.integer("opset", arguments.opset)
    return softmax(builder, replace(arguments, opset=opset))


@dataclass(frozen=True)
class _Multiplied:
    """An operator that sums products of integers, with the bias in units of the products.

    `bias` and `output` are the places of the bias, if there can be one, and the output's scale.
    """

    work: FloatOperator
    bias: int | None
    output: int

    def __call__(self, builder: Builder, arguments: Arguments) -> list[Value]:
        axis = self._outputs(arguments)
        if isinstance(arguments.inputs[3], Constant):
            zero = arguments.constant(5) if arguments.has(5) else None
            factors(arguments.constant(3), zero, axis, axis)
        inputs = [_real(builder, arguments, 0), _real(builder, arguments, 3, axis)]
        if self.bias is not None and arguments.has(self.bias):
            inputs.append(self._bias(arguments, self.bias))
        attributes = {**arguments.attributes, "beta": 1.0}
        inner = replace(arguments, inputs=tuple(inputs), attributes=attributes)
        result = self.work(builder, inner)
        if self.work is gemm and not arguments.has(self.output):
            return [result]  # floats
        return [_quantised(builder, result, _quantisation(arguments, self.output))]

    def _outputs(self, arguments: Arguments) -> int:
        """Which axis of the weights is that of the outputs."""
        return 0 if self.work is conv or arguments.integer("transB", 0) else -1

    def _bias(self, arguments: Arguments, index: int) -> Constant:
        bias = arguments.constant(index)
        if bias.dtype != np.int32:
            raise InputError(f"has a bias of type {bias.dtype} for sums of products of integers")
        scale = arguments.constant(1).reshape(-1) * arguments.constant(4).reshape(-1)
        scale = scale * np.float32(arguments.number("alpha", 1.0))
        return Constant(dequantised(bias, scale, None, -1))


def _q_linear_concat(builder: Builder, arguments: Arguments) -> list[Value]:
    """QLinearConcat: each input comes with its own scale."""
    if "axis" not in arguments.attributes:
        raise InputError("does not say along which axis")
    count, rest = divmod(len(arguments.inputs) - 2, 3)
    if rest or count < 1:
        raise InputError(f"has {len(arguments.inputs)} inputs")
    parts = tuple(_real(builder, arguments, 2 + 3 * i) for i in range(count))
    result = concat(builder, replace(arguments, inputs=parts))
    return [_quantised(builder, result, _quantisation(arguments, 0))]


QUANTISED_OPERATORS: dict[tuple[str, str], QuantisedOperator] = {
    ("", "QuantizeLinear"): _quantize_linear,
    ("", "DequantizeLinear"): _dequantize_linear,
    ("", "DynamicQuantizeLinear"): dynamic_quantize_linear,
    ("", "QLinearConv"): _Multiplied(conv, 8, 6),
    ("", "QLinearMatMul"): _Multiplied(matmul, None, 6),
    (MICROSOFT, "QGemm"): _Multiplied(gemm, 6, 7),
    (MICROSOFT, "QLinearAdd"): _Between(add, (0, 3), 6),
    (MICROSOFT, "QLinearMul"): _Between(multiply, (0, 3), 6),
    (MICROSOFT, "QLinearAveragePool"): _Between(average_pool, (0,), 3),
    (MICROSOFT, "QLinearGlobalAveragePool"): _Between(global_average_pool, (0,), 3),
    (MICROSOFT, "QLinearLeakyRelu"): _Between(leaky_relu, (0,), 3),
    (MICROSOFT, "QLinearSigmoid"): _Between(sigmoid, (0,), 3),
    (MICROSOFT, "QLinearSoftmax"): _Between(_softmax, (0,), 3),
    (MICROSOFT, "QLinearConcat"): _q_linear_concat,
}
# These only move or compare integers, so they do to the real numbers what they do to integers.
_NAMES = "Concat Flatten Identity MaxPool Pad Reshape Slice Split Squeeze Transpose Unsqueeze"
_MOVING = frozenset(_NAMES.split())


def is_quantised(domain: str, operator: str, inputs: Sequence[Value | None]) -> bool:
    """Whether a node is one of a quantised model."""
    known = (domain, operator) in QUANTISED_OPERATORS
    return known or any(isinstance(v, Quantised | Dynamic) for v in inputs)


def find_operator(domain: str, operator: str, inputs: Sequence[Value | None]) -> QuantisedOperator:
    """What a node of a quantised model does.

    Returns
    -------
    callable
        Of a `Builder` and `Arguments`.

    Raises
    ------
    InputError
        The operator has no integer form.
    """
    dynamic = any(isinstance(v, Dynamic) for v in inputs)
    if dynamic and not domain and operator in DYNAMIC_OPERATORS:
        return DYNAMIC_OPERATORS[operator]
    if not dynamic and (domain, operator) == ("", "Cast"):
        return _cast
    if not dynamic and (domain, operator) in QUANTISED_OPERATORS:
        return QUANTISED_OPERATORS[domain, operator]
    raise InputError("has no integer form here with inputs that are quantised")


def moves(domain: str, operator: str, inputs: Sequence[Value | None]) -> bool:
    """Whether a node moves integers of one scale."""
    return not domain and operator in _MOVING and any(isinstance(v, Quantised) for v in inputs)


def unwrapped(operator: str, arguments: Arguments) -> tuple[Arguments, Quantisation]:
    """The real numbers that a node moves, and the scale that they have in common.

    Returns
    -------
    arguments : Arguments
    quantisation : Quantisation

    Raises
    ------
    InputError
        It joins integers of different scales, or with a constant.
    """
    found = [v for v in arguments.inputs if isinstance(v, Quantised)]
    scale = found[0].quantisation
    if any(v.quantisation != scale for v in found):
        raise InputError("joins integers of different scales")
    inputs = [v.inner if isinstance(v, Quantised) else v for v in arguments.inputs]
    if operator == "Concat" and len(found) != len(inputs):
        raise InputError("joins integers with a constant")
    if operator == "Pad":
        whole = int(arguments.constant(2).reshape(())) if arguments.has(2) else 0
        fill = np.array(scale.step * (whole - scale.zero))
        inputs = [*inputs[:2], Constant(fill), *inputs[3:]]
    return replace(arguments, inputs=tuple(inputs)), scale


_ROUNDED_BY_RUNTIMES = frozenset({"Conv", "ConvTranspose", "Gemm"})
_NAMES = """
Clip Flatten Identity LeakyRelu MaxPool Pad Relu Reshape Slice Squeeze Transpose Unsqueeze
"""
_PASSED_BY = frozenset(_NAMES.split())
"""Operators that runtimes move quantisation past, or merge with the layer before them."""
_MOST_LOST = 2.0**-4  # of an output's weights


def check_weights(
    nodes: Sequence[onnx.NodeProto], constants: Mapping[str, NDArray[np.generic]]
) -> None:
    """Refuse float weights between integers, which ONNX Runtime rounds to int8 of one scale.

    InputError if an output loses much of its weights by that, or they are computed.
    """
    makers = {name: node for node in nodes for name in node.output}
    after: set[str] = set()  # tensors of integers that are floats again
    before: set[str] = set()  # tensors that are about to be integers
    for node in nodes:
        passes = node.op_type in _PASSED_BY and node.input[0] in after
        if node.op_type == "DequantizeLinear" or passes:
            after.update(node.output)
    for node in reversed(nodes):
        passes = node.op_type in _PASSED_BY and not before.isdisjoint(node.output)
        if node.op_type == "QuantizeLinear" or passes:
            before.add(node.input[0])
    for node in nodes:
        between = node.input[:1] and node.input[0] in after and before.intersection(node.output)
        if node.op_type in _ROUNDED_BY_RUNTIMES and between:
            weights = makers.get(node.input[1])
            known = constants.get(node.input[1])
            kept = known is not None and _survive_int8(known)
            if not kept and (weights is None or weights.op_type != "DequantizeLinear"):
                raise InputError(
                    "has float weights between integers, which ONNX Runtime rounds to int8",
                    where=f"node {node.name or node.output[0]} ({node.op_type})",
                    remedy="Quantise its weights too, or none of its numbers",
                )


def _survive_int8(weight: NDArray[np.generic]) -> bool:
    """Whether no row or column of a weight loses more than a part of it in int8 of one scale."""
    exact = weight.astype(np.float64)
    step = max(float(np.abs(exact).max(initial=0.0)) / 127, 1e-300)
    lost, size = np.abs(np.rint(exact / step) * step - exact), np.abs(exact)
    rest = [tuple(b for b in range(exact.ndim) if b != a) for a in range(min(exact.ndim, 2))]
    return all((lost.sum(r) <= _MOST_LOST * size.sum(r)).all() for r in rest)
