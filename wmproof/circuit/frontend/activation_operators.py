"""Activation functions, each one lookup an element; clipped linear ones share a single table."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from wmproof.circuit.frontend.arguments import Arguments, not_widened
from wmproof.circuit.frontend.builder import Builder
from wmproof.circuit.frontend.linear_operators import add_tensors, negated, scaled, shifted
from wmproof.circuit.frontend.values import Bytes, Tensor
from wmproof.circuit.network import Clamp, Leaky, Smooth
from wmproof.errors import InputError


def _relu(builder: Builder, arguments: Arguments) -> Tensor:
    """Relu; free on bytes that cannot be negative."""
    value = arguments.tensor()
    if isinstance(value, Bytes) and builder.nonnegative(value.node):
        return value
    return builder.activation(value, Clamp(0.0))


def _clip(builder: Builder, arguments: Arguments) -> Tensor:
    """Clip to constants: ReLU6, Hardtanh."""
    low = arguments.number("min", -math.inf)
    high = arguments.number("max", math.inf)
    if arguments.has(1):
        low = float(arguments.constant(1).reshape(-1)[0])
    if arguments.has(2):
        high = float(arguments.constant(2).reshape(-1)[0])
    if not low < high:
        raise InputError(f"clips to [{low}, {high}]")
    return builder.activation(arguments.tensor(), Clamp(low, high))


def leaky_relu(builder: Builder, arguments: Arguments) -> Tensor:
    """LeakyRelu."""
    return _leaky(builder, arguments.tensor(), arguments.number("alpha", 0.01))


def _prelu(builder: Builder, arguments: Arguments) -> Tensor:
    """PRelu with one slope for the whole tensor."""
    value, given = arguments.tensor(), arguments.constant(1)
    not_widened(given, value.shape)
    slopes = np.unique(given)
    if len(slopes) != 1:
        raise InputError(f"has {len(slopes)} slopes; one for the whole layer is handled")
    return _leaky(builder, value, float(slopes[0]))


def _leaky(builder: Builder, value: Tensor, slope: float) -> Tensor:
    if not abs(slope) <= 16:
        raise InputError(f"has the slope {slope}")
    return builder.activation(value, Leaky(slope) if slope else Clamp(0.0))


def _hard_sigmoid(builder: Builder, arguments: Arguments) -> Tensor:
    """HardSigmoid: alpha x + beta clipped to [0, 1]."""
    gain = np.array(arguments.number("alpha", 0.2))
    start = np.array(arguments.number("beta", 0.5))
    line = shifted(scaled(builder.affine(arguments.tensor()), gain), start)
    return builder.activation(line, Clamp(0.0, 1.0))


def _gelu(builder: Builder, arguments: Arguments) -> Tensor:
    """Gelu, exact or by its tanh approximation."""
    form = arguments.attributes.get("approximate", b"none")
    kind = "gelu_tanh" if form in (b"tanh", "tanh") else "gelu"
    return builder.activation(arguments.tensor(), Smooth(kind))


def _elu(builder: Builder, arguments: Arguments) -> Tensor:
    """Elu; one lookup where alpha is 1."""
    alpha = arguments.number("alpha", 1.0)
    if alpha == 1.0:
        return builder.activation(arguments.tensor(), Smooth("elu"))
    return _bent(builder, arguments.tensor(), 1.0, alpha)


def _selu(builder: Builder, arguments: Arguments) -> Tensor:
    """Selu: an Elu times gamma."""
    alpha = arguments.number("alpha", 1.6732631921768188)
    gamma = arguments.number("gamma", 1.0507010221481323)
    return _bent(builder, arguments.tensor(), gamma, gamma * alpha)


def _celu(builder: Builder, arguments: Arguments) -> Tensor:
    """Celu: alpha times the Elu of x / alpha."""
    alpha = arguments.number("alpha", 1.0)
    if not 2.0**-6 <= alpha <= 2.0**6:
        raise InputError(f"has alpha = {alpha}")
    shrunk = scaled(builder.affine(arguments.tensor()), np.array(1 / alpha))
    return scaled(builder.affine(builder.activation(shrunk, Smooth("elu"))), np.array(alpha))


def _bent(builder: Builder, value: Tensor, gain: float, depth: float) -> Tensor:
    """Gain * x above zero, and depth * (exp(x) - 1) below: two lookups and their sum."""
    if not (2.0**-6 <= gain <= 2.0**6 and 2.0**-6 <= depth <= 2.0**6):
        raise InputError(f"has a slope of {gain} above zero and reaches {-depth} below")
    line = builder.committed(value)
    above = scaled(builder.affine(builder.activation(line, Clamp(0.0))), np.array(gain))
    below = builder.affine(builder.activation(line, Smooth("exp_of_negative")))
    return add_tensors(builder, above, shifted(scaled(below, np.array(depth)), np.array(-depth)))


def smooth(kind: str) -> Callable[[Builder, Arguments], Tensor]:
    """An operator that is one of `functions.FUNCTIONS`, without attributes."""

    def operator(builder: Builder, arguments: Arguments) -> Tensor:
        return builder.activation(arguments.tensor(), Smooth(kind))

    return operator


sigmoid = smooth("sigmoid")


def _absolute(builder: Builder, arguments: Arguments) -> Tensor:
    """Abs: a slope of -1 below zero."""
    return _leaky(builder, arguments.tensor(), -1.0)


def _thresholded_relu(builder: Builder, arguments: Arguments) -> Tensor:
    """ThresholdedRelu; with a threshold other than 0 it jumps there."""
    if arguments.number("alpha", 1.0) != 0:
        raise InputError("jumps at its threshold, and is handled where that is 0")
    return _relu(builder, arguments)


def _shrink(builder: Builder, arguments: Arguments) -> Tensor:
    """Shrink by as much as is cut out: x less what lies between the ends; else it jumps."""
    end = arguments.number("lambd", 0.5)
    if end != arguments.number("bias", 0.0) or end <= 0:
        raise InputError("jumps where it begins: its bias is not its lambd")
    value = builder.bytes(arguments.tensor())
    inside = builder.affine(builder.activation(value, Clamp(-end, end)))
    return add_tensors(builder, value, negated(inside))


def _root(builder: Builder, arguments: Arguments) -> Tensor:
    """Sqrt of what is never negative."""
    value = builder.affine(arguments.tensor())
    if not builder.never_negative(value):
        raise InputError("takes the root of something that might be negative")
    return builder.activation(value, Smooth("root"))


def _log_sigmoid(builder: Builder, arguments: Arguments) -> Tensor:
    """The logarithm of a sigmoid, -softplus(-x)."""
    turned = negated(builder.affine(arguments.tensor()))
    return negated(builder.affine(builder.activation(turned, Smooth("softplus"))))


def _silu(builder: Builder, arguments: Arguments) -> Tensor:
    """X sigmoid(x), also called Swish."""
    if arguments.number("alpha", 1.0) != 1.0:
        raise InputError("has a slope other than 1")
    return builder.activation(arguments.tensor(), Smooth("silu"))


ACTIVATION_OPERATORS = {
    "Relu": _relu,
    "Clip": _clip,
    "LeakyRelu": leaky_relu,
    "PRelu": _prelu,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": smooth("hard_swish"),
    "Sigmoid": sigmoid,
    "Tanh": smooth("tanh"),
    "Gelu": _gelu,
    "Swish": _silu,
    "Elu": _elu,
    "Selu": _selu,
    "Celu": _celu,
    "Mish": smooth("mish"),
    "Softplus": smooth("softplus"),
    "Softsign": smooth("softsign"),
    "Erf": smooth("erf"),
    "Abs": _absolute,
    "ThresholdedRelu": _thresholded_relu,
    "Shrink": _shrink,
    "Sqrt": _root,
    "_LogSigmoid": _log_sigmoid,
}
