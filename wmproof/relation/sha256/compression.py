"""SHA-256's compression function (FIPS 180-4), plain, and with all of its bits as a witness."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from wmproof.argument.field import U32
from wmproof.commitment import Kind, domain_block
from wmproof.relation.sha256.statement import (
    A_START,
    CARRY_START,
    E_START,
    FINAL_START,
    H_START,
    W_START,
    words_of,
)


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
    """Replace a state (8,) by its compression with a block (16,); bits (2^13,) to `out`."""
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
    """Compress messages (slots, blocks, 16) into states (slots, 8), bits (slots, blocks, 2^13)."""
    for slot in range(start, stop):
        for block in range(messages.shape[1]):
            compress(states[slot], messages[slot, block], constants, out[slot, block])


def initial_states(key_id: bytes, indices: NDArray[np.int64], kind: Kind, length: int) -> U32:
    """State after the block D of each index, uint32 (n, 8)."""
    states = np.tile(INITIAL_STATE, (len(indices), 1))
    scratch = np.zeros(1 << 13, np.uint8)
    for state, index in zip(states, indices, strict=True):
        block = domain_block(key_id=key_id, index=int(index), kind=kind, length=length)
        words = words_of(np.frombuffer(block, np.uint8))
        compress(state, words, ROUND_CONSTANTS, scratch)
    return states
