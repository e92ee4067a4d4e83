"""SHA-256's compression function (FIPS 180-4), on many states at once."""

import numpy as np

from wmproof.argument.algebra.field import U32
from wmproof.commitment.scheme import Places
from wmproof.commitment.sha256 import TAG
from wmproof.relation.openings.sha256.openings import words_of


def _fractions_of_roots(count: int, power: int) -> U32:
    """First 32 bits of the fractional parts of the roots of the first primes."""
    primes: list[int] = []
    candidate = 2
    while len(primes) < count:
        if all(candidate % prime for prime in primes):
            primes.append(candidate)
        candidate += 1
    return np.array([_root(prime << (32 * power), power) % 2**32 for prime in primes], np.uint32)


def _root(value: int, power: int) -> int:
    low, high = 0, 1 << (value.bit_length() // power + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle**power <= value else (low, middle)
    return low


ROUND_CONSTANTS = _fractions_of_roots(64, 3)
INITIAL_STATE = _fractions_of_roots(8, 2)


def initial_states(places: Places, length: int) -> U32:
    """State after the block D of each place, uint32 (n, 8).

    Parameters
    ----------
    places : Places
        Where the commitments stand in their key.
    length : int
        Bytes of a message.

    References
    ----------
    FIPS 180-4, section 6.2.
    """
    blocks = b"".join(places.domain_blocks(TAG, length))
    words = words_of(np.frombuffer(blocks, np.uint8).reshape(len(places), -1))
    return compressed(np.tile(INITIAL_STATE, (len(places), 1)), words)


def compressed(states: U32, blocks: U32) -> U32:
    """Compress one block into each of n states.

    Parameters
    ----------
    states : uint32 array (n, 8)
    blocks : uint32 array (n, 16)
        Big-endian words.

    References
    ----------
    FIPS 180-4, section 6.2.2.
    """
    w = [blocks[:, t] for t in range(16)]
    for t in range(16, 64):
        x, y = w[t - 15], w[t - 2]
        small0 = _rotr(x, 7) ^ _rotr(x, 18) ^ (x >> np.uint32(3))
        small1 = _rotr(y, 17) ^ _rotr(y, 19) ^ (y >> np.uint32(10))
        w.append(w[t - 16] + small0 + w[t - 7] + small1)
    a, b, c, d, e, f, g, h = states.T
    for t in range(64):
        large1 = _rotr(e, 6) ^ _rotr(e, 11) ^ _rotr(e, 25)
        first = h + large1 + ((e & f) ^ (~e & g)) + ROUND_CONSTANTS[t] + w[t]
        large0 = _rotr(a, 2) ^ _rotr(a, 13) ^ _rotr(a, 22)
        second = large0 + ((a & b) ^ (a & c) ^ (b & c))
        a, b, c, d, e, f, g, h = first + second, a, b, c, d + first, e, f, g
    return np.asarray(states + np.stack([a, b, c, d, e, f, g, h], axis=1))


def _rotr(x: U32, places: int) -> U32:
    return (x >> np.uint32(places)) | (x << np.uint32(32 - places))
