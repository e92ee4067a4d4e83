"""The prover of openings of the two-layer commitment; the package states the protocol."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof.argument.logup import prover as lookup_prover
from wmproof.argument.prover_channel import ProverChannel
from wmproof.commitment.scheme import Bytes, Kind
from wmproof.relation.linear_form import prover as linear_form_prover
from wmproof.relation.openings.sha256_sis.rows import ROW_BITS
from wmproof.relation.openings.sha256_sis.statement import PART_BITS, SisStatement
from wmproof.relation.segments import SegmentPoint

Arrays = Mapping[str, NDArray[Any]]
_ELEMENT = 16


class SisProver:
    """Witness and proof of a statement."""

    def __init__(self, statement: SisStatement) -> None:
        self._statement = statement

    def witness(
        self, opened: Mapping[Kind, tuple[Bytes, Bytes]], arrays: Arrays
    ) -> dict[str, NDArray[Any]]:
        """Randomness in its parts, and the multiplicities of all bytes."""
        found: dict[str, NDArray[Any]] = {}
        width = sum(1 << bits for bits in PART_BITS)
        for slots in self._statement.slots:
            _, randomness = opened[slots.kind]
            whole = np.zeros((len(slots.triggers), width), np.uint8)
            whole[:, : randomness.shape[1]] = randomness[slots.triggers]
            first = 0
            for segment in self._statement.randomness(slots):
                stop = first + (1 << segment.inner_bits)
                found[segment.name] = whole[:, first:stop].reshape(-1)
                first = stop
        counts = self._statement.multiplicities
        everything = {**arrays, **found}
        ranged = self._statement.ranged
        looked_up = [everything[segment.name].reshape(-1) for segment in ranged]
        found[counts.name] = lookup_prover.count_multiplicities(looked_up, counts.inner_bits)
        # Behind the last block of a segment zeros are looked up.
        lookup = self._statement.lookup
        found[counts.name][0] += lookup.counted - sum(lookup.lengths)
        return found

    def prove(
        self,
        channel: ProverChannel,
        arrays: Arrays,
        progress: Callable[[float], None] = lambda _: None,
    ) -> list[SegmentPoint]:
        """As `OpeningsProver.prove`."""
        statement = self._statement
        progress(0.0)
        columns = (
            np.ascontiguousarray(arrays[segment.name].reshape(segment.blocks, -1).T, np.uint32)
            for segment in statement.ranged
        )
        counts = arrays[statement.multiplicities.name]
        groups = (column.reshape(1, -1) for column in columns)
        found = lookup_prover.prove(channel, statement.lookup, groups, counts)
        points = [SegmentPoint(statement.multiplicities, found.multiplicities)]
        points += [
            SegmentPoint(segment, segment.from_lookup(point))
            for segment, point in zip(statement.ranged, found.groups, strict=True)
        ]
        rows = statement.combined(channel.challenges("openings/rho", ROW_BITS))
        for i, slots in enumerate(statement.slots):
            progress((1 + i) / (1 + len(statement.slots)))
            tau = channel.challenges(f"{slots.label}/tau", slots.slot_bits)
            weights = statement.weights(slots, rows, tau)
            terms = statement.terms(slots, tau)
            points += linear_form_prover.prove(
                channel, f"{slots.label}/opening", terms, weights, arrays
            )
        return points

    def working_bytes(self) -> int:
        """One group's column and tree, or the form of the longest message."""
        statement = self._statement
        lookup = statement.lookup
        group = max(lookup.lengths)
        longest = max(
            max(term.inner_bits - own.slot_bits for term in statement.terms(own, []))
            for own in statement.slots
        )
        form = 8 * len(PART_BITS) * _ELEMENT << longest
        return max((4 + 2 * _ELEMENT) * group, form)

    def claims(self) -> int:
        """One for each lookup's group, the table's, and each term."""
        terms = sum(len(self._statement.terms(own, [])) for own in self._statement.slots)
        return len(self._statement.ranged) + 1 + terms
