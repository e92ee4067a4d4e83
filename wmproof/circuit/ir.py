"""The integer circuit: what 'model M classifies t as c' means, with one exact meaning everywhere.

A circuit is a list of nodes in evaluation order; each defines one tensor of numbers for each image,
from 0 to the node's *largest*: 255 for pixels, what its table's values reach for an activation.
Four kinds of node *commit* numbers (they are the prover's witness), five only move them:

- `Input`: the image itself.
- `Activation`: y = T[z], z a `Linear` map of earlier numbers, T a table that nodes share.
- `Product`: y = T[z], z a sum of products of two earlier tensors; see `product`.
- `Maximum`: commits r = max(a - b, 0) and stands for b + r = max(a, b).
- `Reshape`, `Transpose`, `Concat`, `Slice`, `Pad`: wiring, free of cost.

The answer is the index of the largest entry of one last `Linear`, the lowest index winning ties.
There is one linear form: an integer bias plus convolutions. A dense layer, a residual addition, an
average pool and a batch normalisation are all convolutions with some kernel.

`Circuit` checks itself when it is made: shapes, order of the nodes and, for each output channel
of each linear map, |bias| + sum largest * |weight| < 2^30, so that no accumulator can wrap modulo
the 31-bit prime of the argument, whatever numbers its sources hold (docs/circuit.md, 'Limits').
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from wmproof.circuit.linear import (
    ACCUMULATOR_LIMIT,
    TENSOR_LIMIT,
    Conv,
    Ints,
    Linear,
    Shape,
    conv_shape,
    linear_shape,
)
from wmproof.circuit.nodes import (
    LARGEST_PIXEL,
    Activation,
    Committing,
    Concat,
    Input,
    Maximum,
    Node,
    Pad,
    Reshape,
    Slice,
    Transpose,
    Wiring,
    node_largest,
    node_sources,
    value_type,
    wiring_shape,
)
from wmproof.circuit.product import Product
from wmproof.circuit.tables import Table
from wmproof.errors import InputError

__all__ = [
    "ACCUMULATOR_LIMIT",
    "LARGEST_PIXEL",
    "TENSOR_LIMIT",
    "Activation",
    "Circuit",
    "Committing",
    "Concat",
    "Conv",
    "Input",
    "Ints",
    "Linear",
    "Maximum",
    "Node",
    "Pad",
    "Product",
    "Reshape",
    "Shape",
    "Slice",
    "Transpose",
    "Wiring",
    "conv_shape",
    "linear_shape",
    "node_largest",
    "node_sources",
    "value_type",
    "wiring_shape",
]


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

    Attributes
    ----------
    shapes : tuple of tuple of int
        Of each node's tensor for one image.
    largest : tuple of int
        Largest number that each node can hold, whatever the image.

    Raises
    ------
    InputError
        If a shape, an index or an accumulator bound is wrong.
    """

    nodes: tuple[Node, ...]
    tables: tuple[Table, ...]
    output: Linear
    shapes: tuple[Shape, ...] = field(init=False)
    largest: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        shapes: list[Shape] = []
        largest: list[int] = []
        for index, node in enumerate(self.nodes):
            where = f"circuit node {index} ({node.name})"
            try:
                shape = self._node_shape(index, node, shapes, largest)
                if math.prod(shape) > TENSOR_LIMIT:
                    raise InputError(f"a tensor of shape {shape} is larger than 2^28 elements")
                shapes.append(shape)
                largest.append(node_largest(node, self.tables, largest))
            except InputError as error:
                raise InputError(error.what, where=error.where or where) from None
        if not shapes:
            raise InputError("a circuit without an input")
        shape = linear_shape(self.output, shapes, largest, "circuit output")
        if shape[0] < 2 or shape[1:] != (1, 1):
            raise InputError(f"logits of shape {shape}, not (classes, 1, 1)")
        object.__setattr__(self, "shapes", tuple(shapes))
        object.__setattr__(self, "largest", tuple(largest))

    def _node_shape(self, index: int, node: Node, shapes: list[Shape], largest: list[int]) -> Shape:
        if any(not 0 <= source < index for source in node_sources(node)):
            raise InputError("reads a node that does not come before it")
        match node:
            case Input():
                if index or len(node.shape) != 3 or min(node.shape) < 1:
                    raise InputError(f"input of shape {node.shape}: one (C, H, W) comes first")
                return node.shape
            case Activation():
                self._check_table(index, node)
                where = f"circuit node {index} ({node.name})"
                return linear_shape(node.linear, shapes, largest, where)
            case Product():
                self._check_table(index, node)
                shape, reach = (shapes[node.a], shapes[node.b]), (largest[node.a], largest[node.b])
                node.check(shape, reach, ACCUMULATOR_LIMIT)
                return node.shape
            case _:
                return wiring_shape(node, shapes)

    def _check_table(self, index: int, node: Activation | Product) -> None:
        if not index:
            raise InputError("the first node must be the input")
        if not 0 <= node.table < len(self.tables):
            raise InputError(f"table {node.table} of {len(self.tables)}")

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
        """Indices of the nodes that commit numbers, in order: the prover's witness."""
        for index, node in enumerate(self.nodes):
            if isinstance(node, Committing):
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
