"""What the openings of one chunk of slots are about; the package states the protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np

from wmproof.argument.element import Element
from wmproof.argument.field import U32
from wmproof.argument.soundness import over_field, sumcheck_error
from wmproof.relation.linear_form import Term
from wmproof.relation.segments import Segment

BLOCK_BYTES = 64
ROUNDS = 64
WORD_BITS = 5
# Where an instance has a, e, w (64 x 32 bits each), carries (64 x 16), h (8 x 32), final carries.
A_START, E_START, W_START, CARRY_START, H_START, FINAL_START = 0, 2048, 4096, 6144, 7168, 7424
PLACE_BITS = 13
_MOST_INSTANCE_BITS = 10


class MessageSource(Protocol):
    """Where a slot's message is in the witness: each byte is linear in some segments."""

    def terms(self, slot_point: Sequence[Element]) -> list[Term]:
        """Segments with their batch points."""
        ...

    def weights(self, byte_weights: U32) -> list[U32]:
        """Weights of `terms` for a weighted sum of message bytes, K (4, message bytes)."""
        ...


@dataclass(frozen=True)
class Run:
    """2^bits blocks in a row, `first` a multiple of their number."""

    first: int
    bits: int
    segment: Segment


@dataclass(frozen=True, eq=False)
class Openings:
    """One commitment a slot.

    Attributes
    ----------
    label : str
    slot_bits : int
    initial_states, digests : uint32 (slots, 8)
        State after the block D, and the commitment, as words.
    message_bytes : int
        Length of each message.
    source : MessageSource
    """

    label: str
    slot_bits: int
    initial_states: U32
    digests: U32
    message_bytes: int
    source: MessageSource

    @property
    def blocks(self) -> int:
        """Compressions a slot: message, randomness, padding."""
        return self.message_blocks + 2

    @property
    def message_blocks(self) -> int:
        """Blocks of the message."""
        return -(-self.message_bytes // BLOCK_BYTES)

    @property
    def runs(self) -> list[Run]:
        """All blocks in order."""
        sizes, left = [], self.message_blocks
        most = max(0, _MOST_INSTANCE_BITS - self.slot_bits)
        while left:
            bits = min(most, left.bit_length() - 1)
            sizes.append(bits)
            left -= 1 << bits
        runs, first = [], 0
        for bits in [*sizes, 0, 0]:
            name = f"{self.label}/blocks{first}"
            runs.append(Run(first, bits, Segment(name, self.slot_bits + bits, PLACE_BITS)))
            first += 1 << bits
        return runs

    @property
    def segments(self) -> list[Segment]:
        """One for each run."""
        return [run.segment for run in self.runs]

    @property
    def random_block(self) -> int:
        """Index of the block that is free."""
        return self.message_blocks

    @property
    def padding_block(self) -> bytes:
        """SHA-256's own last block."""
        bits = 8 * BLOCK_BYTES * (self.blocks)
        return b"\x80" + bytes(BLOCK_BYTES - 9) + bits.to_bytes(8, "big")

    def errors(self) -> dict[str, Fraction]:
        """Soundness error of each part."""
        rounds = weighing = bits = 0
        source = max(term.segment.inner_bits for term in self.source.terms([]))
        for run in self.runs:
            instances = self.slot_bits + run.bits
            # The run's form is as long as its longest vector: the source's, for large images.
            rounds += 4 * (instances + 11) + 3 * max(run.bits + PLACE_BITS, source)
            # tau, lambda; gamma, mu, rho; r's coordinates where the linear identities are checked.
            weighing += instances + 6 + 5 + 21 + 15 + 6 + instances
            bits += run.segment.bits
        return {
            f"{self.label} rounds": over_field(rounds + weighing),
            f"{self.label} bits": over_field(bits) + sumcheck_error(bits, 2),
        }


def words_of(blocks: np.ndarray) -> U32:
    """Big-endian words, uint32 (..., n / 4), of bytes (..., n)."""
    return np.ascontiguousarray(blocks).view(">u4").astype(np.uint32)
