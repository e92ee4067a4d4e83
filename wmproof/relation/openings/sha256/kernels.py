"""SHA-256's compression function (FIPS 180-4) with all of its bits, as the prover's witness."""

import numpy as np
from numpy.typing import NDArray

from wmproof._base.jit import njit
from wmproof.argument.algebra.field import U32
from wmproof.relation.openings.sha256.openings import (
    A_START,
    CARRY_START,
    E_START,
    FINAL_START,
    H_START,
    W_START,
)


@njit(inline="always")
def _rotr(x, r):  # type: ignore[no-untyped-def]
    return np.uint32((x >> np.uint32(r)) | (x << np.uint32(32 - r)))


@njit(inline="always")
def _bits(out, start, value):  # type: ignore[no-untyped-def]
    for i in range(32):
        out[start + i] = (value >> np.uint32(i)) & np.uint32(1)


@njit(inline="always")
def _carry_bits(out, start, carry, count):  # type: ignore[no-untyped-def]
    for i in range(count):
        out[start + i] = (carry >> i) & 1


@njit(inline="always")
def _half_carries(terms, count):  # type: ignore[no-untyped-def]
    low, high = np.int64(0), np.int64(0)
    for k in range(count):
        low += np.int64(terms[k] & np.uint32(0xFFFF))
        high += np.int64(terms[k] >> np.uint32(16))
    carry = low >> 16
    return carry, (high + carry) >> 16


@njit(nogil=True, cache=True)
def compress(state: U32, message: U32, constants: U32, out: NDArray[np.uint8]) -> None:
    """Replace a state by its compression with a block, and write the bits of all that is computed.

    Parameters
    ----------
    state : uint32 array (8,)
    message : uint32 array (16,)
    constants : uint32 array (64,)
        The round constants.
    out : uint8 array (2^13,)
        Bits, 0 or 1.

    References
    ----------
    FIPS 180-4, section 6.2.2.
    """
    w = np.zeros(64, np.uint32)
    w[:16] = message
    terms = np.zeros(8, np.uint32)
    for t in range(16, 64):
        x, y = w[t - 15], w[t - 2]
        terms[0] = _rotr(x, 7) ^ _rotr(x, 18) ^ (x >> np.uint32(3))
        terms[1] = _rotr(y, 17) ^ _rotr(y, 19) ^ (y >> np.uint32(10))
        terms[2], terms[3] = w[t - 7], w[t - 16]
        w[t] = np.uint32(terms[0] + terms[1] + terms[2] + terms[3])
        low, high = _half_carries(terms, 4)
        _carry_bits(out, CARRY_START + 16 * t + 12, low, 2)
        _carry_bits(out, CARRY_START + 16 * t + 14, high, 2)
    v = state.copy()
    for j in range(8):
        _bits(out, H_START + 32 * j, state[j])
    for t in range(64):
        a, e = v[0], v[4]
        terms[0] = v[7]
        terms[1] = _rotr(e, 6) ^ _rotr(e, 11) ^ _rotr(e, 25)
        terms[2] = (e & v[5]) ^ (~e & v[6])
        terms[3], terms[4], terms[5] = constants[t], w[t], v[3]
        low, high = _half_carries(terms, 6)
        _carry_bits(out, CARRY_START + 16 * t + 6, low, 3)
        _carry_bits(out, CARRY_START + 16 * t + 9, high, 3)
        first = np.uint32(terms[0] + terms[1] + terms[2] + terms[3] + terms[4])
        new_e = np.uint32(first + v[3])
        terms[5] = _rotr(a, 2) ^ _rotr(a, 13) ^ _rotr(a, 22)
        terms[6] = (a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2])
        low, high = _half_carries(terms, 7)
        _carry_bits(out, CARRY_START + 16 * t, low, 3)
        _carry_bits(out, CARRY_START + 16 * t + 3, high, 3)
        new_a = np.uint32(first + terms[5] + terms[6])
        for j in range(7, 0, -1):
            v[j] = v[j - 1]
        v[0], v[4] = new_a, new_e
        _bits(out, A_START + 32 * t, new_a)
        _bits(out, E_START + 32 * t, new_e)
        _bits(out, W_START + 32 * t, w[t])
    for j in range(8):
        terms[0], terms[1] = state[j], v[j]
        low, high = _half_carries(terms, 2)
        out[FINAL_START + 2 * j], out[FINAL_START + 2 * j + 1] = low, high
        state[j] = np.uint32(state[j] + v[j])


@njit(nogil=True, cache=True)
def compress_run(
    start: int, stop: int, states: U32, messages: U32, constants: U32, out: NDArray[np.uint8]
) -> None:
    """Compress the messages of some slots into their states.

    Parameters
    ----------
    start, stop : int
        The slots.
    states : uint32 array (slots, 8)
        Replaced.
    messages : uint32 array (slots, blocks, 16)
    constants : uint32 array (64,)
    out : uint8 array (slots, blocks, 2^13)
        Bits, 0 or 1.
    """
    for slot in range(start, stop):
        for block in range(messages.shape[1]):
            compress(states[slot], messages[slot, block], constants, out[slot, block])
