"""The integer circuit: what 'model M classifies t as c' means, with one exact meaning everywhere.

A circuit is a list of nodes in evaluation order; each defines one tensor of bytes for each image.
Three kinds of node *commit* bytes (they are the prover's witness), five only move bytes:

- `Input`: the image itself.
- `Activation`: y = T[z], z a `Linear` map of earlier bytes, T one of the circuit's shared tables.
- `Maximum`: commits r = max(a - b, 0) and stands for b + r = max(a, b).
- `Reshape`, `Transpose`, `Concat`, `Slice`, `Pad`: wiring, free of cost.

The answer is the index of the largest entry of one last `Linear`, the lowest index winning ties.
There is one linear form: an integer bias plus convolutions. A dense layer, a residual addition, an
average pool and a batch normalisation are all convolutions with some kernel.

`Circuit` checks itself when it is made: shapes, order of the nodes and, for each output channel
of each linear map, |bias| + 255 * sum|weight| < 2^30, so that no accumulator can wrap modulo the
31-bit prime of the argument (ARGUMENT section 3).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from wmproof.circuit.tables import Table
from wmproof.errors import InputError

ACCUMULATOR_LIMIT = 2**30
TENSOR_LIMIT = 2**28
Shape: TypeAlias = tuple[int, ...]
Ints: TypeAlias = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Conv:
    """One term of a linear map: a convolution of the bytes of node `source`, shape (I, H, W).

    `weight` is int32 of shape (O, I/groups, kh, kw); spatial dimensions of 1 are spread over the
    whole `kernel`, so that a pool stores one number. `pads` is (top, left, bottom, right); what is
    outside counts as byte 0.
    """

    source: int
    weight: Ints
    kernel: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilations: tuple[int, int] = (1, 1)
    groups: int = 1

    @property
    def full_weight(self) -> Ints:
        """The weight with its spatial dimensions spread, shape (O, I/groups, kh, kw), a view."""
        return np.broadcast_to(self.weight, (*self.weight.shape[:2], *self.kernel))

    @property
    def pointwise(self) -> bool:
        """Whether every output element sees exactly the elements at its own place."""
        return self.kernel == (1, 1) and self.strides == (1, 1) and self.pads == (0, 0, 0, 0)

    def output_shape(self, source_shape: Shape) -> Shape:
        """Shape (O, H', W') of the term for a source of shape (I, H, W); raises `InputError`."""
        return conv_shape(self, self.weight.shape, source_shape)


def conv_shape(term: object, weight_shape: Shape, source_shape: Shape) -> Shape:
    """Output shape of a convolution term (integer or float) after checking all its numbers."""
    kernel, strides = term.kernel, term.strides  # type: ignore[attr-defined]
    pads, dilations, groups = term.pads, term.dilations, term.groups  # type: ignore[attr-defined]
    if len(source_shape) != 3 or len(weight_shape) != 4:
        raise InputError(f"a convolution needs (I, H, W), its source is {source_shape}")
    outputs, inputs, *spatial = weight_shape
    if groups < 1 or outputs < 1 or outputs % groups or inputs * groups != source_shape[0]:
        raise InputError(f"weight {weight_shape} in {groups} groups does not fit {source_shape}")
    if tuple(spatial) not in {kernel, (1, 1)} or min(*kernel, *strides, *dilations) < 1:
        raise InputError(f"kernel {kernel}, strides {strides} or dilations {dilations} are wrong")
    if min(pads) < 0:
        raise InputError(f"padding {pads} is negative")
    if outputs * inputs * math.prod(kernel) > TENSOR_LIMIT:  # a weight can be spread over it
        raise InputError(f"weight {weight_shape} with kernel {kernel} is beyond 2^28 elements")
    sizes = []
    for axis in (0, 1):
        span = dilations[axis] * (kernel[axis] - 1) + 1
        free = source_shape[1 + axis] + pads[axis] + pads[axis + 2] - span
        if free < 0:
            raise InputError(f"kernel {kernel} is larger than its padded source {source_shape}")
        sizes.append(free // strides[axis] + 1)
    return (outputs, sizes[0], sizes[1])


@dataclass(frozen=True, eq=False)
class Linear:
    """z = bias + sum of convolutions; `bias` is int32 of shape (O, 1, 1) or (O, H, W)."""

    bias: Ints
    terms: tuple[Conv, ...]

    @cached_property
    def bound(self) -> int:
        """Largest |z| that any bytes whatever could give: max of |bias| + 255 * sum|weight|."""
        total = np.abs(self.bias.astype(np.int64)).max(axis=(1, 2))
        for term in self.terms:
            spread = term.kernel[0] * term.kernel[1] // math.prod(term.weight.shape[2:])
            # A row at a time: no 64-bit copy of a large matrix.
            sums = [int(np.abs(row).sum(dtype=np.int64)) for row in term.weight]
            total = total + 255 * spread * np.array(sums, dtype=np.int64)
        return int(total.max())


@dataclass(frozen=True)
class Input:
    """The image: committed bytes of shape (C, H, W)."""

    name: str
    shape: Shape


@dataclass(frozen=True, eq=False)
class Activation:
    """Committed bytes y = T[z], T the circuit's table number `table`."""

    name: str
    table: int
    linear: Linear


