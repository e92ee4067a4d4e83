"""What a prover of Ligero holds."""

from wmproof._base.threads import thread_count
from wmproof.argument.algebra.element import BYTES
from wmproof.argument.kernels.blake3 import CHUNK_BLOCKS
from wmproof.argument.kernels.extension import empty_tables
from wmproof.argument.kernels.simd import LANES
from wmproof.argument.pcs.commitment import Memory
from wmproof.argument.pcs.ligero.encoded_columns import AT_ONCE
from wmproof.argument.pcs.ligero.matrix import ROWS
from wmproof.argument.pcs.ligero.merkle import HASH_BYTES, SALT_BYTES

_RATE = 4
# Bytes: a weight while it is computed, after which it is kept as it is and in halves; a sum in all
# its forms, of the rows that are multiplied at a time; and one in what is returned, and turned.
_WEIGHT, _SUM, _OPENED = 12, 80, 8
# Bytes while a thread binds a claim: for each column, a sum of words in all its forms; for each
# row, its weight in all of its.
_BOUND_COLUMN, _BOUND_ROW = 16 * BYTES, 4 * BYTES


def memory(rows: int, message_bits: int, claims: int) -> Memory:
    """Estimate it from the prover's arrays; as `pcs.provers.MEMORY`."""
    columns = _RATE << message_bits
    batch = 4 * LANES << message_bits
    chunks = -(-rows // (LANES * CHUNK_BLOCKS))
    hashing = columns * HASH_BYTES * (chunks.bit_length() + 3) + CHUNK_BLOCKS * batch
    parts = min(rows, thread_count() * ROWS)
    opening = AT_ONCE * ((_WEIGHT << message_bits) + _SUM * parts + _OPENED * rows)
    threads = min(claims, thread_count())
    binding = threads * ((_BOUND_COLUMN << message_bits) + _BOUND_ROW * rows)
    return Memory(
        lasting=columns * (2 * HASH_BYTES + SALT_BYTES),
        committing=hashing + thread_count() * batch,
        # Two rows over K for each claim, which threads bind; then columns are opened.
        proving=max(
            claims * empty_tables(2, 1 << message_bits).nbytes + binding,
            opening + (parts << message_bits),
        ),
    )
