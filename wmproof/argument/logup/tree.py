"""The prover's tree of fractions.

Level k holds the children of 2^k fractions as uint32 (4, 4, >= 2^k): left numerators, right
numerators, left denominators, right denominators, each over K, which is how the sumcheck takes
them. The leaves of a witness are made from its columns whenever they are needed, never stored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from wmproof.argument.element import Element
from wmproof.argument.extension import TILE, empty_tables, v_add, v_copy, v_mul, v_scale
from wmproof.argument.field import U32, mont_mul, sub, to_montgomery
from wmproof.argument.threads import over_ranges

N_LEFT, N_RIGHT, D_LEFT, D_RIGHT = range(4)
LAYER_TERMS = np.array([[N_LEFT, D_RIGHT], [N_RIGHT, D_LEFT]], np.int64)
UNIT_TERMS = np.array([[0, 1]], np.int64)


@njit(nogil=True, cache=True)
def v_compress(
    columns: U32, i: int, size: int, a: U32, betas: U32, fill: U32, out: U32, k: int, n: int
) -> None:
    """out[k:k+n] = a - sum_j beta^j columns[j, i:i+n]; entries from `size` on are `fill`."""
    present = max(0, min(n, size - i))
    for c in range(4):
        row = out[c, k : k + n]
        row[:present] = a[c]
        row[present:] = fill[c]
        for j in range(columns.shape[0]):
            beta = betas[j, c]
            if beta != 0:
                column, target = columns[j, i : i + present], out[c, k : k + present]
                for x in range(present):
                    target[x] = sub(target[x], mont_mul(beta, column[x]))


@njit(nogil=True, cache=True)
def unit_leaves(
    start: int, stop: int, half: int, columns: U32, a: U32, betas: U32, fill: U32, out: U32
) -> None:
    """Denominators of the left and the right half of the leaves: out uint32 (2, 4, >= half)."""
    size = columns.shape[1]
    for i in range(start, stop, TILE):
        n = min(TILE, stop - i)
        v_compress(columns, i, size, a, betas, fill, out[0], i, n)
        v_compress(columns, half + i, size, a, betas, fill, out[1], i, n)


@njit(nogil=True, cache=True)
def add_unit_fractions(
    start: int,
    stop: int,
    base: int,
    half: int,
    columns: U32,
    a: U32,
    betas: U32,
    fill: U32,
    numerators: U32,
    denominators: U32,
) -> None:
    """1 / d_left + 1 / d_right for leaves base + [start, stop), straight from the columns."""
    left = np.empty((4, TILE), np.uint32)
    right = np.empty((4, TILE), np.uint32)
    size = columns.shape[1]
    for i in range(start, stop, TILE):
        n = min(TILE, stop - i)
        v_compress(columns, base + i, size, a, betas, fill, left, 0, n)
        v_compress(columns, half + base + i, size, a, betas, fill, right, 0, n)
        v_add(left, 0, right, 0, numerators, i, n)
        v_mul(left, 0, right, 0, denominators, i, n)


@njit(nogil=True, cache=True)
def add_fractions(
    start: int, stop: int, base: int, level: U32, numerators: U32, denominators: U32
) -> None:
    """n0 / d0 + n1 / d1 for the fractions base + [start, stop) of a level."""
    left = np.empty((4, TILE), np.uint32)
    right = np.empty((4, TILE), np.uint32)
    for i in range(start, stop, TILE):
        n, s = min(TILE, stop - i), base + i
        v_mul(level[N_LEFT], s, level[D_RIGHT], s, left, 0, n)
        v_mul(level[N_RIGHT], s, level[D_LEFT], s, right, 0, n)
        v_add(left, 0, right, 0, numerators, i, n)
        v_mul(level[D_LEFT], s, level[D_RIGHT], s, denominators, i, n)


@njit(nogil=True, cache=True)
def shift_numerators(start: int, stop: int, level: U32, weight: U32) -> None:
    """Left numerators += weight * left denominators, in place."""
    scaled = np.empty((4, TILE), np.uint32)
    total = np.empty((4, TILE), np.uint32)
    for i in range(start, stop, TILE):
        n = min(TILE, stop - i)
        v_scale(level[D_LEFT], i, weight, scaled, 0, n)
        v_add(level[N_LEFT], i, scaled, 0, total, 0, n)
        v_copy(total, 0, level[N_LEFT], i, n)


def levels_above(level: U32, bits: int) -> list[U32]:
    """Return level `bits` and all above it, level 0 (the root's children) last."""
    levels = [level]
    for k in range(bits - 1, -1, -1):
        half = 1 << k
        parents = empty_tables(4, half)
        for side in range(2):
            numerators, denominators = parents[N_LEFT + side], parents[D_LEFT + side]
            over_ranges(add_fractions, half, side * half, levels[-1], numerators, denominators)
        levels.append(parents)
    return levels


def root_of(level: U32) -> tuple[Element, Element]:
    """Numerator and denominator of the sum of a top level's two fractions."""
    n0, n1, d0, d1 = (Element.from_montgomery(level[f, :, 0]) for f in range(4))
    return n0 * d1 + n1 * d0, d0 * d1


@dataclass(frozen=True)
class UnitLeaves:
    """Witness leaves 1 / (a - compressed row).

    Attributes
    ----------
    columns : uint32 (width, N), canonical
    bits : int
        The leaves are filled up to 2^bits.
    a, beta_powers, fill : Element, list of Element, Element
        ``fill`` is the compressed row behind the end.
    """

    columns: U32
    bits: int
    a: Element
    beta_powers: list[Element]
    fill: Element

    def _scalars(self, shift: Element) -> tuple[U32, U32, U32]:
        start = self.a + shift
        # One more factor 2^32 makes the products with canonical columns Montgomery numbers.
        betas = to_montgomery(np.array([power.montgomery() for power in self.beta_powers]))
        return start.montgomery(), betas, (start - self.fill).montgomery()

    def denominators(self, shift: Element) -> U32:
        """All leaves plus `shift`: uint32 (2, 4, >= 2^(bits-1)), left and right half."""
        half = 1 << (self.bits - 1)
        out = empty_tables(2, half)
        over_ranges(unit_leaves, half, half, self.columns, *self._scalars(shift), out)
        return out

    def first_level(self) -> U32:
        """Sums of leaf pairs: level bits - 2, for bits >= 2."""
        half, quarter = 1 << (self.bits - 1), 1 << (self.bits - 2)
        level = empty_tables(4, quarter)
        scalars = self._scalars(Element(0))
        for side in range(2):
            over_ranges(
                add_unit_fractions,
                quarter,
                side * quarter,
                half,
                self.columns,
                *scalars,
                level[N_LEFT + side],
                level[D_LEFT + side],
            )
        return level