@dataclass(frozen=True)
class Maximum:
    """Elementwise max(a, b): commits r = max(a - b, 0), one lookup, and stands for b + r."""

    name: str
    a: int
    b: int


@dataclass(frozen=True)
class Reshape:
    """The same bytes in row-major order under another shape."""

    name: str
    source: int
    shape: Shape


@dataclass(frozen=True)
class Transpose:
    """Axis k of the result is axis `axes[k]` of the source."""

    name: str
    source: int
    axes: tuple[int, ...]


@dataclass(frozen=True)
class Concat:
    """The sources one after the other along `axis`."""

    name: str
    sources: tuple[int, ...]
    axis: int


@dataclass(frozen=True)
class Slice:
    """Elements starts, starts + steps, ... below stops, for each axis; 0 <= start < stop."""

    name: str
    source: int
    starts: tuple[int, ...]
    stops: tuple[int, ...]
    steps: tuple[int, ...]


@dataclass(frozen=True)
class Pad:
    """The source with bytes `value` around it, `before` and `after` elements on each axis."""

    name: str
    source: int
    before: tuple[int, ...]
    after: tuple[int, ...]
    value: int


Wiring: TypeAlias = Reshape | Transpose | Concat | Slice | Pad
Node: TypeAlias = Input | Activation | Maximum | Wiring


def node_sources(node: Node) -> tuple[int, ...]:
    """Indices of the nodes whose bytes `node` reads."""
    match node:
        case Input():
            return ()
        case Activation():
            return tuple(term.source for term in node.linear.terms)
        case Maximum():
            return (node.a, node.b)
        case Concat():
            return node.sources
        case _:
            return (node.source,)


def wiring_shape(node: Wiring | Maximum, shapes: list[Shape]) -> Shape:
    """Shape of a node that is neither input nor activation; raises `InputError` if it has none."""
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
            if min(*node.before, *node.after) < 0 or not 0 <= node.value <= 255:
                raise InputError(f"padding {node.before}, {node.after} by {node.value} is wrong")
            return tuple(
                size + low + high
                for size, low, high in zip(shape, node.before, node.after, strict=True)
            )


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


