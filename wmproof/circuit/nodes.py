"""The kinds of nodes that a circuit is made of, and what each makes of shapes and bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from wmproof.circuit.linear import Linear, Shape
from wmproof.circuit.product import Product
from wmproof.circuit.tables import LARGEST_VALUE, Table
from wmproof.errors import InputError

LARGEST_PIXEL = 255


@dataclass(frozen=True)
class Input:
    """The image: committed bytes, 0 to 255, of shape (C, H, W)."""

    name: str
    shape: Shape


@dataclass(frozen=True, eq=False)
class Activation:
    """Committed numbers y = T[z].

    Parameters
    ----------
    name : str
    table : int
        Number of T among the circuit's tables.
    linear : Linear
        It gives z.
    """

    name: str
    table: int
    linear: Linear


@dataclass(frozen=True)
class Maximum:
    """Elementwise max(a, b): commits r = max(a - b, 0), one lookup, and stands for b + r.

    Parameters
    ----------
    name : str
    a, b : int
        Nodes of one shape.
    """

    name: str
    a: int
    b: int


@dataclass(frozen=True)
class Reshape:
    """The same numbers in row-major order under another shape.

    Parameters
    ----------
    name : str
    source : int
    shape : tuple of int
        Of as many elements.
    """

    name: str
    source: int
    shape: Shape


@dataclass(frozen=True)
class Transpose:
    """Axis k of the result is axis `axes[k]` of the source.

    Parameters
    ----------
    name : str
    source : int
    axes : tuple of int
        A permutation.
    """

    name: str
    source: int
    axes: tuple[int, ...]


@dataclass(frozen=True)
class Concat:
    """The sources one after the other along `axis`.

    Parameters
    ----------
    name : str
    sources : tuple of int
        Nodes whose shapes differ in that axis only.
    axis : int
    """

    name: str
    sources: tuple[int, ...]
    axis: int


@dataclass(frozen=True)
class Slice:
    """Elements starts, starts + steps, ... below stops, for each axis.

    Parameters
    ----------
    name : str
    source : int
    starts, stops, steps : tuple of int
        0 <= start < stop <= the axis's size, step >= 1.
    """

    name: str
    source: int
    starts: tuple[int, ...]
    stops: tuple[int, ...]
    steps: tuple[int, ...]


@dataclass(frozen=True)
class Pad:
    """The source with `value` around it, `before` and `after` elements on each axis.

    Parameters
    ----------
    name : str
    source : int
    before, after : tuple of int
        Not negative.
    value : int
        0 to 2^16 - 1.
    """

    name: str
    source: int
    before: tuple[int, ...]
    after: tuple[int, ...]
    value: int


Wiring: TypeAlias = Reshape | Transpose | Concat | Slice | Pad
Node: TypeAlias = Input | Activation | Product | Maximum | Wiring
Committing: TypeAlias = Input | Activation | Product | Maximum


def node_sources(node: Node) -> tuple[int, ...]:
    """Indices of the nodes whose numbers `node` reads."""
    match node:
        case Input():
            return ()
        case Activation():
            return tuple(term.source for term in node.linear.terms)
        case Maximum() | Product():
            return (node.a, node.b)
        case Concat():
            return node.sources
        case _:
            return (node.source,)


def wiring_shape(node: Wiring | Maximum, shapes: list[Shape]) -> Shape:
    """Shape of a node that is neither input, activation nor product.

    Parameters
    ----------
    shapes : list of tuple of int
        Of the nodes before it.

    Raises
    ------
    InputError
        It has none: the sources do not fit.
    """
    match node:
        case Maximum():
            if shapes[node.a] != shapes[node.b]:
                raise InputError(f"maximum of shapes {shapes[node.a]} and {shapes[node.b]}")
            return shapes[node.a]
        case Reshape():
            if min(node.shape, default=1) < 1:
                raise InputError(f"shape {node.shape} has an empty dimension")
            if math.prod(node.shape) != math.prod(shapes[node.source]):
                raise InputError(f"shape {shapes[node.source]} cannot become {node.shape}")
            return node.shape
        case Transpose():
            shape = shapes[node.source]
            if sorted(node.axes) != list(range(len(shape))):
                raise InputError(f"axes {node.axes} do not permute shape {shape}")
            return tuple(shape[axis] for axis in node.axes)
        case Concat():
            return _concat_shape(node, [shapes[source] for source in node.sources])
        case Slice():
            return _slice_shape(node, shapes[node.source])
        case Pad():
            shape = shapes[node.source]
            if not len(node.before) == len(node.after) == len(shape):
                raise InputError(f"padding of {len(node.before)} axes on shape {shape}")
            if min(*node.before, *node.after) < 0 or not 0 <= node.value <= LARGEST_VALUE:
                raise InputError(f"padding {node.before}, {node.after} by {node.value} is wrong")
            return tuple(
                size + low + high
                for size, low, high in zip(shape, node.before, node.after, strict=True)
            )


def node_largest(node: Node, tables: Sequence[Table], largest: Sequence[int]) -> int:
    """Largest number of a node, given those of the nodes before it.

    Parameters
    ----------
    tables : sequence of Table
        Of the circuit.
    largest : sequence of int
        The largest number of each node that comes before.
    """
    match node:
        case Input():
            return LARGEST_PIXEL
        case Activation() | Product():
            return tables[node.table].largest
        case Pad():
            return max(largest[node.source], node.value)
        case _:
            return max(largest[source] for source in node_sources(node))


def value_type(largest: int) -> np.dtype[Any]:
    """The unsigned type in which numbers up to `largest` are kept: uint8 or uint16."""
    return np.dtype(np.uint8 if largest <= LARGEST_PIXEL else np.uint16)


def _concat_shape(node: Concat, shapes: list[Shape]) -> Shape:
    first = shapes[0] if shapes else ()
    if not 0 <= node.axis < len(first):
        raise InputError(f"axis {node.axis} of a concatenation of shapes {shapes}")
    rest = {shape[: node.axis] + shape[node.axis + 1 :] for shape in shapes}
    if len(rest) != 1 or len({len(shape) for shape in shapes}) != 1:
        raise InputError(f"shapes {shapes} cannot be concatenated along axis {node.axis}")
    total = sum(shape[node.axis] for shape in shapes)
    return (*first[: node.axis], total, *first[node.axis + 1 :])


def _slice_shape(node: Slice, shape: Shape) -> Shape:
    if not len(node.starts) == len(node.stops) == len(node.steps) == len(shape):
        raise InputError(f"a slice of {len(node.starts)} axes of shape {shape}")
    result = []
    for start, stop, step, size in zip(node.starts, node.stops, node.steps, shape, strict=True):
        if not (0 <= start < stop <= size and step >= 1):
            raise InputError(f"slice {start}:{stop}:{step} of an axis of {size}")
        result.append((stop - start + step - 1) // step)
    return tuple(result)
