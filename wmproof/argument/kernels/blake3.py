"""BLAKE3 of many short messages at once, one a lane: the prover's hashes, keyed, of 32 bytes.

A library hashes one message after the other and each at the cost of a call; here a vector holds
one word of `LANES` messages. Words are little-endian. Proofs are checked with the library's
hashes. Source: O'Connor et al., *BLAKE3*, sections 2.1 to 2.6.
"""

import numpy as np

from wmproof._base.jit import njit
from wmproof._base.threads import over_ranges, thread_count
from wmproof.argument.algebra.field import U32
from wmproof.argument.kernels import simd
from wmproof.argument.kernels.simd import LANES, load_rows, rotated, store_rows, wrapping_sum, xor

_START, END, _PARENT, _ROOT, _KEYED = 1, 2, 4, 8, 16
CHUNK_BLOCKS = 16
_BLOCK_WORDS = 16
# Chunks are 2^10 bytes and a message is shorter than 2^32.
_DEPTH = 23
_NONCES = 1 << 12


@njit(forceinline=True)
def _mix(a, b, c, d, x, y):  # type: ignore[no-untyped-def]
    a = wrapping_sum(wrapping_sum(a, b), x)
    d = rotated(xor(d, a), 16)
    c = wrapping_sum(c, d)
    b = rotated(xor(b, c), 12)
    a = wrapping_sum(wrapping_sum(a, b), y)
    d = rotated(xor(d, a), 8)
    c = wrapping_sum(c, d)
    b = rotated(xor(b, c), 7)
    return a, b, c, d


@njit(forceinline=True)
def _round(v, m):  # type: ignore[no-untyped-def]
    v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, va, vb, vc, vd, ve, vf = v
    v0, v4, v8, vc = _mix(v0, v4, v8, vc, m[0], m[1])
    v1, v5, v9, vd = _mix(v1, v5, v9, vd, m[2], m[3])
    v2, v6, va, ve = _mix(v2, v6, va, ve, m[4], m[5])
    v3, v7, vb, vf = _mix(v3, v7, vb, vf, m[6], m[7])
    v0, v5, va, vf = _mix(v0, v5, va, vf, m[8], m[9])
    v1, v6, vb, vc = _mix(v1, v6, vb, vc, m[10], m[11])
    v2, v7, v8, vd = _mix(v2, v7, v8, vd, m[12], m[13])
    v3, v4, v9, ve = _mix(v3, v4, v9, ve, m[14], m[15])
    return v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, va, vb, vc, vd, ve, vf


@njit(forceinline=True)
def _permuted(m):  # type: ignore[no-untyped-def]
    first = m[2], m[6], m[3], m[10], m[7], m[0], m[4], m[13]
    return first + (m[1], m[11], m[12], m[5], m[9], m[14], m[15], m[8])  # noqa: RUF005


# The first half of SHA-256's initial state.
_IV = (np.uint32(0x6A09E667), np.uint32(0xBB67AE85), np.uint32(0x3C6EF372), np.uint32(0xA54FF53A))
_ONE_BLOCK = _START | END | _ROOT | _KEYED


@njit(forceinline=True)
def _in_every_lane(word):  # type: ignore[no-untyped-def]
    return xor(simd.vector(), simd.uniform(np.uint32(word)))


@njit(forceinline=True)
def _key_block(key):  # type: ignore[no-untyped-def]
    first = (
        _in_every_lane(key[0]),
        _in_every_lane(key[1]),
        _in_every_lane(key[2]),
        _in_every_lane(key[3]),
    )
    return first + (  # noqa: RUF005
        _in_every_lane(key[4]),
        _in_every_lane(key[5]),
        _in_every_lane(key[6]),
        _in_every_lane(key[7]),
    )


