"""Every factor of the products, as multilinears in (instance, round, bit), made from bits."""

import numpy as np
from numpy.typing import NDArray

from wmproof._base.jit import njit
from wmproof._base.threads import over_ranges
from wmproof.argument.algebra.element import ONE, ZERO
from wmproof.argument.algebra.extension import U64
from wmproof.argument.algebra.field import U32
from wmproof.argument.kernels.extension import TILE, empty_tables, v_fold
from wmproof.argument.kernels.vectors import scale
from wmproof.argument.sumcheck.kernels import Terms, add_weighted, evaluate_tile
from wmproof.relation.openings.sha256.form import FACTORS
from wmproof.relation.openings.sha256.openings import (
    A_START,
    E_START,
    H_START,
    ROUNDS,
    W_START,
    WORD_BITS,
)
from wmproof.relation.openings.sha256.weights import CHOICE, CUBES, BitWeights, Factor

TABLES = FACTORS + 1
TERMS: Terms = np.arange(TABLES, dtype=np.int64).reshape(-1, 3)
_INSTANCE = ROUNDS << WORD_BITS
_FACTORS = [factor for cube in CUBES for factor in cube] + [CHOICE]


class FactorTables:
    """The factors in the order of `weights.factors_form`, then a table of ones.

    A factor is one of two public elements for each place in a word, which a bit chooses. So the
    first variable is bound without ever writing down the factors at all corners. `bits` are uint8
    (instances, 2^13).
    """

    def __init__(self, bits: NDArray[np.uint8], halves: BitWeights) -> None:
        self._half = len(bits) * _INSTANCE // 2
        shape = [("aew".index(f.word), f.back, f.turn, f.wraps, f.late) for f in _FACTORS]
        zeros = np.stack([_value(factor, halves, 0) for factor in _FACTORS])
        ones = np.stack([_value(factor, halves, 1) for factor in _FACTORS])
        early = np.stack([(ZERO if f.weight else ONE).montgomery() for f in _FACTORS])
        units = np.stack([ONE.montgomery(), (-ONE).montgomery()])
        self._public = (np.array(shape, np.int64), zeros, zeros ^ ones, early, units)
        self._bits = bits

    def sums(self, low: U32, high: U32) -> list[U64]:
        """As `sumcheck.prover.Unbound`."""
        return over_ranges(
            _first_round,
            self._half,
            self._half,
            self._bits,
            *self._public,
            TERMS,
            low,
            high,
            align=low.shape[1],
        )

    def bind(self, r: U32) -> U32:
        """As `sumcheck.prover.Unbound`: uint32 (18, 4, >= instances * 2^10)."""
        out = empty_tables(TABLES, self._half)
        over_ranges(_bind, self._half, self._half, self._bits, *self._public, r, out, align=TILE)
        return out


def _value(factor: Factor, halves: BitWeights, bit: int) -> U32:
    """What the factor is at each place of a word for a bit: K (4, 32)."""
    weight = halves.named(factor.weight)
    if factor.sign:
        return scale(weight, -ONE) if bit else weight
    return weight if bit else np.zeros_like(weight)


@njit(inline="always")
def _mask(bit):  # type: ignore[no-untyped-def]
    return np.uint32(0) - np.uint32(bit & np.uint8(1))


@njit(nogil=True, cache=True)
def _open_instance(own: NDArray[np.uint8], masks: U32) -> None:
    # masks[word, 4 + t, i] has all bits set if bit i mod 32 of the word in round t is; the fourth
    # word is w again, with nothing behind its end.
    masks[:] = 0
    for i in range(32):
        for row in range(4):
            masks[0, row, i] = _mask(own[H_START + 32 * (3 - row) + i])
            masks[1, row, i] = _mask(own[H_START + 32 * (7 - row) + i])
        for t in range(ROUNDS):
            place = 32 * t + i
            masks[0, 4 + t, i] = _mask(own[A_START + place])
            masks[1, 4 + t, i] = _mask(own[E_START + place])
            masks[2, 4 + t, i] = _mask(own[W_START + place])
            masks[3, 4 + t, i] = masks[2, 4 + t, i]
    masks[:3, :, 32:] = masks[:3, :, :32]


