"""Number-theoretic transforms over F_p on cosets, and values at a few points.

A transform of size n at the shift s goes between the coefficients of a polynomial of degree < n
and its values on the coset s <w>, w of order n. It walks the tree of remainders: f mod X^2h - c^2
splits into f mod X^h - c (low + c high) and f mod X^h + c (low - c high), down to f mod X - x,
which is f(x). The node constants c sit in one table in heap order (children of i: 2i, 2i + 1), so

- each block of a pass has one constant, and a pass is one long vector loop;
- a coset costs nothing extra: its shift is in the constants;
- the subtree below a node transforms one sub-coset alone, and f may be reduced on arrival.

Values come in bit-reversed order, value b at s w^rev(b); nothing is ever permuted. Constants are in
Montgomery form; data may be canonical or Montgomery and stay what they are.

Source: Bernstein, *Fast multiplication and its applications* (the "FFT trick").
"""

import numpy as np
from numpy.typing import NDArray

from wmproof._base.threads import over_ranges
from wmproof.argument.algebra.field import U32, P, reduced, root_of_unity, to_montgomery
from wmproof.argument.algebra.matrices import product

U64 = NDArray[np.uint64]

_P = np.uint64(P)
# Values of a block below which a pass goes along the blocks: a vector loop needs length.
_SHORT_BITS = 6
_AT_ONCE = 4  # points whose weights take part in one step


def bit_reversed_points(size: int, shift: int) -> U32:
    """The points s w^rev(b), b = 0 .. size - 1, in the order of a transform's values.

    Returns uint32 (size,), canonical.

    Parameters
    ----------
    size : int
        A power of two, at most 2^24.
    shift : int
        s, nonzero mod p.
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
    return to_montgomery(_canonical_constants(points).astype(np.uint32))


def _canonical_constants(points: np.ndarray) -> U64:
    table = np.ones(points.size, np.uint64)
    # The leaves of a lowest node are c and -c, and a parent's constant is its left child's square.
    level = points[::2]
    for exponent in range(points.size.bit_length() - 2, -1, -1):
        table[1 << exponent : 2 << exponent] = level
        level = level[::2] ** 2 % np.uint64(P)
    return table


def split_constants(size: int, shift: int) -> U32:
    """Node constants of the remainder tree of X^size - shift^size, for `kernels.ntt.forward`.

    Returns uint32 (size,), Montgomery, heap order from index 1; node i of level l splits X^(size /
    2^l) - c_i^2. Entry 0 is unused.
    """
    return _node_constants(_points(size, shift, root_of_unity(size)))


def merge_constants(size: int) -> U32:
    """Inverses of the node constants of X^size - 1; layout of `split_constants`."""
    return _node_constants(_points(size, 1, pow(root_of_unity(size), -1, P)))


def coefficients(values: U32) -> U32:
    """Interpolate on the subgroup <w> of order n.

    `values` are uint32 (R, n), n a power of two, each row in bit-reversed order. Returns uint32 (R,
    n), in the representation of the values.
    """
    rows, size = values.shape
    short = min(size, 1 << _SHORT_BITS)
    table = _canonical_constants(_points(size, 1, pow(root_of_unity(size), -1, P)))
    blocks = values.astype(np.uint64).reshape(rows, size // short, short)
    data = np.ascontiguousarray(blocks.transpose(0, 2, 1))
    half = 1
    while half < short:
        own = table[size // (2 * half) : size // half].reshape(size // short, -1)
        _merge(data.reshape(rows, -1, 2, half, size // short), own.T[:, None])
        half *= 2
    data = np.ascontiguousarray(data.transpose(0, 2, 1))
    while half < size:
        own = table[size // (2 * half) : size // half]
        _merge(data.reshape(rows, -1, 2, half), own[:, None])
        half *= 2
    return reduced(data.reshape(rows, size) * np.uint64(pow(size, -1, P))).astype(np.uint32)


def _merge(pairs: U64, constants: U64) -> None:
    """Replace the halves (low, high) of blocks by low + high and (low - high) c."""
    low, high = pairs[:, :, 0], pairs[:, :, 1]
    difference = low + (_P - high)
    total = low + high
    np.minimum(total, total - _P, out=low)
    high[...] = reduced(difference * constants)


def values_at(coefficients: U32, points: U32) -> U32:
    """Evaluate polynomials at a few points, as two products of matrices.

    Returns uint32 (R, k), in the representation of the coefficients.

    Parameters
    ----------
    coefficients : uint32 (R, d)
    points : uint32 (k,), canonical
    """
    rows, degree = coefficients.shape
    width = 1 << (max(1, degree - 1).bit_length() + 1) // 2
    count = -(-degree // width)
    blocks = np.zeros((rows, count * width), np.uint32)
    blocks[:, :degree] = coefficients
    own = powers(points, width)
    inner = product(own, blocks.reshape(rows * count, width).T)
    steps = reduced(own[:, -1].astype(np.uint64) * points).astype(np.uint32)
    terms = inner.reshape(len(points), rows, count).astype(np.uint64)
    weighted = reduced(terms * powers(steps, count)[:, None])
    return reduced(weighted.sum(axis=2)).astype(np.uint32).T


def interpolation_weights(size: int, points: U32) -> U32:
    """What values on the subgroup <w> of order n weigh in their polynomial's value at a point x.

    From X^2h - c^2 down to X^h - c and X^h + c: f(x) is the mean of (1 + x^h / c) f_low(x) and (1 -
    x^h / c) f_high(x), f_low and f_high being the two remainders. Returns uint32 (k, n), canonical,
    values being in bit-reversed order.

    Parameters
    ----------
    size : int
        n, a power of two.
    points : uint32 (k,), canonical
    """
    inverses = _canonical_constants(_points(size, 1, pow(root_of_unity(size), -1, P)))
    out = np.empty((len(points), size), np.uint32)
    over_ranges(_fill, len(points), inverses, points, out, grain=_AT_ONCE, align=_AT_ONCE)
    return out


def _fill(start: int, stop: int, inverses: U64, points: U32, out: U32) -> None:
    for first in range(start, stop, _AT_ONCE):
        some = slice(first, min(first + _AT_ONCE, stop))
        out[some] = _weights(inverses, points[some])


def _weights(inverses: U64, points: U32) -> U64:
    size = len(inverses)
    squares = [points.astype(np.uint64)]
    while len(squares) < size.bit_length() - 1:
        squares.append(reduced(squares[-1] * squares[-1]))
    weights, half = np.ones((len(points), 1), np.uint64), np.uint64(pow(2, -1, P))
    for level in range(size.bit_length() - 1):
        power = squares[-1 - level][:, None]
        ratio = reduced(power * inverses[1 << level : 2 << level])
        low = reduced(weights * reduced((ratio + np.uint64(1)) * half))
        high = np.where(weights < low, weights + (_P - low), weights - low)
        weights = np.stack([low, high], axis=2).reshape(len(points), -1)
    return weights


def powers(points: U32, count: int) -> U32:
    """x^0 .. x^(count - 1) of each point: (k, count)."""
    found = np.ones((len(points), count), np.uint64)
    done, step = 1, points.astype(np.uint64)
    while done < count:
        more = min(done, count - done)
        found[:, done : done + more] = reduced(found[:, :more] * step[:, None])
        step = reduced(step * step)
        done += more
    return found.astype(np.uint32)
