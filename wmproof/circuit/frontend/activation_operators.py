"""Activation functions, each one lookup an element; clipped linear ones share a single table."""

from __future__ import annotations

import math

import numpy as np

from wmproof.circuit.frontend.arguments import Arguments
from wmproof.circuit.frontend.builder import Builder
from wmproof.circuit.frontend.linear_operators import scaled, shifted
from wmproof.circuit.frontend.values import Bytes, Tensor
from wmproof.circuit.network import Clamp, Leaky, Smooth
from wmproof.errors import InputError


def relu(builder: Builder, arguments: Arguments) -> Tensor:
    """Relu; free on bytes that cannot be negative."""
    value = arguments.tensor()
    if isinstance(value, Bytes) and builder.nonnegative(value.node):
        return value
    return builder.activation(value, Clamp(0.0))


def clip(builder: Builder, arguments: Arguments) -> Tensor:
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


def prelu(builder: Builder, arguments: Arguments) -> Tensor:
    """PRelu with one slope for the whole tensor."""
    slopes = np.unique(arguments.constant(1))
    if len(slopes) != 1:
        raise InputError(f"has {len(slopes)} slopes; one for the whole layer is handled")
    return _leaky(builder, arguments.tensor(), float(slopes[0]))


def _leaky(builder: Builder, value: Tensor, slope: float) -> Tensor:
    if not abs(slope) <= 16:
        raise InputError(f"has the slope {slope}")
    return builder.activation(value, Leaky(slope) if slope else Clamp(0.0))


def hard_sigmoid(builder: Builder, arguments: Arguments) -> Tensor:
    """HardSigmoid: alpha x + beta clipped to [0, 1]."""
    gain = np.array(arguments.number("alpha", 0.2))
    start = np.array(arguments.number("beta", 0.5))
    line = shifted(scaled(builder.affine(arguments.tensor()), gain), start)
    return builder.activation(line, Clamp(0.0, 1.0))


def gelu(builder: Builder, arguments: Arguments) -> Tensor:
    """Gelu, exact or by its tanh approximation."""
    form = arguments.attributes.get("approximate", b"none")
    kind = "gelu_tanh" if form in (b"tanh", "tanh") else "gelu"
    return builder.activation(arguments.tensor(), Smooth(kind))


def elu(builder: Builder, arguments: Arguments) -> Tensor:
    """Elu with alpha = 1."""
    if arguments.number("alpha", 1.0) != 1.0:
        raise InputError(f"has alpha = {arguments.number('alpha', 1.0)}; 1 is handled")
    return builder.activation(arguments.tensor(), Smooth("elu"))


def sigmoid(builder: Builder, arguments: Arguments) -> Tensor:
    """Sigmoid."""
    return builder.activation(arguments.tensor(), Smooth("sigmoid"))


def tanh(builder: Builder, arguments: Arguments) -> Tensor:
    """Tanh."""
    return builder.activation(arguments.tensor(), Smooth("tanh"))


def hard_swish(builder: Builder, arguments: Arguments) -> Tensor:
    """HardSwish."""
    return builder.activation(arguments.tensor(), Smooth("hard_swish"))


def silu(builder: Builder, arguments: Arguments) -> Tensor:
    """X sigmoid(x), also called Swish."""
    if arguments.number("alpha", 1.0) != 1.0:
        raise InputError("has a slope other than 1")
    return builder.activation(arguments.tensor(), Smooth("silu"))


def softplus(builder: Builder, arguments: Arguments) -> Tensor:
    """Softplus."""
    return builder.activation(arguments.tensor(), Smooth("softplus"))


ACTIVATION_OPERATORS = {
    "Relu": relu,
    "Clip": clip,
    "LeakyRelu": leaky_relu,
    "PRelu": prelu,
    "HardSigmoid": hard_sigmoid,
    "HardSwish": hard_swish,
    "Sigmoid": sigmoid,
    "Tanh": tanh,
    "Gelu": gelu,
    "Swish": silu,
    "Elu": elu,
    "Softplus": softplus,
}