@njit(forceinline=True)
def _compressed(cv, m, counter, length, flags):  # type: ignore[no-untyped-def]
    """Chaining values, eight vectors, after a block of sixteen vectors."""
    v = (
        *cv,
        _in_every_lane(_IV[0]),
        _in_every_lane(_IV[1]),
        _in_every_lane(_IV[2]),
        _in_every_lane(_IV[3]),
        _in_every_lane(counter),
        simd.vector(),
        _in_every_lane(length),
        _in_every_lane(flags),
    )
    m1 = _permuted(m)
    m2 = _permuted(m1)
    m3 = _permuted(m2)
    m4 = _permuted(m3)
    m5 = _permuted(m4)
    v = _round(_round(_round(_round(v, m), m1), m2), m3)
    v = _round(_round(_round(v, m4), m5), _permuted(m5))
    first = xor(v[0], v[8]), xor(v[1], v[9]), xor(v[2], v[10]), xor(v[3], v[11])
    return first + (xor(v[4], v[12]), xor(v[5], v[13]), xor(v[6], v[14]), xor(v[7], v[15]))  # noqa: RUF005


@njit(nogil=True, cache=True)
def absorb(
    messages: U32, key: U32, cvs: U32, at: int, counter: int, length: int, flags: int
) -> None:
    """Hash one block of many messages.

    Parameters
    ----------
    messages : uint32 (n, 16), n a multiple of `LANES`: their words of this block
    cvs : uint32 (any, LANES): chaining values, eight rows for sixteen messages, from row `at` on
    counter : int
        Number of the chunk in which the block is.
    length : int
        Bytes of it.
    flags : int
        From `block_flags`.
    """
    for i in range(0, messages.shape[0], LANES):
        row = at + i // 2
        cv = _key_block(key) if flags & _START else load_rows(cvs, (row, 0), 8)
        m = simd.transposed(load_rows(messages, (i, 0), 16))
        store_rows(cvs, (row, 0), _compressed(cv, m, counter, length, _KEYED | flags))


@njit(nogil=True, cache=True)
def block_flags(block: int, blocks: int) -> int:
    """What `absorb` takes for a block of a message of so many."""
    flags = _START if block % CHUNK_BLOCKS == 0 else 0
    if block + 1 == blocks:
        flags |= END | (_ROOT if blocks <= CHUNK_BLOCKS else 0)
    elif block % CHUNK_BLOCKS == CHUNK_BLOCKS - 1:
        flags |= END
    return flags


@njit(nogil=True, cache=True)
def _merge(left: U32, right: U32, start: int, stop: int, key: U32, flags: int) -> None:
    """Replace rows start .. stop - 1 of `right` by their parents."""
    for row in range(start, stop, 8):
        m = load_rows(left, (row, 0), 8) + load_rows(right, (row, 0), 8)
        parents = _compressed(_key_block(key), m, 0, 64, _PARENT | _KEYED | flags)
        store_rows(right, (row, 0), parents)


@njit(nogil=True, cache=True)
def _ones(number: int) -> int:
    count = 0
    while number:
        count, number = count + (number & 1), number >> 1
    return count


@njit(nogil=True, cache=True)
def push(stack: U32, cvs: U32, start: int, stop: int, key: U32, chunk: int) -> None:
    """Put chaining values of a chunk that is not the last on the stack of subtrees.

    A subtree of 2^k chunks is merged as soon as it is whole, so that after n chunks there is one
    for each bit of n.

    Parameters
    ----------
    stack : uint32 (depth, any, LANES), of as many rows as `cvs` has
    start, stop : int
        The rows of `cvs` in question.
    """
    depth, whole = _ones(chunk), chunk + 1
    while whole % 2 == 0:
        depth, whole = depth - 1, whole // 2
        _merge(stack[depth], cvs, start, stop, key, 0)
    stack[depth, start:stop] = cvs[start:stop]


@njit(nogil=True, cache=True)
def finish(stack: U32, cvs: U32, start: int, stop: int, key: U32, chunk: int) -> None:
    """Make the last chunk's chaining values hashes of the whole messages."""
    for depth in range(_ones(chunk) - 1, -1, -1):
        _merge(stack[depth], cvs, start, stop, key, 0 if depth else _ROOT)


