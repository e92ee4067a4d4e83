"""Pixels on their way into a model: a line for each channel, and the input's layout."""

from __future__ import annotations

from wmproof.circuit import ir
from wmproof.circuit.frontend.builder import Builder
from wmproof.circuit.frontend.linear_operators import scaled, shifted
from wmproof.circuit.frontend.shape_operators import reshaped, sliced, transposed
from wmproof.circuit.frontend.values import Bytes, Tensor
from wmproof.core.reading import Reading
from wmproof.models.interface import Interface


def first_scale(reading: Reading) -> float:
    """The real number that a pixel of 1 stands for before means and deviations."""
    return 1.0 if reading.plain else 1 / 255


def enter(builder: Builder, interface: Interface, reading: Reading) -> Tensor:
    """The model's input, made of the builder's, which is (C, H, W).

    Returns
    -------
    Tensor
        In the layout that the model takes, the batch of 1 included.
    """
    value: Tensor = _turned(builder) if reading.blue_first else builder.input
    if reading.mean or reading.std:
        gain, offset = (line[:, None, None] for line in reading.line(interface.shape[0]))
        value = shifted(scaled(builder.affine(value), gain * 255.0), offset)
    if interface.layout == "NCHW":
        return value
    if interface.layout == "NHWC":
        return transposed(builder, value, (0, 2, 3, 1))
    return reshaped(builder, value, (1, *interface.sizes))


def _turned(builder: Builder) -> Bytes:
    """The input with its last channel first."""
    channels, *rest = builder.input.shape[1:]
    whole = [slice(0, size, 1) for size in rest]
    planes = tuple(
        sliced(builder, builder.input.node, [slice(c, c + 1, 1), *whole]).node
        for c in reversed(range(channels))
    )
    return builder.move(ir.Concat(builder.name, planes, 0))
