"""The prover's tree of fractions.

Level k holds the children of 2^k fractions as uint32 (4, 4, >= 2^k): left numerators, right
numerators, left denominators, right denominators, each over K, which is how the sumcheck takes
them. The leaves of a witness are made from its columns whenever they are needed, never stored.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from wmproof._base.jit import njit
from wmproof._base.threads import over_ranges
from wmproof.argument.algebra.element import Element
from wmproof.argument.algebra.field import U32, to_montgomery
from wmproof.argument.kernels import simd
from wmproof.argument.kernels.extension import (
    ONE,
    TILE,
    TableMemory,
    k_add,
    k_load,
    k_load_from,
    k_mul,
    k_store,
    multiplier,
    single,
    uniform,
)
from wmproof.argument.kernels.simd import LANES, load, store, sub
from wmproof.argument.sumcheck.prover import Cube, fill_up

Fraction = tuple[Element, Element]

N_LEFT, N_RIGHT, D_LEFT, D_RIGHT = range(4)
LAYER_TERMS = np.array([[N_LEFT, D_RIGHT], [N_RIGHT, D_LEFT]], np.int64)
UNIT_TERMS = np.array([[0, 1]], np.int64)


@njit(forceinline=True)
def _subtract_column(row, x, columns, j, i, beta, like):  # type: ignore[no-untyped-def]
    product = simd.mul(load(columns, (j, i + x), like), beta[0], beta[1])
    store(row, (x,), sub(load(row, (x,), like), product))


@njit(nogil=True, cache=True)
def v_compress(
    columns: U32, i: int, size: int, a: U32, betas: U32, fill: U32, out: U32, k: int, n: int
) -> None:
    """out[k:k+n] = a - sum_j beta^j columns[j, i:i+n]; entries from `size` on are `fill`."""
    one, many = ONE, simd.vector()
    present = max(0, min(n, size - i))
    whole = present - present % LANES
    for c in range(4):
        row = out[c, k : k + n]
        row[:present] = a[c]
        row[present:] = fill[c]
        for j in range(columns.shape[0]):
            beta = betas[j, c]
            if beta != 0:
                pair = beta, simd.quotient_of(beta)
                pairs = simd.uniform(pair[0]), simd.uniform(pair[1])
                for x in range(0, whole, LANES):
                    _subtract_column(row, x, columns, j, i, pairs, many)
                for x in range(whole, present):
                    _subtract_column(row, x, columns, j, i, pair, one)


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


@njit(forceinline=True)
def _add_units(left, right, x, numerators, denominators, i, like):  # type: ignore[no-untyped-def]
    d0, d1 = k_load(left, x, like), k_load(right, x, like)
    k_store(numerators, i + x, k_add(d0, d1))
    k_store(denominators, i + x, k_mul(d0, multiplier(d1)))


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
    left, right = np.empty((4, TILE), np.uint32), np.empty((4, TILE), np.uint32)
    one, many, size = ONE, simd.vector(), columns.shape[1]
    for i in range(start, stop, TILE):
        n = min(TILE, stop - i)
        v_compress(columns, base + i, size, a, betas, fill, left, 0, n)
        v_compress(columns, half + base + i, size, a, betas, fill, right, 0, n)
        whole = n - n % LANES
        for x in range(0, whole, LANES):
            _add_units(left, right, x, numerators, denominators, i, many)
        for x in range(whole, n):
            _add_units(left, right, x, numerators, denominators, i, one)


@njit(forceinline=True)
def _add_pair(level, s, numerators, denominators, i, like):  # type: ignore[no-untyped-def]
    d0 = k_load_from(level, D_LEFT, s, like)
    d1 = multiplier(k_load_from(level, D_RIGHT, s, like))
    first = k_mul(k_load_from(level, N_LEFT, s, like), d1)
    second = k_mul(k_load_from(level, N_RIGHT, s, like), multiplier(d0))
    k_store(numerators, i, k_add(first, second))
    k_store(denominators, i, k_mul(d0, d1))


@njit(nogil=True, cache=True)
def add_fractions(
    start: int, stop: int, base: int, level: U32, numerators: U32, denominators: U32
) -> None:
    """n0 / d0 + n1 / d1 for the fractions base + [start, stop) of a level."""
    one, many, whole = ONE, simd.vector(), stop - (stop - start) % LANES
    for i in range(start, whole, LANES):
        _add_pair(level, base + i, numerators, denominators, i, many)
    for i in range(whole, stop):
        _add_pair(level, base + i, numerators, denominators, i, one)


@njit(forceinline=True)
def _shift(level, i, weight, like):  # type: ignore[no-untyped-def]
    scaled = k_mul(k_load_from(level, D_LEFT, i, like), weight)
    k_store(level[N_LEFT], i, k_add(k_load_from(level, N_LEFT, i, like), scaled))


@njit(nogil=True, cache=True)
def shift_numerators(start: int, stop: int, level: U32, weight: U32) -> None:
    """Left numerators += weight * left denominators, in place."""
    one, many, whole = ONE, simd.vector(), stop - (stop - start) % LANES
    weights, own = multiplier(uniform(weight)), multiplier(single(weight))
    for i in range(start, whole, LANES):
        _shift(level, i, weights, many)
    for i in range(whole, stop):
        _shift(level, i, own, one)


class Level(NamedTuple):
    """A level's tables, and the fraction that is in place of a block that there is not."""

    tables: U32
    cube: Cube
    behind: Fraction


