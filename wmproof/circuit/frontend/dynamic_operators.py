"""Dynamic int8: tensors that a runtime quantises with a scale of each image's own range.

The scale is not known before the image, so the circuit has one for all (`network.Ranged`): the
range that calibration sees has as many steps as the runtime's. What a runtime computes of integers
and their scale is followed until both meet in a product; any other use of them is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from wmproof.circuit.frontend.arguments import Arguments
from wmproof.circuit.frontend.builder import Builder
from wmproof.circuit.frontend.linear_operators import conv, matmul_by_constant, multiply_by_constant
from wmproof.circuit.frontend.quantisation import factors
from wmproof.circuit.frontend.values import Constant, Dynamic, Tensor, Value
from wmproof.circuit.network import Ranged
from wmproof.errors import InputError

QuantisedOperator = Callable[[Builder, Arguments], list[Value]]
_Product = Callable[[Builder, Arguments], Tensor]


def dynamic_quantize_linear(builder: Builder, arguments: Arguments) -> list[Value]:
    """DynamicQuantizeLinear: one scale of 8 bits for all images, found in calibration."""
    inner, clamp = builder.unclamped(arguments.tensor())
    value = builder.activation(inner, Ranged(clamp.low, clamp.high))
    one = Constant(np.ones((), np.float32))
    source = len(builder.nodes)
    return [
        Dynamic(value, source, "integers"),
        Dynamic(one, source, "scale"),
        Dynamic(one, source, "zero"),
    ]


def _integer_product(work: _Product, outputs: int) -> QuantisedOperator:
    """MatMulInteger or ConvInteger with constant weights, whose axis of outputs is given."""

    def apply(builder: Builder, arguments: Arguments) -> list[Value]:
        value, zero = arguments.inputs[0], arguments.inputs[2] if arguments.has(2) else None
        if not isinstance(value, Dynamic) or value.part != "integers":
            raise InputError("multiplies integers that DynamicQuantizeLinear did not make")
        if not isinstance(zero, Dynamic) or (zero.part, zero.source) != ("zero", value.source):
            raise InputError("does not subtract the zero point of the integers that it multiplies")
        point = arguments.constant(3) if arguments.has(3) else None
        weight = factors(arguments.constant(1), point, outputs, outputs).astype(np.float64)
        inner = work(builder, replace(arguments, inputs=(value.inner, Constant(weight))))
        return [Dynamic(inner, value.source, "sums")]

    return apply


def _dynamic_cast(builder: Builder, arguments: Arguments) -> list[Value]:
    """Cast of sums to float32."""
    value = arguments.inputs[0]
    if not isinstance(value, Dynamic) or value.part != "sums" or arguments.integer("to", 1) != 1:
        raise InputError("casts integers of a scale that depends on the image")
    return [replace(value, part="floats")]


def _dynamic_multiply(builder: Builder, arguments: Arguments) -> list[Value]:
    """A scale times that of the weights, and sums times the product of both."""
    scale, other = arguments.inputs
    if not isinstance(scale, Dynamic) or scale.part != "scale":
        scale, other = other, scale
    if isinstance(scale, Dynamic) and scale.part == "scale" and isinstance(scale.inner, Constant):
        if isinstance(other, Constant):
            return [replace(scale, inner=Constant(scale.inner.array * other.array))]
        if isinstance(other, Dynamic) and (other.part, other.source) == ("floats", scale.source):
            inputs = (other.inner, scale.inner)
            return [multiply_by_constant(builder, replace(arguments, inputs=inputs))]
    raise InputError("computes with a scale that depends on the image")


DYNAMIC_OPERATORS: dict[str, QuantisedOperator] = {
    "MatMulInteger": _integer_product(matmul_by_constant, -1),
    "ConvInteger": _integer_product(conv, 0),
    "Cast": _dynamic_cast,
    "Mul": _dynamic_multiply,
}