@njit(nogil=True, cache=True)
def _fill(
    masks: U32,
    t: int,
    shape: NDArray[np.int64],
    zeros: U32,
    changes: U32,
    early: U32,
    units: U32,
    out: U32,
    at: int,
) -> None:
    # All factors of round t at out[:, :, at:at + 32].
    count = shape.shape[0]
    for f in range(count):
        word, back, turn, wraps, late = shape[f]
        if late and t < 16:
            for c in range(4):
                out[f, c, at : at + 32] = early[f, c]
            continue
        mask = masks[word if wraps else 3, 4 + t - back, turn : turn + 32]
        for c in range(4):
            zero, change, target = zeros[f, c], changes[f, c], out[f, c, at : at + 32]
            for i in range(32):
                target[i] = zero[i] ^ (change[i] & mask[i])
    f_mask, g_mask = masks[1, 2 + t], masks[1, 1 + t]
    for c in range(4):
        out[count + 1, c, at : at + 32] = units[0, c]
        for i in range(32):
            plus, minus = f_mask[i] & ~g_mask[i], g_mask[i] & ~f_mask[i]
            out[count, c, at + i] = (units[0, c] & plus) | (units[1, c] & minus)


@njit(nogil=True, cache=True)
def _fill_tile(
    start: int,
    n: int,
    opened: NDArray[np.int64],
    masks: U32,
    bits: NDArray[np.uint8],
    shape: NDArray[np.int64],
    zeros: U32,
    changes: U32,
    early: U32,
    units: U32,
    out: U32,
    at: int,
) -> None:
    # Corners start .. start + n - 1, which lie in one instance; opened[0] is that of the masks.
    instance = start // _INSTANCE
    if opened[0] != instance:
        _open_instance(bits[instance], masks)
        opened[0] = instance
    for i in range(0, n, 32):
        t = (start + i) % _INSTANCE // 32
        _fill(masks, t, shape, zeros, changes, early, units, out, at + i)


@njit(nogil=True, cache=True)
def _first_round(
    start: int,
    stop: int,
    half: int,
    bits: NDArray[np.uint8],
    shape: NDArray[np.int64],
    zeros: U32,
    changes: U32,
    early: U32,
    units: U32,
    terms: Terms,
    low: U32,
    high: U32,
) -> U64:
    degree, factors, width = terms.shape[1], shape.shape[0] + 2, low.shape[1]
    sums = np.zeros((degree, 4), np.uint64)
    tile = np.empty((factors, 4, 2 * TILE), np.uint32)
    masks = np.empty((2, 4, 68, 64), np.uint32)
    opened = np.full((2, 1), -1, np.int64)
    for base in range(start, stop, width):
        block = np.zeros((degree, 4), np.uint64)
        for offset in range(0, width, TILE):
            n = min(TILE, width - offset)
            for side in range(2):
                _fill_tile(
                    base + offset + side * half, n, opened[side], masks[side],
                    bits, shape, zeros, changes, early, units, tile, side * TILE,
                )  # fmt: skip
            evaluate_tile(tile, TILE, 0, n, terms, low, offset, block)
        add_weighted(block, high, base // width, sums)
    return sums


@njit(nogil=True, cache=True)
def _bind(
    start: int,
    stop: int,
    half: int,
    bits: NDArray[np.uint8],
    shape: NDArray[np.int64],
    zeros: U32,
    changes: U32,
    early: U32,
    units: U32,
    r: U32,
    out: U32,
) -> None:
    factors = shape.shape[0] + 2
    tile = np.empty((factors, 4, 2 * TILE), np.uint32)
    masks = np.empty((2, 4, 68, 64), np.uint32)
    opened = np.full((2, 1), -1, np.int64)
    for base in range(start, stop, TILE):
        n = min(TILE, stop - base)
        for side in range(2):
            _fill_tile(
                base + side * half, n, opened[side], masks[side],
                bits, shape, zeros, changes, early, units, tile, side * TILE,
            )  # fmt: skip
        for f in range(factors):
            v_fold(tile[f], 0, TILE, r, out[f], base, n)
