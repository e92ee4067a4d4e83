"""The network on all slots, as both parties see it: its segments, its lookups, its linear maps.

Every committing node of the circuit has one segment a chunk of slots: the batch, then the axes of
its tensor, each padded to a power of two. An `Activation` commits y with (z, y) in its table, a
`Maximum` commits r with (a - b, r) in the table of max(d, 0); z, a and b are linear in bytes
committed before. One lookup argument a table covers all of its nodes in all chunks. Behind an
axis's end z counts as 0, so y has to be T(0) there, and no weight ever touches it.

All chunks together are indexed by one batch of slots, in which each is an aligned block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from wmproof.argument.element import Element
from wmproof.argument.field import U32, P
from wmproof.argument.ligero.algebra import scale
from wmproof.argument.logup.statement import Lookup
from wmproof.argument.soundness import lookup_errors, sumcheck_error
from wmproof.circuit.ir import Activation, Circuit, Linear, Maximum, Shape, node_sources
from wmproof.errors import InputError
from wmproof.relation.chunks import Chunk, slot_bits
from wmproof.relation.linear_form import Term, Weights
from wmproof.relation.pull_back import (
    axis_bits,
    axis_weights,
    committed_sources,
    linear_weights,
    maximum_weights,
    padded,
)
from wmproof.relation.segments import Segment
from wmproof.relation.tables import ActivationTable, MaximumTable, prefix_weight

NetworkTable = ActivationTable | MaximumTable
MAXIMUM_LABEL = "maximum"


def activation_label(table: int) -> str:
    """Label of an activation table of the circuit, by its number."""
    return f"table{table}"


@dataclass(frozen=True)
class TableUse:
    """One table and what is looked up in it: for each group, its chunk and its node."""

    label: str
    table: NetworkTable
    groups: tuple[tuple[Chunk, int], ...]
    lookup: Lookup
    multiplicities: Segment


class NetworkStatement:
    """A circuit on the slots of all chunks.

    Parameters
    ----------
    circuit : Circuit
    chunks : sequence of Chunk

    Raises
    ------
    InputError
        More lookups than the field can count, or a single one.
    """

    def __init__(self, circuit: Circuit, chunks: Sequence[Chunk]) -> None:
        self.circuit = circuit
        self.chunks = tuple(chunks)
        self.slot_bits = slot_bits(list(chunks))
        self._segments = {
            (chunk.index, node): Segment(
                f"chunk{chunk.index}/node{node}", chunk.bits, sum(axis_bits(circuit.shapes[node]))
            )
            for chunk in chunks
            for node in circuit.committed()
        }

    def segment(self, chunk: Chunk, node: int) -> Segment:
        """Where a chunk's bytes of a committing node are."""
        return self._segments[chunk.index, node]

    @property
    def segments(self) -> list[Segment]:
        """All segments, multiplicities included."""
        return [*self._segments.values(), *(use.multiplicities for use in self.tables)]

    @cached_property
    def tables(self) -> list[TableUse]:
        """The tables that the circuit uses, the maximum's last."""
        kinds: list[tuple[str, NetworkTable, list[int]]] = [
            (
                activation_label(number),
                ActivationTable(table),
                [
                    index
                    for index, node in enumerate(self.circuit.nodes)
                    if isinstance(node, Activation) and node.table == number
                ],
            )
            for number, table in enumerate(self.circuit.tables)
        ]
        maxima = [i for i, node in enumerate(self.circuit.nodes) if isinstance(node, Maximum)]
        kinds.append((MAXIMUM_LABEL, MaximumTable(), maxima))
        return [self._use(*kind) for kind in kinds if kind[2]]

    def _use(self, label: str, table: NetworkTable, nodes: Sequence[int]) -> TableUse:
        groups = tuple((chunk, node) for chunk in self.chunks for node in nodes)
        lengths = [1 << self.segment(chunk, node).bits for chunk, node in groups]
        if sum(lengths) >= P:
            raise InputError(
                f"{sum(lengths)} lookups in {label} cannot be counted in the field",
                remedy="Prove fewer triggers at once",
            )
        if 1 in lengths:
            # A lookup has at least one variable, a segment of one entry none.
            raise InputError(
                f"{label} has a layer of one value, and one trigger is proved alone",
                remedy="Use a key that hides another number of triggers, or larger chunks",
            )
        counts = Segment(f"{label}/multiplicities", 0, table.bits, "uint32")
        return TableUse(label, table, groups, Lookup(label, table, lengths), counts)

    def node_form(
        self, chunk: Chunk, node: int, point: Sequence[Element]
    ) -> tuple[list[Term], list[int]]:
        """Terms, and their nodes, of the form that is a node's z at a point of its segment."""
        batch = point[: chunk.bits]
        nodes = committed_sources(self.circuit, _direct_sources(self.circuit, node))
        return [Term(self.segment(chunk, source), batch) for source in nodes], nodes

    def node_weights(
        self, chunk: Chunk, node: int, point: Sequence[Element], nodes: Sequence[int]
    ) -> tuple[Weights, Element]:
        """Weights of `node_form`, in its order, and the constant."""
        tables = axis_weights(self.circuit.shapes[node], point[chunk.bits :])
        found = self.circuit.nodes[node]
        if isinstance(found, Activation):
            weights, constant = linear_weights(self.circuit, found.linear, tables)
        else:
            weights, constant = maximum_weights(self.circuit, found, tables)
        return [padded(weights[source]) for source in nodes], constant

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
        ones = axis_weights((1, 1), [])
        weights, constant = linear_weights(
            self.circuit, self.circuit.output, [class_weights, *ones]
        )
        result, total = [], Element(0)
        for chunk in self.chunks:
            lead = self.slot_bits - chunk.bits
            factor = prefix_weight(chunk.first >> chunk.bits, slot_point[:lead])
            result += [scale(padded(weights[source]), factor) for source in nodes]
            total = total + factor * constant
        return result, total

    def errors(self) -> dict[str, Fraction]:
        """Soundness error of each table's lookups and of the linear maps behind them."""
        errors: dict[str, Fraction] = {}
        for use in self.tables:
            lengths = use.lookup.lengths
            errors |= lookup_errors(use.label, lengths, use.table.bits, 2)
            rounds = sum(
                max(term.segment.inner_bits for term in self.node_form(chunk, node, [])[0])
                for chunk, node in use.groups
            )
            errors[f"{use.label} linear maps"] = sumcheck_error(rounds, 2)
        return errors


def _linear_sources(linear: Linear) -> list[int]:
    return [term.source for term in linear.terms]


def _direct_sources(circuit: Circuit, index: int) -> list[int]:
    node = circuit.nodes[index]
    return _linear_sources(node.linear) if isinstance(node, Activation) else [*node_sources(node)]


def padded_shape(shape: Shape) -> Shape:
    """A committed tensor's shape with its axes padded to powers of two."""
    return tuple(1 << bits for bits in axis_bits(shape))
