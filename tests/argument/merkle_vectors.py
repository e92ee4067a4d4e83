"""Print the known roots of test_merkle.py: the format alone, without the package."""

import struct

from blake3 import blake3

P = 2**31 - 2**24 + 1
LEAF = blake3(b"wmproof/1 merkle leaf").digest()
NODE = blake3(b"wmproof/1 merkle node").digest()


def root(low: int, high: int, height: int) -> bytes:
    """Root of the columns low .. high - 1 of the test's matrix."""
    if high - low > 1:
        middle = (low + high) // 2
        both = root(low, middle, height) + root(middle, high, height)
        return blake3(both, key=NODE).digest()
    values = [((low * height + i) * 40503 + 7) % P for i in range(height)]
    salt = bytes(((low * 32 + i) * 131 + 5) % 256 for i in range(32))
    return blake3(struct.pack(f"<{height}I", *values) + salt, key=LEAF).digest()


if __name__ == "__main__":
    for depth, height in [(0, 1), (1, 16), (3, 5), (5, 300)]:
        print(f'    ({depth}, {height}): "{root(0, 1 << depth, height).hex()}",')
