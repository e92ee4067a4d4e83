"""What the openings of one chunk of slots are about; the package states the protocol."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from wmproof.argument.algebra.field import U32
from wmproof.argument.soundness import over_field, sumcheck_error
from wmproof.commitment.sha256 import BLOCK_BYTES
from wmproof.relation.openings.statement import MessageSource
from wmproof.relation.segments import Segment

ROUNDS = 64
WORD_BITS = 5
# Where an instance has a, e, w (64 x 32 bits each), carries (64 x 16), h (8 x 32), final carries.
A_START, E_START, W_START, CARRY_START, H_START, FINAL_START = 0, 2048, 4096, 6144, 7168, 7424
PLACE_BITS = 13
_MOST_INSTANCE_BITS = 10


@dataclass(frozen=True)
class Run:
    """2^bits blocks in a row."""

    first: int
    """A multiple of their number."""
    bits: int
    segment: Segment
    """Of their bits."""


@dataclass(frozen=True, eq=False)
class Openings:
    """One commitment a slot."""

    label: str
    slot_bits: int
    initial_states: U32
    digests: U32
    """initial_states and digests: uint32 (slots, 8): state after the block D, and the commitment,
    as words."""
    message_bytes: int
    """Length of each message."""
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
        source = max(term.inner_bits for term in self.source.terms([])) - self.slot_bits
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
    """Big-endian words of bytes.

    `blocks` are uint8 (..., n), n a multiple of 4.

    Returns
    -------
    uint32 array (..., n / 4)
    """
    return np.ascontiguousarray(blocks).view(">u4").astype(np.uint32)
