"""The committed bits of openings; secret."""

import numpy as np
from numpy.typing import NDArray

from wmproof._base.threads import over_ranges
from wmproof.commitment.sha256 import BLOCK_BYTES
from wmproof.relation.openings.sha256.compression import ROUND_CONSTANTS
from wmproof.relation.openings.sha256.kernels import compress_run
from wmproof.relation.openings.sha256.openings import PLACE_BITS, Openings, words_of

Bytes = NDArray[np.uint8]


def witness(openings: Openings, messages: Bytes, randomness: Bytes) -> dict[str, Bytes]:
    """Bits of every run, by its segment's name.

    ValueError if a commitment does not open.

    Parameters
    ----------
    messages : uint8 (slots, message bytes)
    randomness : uint8 (slots, 64)
    """
    slots = len(messages)
    blocks = np.zeros((slots, openings.blocks, BLOCK_BYTES), np.uint8)
    filled = blocks[:, : openings.message_blocks].reshape(slots, -1)
    filled[:, : openings.message_bytes] = messages
    blocks[:, : openings.message_blocks] = filled.reshape(slots, -1, BLOCK_BYTES)
    blocks[:, openings.random_block] = randomness
    blocks[:, -1] = np.frombuffer(openings.padding_block, np.uint8)
    words = words_of(blocks)
    states = openings.initial_states.copy()
    arrays = {}
    for run in openings.runs:
        count = 1 << run.bits
        bits = np.zeros((slots, count, 1 << PLACE_BITS), np.uint8)
        own = np.ascontiguousarray(words[:, run.first : run.first + count])
        over_ranges(compress_run, slots, states, own, ROUND_CONSTANTS, bits, grain=8)
        arrays[run.segment.name] = bits.reshape(-1)
    if not np.array_equal(states, openings.digests):
        raise ValueError("a commitment does not open to this message")
    return arrays
