"""The circuit's only node that multiplies two committed tensors, and its exact evaluation.

    z[out] = bias[o] + factor[o] * sum over what is in no result of (a - a_zero) (b - b_zero)

o is the first axis of the result. A gate, a square, a matrix product for each head of an attention
and a sum of squares are all of this form, with other labels on the axes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof.circuit.tables import LARGEST_VALUE
from wmproof.errors import InputError

Shape = tuple[int, ...]
Ints = NDArray[np.int32]
_LETTERS = "abcdefghijklmnopqrstuvwxy"  # z is the axis of images
_FLOAT32_LIMIT = 2**24
_BLOCK = 1 << 21  # entries of an operand or the result at a time


@dataclass(frozen=True, eq=False)
class Product:
    """Committed numbers y = T[z], z a sum of products of the numbers of two nodes.

    Parameters
    ----------
    name : str
    table : int
        Number of T among the circuit's tables.
    a, b : int
        The nodes; they may be the same.
    a_axes, b_axes : tuple of int
        A label for each axis; axes of one label run together. Labels below ``len(shape)`` are the
        axes of the result, all others are summed over and occur in both. A label of the result
        that occurs in neither has size 1.
    shape : tuple of int
        Of the result.
    a_zero, b_zero : int
        Numbers that count as 0.
    factor, bias : int32 arrays (shape[0],)
    """

    name: str
    table: int
    a: int
    b: int
    a_axes: tuple[int, ...]
    b_axes: tuple[int, ...]
    shape: Shape
    a_zero: int
    b_zero: int
    factor: Ints
    bias: Ints

    @property
    def shared(self) -> tuple[int, ...]:
        """Labels that both operands have, ascending: the axes of the result first."""
        return tuple(sorted(set(self.a_axes) & set(self.b_axes)))

    @property
    def summed(self) -> tuple[int, ...]:
        """Labels that are summed over, ascending."""
        return tuple(label for label in self.shared if label >= len(self.shape))

    def sizes(self, a_shape: Shape, b_shape: Shape) -> dict[int, int]:
        """The size of every label; raises `InputError` where the shapes do not fit."""
        sizes: dict[int, int] = {}
        for axes, shape in ((self.a_axes, a_shape), (self.b_axes, b_shape)):
            named = len(axes) == len(shape) and len(set(axes)) == len(axes)
            if not named or not set(axes) <= set(range(len(_LETTERS))):
                raise InputError(f"axes {axes} do not name each axis of shape {shape} once")
            for label, size in zip(axes, shape, strict=True):
                if sizes.setdefault(label, size) != size:
                    raise InputError(
                        f"multiplies an axis of {sizes[label]} entries by one of {size}"
                    )
        result = range(len(self.shape))
        if not self.shape or tuple(sizes.get(label, 1) for label in result) != self.shape:
            raise InputError(f"its operands do not give a tensor of shape {self.shape}")
        if {label for label in sizes if label not in result} != set(self.summed):
            raise InputError("sums over an axis that only one of the two tensors has")
        return sizes

    def bound(self, sizes: dict[int, int], largest: tuple[int, int]) -> int:
        """Largest |z| that numbers up to `largest` could give, whatever they are.

        Parameters
        ----------
        sizes : dict
            The size of every label, see `sizes`.
        largest : (int, int)
            The largest number of each operand's node.
        """
        zeros = (self.a_zero, self.b_zero)
        a, b = (max(zero, top - zero) for zero, top in zip(zeros, largest, strict=True))
        most = math.prod(sizes[label] for label in self.summed) * a * b
        # Python's integers: a hostile product would wrap in 64 bits.
        pairs = zip(self.factor.tolist(), self.bias.tolist(), strict=True)
        return max(abs(int(bias)) + abs(int(factor)) * most for factor, bias in pairs)

    def check(self, shapes: tuple[Shape, Shape], largest: tuple[int, int], limit: int) -> None:
        """Raise `InputError` unless all numbers fit each other and no z reaches `limit`.

        Parameters
        ----------
        shapes, largest : pair
            Shape and largest number of each operand's node.
        limit : int
            What every |z| must stay below.
        """
        sizes = self.sizes(*shapes)
        if not all(0 <= zero <= LARGEST_VALUE for zero in (self.a_zero, self.b_zero)):
            raise InputError(
                f"zeros {self.a_zero} and {self.b_zero} are not numbers that a node can have"
            )
        if self.factor.shape != self.shape[:1] or self.bias.shape != self.shape[:1]:
            raise InputError(f"factors {self.factor.shape} for a result of shape {self.shape}")
        bound = self.bound(sizes, largest)
        if bound >= limit:
            raise InputError(
                f"the accumulator could reach {bound}, and must stay below {limit}",
                remedy="Sum over shorter axes",
            )

    @property
    def equation(self) -> str:
        """The sum as NumPy's and ONNX's einsum write it, behind one axis of images."""
        z, a, b = "z", *("".join(_LETTERS[i] for i in axes) for axes in (self.a_axes, self.b_axes))
        known = {*self.a_axes, *self.b_axes}
        out = "".join(_LETTERS[i] for i in range(len(self.shape)) if i in known)
        return f"{z}{a},{z}{b}->{z}{out}"


def accumulators(node: Product, a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.int64]:
    """Accumulators of a batch, exact.

    Products are matrix products in floats that hold every partial sum exactly.

    Parameters
    ----------
    a, b : unsigned array (N, ...)
        Numbers of the two nodes.

    Returns
    -------
    int64 array (N, *shape)
    """
    count = len(a)
    sizes = node.sizes(a.shape[1:], b.shape[1:])
    # A zero may lie beyond what its operand reaches.
    pairs = ((a, node.a_zero), (b, node.b_zero))
    most = math.prod(max(zero, int(np.iinfo(x.dtype).max)) for x, zero in pairs)
    most *= math.prod(sizes[label] for label in node.summed)
    dtype = np.float32 if most < _FLOAT32_LIMIT else np.float64
    shared = [label for label in node.shared if label < len(node.shape)]
    own = [[i for i in axes if i not in node.shared] for axes in (node.a_axes, node.b_axes)]
    left = _arranged(a, node.a_axes, node.a_zero, [*shared, *own[0], *node.summed], dtype)
    right = _arranged(b, node.b_axes, node.b_zero, [*shared, *node.summed, *own[1]], dtype)
    rows, inner, columns = (
        math.prod(sizes[i] for i in axes) for axes in (own[0], node.summed, own[1])
    )
    batch = math.prod(sizes[i] for i in shared)
    sums = left.reshape(count, batch, rows, inner) @ right.reshape(count, batch, inner, columns)
    order = [*shared, *own[0], *own[1]]
    wide = sums.reshape(count, *(sizes[i] for i in order))
    z = wide.transpose(0, *(1 + order.index(i) for i in sorted(order))).astype(np.int64)
    spread = (-1, *(1 for _ in node.shape[1:]))
    whole = z.reshape(count, *node.shape) * node.factor.reshape(spread)
    return np.asarray(whole + node.bias.reshape(spread))


def product_blocks(
    node: Product, a: NDArray[Any], b: NDArray[Any]
) -> Iterator[tuple[slice, NDArray[np.int64]]]:
    """Some images at a time: which, and their accumulators (n, O, places).

    Parameters
    ----------
    a, b : unsigned arrays (N, *shape of the operand)

    Yields
    ------
    rows : slice
        Of the images.
    z : int64 (n, O, places)
        Exact.
    """
    step = max(1, _BLOCK // max(a[0].size, b[0].size, math.prod(node.shape)))
    for first in range(0, len(a), step):
        rows = slice(first, first + step)
        z = accumulators(node, a[rows], b[rows])
        yield rows, z.reshape(len(z), node.shape[0], -1)


def _arranged(
    x: NDArray[Any], axes: tuple[int, ...], zero: int, order: list[int], dtype: Any
) -> NDArray[Any]:
    """The operand without its zero, its axes in another order."""
    moved = x.transpose(0, *(1 + axes.index(label) for label in order)).astype(dtype)
    if zero:
        moved -= dtype(zero)
    return moved