@dataclass(frozen=True, eq=False)
class Circuit:
    """A checked circuit.

    Parameters
    ----------
    nodes : tuple of Node
        In evaluation order; node 0 is the only `Input`.
    tables : tuple of Table
        The activation tables that the nodes share.
    output : Linear
        The logits, shape (classes, 1, 1), classes >= 2.

    Raises
    ------
    InputError
        If a shape, an index or an accumulator bound is wrong.
    """

    nodes: tuple[Node, ...]
    tables: tuple[Table, ...]
    output: Linear
    shapes: tuple[Shape, ...] = field(init=False)

    def __post_init__(self) -> None:
        shapes: list[Shape] = []
        for index, node in enumerate(self.nodes):
            where = f"circuit node {index} ({node.name})"
            try:
                shape = self._node_shape(index, node, shapes)
                if math.prod(shape) > TENSOR_LIMIT:
                    raise InputError(f"a tensor of shape {shape} is larger than 2^28 bytes")
                shapes.append(shape)
            except InputError as error:
                raise InputError(error.what, where=error.where or where) from None
        if not shapes:
            raise InputError("a circuit without an input")
        shape = linear_shape(self.output, shapes, "circuit output")
        if shape[0] < 2 or shape[1:] != (1, 1):
            raise InputError(f"logits of shape {shape}, not (classes, 1, 1)")
        object.__setattr__(self, "shapes", tuple(shapes))

    def _node_shape(self, index: int, node: Node, shapes: list[Shape]) -> Shape:
        if any(not 0 <= source < index for source in node_sources(node)):
            raise InputError("reads a node that does not come before it")
        match node:
            case Input():
                if index or len(node.shape) != 3 or min(node.shape) < 1:
                    raise InputError(f"input of shape {node.shape}: one (C, H, W) comes first")
                return node.shape
            case Activation():
                if not index:
                    raise InputError("the first node must be the input")
                if not 0 <= node.table < len(self.tables):
                    raise InputError(f"table {node.table} of {len(self.tables)}")
                return linear_shape(node.linear, shapes, f"circuit node {index} ({node.name})")
            case _:
                return wiring_shape(node, shapes)

    def last_uses(self) -> dict[int, int]:
        """Index of the last node that reads each node; the number of nodes if the logits do."""
        last = {
            source: index for index, node in enumerate(self.nodes) for source in node_sources(node)
        }
        return last | {term.source: len(self.nodes) for term in self.output.terms}

    @property
    def input_shape(self) -> Shape:
        """(C, H, W) of the images."""
        return self.shapes[0]

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self.output.bias.shape[0])

    def committed(self) -> Iterator[int]:
        """Indices of the nodes that commit bytes, in order: the prover's witness."""
        for index, node in enumerate(self.nodes):
            if isinstance(node, Input | Activation | Maximum):
                yield index

    def lookups(self) -> int:
        """Number of table lookups for one image."""
        return sum(math.prod(self.shapes[index]) for index in self.committed() if index)

    def weights(self) -> int:
        """Number of stored weights, biases left out."""
        return sum(term.weight.size for linear in self.linears() for term in linear.terms)

    def linears(self) -> Iterator[Linear]:
        """Every linear map, the logits last."""
        for node in self.nodes:
            if isinstance(node, Activation):
                yield node.linear
        yield self.output


def linear_shape(linear: Linear, shapes: list[Shape], where: str) -> Shape:
    """Shape (O, H, W) of a linear map; checks its bias, its terms and the accumulator bound."""
    if not linear.terms:
        raise InputError("a linear map without terms", where=where)
    if not all(0 <= term.source < len(shapes) for term in linear.terms):
        raise InputError("reads a node that does not exist", where=where)
    results = {term.output_shape(shapes[term.source]) for term in linear.terms}
    if len(results) != 1:
        raise InputError(f"sums terms of different shapes {sorted(results)}", where=where)
    shape = results.pop()
    if linear.bias.shape not in {shape, (shape[0], 1, 1)}:
        raise InputError(f"bias of shape {linear.bias.shape} for {shape}", where=where)
    if linear.bound >= ACCUMULATOR_LIMIT:
        raise InputError(
            f"the accumulator could reach {linear.bound}, and must stay below 2^30",
            where=where,
            remedy="Compile with a smaller shift, or look for weights of absurd size in this layer",
        )
    return shape
