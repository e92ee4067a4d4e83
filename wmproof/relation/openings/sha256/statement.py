"""All openings of a claim whose commitments are plain SHA-256; the package states the protocol."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from wmproof.argument.channel import Expression, VerifierChannel
from wmproof.commitment.scheme import Kind
from wmproof.relation.openings.sha256 import verifier
from wmproof.relation.openings.sha256.compression import initial_states
from wmproof.relation.openings.sha256.openings import Openings, words_of
from wmproof.relation.openings.statement import CommittedSlots, Inner
from wmproof.relation.segments import Segment, SegmentClaim


class Sha256Openings:
    """One `Openings` for each chunk and kind.

    `inner` has empty arrays: this scheme has no inner commitments.
    """

    def __init__(self, slots: Sequence[CommittedSlots], inner: Inner | None) -> None:
        self.slots = tuple(slots)
        self.parts: list[tuple[Kind, Openings]] = [(own.kind, _openings(own)) for own in slots]

    @property
    def segments(self) -> list[Segment]:
        """The bits of all blocks."""
        return [segment for _, openings in self.parts for segment in openings.segments]

    def errors(self) -> dict[str, Fraction]:
        """Soundness error of each part."""
        errors: dict[str, Fraction] = {}
        for _, openings in self.parts:
            errors |= openings.errors()
        return errors

    def verify(self, channel: VerifierChannel) -> list[SegmentClaim[Expression]]:
        """As `OpeningsStatement.verify`."""
        claims = []
        for _, openings in self.parts:
            claims += verifier.verify(channel, openings)
        return claims


def _openings(slots: CommittedSlots) -> Openings:
    return Openings(
        slots.label,
        slots.slot_bits,
        initial_states(slots.slot_places, slots.message_bytes),
        words_of(np.ascontiguousarray(slots.digests[slots.triggers])),
        slots.message_bytes,
        slots.source,
    )
