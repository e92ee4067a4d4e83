"""Com(m; r) = SHA-256(D || v), v = A (r || m) mod p: a hash over a linear commitment.

Outside it is a hash commitment of 32 bytes like the plain one. In a claim the prover shows v of
every hidden trigger, the verifier hashes it, and what has to be proved is linear.

*Binding.* Equal digests mean equal D and v, or a collision of SHA-256. Equal D means messages of
one length. Two openings of one v give x = (r || m) - (r' || m'), not zero, with A x = 0 mod p and
all |x_i| <= 255: a short integer solution (SIS) for a random A of 320 rows over F_p.

*Hiding.* r has 1272 bytes, 256 bits more than v can have. By the leftover hash lemma (A, A r) is
within 2^-130 of (A, uniform), and so is (A, v), whatever m is. So v may be seen, in every claim of
the key the same: it hides m statistically.

`docs/commitments.md` has the parameters, and `benchmarks/sis.py` recomputes them.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

from wmproof.commitment.matrix import RANDOMNESS_BYTES, ROWS, P, multiply
from wmproof.commitment.scheme import DIGEST_BYTES, Bytes, Places, check_shapes
from wmproof.errors import InputError

TAG = b"wmproof/sis/v1\0\0"
INNER_BYTES = 4 * ROWS
# The number of a column has 4 bytes.
_MOST_COLUMNS = 2**32


class Sha256Sis:
    """The commitment of two layers."""

    randomness_bytes = RANDOMNESS_BYTES
    inner_bytes = INNER_BYTES

    def inner(self, messages: Bytes, randomness: Bytes) -> Bytes:
        """V of each row: 320 numbers of 4 bytes, big-endian."""
        check_shapes(messages, randomness, None, self.randomness_bytes)
        if messages.shape[1] + RANDOMNESS_BYTES > _MOST_COLUMNS:
            raise InputError(f"a message of {messages.shape[1]} bytes cannot be committed to")
        x = np.concatenate([randomness, messages], axis=1)
        return multiply(x).astype(">u4").view(np.uint8)

    def commit(
        self, messages: Bytes, randomness: Bytes, places: Places, inner: Bytes | None = None
    ) -> Bytes:
        """As `CommitmentScheme.commit`."""
        check_shapes(messages, randomness, places, self.randomness_bytes)
        found = self.inner(messages, randomness) if inner is None else inner
        return outer(found, places, messages.shape[1])


def outer(inner: Bytes, places: Places, length: int) -> Bytes:
    """SHA-256(D || v) of each row, for messages of `length` bytes: uint8 (n, 32)."""
    pairs = zip(places.domain_blocks(TAG, length), inner, strict=True)
    digests = b"".join(hashlib.sha256(block + v.tobytes()).digest() for block, v in pairs)
    return np.frombuffer(digests, np.uint8).reshape(len(inner), DIGEST_BYTES)


def parse_inner(inner: Bytes) -> NDArray[np.uint32]:
    """Read v of each row, uint32 (n, 320); InputError if a number is p or more."""
    values = np.ascontiguousarray(inner).view(">u4").astype(np.uint32)
    if values.size and int(values.max()) >= P:
        raise InputError("an inner commitment holds a number that is not below p")
    return values
