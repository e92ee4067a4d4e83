"""The prover's number-theoretic transforms: sixteen polynomials at once, on all of a codeword.

`algebra.ntt` says which tree of remainders is walked, in which order values come, and makes the
node constants. `LANES` polynomials are interleaved: data are uint32 (n * LANES,), coefficient j of
polynomial l at j * LANES + l. A pass is one long vector loop with one constant a block.
"""

from wmproof._base.jit import njit
from wmproof.argument.algebra.field import U32
from wmproof.argument.kernels import simd
from wmproof.argument.kernels.simd import LANES, add, load, store, sub

# Points of a block whose passes stay in the L2 cache (64 bytes a point).
_CACHED = 1 << 12


@njit(forceinline=True)
def _at(data, place):  # type: ignore[no-untyped-def]
    return load(data, (place,), simd.vector())


@njit(forceinline=True)
def _put(data, place, value):  # type: ignore[no-untyped-def]
    store(data, (place,), value)


@njit(forceinline=True)
def _constant(table, node):  # type: ignore[no-untyped-def]
    """A node's constant as `_times` takes it."""
    c = table[node]
    return simd.uniform(c), simd.uniform(simd.quotient_of(c))


@njit(forceinline=True)
def _times(x, constant):  # type: ignore[no-untyped-def]
    return simd.mul(x, constant[0], constant[1])


@njit(forceinline=True)
def _split2(d, start, half, c):  # type: ignore[no-untyped-def]
    """Replace the halves (low, high) of a block by low + c high and low - c high."""
    for i in range(start, start + half, LANES):
        x, y = _at(d, i), _times(_at(d, i + half), c)
        _put(d, i, add(x, y))
        _put(d, i + half, sub(x, y))


@njit(forceinline=True)
def _merge2(d, start, half, c):  # type: ignore[no-untyped-def]
    for i in range(start, start + half, LANES):
        x, y = _at(d, i), _at(d, i + half)
        _put(d, i, add(x, y))
        _put(d, i + half, _times(simd.loose_difference(x, y), c))


@njit(forceinline=True)
def _split4(d, start, q, c, c_low, c_high):  # type: ignore[no-untyped-def]
    """Two levels at once on the four quarters of a block."""
    for i in range(start, start + q, LANES):
        x0, x1 = _at(d, i), _at(d, i + q)
        y2, y3 = _times(_at(d, i + 2 * q), c), _times(_at(d, i + 3 * q), c)
        low0, low1 = add(x0, y2), _times(simd.wrapping_sum(x1, y3), c_low)
        high0, high1 = sub(x0, y2), _times(simd.loose_difference(x1, y3), c_high)
        _put(d, i, add(low0, low1))
        _put(d, i + q, sub(low0, low1))
        _put(d, i + 2 * q, add(high0, high1))
        _put(d, i + 3 * q, sub(high0, high1))


@njit(forceinline=True)
def _merge4(d, start, q, c, c_low, c_high):  # type: ignore[no-untyped-def]
    for i in range(start, start + q, LANES):
        x0, x1, x2, x3 = _at(d, i), _at(d, i + q), _at(d, i + 2 * q), _at(d, i + 3 * q)
        low0, low1 = add(x0, x1), _times(simd.loose_difference(x0, x1), c_low)
        high0, high1 = add(x2, x3), _times(simd.loose_difference(x2, x3), c_high)
        _put(d, i, add(low0, high0))
        _put(d, i + q, add(low1, high1))
        _put(d, i + 2 * q, _times(simd.loose_difference(low0, high0), c))
        _put(d, i + 3 * q, _times(simd.loose_difference(low1, high1), c))


@njit(nogil=True, cache=True)
def _split_tree(data: U32, table: U32, node: int, smallest: int) -> int:
    """Split breadth-first while blocks exceed `smallest` numbers; return the blocks' size."""
    block: int = data.shape[0]
    while block > smallest:
        q = block // 4
        for b in range(data.shape[0] // block):
            start, i = b * block, node + b
            c = _constant(table, i)
            if block == 2 * LANES:
                _split2(data, start, LANES, c)
            else:
                below = _constant(table, 2 * i), _constant(table, 2 * i + 1)
                _split4(data, start, q, c, below[0], below[1])
        step = 2 if block == 2 * LANES else 4
        block, node = block // step, node * step
    return block


@njit(nogil=True, cache=True)
def _merge_tree(data: U32, table: U32, node: int, block: int) -> None:
    """Merge breadth-first from blocks of `block` numbers to one."""
    blocks = data.shape[0] // block
    while blocks > 1:
        # 2^odd = 2 mod 3: the odd level goes first.
        step = 2 if blocks % 3 == 2 else 4
        blocks, block = blocks // step, block * step
        q = block // 4
        for b in range(blocks):
            start, i = b * block, node * blocks + b
            c = _constant(table, i)
            if step == 2:
                _merge2(data, start, 2 * q, c)
            else:
                below = _constant(table, 2 * i), _constant(table, 2 * i + 1)
                _merge4(data, start, q, c, below[0], below[1])


@njit(nogil=True, cache=True)
def forward(data: U32, table: U32, node: int) -> None:
    """Values from coefficients, in place.

    Parameters
    ----------
    data : ndarray
        uint32 (size * LANES,): the polynomials mod X^size - d, d the modulus of `node`; becomes
        their values at the leaves below `node`, in order.
    table : ndarray
        `algebra.ntt.split_constants`.
    node : int
        1 for the whole tree.
    """
    block = _split_tree(data, table, node, _CACHED * LANES)
    blocks = data.shape[0] // block
    for b in range(blocks):
        _split_tree(data[b * block : (b + 1) * block], table, node * blocks + b, LANES)


def inverse(data: U32, table: U32) -> None:
    """Coefficients times size from values on <w>, in place.

    Parameters
    ----------
    data : uint32 (size * LANES,), values in bit-reversed order
    table : ndarray
        `algebra.ntt.merge_constants`.
    """
    block = data.size
    while block > _CACHED * LANES:
        block //= 4
    blocks = data.size // block
    for b in range(blocks):
        _merge_tree(data[b * block : (b + 1) * block], table, blocks + b, LANES)
    _merge_tree(data, table, 1, block)


@njit(nogil=True, cache=True)
def load_lanes(rows, lanes, first):  # type: ignore[no-untyped-def]
    """Set lanes[j, first + r] = rows[r, j], of any unsigned dtype."""
    count, size = rows.shape
    whole = size - size % LANES if count == LANES else 0
    for j in range(0, whole, LANES):
        simd.store_rows(lanes, (j, 0), simd.transposed(simd.load_rows(rows, (0, j), 16)))
    for r in range(count):
        for j in range(whole, size):
            lanes[j, first + r] = rows[r, j]
