"""What a claim proves about commitments, whatever their scheme: they open to committed messages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wmproof.argument.algebra.element import Element
from wmproof.argument.algebra.field import U32
from wmproof.argument.channel import Expression, VerifierChannel
from wmproof.commitment.scheme import Bytes, Kind, Places
from wmproof.relation.linear_form.statement import Term
from wmproof.relation.segments import Segment, SegmentClaim


class MessageSource(Protocol):
    """Where a slot's message is in the witness: each byte is linear in some segments."""

    @property
    def unranged(self) -> Segment | None:
        """The segment that holds the bytes themselves, if nothing else proves that they are bytes.

        None where the message is a byte string because of what is proved about its segments.
        """

    def terms(self, slot_point: Sequence[Element]) -> list[Term]:
        """Segments with their batch points."""

    def weights(self, byte_weights: U32) -> list[U32]:
        """Weights of `terms` for a weighted sum of message bytes, K (4, message bytes)."""


@dataclass(frozen=True, eq=False)
class CommittedSlots:
    """The commitments of one kind to what one chunk of slots holds."""

    label: str
    slot_bits: int
    """There are 2^slot_bits slots."""
    triggers: NDArray[np.int64]
    """int64 (slots,): which hidden trigger each slot holds, counted from 0; some are held twice."""
    places: Places
    """Of all hidden triggers."""
    digests: Bytes
    """uint8 (triggers, 32): the commitments of all hidden triggers."""
    message_bytes: int
    """Length of each message."""
    source: MessageSource

    @property
    def kind(self) -> Kind:
        """What is hidden."""
        return self.places.kind

    @property
    def slot_places(self) -> Places:
        """Of what the slots hold, one by one."""
        return Places(self.places.key_id, self.places.indices[self.triggers], self.kind)


Inner = Mapping[Kind, Bytes]
"""For each kind the inner commitments of all hidden triggers, uint8 (triggers, inner_bytes)."""


class OpeningsStatement(Protocol):
    """All openings of a claim under one scheme, as the verifier sees them."""

    @property
    def segments(self) -> list[Segment]:
        """What the witness has for them beside the messages."""

    def errors(self) -> Mapping[str, Fraction]:
        """Soundness error of each part."""

    def verify(self, channel: VerifierChannel) -> list[SegmentClaim[Expression]]:
        """Reduce 'every commitment opens to its slot's message' to claims about segments."""
