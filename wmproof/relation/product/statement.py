r"""The accumulators of a `circuit.product.Product` on a chunk of slots, at a random point.

With s the slots, i the labels that both operands have, j and k those that only a or only b has:

    z(t, r) = sum_(s, i) eq((t, r_i), (s, i)) A(s, i) B(s, i) + bias,
    A(s, i) = sum_j eq(r_j, j) (a(s, i, j) - a_zero),
    B(s, i) = sum_k eq(r_k, k) (b(s, i, k) - b_zero),

labels that are summed over having no eq. One sumcheck over s and i of a product of two multilinears
ends at a point (s', i') in two messages, A(s', i') and B(s', i'), whose product must be its value.
Each is a linear form of the numbers of one operand with the batch at s' and the public weights
eq(i', i) eq(r_j, j), which `linear_form` reduces to claims about what is committed. The factor of
each channel belongs to the weights of whichever operand has the label of the channels. Behind an
axis's end z counts as 0, as do A and B.

*Soundness*: a round of the sumcheck has degree 3 with its eq, so 3 n / |K| for n variables; then
two linear forms.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from wmproof.argument.algebra.element import HALF, ONE, Element
from wmproof.argument.algebra.extension import total_of
from wmproof.argument.algebra.field import U32, P, to_montgomery
from wmproof.argument.algebra.multilinear import eq_table
from wmproof.argument.algebra.vectors import multiply
from wmproof.circuit.ir import Circuit
from wmproof.circuit.product import Ints, Product
from wmproof.relation.linear_form.statement import Weights
from wmproof.relation.pull_back import to_committed
from wmproof.relation.tensor_layout import TensorLayout, outer

Point = Sequence[Element]


@dataclass(frozen=True)
class Operand:
    """One of the two tensors that are multiplied."""

    node: int
    axes: tuple[int, ...]
    """Labels of its axes, as in `circuit.product.Product`."""
    zero: int
    """The number that stands for 0."""
    factor: Ints | None
    """int32 array or None: by which it multiplies each channel of the result, if it is the one that
    carries factors."""


class ProductStatement:
    """One product node on 2^batch_bits slots.

    `layout` gives that of each committed node; a product's own axes are one block each.
    """

    def __init__(
        self,
        circuit: Circuit,
        node: Product,
        batch_bits: int,
        layout: Callable[[int], TensorLayout],
    ) -> None:
        self.node, self.circuit, self.batch_bits = node, circuit, batch_bits
        self._layout = layout
        self.sizes = node.sizes(circuit.shapes[node.a], circuit.shapes[node.b])
        self.bits = {label: (size - 1).bit_length() for label, size in self.sizes.items()}

    @cached_property
    def operands(self) -> tuple[Operand, Operand]:
        """Give the factors to the first operand that has the channels, or to a if neither has."""
        node = self.node
        with_b = 0 in node.b_axes and 0 not in node.a_axes
        return (
            Operand(node.a, node.a_axes, node.a_zero, None if with_b else node.factor),
            Operand(node.b, node.b_axes, node.b_zero, node.factor if with_b else None),
        )

    @property
    def variables(self) -> int:
        """Number of variables that the sumcheck binds."""
        return self.batch_bits + sum(self.bits[label] for label in self.node.shared)

    def coordinates(self, point: Point) -> dict[int, Point]:
        """Split a point of the node's segment into the coordinates of each label of the result."""
        found, first = {}, self.batch_bits
        for label, axis in enumerate(TensorLayout(self.node.shape).axes):
            found[label] = point[first : first + axis.bits]
            first += axis.bits
        return found

    def sumcheck_point(self, point: Point) -> list[Element]:
        """Return the point of the sumcheck's eq: slots, then shared labels, 1/2 where it sums."""
        found = self.coordinates(point)
        whole = list(point[: self.batch_bits])
        for label in self.node.shared:
            whole += found.get(label, [HALF] * self.bits[label])
        return whole

    @property
    def scale(self) -> Element:
        """By how much eq at 1/2 makes a sum smaller."""
        return HALF ** sum(self.bits[label] for label in self.node.summed)

    def bias(self, point: Point) -> Element:
        """Evaluate the extension of the bias, which is 0 behind the ends of the axes."""
        found = self.coordinates(point)
        total = ONE
        for label, size in enumerate(self.node.shape[1:], 1):
            total = total * _total(_cut(found[label], size))
        first = _cut(found[0], self.node.shape[0])
        return total * _total(multiply(first, _base(self.node.bias)))

    def own_tables(self, operand: Operand, point: Point) -> list[U32]:
        """Eq tables of the labels that only this operand has, without any factor."""
        found = self.coordinates(point)
        return [_cut(found[i], self.sizes[i]) for i in operand.axes if i not in self.node.shared]

    def axis_tables(self, operand: Operand, point: Point, r: Point) -> list[U32]:
        """Weights of an operand's axes: at `r` for labels of both, at `point` for its own."""
        found = self.coordinates(point)
        first = self.batch_bits
        for label in self.node.shared:
            found[label] = r[first : first + self.bits[label]]
            first += self.bits[label]
        tables = [_cut(found[label], self.sizes[label]) for label in operand.axes]
        if operand.factor is not None:
            # Without an axis of channels there is one factor, for all of the first axis.
            place = operand.axes.index(0) if 0 in operand.axes else 0
            factor = np.broadcast_to(operand.factor, tables[place].shape[1:])
            tables[place] = multiply(tables[place], _base(factor))
        return tables

    def weights(
        self, operand: Operand, point: Point, r: Point, nodes: Sequence[int]
    ) -> tuple[Weights, Element]:
        """Weights of an operand's message on committed nodes, and the constant.

        Parameters
        ----------
        point : sequence of Element
            Of the accumulators' segment.
        r : sequence of Element
            Where the sumcheck over slots and shared labels ended.
        nodes : sequence of int
            The committed nodes that the operand's numbers come from, `terms_of`.

        Returns
        -------
        weights : list of K (4, entries of a slot)
            One for each node.
        constant : Element
        """
        tables = self.axis_tables(operand, point, r)
        weights, constant = to_committed(self.circuit, {operand.node: outer(tables)})
        whole = ONE
        for table in tables:
            whole = whole * _total(table)
        constant = constant - whole * Element(operand.zero)
        return [self._layout(node).placed_weights(weights[node]) for node in nodes], constant


def _cut(point: Point, size: int) -> U32:
    """Eq table of a label's coordinates, cut to its size: K (4, size)."""
    return np.ascontiguousarray(eq_table(list(point))[:, :size])


def _base(values: Ints) -> U32:
    """Integers as elements of K: (4, n)."""
    out = np.zeros((4, values.size), np.uint32)
    out[0] = to_montgomery((values.astype(np.int64) % P).astype(np.uint32))
    return out


def _total(table: U32) -> Element:
    return Element.from_montgomery(total_of([table.sum(axis=1, dtype=np.uint64)]))
