"""Number-theoretic transforms over F_p on cosets, sixteen polynomials at once.

A transform of size n at the shift s goes between the coefficients of a polynomial of degree < n
and its values on the coset s <w>, w of order n. It walks the tree of remainders: f mod X^2h - c^2
splits into f mod X^h - c (low + c high) and f mod X^h + c (low - c high), down to f mod X - x,
which is f(x). The node constants c sit in one table in heap order (children of i: 2i, 2i + 1), so

- each block of a pass has one constant, and a pass is one long vector loop;
- a coset costs nothing extra: its shift is in the constants;
- the subtree below a node transforms one sub-coset alone, and f may be reduced on arrival.

Values come in bit-reversed order, value b at s w^rev(b); nothing is ever permuted. Constants are in
Montgomery form; data may be canonical or Montgomery and stay what they are.

`LANES` polynomials are interleaved: data are uint32 (n * LANES,), coefficient j of polynomial l at
j * LANES + l. Source: Bernstein, *Fast multiplication and its applications* (the "FFT trick").
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from wmproof.argument.field import (
    MONTGOMERY_R,
    U32,
    P,
    add,
    mont_mul,
    root_of_unity,
    sub,
    to_montgomery,
)

I64 = NDArray[np.int64]

LANES = 16
# Points of a block whose passes stay in the L2 cache (64 bytes a point).
_CACHED = 1 << 12
# Points of the blocks that are left alone where none of their values is wanted.
_SPARSE = 1 << 8


def bit_reversed_points(size: int, shift: int) -> U32:
    """The points s w^rev(b), b = 0 .. size - 1, in the order of a transform's values.

    Parameters
    ----------
    size : int
        A power of two, at most 2^24.
    shift : int
        s, nonzero mod p.

    Returns
    -------
    ndarray
        uint32 (size,), canonical.
    """
    return _points(size, shift, root_of_unity(size)).astype(np.uint32)


def _points(size: int, shift: int, root: int) -> np.ndarray:
    if shift % P == 0:
        raise ValueError("a coset's shift is nonzero")
    points = np.array([shift % P], np.uint64)
    step = size
    while step > 1:
        step //= 2
        points = np.concatenate([points, points * np.uint64(pow(root, step, P)) % np.uint64(P)])
    return points


def _node_constants(points: np.ndarray) -> U32:
    table = np.ones(points.size, np.uint64)
    # The leaves of a lowest node are c and -c, and a parent's constant is its left child's square.
    level = points[::2]
    for exponent in range(points.size.bit_length() - 2, -1, -1):
        table[1 << exponent : 2 << exponent] = level
        level = level[::2] ** 2 % np.uint64(P)
    return to_montgomery(table.astype(np.uint32))


def split_constants(size: int, shift: int) -> U32:
    """Node constants of the remainder tree of X^size - shift^size, for `forward`.

    Returns
    -------
    ndarray
        uint32 (size,), Montgomery, heap order from index 1; node i of level l splits
        X^(size / 2^l) - c_i^2. Entry 0 is unused.
    """
    return _node_constants(_points(size, shift, root_of_unity(size)))


def merge_constants(size: int) -> U32:
    """Inverses of the node constants of X^size - 1, for `inverse`; layout of `split_constants`."""
    return _node_constants(_points(size, 1, pow(root_of_unity(size), -1, P)))


def inverse_scale(size: int) -> np.uint32:
    """1 / size in Montgomery form: `inverse` leaves it to whoever loads or uses the data."""
    return np.uint32(pow(size, -1, P) * MONTGOMERY_R % P)


@njit(inline="always")
def _split2(low, high, c):  # type: ignore[no-untyped-def]
    for i in range(low.shape[0]):
        x, y = low[i], mont_mul(high[i], c)
        low[i], high[i] = add(x, y), sub(x, y)


@njit(inline="always")
def _merge2(low, high, c):  # type: ignore[no-untyped-def]
    for i in range(low.shape[0]):
        x, y = low[i], high[i]
        low[i], high[i] = add(x, y), mont_mul(sub(x, y), c)


@njit(inline="always")
def _split4(q0, q1, q2, q3, c, c_low, c_high):  # type: ignore[no-untyped-def]
    """Two levels at once on the four quarters of a block."""
    for i in range(q0.shape[0]):
        y2, y3 = mont_mul(q2[i], c), mont_mul(q3[i], c)
        x0, x1 = q0[i], q1[i]
        low0, low1 = add(x0, y2), mont_mul(add(x1, y3), c_low)
        high0, high1 = sub(x0, y2), mont_mul(sub(x1, y3), c_high)
        q0[i], q1[i] = add(low0, low1), sub(low0, low1)
        q2[i], q3[i] = add(high0, high1), sub(high0, high1)


@njit(inline="always")
def _merge4(q0, q1, q2, q3, c, c_low, c_high):  # type: ignore[no-untyped-def]
    for i in range(q0.shape[0]):
        x0, x1, x2, x3 = q0[i], q1[i], q2[i], q3[i]
        low0, low1 = add(x0, x1), mont_mul(sub(x0, x1), c_low)
        high0, high1 = add(x2, x3), mont_mul(sub(x2, x3), c_high)
        q0[i], q2[i] = add(low0, high0), mont_mul(sub(low0, high0), c)
        q1[i], q3[i] = add(low1, high1), mont_mul(sub(low1, high1), c)


@njit(nogil=True, cache=True)
def _split_tree(data: U32, table: U32, node: int, smallest: int) -> int:
    """Split breadth-first while blocks exceed `smallest` numbers; return the blocks' size."""
    block: int = data.shape[0]
    while block > smallest:
        q = block // 4
        for b in range(data.shape[0] // block):
            d, i = data[b * block : (b + 1) * block], node + b
            if block == 2 * LANES:
                _split2(d[:LANES], d[LANES:], table[i])
            else:
                d0, d1, d2, d3 = d[:q], d[q : 2 * q], d[2 * q : 3 * q], d[3 * q :]
                _split4(d0, d1, d2, d3, table[i], table[2 * i], table[2 * i + 1])
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
            d, i = data[b * block : (b + 1) * block], node * blocks + b
            if step == 2:
                _merge2(d[: 2 * q], d[2 * q :], table[i])
            else:
                d0, d1, d2, d3 = d[:q], d[q : 2 * q], d[2 * q : 3 * q], d[3 * q :]
                _merge4(d0, d1, d2, d3, table[i], table[2 * i], table[2 * i + 1])


@njit(nogil=True, cache=True)
def forward(data: U32, table: U32, node: int) -> None:
    """Values from coefficients, in place.

    Parameters
    ----------
    data : ndarray
        uint32 (size * LANES,): the polynomials mod X^size - d, d the modulus of `node`; becomes
        their values at the leaves below `node`, in order.
    table : ndarray
        `split_constants`.
    node : int
        1 for the whole tree.
    """
    block = _split_tree(data, table, node, _CACHED * LANES)
    blocks = data.shape[0] // block
    for b in range(blocks):
        _split_tree(data[b * block : (b + 1) * block], table, node * blocks + b, LANES)


@njit(nogil=True, cache=True)
def forward_at(data: U32, table: U32, node: int, wanted: I64) -> None:
    """`forward`, of which only the values at increasing places `wanted`, int64, come out right."""
    block = _split_tree(data, table, node, _SPARSE * LANES)
    blocks, done = data.shape[0] // block, -1
    for place in wanted:
        b = place * LANES // block
        if b != done:
            _split_tree(data[b * block : (b + 1) * block], table, node * blocks + b, LANES)
            done = b


def inverse(data: U32, table: U32) -> None:
    """Coefficients times size from values on <w>, in place; see `inverse_scale`.

    Parameters
    ----------
    data : ndarray
        uint32 (size * LANES,), values in bit-reversed order.
    table : ndarray
        `merge_constants`.
    """
    block = data.size
    while block > _CACHED * LANES:
        block //= 4
    blocks = data.size // block
    for b in range(blocks):
        _merge_tree(data[b * block : (b + 1) * block], table, blocks + b, LANES)
    _merge_tree(data, table, 1, block)


@njit(nogil=True, cache=True)
def load_lanes(rows, scale, lanes, first):  # type: ignore[no-untyped-def]
    """Set lanes[j, first + r] = rows[r, j] * scale, for a Montgomery scale; any unsigned dtype."""
    for r in range(rows.shape[0]):
        row = rows[r]
        for j in range(row.shape[0]):
            lanes[j, first + r] = mont_mul(row[j], scale)
