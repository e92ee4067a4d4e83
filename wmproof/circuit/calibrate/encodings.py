"""What the numbers of a node stand for where other nodes determine it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wmproof.circuit import ir
from wmproof.circuit.evaluate import move
from wmproof.circuit.network import FloatPad, FloatProduct, Floats
from wmproof.circuit.product import Product
from wmproof.circuit.quantise import Encoding, operand_zero, product_unit
from wmproof.errors import InputError


def by_channel(scale: Floats, zero: Floats, shape: ir.Shape) -> Encoding:
    """An encoding by the first axis.

    Parameters
    ----------
    scale, zero : float64 array (O,) or (1,)
    shape : tuple of int
        The first axis is that of the channels.
    """
    wide = [np.broadcast_to(a.reshape(-1, *(1 for _ in shape[1:])), shape) for a in (scale, zero)]
    return Encoding(wide[0], wide[1])


def moved_encoding(node: ir.Wiring, encodings: list[Encoding]) -> Encoding:
    """Scale and zero of every element after moving the elements."""
    moved = []
    for name in ("scale", "zero"):
        arrays = {s: getattr(encodings[s], name)[None] for s in ir.node_sources(node)}
        if isinstance(node, ir.Pad):
            widths = list(zip(node.before, node.after, strict=True))
            moved.append(np.pad(arrays[node.source][0], widths, mode="edge"))
        else:
            moved.append(move(node, arrays)[0])
    return Encoding(moved[0], moved[1])


def common_encoding(node: ir.Maximum, encodings: list[Encoding]) -> Encoding:
    """The encoding that both operands of a maximum have; InputError if they differ."""
    a, b = encodings[node.a], encodings[node.b]
    if not (np.array_equal(a.scale, b.scale) and np.array_equal(a.zero, b.zero)):
        raise InputError(
            "takes a maximum of values on different scales",
            where=f"layer {node.name}",
            remedy="Export the model with each part pooled before the parts are joined",
        )
    return b


def whole_pad(node: FloatPad, encoding: Encoding, largest: int) -> ir.Pad:
    """Padding by the number that stands for the value.

    Parameters
    ----------
    encoding : Encoding
        Of its source.
    largest : int
        Largest number of its source.

    Raises
    ------
    InputError
        No number stands for the value.
    """
    if node.value == -math.inf:
        value = 0
    else:
        exact = np.unique(node.value / encoding.scale + encoding.zero)
        value = int(np.clip(np.rint(exact[0]), 0, largest))
        if len(exact) != 1 or abs(exact[0] - value) > 0.5:
            raise InputError(
                f"pads with {node.value}, which its numbers cannot stand for",
                where=f"layer {node.name}",
            )
    return ir.Pad(node.name, node.source, node.before, node.after, value)


def plain_product(
    node: FloatProduct, encodings: Sequence[Encoding], units: NDArray[np.int64]
) -> tuple[Product, Floats]:
    """The product of bytes with the factor 1, and the real values of 1 in each result.

    Parameters
    ----------
    units : int64 array
        As those of `Tie`.

    Returns
    -------
    product : Product
        With the factor 1, the bias 0 and table 0.
    unit : float64 array (O, ...)
        The real value of 1 in a sum, broadcasting to the result's shape.

    Raises
    ------
    InputError
        What a sum adds up has different units.
    """
    a, b = encodings[node.a], encodings[node.b]
    zeros = [operand_zero(encoding, node.name) for encoding in (a, b)]
    unit = product_unit(node, a, b, units)
    plain = Product(
        name=node.name,
        table=0,
        a=node.a,
        b=node.b,
        a_axes=node.a_axes,
        b_axes=node.b_axes,
        shape=node.shape,
        a_zero=zeros[0],
        b_zero=zeros[1],
        factor=np.ones(node.shape[0], np.int32),
        bias=np.zeros(node.shape[0], np.int32),
    )
    return plain, np.broadcast_to(unit, (node.shape[0], *unit.shape[1:]))