@njit(nogil=True, cache=True)
def _load(first: int, last: int, body: U32, tail: U32, word: int, block: U32) -> None:
    """Sixteen words from `word` on of messages body || tail, zeros behind; rows repeat `last`."""
    width, size = body.shape[1], body.shape[1] + tail.shape[1]
    for lane in range(LANES):
        row = min(first + lane, last)
        for i in range(_BLOCK_WORDS):
            at = word + i
            if at < width:
                block[lane, i] = body[row, at]
            elif at < size:
                block[lane, i] = tail[row, at - width]
            else:
                block[lane, i] = 0


@njit(nogil=True, cache=True)
def _hash_range(start: int, stop: int, body: U32, tail: U32, key: U32, out: U32) -> None:
    size = body.shape[1] + tail.shape[1]
    blocks = max(1, (size + _BLOCK_WORDS - 1) // _BLOCK_WORDS)
    block, cv = np.empty((LANES, _BLOCK_WORDS), np.uint32), np.empty((8, LANES), np.uint32)
    stack = np.empty((_DEPTH, 8, LANES), np.uint32)
    for first in range(start, stop, LANES):
        chunk = 0
        for b in range(blocks):
            chunk, flags = b // CHUNK_BLOCKS, block_flags(b, blocks)
            _load(first, stop - 1, body, tail, b * _BLOCK_WORDS, block)
            absorb(block, key, cv, 0, chunk, 4 * min(_BLOCK_WORDS, size - b * _BLOCK_WORDS), flags)
            if flags & END and b + 1 < blocks:
                push(stack, cv, 0, 8, key, chunk)
        finish(stack, cv, 0, 8, key, chunk)
        for lane in range(min(LANES, stop - first)):
            out[first + lane] = cv[:, lane]


@njit(nogil=True, cache=True)
def _search(start: int, stop: int, first: int, message: U32, key: U32, bits: int) -> int:
    """The least nonce from first + start to first + stop whose hash ends in zeros, or -1."""
    block, cv = np.zeros((LANES, _BLOCK_WORDS), np.uint32), np.empty((8, LANES), np.uint32)
    mask = (np.uint64(1) << np.uint64(bits)) - np.uint64(1)
    block[:, :8] = message
    for nonce in range(first + start, first + stop, LANES):
        for lane in range(LANES):
            block[lane, 8] = np.uint32((nonce + lane) & 0xFFFFFFFF)
            block[lane, 9] = np.uint32((nonce + lane) >> 32)
        absorb(block, key, cv, 0, 0, 40, _ONE_BLOCK)
        for lane in range(LANES):
            value = np.uint64(cv[0, lane]) | (np.uint64(cv[1, lane]) << np.uint64(32))
            if value & mask == 0:
                return nonce + lane
    return -1


def words_of(data: bytes) -> U32:
    """Bytes as little-endian words."""
    return np.frombuffer(data, "<u4").astype(np.uint32)


def keyed_hashes(body: U32, tail: U32, key: bytes) -> U32:
    """BLAKE3 keyed with `key` of body[i] || tail[i], as little-endian words: uint32 (n, 8).

    Parameters
    ----------
    body, tail : uint32 (n, any), C-contiguous
    key : bytes
        32 of them.
    """
    out = np.empty((len(body), 8), np.uint32)
    over_ranges(_hash_range, len(body), body, tail, words_of(key), out, grain=64, align=LANES)
    return out


def least_nonce(state: bytes, key: bytes, bits: int) -> int:
    """The least 64-bit n for which the keyed hash of state (32 bytes) || n ends in zero bits."""
    size, first = _NONCES * thread_count(), 0
    while True:
        found = over_ranges(_search, size, first, words_of(state), words_of(key), bits, align=LANES)
        if max(found) >= 0:
            return min(int(nonce) for nonce in found if nonce >= 0)
        first += size
