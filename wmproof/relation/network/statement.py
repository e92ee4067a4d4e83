"""The network on all slots, as both parties see it: its segments, its lookups, its linear maps.

Every committing node of the circuit has one segment a chunk of slots, as `tensor_layout` says: the
blocks that the axes of its tensor are cut into, the batch, and the places within a block. An
`Activation` commits y with (z, y) in its table, a `Maximum` commits r with (a - b, r) in a table of
max(d, 0) as wide as a and b may be; z, a and b are linear in numbers committed before. One lookup
argument a table covers all of its nodes in all chunks, or several where one could not count so
many. Where a place is not the tensor's, z counts as
0, so y has to be T(0) there, and no weight ever touches it. Behind the last block there is nothing:
a lookup counts the row (0, T(0)) there, and has no other if y is zero as a polynomial.

All chunks together are indexed by one batch of slots, in which each is an aligned block.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from wmproof.argument.algebra.element import ONE, Element
from wmproof.argument.algebra.field import U32
from wmproof.argument.algebra.vectors import scale
from wmproof.argument.logup.statement import Lookup
from wmproof.argument.soundness import lookup_errors, sumcheck_error
from wmproof.circuit.ir import Activation, Circuit, Linear, Maximum, node_sources, value_type
from wmproof.circuit.product import Product
from wmproof.errors import InputError
from wmproof.relation.chunks import Chunk, slot_bits
from wmproof.relation.linear_form.statement import Term, Weights
from wmproof.relation.network.tables import ActivationTable, MaximumTable, prefix_weight
from wmproof.relation.product.statement import ProductStatement
from wmproof.relation.pull_back import committed_sources, linear_weights, maximum_weights
from wmproof.relation.segments import Segment
from wmproof.relation.tensor_layout import MOST_BLOCKS, Band, TensorLayout

NetworkTable = ActivationTable | MaximumTable
MOST_LOOKUPS = 1 << 30
"""In one argument: they, and so each multiplicity, stay well below p, which is what they need."""


def _activation_label(table: int) -> str:
    """Label of an activation table of the circuit, by its number."""
    return f"table{table}"


def _maximum_label(table: MaximumTable) -> str:
    """Label of a table of the maximum, by its width."""
    return f"maximum{table.bits}"


@dataclass(frozen=True)
class TableUse:
    """One table and what is looked up in it."""

    label: str
    """Separates its messages from those of other tables."""
    table: NetworkTable
    groups: tuple[tuple[Chunk, int], ...]
    """tuple of (Chunk, int): chunk and node of each group of lookups."""
    lookup: Lookup
    multiplicities: Segment
    """How often each row is looked up."""


class NetworkStatement:
    """A circuit on the slots of all chunks.

    `most_blocks` bounds the blocks of an axis, in tensors that no product makes. InputError if
    there are more lookups than the field can count, or a single one.
    """

    def __init__(
        self, circuit: Circuit, chunks: Sequence[Chunk], most_blocks: int = MOST_BLOCKS
    ) -> None:
        self.circuit, self.most_blocks = circuit, most_blocks
        self.chunks = tuple(chunks)
        self.slot_bits = slot_bits(list(chunks))
        self._segments = {
            (chunk.index, node): Segment(
                f"chunk{chunk.index}/node{node}",
                chunk.bits,
                self.layout(node).inner_bits,
                str(value_type(circuit.largest[node])),
                circuit.largest[node],
                self.layout(node).blocks,
            )
            for chunk in chunks
            for node in circuit.committed()
        }

    def layout(self, node: int) -> TensorLayout:
        """How a committing node's numbers lie in its segments."""
        return layout_of(self.circuit, node, self.most_blocks)

    def segment(self, chunk: Chunk, node: int) -> Segment:
        """Where a chunk's numbers of a committing node are."""
        return self._segments[chunk.index, node]

    @property
    def segments(self) -> list[Segment]:
        """All segments, multiplicities included."""
        return [*self._segments.values(), *(use.multiplicities for use in self.tables)]

    def labels(self, chunk: Chunk) -> dict[int, str]:
        """For each node whose numbers are looked up, in which of `tables` they are counted."""
        return {
            node: use.label
            for use in self.tables
            for where, node in use.groups
            if where.index == chunk.index
        }

    @cached_property
    def tables(self) -> list[TableUse]:
        """The tables that the circuit uses, those of maxima last."""
        kinds: list[tuple[str, NetworkTable, list[int]]] = [
            (
                _activation_label(number),
                ActivationTable(table),
                [
                    index
                    for index, node in enumerate(self.circuit.nodes)
                    if isinstance(node, Activation | Product) and node.table == number
                ],
            )
            for number, table in enumerate(self.circuit.tables)
        ]
        maxima: dict[int, list[int]] = {}
        for index, node in enumerate(self.circuit.nodes):
            if isinstance(node, Maximum):
                bits = MaximumTable(self.circuit.largest[index]).bits
                maxima.setdefault(bits, []).append(index)
        for _, nodes in sorted(maxima.items()):
            wide = MaximumTable(max(self.circuit.largest[index] for index in nodes))
            kinds.append((_maximum_label(wide), wide, nodes))
        return [use for kind in kinds for use in self._uses(*kind)]

    def _uses(self, label: str, table: NetworkTable, nodes: Sequence[int]) -> Iterator[TableUse]:
        """One argument a table, or several where there is more to count than `MOST_LOOKUPS`."""
        part: list[tuple[Chunk, int]] = []
        parts, total = [part], 0
        for chunk, node in ((chunk, node) for chunk in self.chunks for node in nodes):
            length = 1 << self.segment(chunk, node).bits
            if part and total + length > MOST_LOOKUPS:
                part, total = [], 0
                parts.append(part)
            part.append((chunk, node))
            total += length
        for number, groups in enumerate(parts):
            if groups:
                yield self._use(f"{label}.{number}" if number else label, table, tuple(groups))

    def _use(
        self, label: str, table: NetworkTable, groups: tuple[tuple[Chunk, int], ...]
    ) -> TableUse:
        lengths = [self.segment(chunk, node).entries for chunk, node in groups]
        blocks = [self.segment(chunk, node).blocks for chunk, node in groups]
        lookup = Lookup(label, table, lengths, blocks)
        if lookup.counted > MOST_LOOKUPS:
            raise InputError(
                f"{lookup.counted} lookups in {label} cannot be counted in the field",
                remedy="Let fewer triggers share an instance with --chunk",
            )
        if 1 in lengths:
            # A lookup has at least one variable, a segment of one entry none.
            raise InputError(
                f"{label} has a layer of one value, and one trigger is proved alone",
                remedy="Use a key that hides another number of triggers, or larger chunks",
            )
        counts = Segment(f"{label}/multiplicities", 0, table.bits, "uint32")
        return TableUse(label, table, groups, lookup, counts)

    def node_form(
        self, chunk: Chunk, node: int, point: Sequence[Element]
    ) -> tuple[list[Term], list[int]]:
        """Terms, and their nodes, of the form that is a node's z at a point of its segment.

        `point` is one of the segment.

        Returns
        -------
        terms : list of Term
        nodes : list of int
            The committed nodes that they are about, ascending.
        """
        batch, _ = self.segment(chunk, node).parted(point)
        nodes = committed_sources(self.circuit, _direct_sources(self.circuit, node))
        return [Term(self.segment(chunk, source), batch) for source in nodes], nodes

    def node_weights(
        self, chunk: Chunk, node: int, point: Sequence[Element], nodes: Sequence[int]
    ) -> tuple[Weights, Element]:
        """Weights of `node_form`, in its order, and the constant.

        Returns
        -------
        weights : list of K (4, entries of a slot)
            On the numbers of one slot of each node.
        constant : Element
            The bias, pulled to the point.
        """
        _, own = self.segment(chunk, node).parted(point)
        found, layout = self.circuit.nodes[node], self.layout(node)
        if isinstance(found, Activation):
            bands = [*layout.bands(own)]
            weights, constant = linear_weights(self.circuit, found.linear, bands)
        else:
            weights, constant = maximum_weights(self.circuit, found, layout.weights(own))
        return [self.layout(source).placed_weights(weights[source]) for source in nodes], constant

    def product(self, chunk: Chunk, node: int) -> ProductStatement | None:
        """The statement about a node's accumulators, if it is a product."""
        found = self.circuit.nodes[node]
        return (
            ProductStatement(self.circuit, found, chunk.bits, self.layout)
            if isinstance(found, Product)
            else None
        )

    def logit_form(self, slot_point: Sequence[Element]) -> tuple[list[Term], list[int]]:
        """Terms, over all chunks, of the logits at a point of all slots."""
        nodes = committed_sources(self.circuit, _linear_sources(self.circuit.output))
        terms = [
            Term(self.segment(chunk, source), slot_point[self.slot_bits - chunk.bits :])
            for chunk in self.chunks
            for source in nodes
        ]
        return terms, nodes

    def logit_weights(
        self, slot_point: Sequence[Element], class_weights: U32, nodes: Sequence[int]
    ) -> tuple[Weights, Element]:
        """Weights of `logit_form` for weights (4, classes), and the constant.

        Slots behind the last chunk have no logits; theirs count as 0.
        """
        one = np.ascontiguousarray(ONE.montgomery()[:, None])
        band = Band(0, class_weights, one, one)
        weights, constant = linear_weights(self.circuit, self.circuit.output, [band])
        result, total = [], Element(0)
        for chunk in self.chunks:
            lead = self.slot_bits - chunk.bits
            factor = prefix_weight(chunk.first >> chunk.bits, slot_point[:lead])
            result += [
                scale(self.layout(source).placed_weights(weights[source]), factor)
                for source in nodes
            ]
            total = total + factor * constant
        return result, total

    def errors(self) -> dict[str, Fraction]:
        """Soundness error of each table's lookups and of the linear maps behind them."""
        errors: dict[str, Fraction] = {}
        for use in self.tables:
            lengths = use.lookup.lengths
            errors |= lookup_errors(use.label, lengths, use.table.bits, 2)
            rounds = sum(self._rounds(chunk, node) for chunk, node in use.groups)
            errors[f"{use.label} linear maps"] = sumcheck_error(rounds, 2)
        return errors

    def _rounds(self, chunk: Chunk, node: int) -> int:
        """Sumcheck rounds, all of degree 3 with their weights, behind one node's accumulators."""
        product = self.product(chunk, node)
        if product is None:
            forms, rounds = [_direct_sources(self.circuit, node)], 0
        else:
            forms, rounds = [[o.node] for o in product.operands], product.variables
        for sources in forms:
            nodes = committed_sources(self.circuit, sources)
            rounds += max(self.layout(source).bits for source in nodes)
        return rounds


def _linear_sources(linear: Linear) -> list[int]:
    return [term.source for term in linear.terms]


def _direct_sources(circuit: Circuit, index: int) -> list[int]:
    node = circuit.nodes[index]
    return _linear_sources(node.linear) if isinstance(node, Activation) else [*node_sources(node)]


def layout_of(circuit: Circuit, node: int, most_blocks: int) -> TensorLayout:
    """How a committing node's numbers lie: a product is stated axis by axis, so its are whole."""
    whole = isinstance(circuit.nodes[node], Product)
    return TensorLayout(circuit.shapes[node], 1 if whole else most_blocks)