def levels_above(tables: U32, cube: Cube, behind: Fraction, memory: TableMemory) -> list[Level]:
    """Return a level and all above it, level 0 (the root's children) last.

    `behind` stands in place of each of the level's fractions, left or right, that there is not.
    """
    levels = [Level(tables, cube, behind)]
    for k in range(cube.bits - 1, -1, -1):
        children, (n, d) = levels[-1], levels[-1].behind
        fill_up(children.tables, children.cube, [n, n, d, d])
        own = Cube(k, cube.blocks)
        parents = memory.tables(f"{cube.bits - k} above", 4, own.held)
        half = own.made
        for side in range(2):
            numerators, denominators = parents[N_LEFT + side], parents[D_LEFT + side]
            over_ranges(add_fractions, half, side * half, children.tables, numerators, denominators)
        levels.append(Level(parents, own, (n * d + n * d, d * d)))
    n, d = levels[-1].behind
    fill_up(levels[-1].tables, levels[-1].cube, [n, n, d, d])
    return levels


def root_of(level: U32) -> tuple[Element, Element]:
    """Numerator and denominator of the sum of a top level's two fractions."""
    n0, n1, d0, d1 = (Element.from_montgomery(level[f, :, 0]) for f in range(4))
    return n0 * d1 + n1 * d0, d0 * d1


@dataclass(frozen=True)
class UnitLeaves:
    """Witness leaves 1 / (a - compressed row)."""

    columns: U32
    """uint32 (width, N), canonical."""
    cube: Cube
    """The leaves are filled up to it."""
    a: Element
    beta_powers: list[Element]
    fill: Element
    """a, beta_powers and fill: ``fill`` is the compressed row behind the end."""

    @property
    def half(self) -> int:
        """How many leaves there are on each side."""
        return Cube(self.cube.bits - 1, self.cube.blocks).made

    @property
    def behind(self) -> Fraction:
        """The sum of two leaves that are `fill`."""
        d = self.a - self.fill
        return d + d, d * d

    def _scalars(self, shift: Element) -> tuple[U32, U32, U32]:
        start = self.a + shift
        # One more factor 2^32 makes the products with canonical columns Montgomery numbers.
        betas = to_montgomery(np.array([power.montgomery() for power in self.beta_powers]))
        return start.montgomery(), betas, (start - self.fill).montgomery()

    def denominators(self, shift: Element, out: U32) -> None:
        """All leaves plus `shift`: left and right half to `out`, uint32 (2, 4, >= 2^(bits-1))."""
        half = self.half
        over_ranges(unit_leaves, half, half, self.columns, *self._scalars(shift), out)

    def first_level(self, memory: TableMemory) -> U32:
        """Sums of leaf pairs: level bits - 2, for bits >= 2."""
        cube = Cube(self.cube.bits - 2, self.cube.blocks)
        half, quarter = self.half, cube.made
        level = memory.tables("lowest", 4, cube.held)
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
