"""Com(m; r) = SHA-256(D || m || 0* || r).

m is filled up with zeros to whole 64-byte blocks; r is 64 bytes and is exactly the last block
before SHA-256's own padding block.
"""

import hashlib

import numpy as np

from wmproof.commitment.scheme import DIGEST_BYTES, Bytes, Places, check_shapes

BLOCK_BYTES = 64
TAG = b"wmproof/com/v1\0\0"


class Sha256:
    """The plain hash commitment."""

    randomness_bytes = BLOCK_BYTES
    inner_bytes = 0

    def inner(self, messages: Bytes, randomness: Bytes) -> Bytes:
        """There is no inner commitment: uint8 (n, 0)."""
        return np.zeros((len(messages), 0), np.uint8)

    def commit(
        self, messages: Bytes, randomness: Bytes, places: Places, inner: Bytes | None = None
    ) -> Bytes:
        """As `CommitmentScheme.commit`."""
        check_shapes(messages, randomness, places, self.randomness_bytes)
        length = messages.shape[1]
        filling = bytes(-length % BLOCK_BYTES)
        digests = b"".join(
            hashlib.sha256(block + message.tobytes() + filling + random.tobytes()).digest()
            for block, message, random in zip(
                places.domain_blocks(TAG, length), messages, randomness, strict=True
            )
        )
        return np.frombuffer(digests, np.uint8).reshape(len(messages), DIGEST_BYTES)
