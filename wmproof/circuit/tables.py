"""Activation tables: y = T[z], a step function on a grid of integers, shared by many layers.

A table is stored as its steps (where it changes, and to what), so it reads well, has one encoding
and needs no transcendental function to evaluate. Tables of smooth functions are made in decimal
arithmetic, which is correctly rounded by definition and therefore the same on every machine;
libm's exp and erf are not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Context, Decimal, localcontext
from functools import cache, cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from wmproof.circuit.functions import FUNCTIONS
from wmproof.errors import InputError

MIN_TABLE_BITS = 9
MAX_TABLE_BITS = 22


@dataclass(frozen=True)
class Table:
    """T[z] for -2^(bits-1) <= z < 2^(bits-1).

    Parameters
    ----------
    name : str
        What it computes, for people.
    bits : int
        Binary logarithm of the number of entries, 9 to 22.
    steps : tuple of (int, int)
        (z, value): the table takes `value` from z on. The first z is -2^(bits-1), the z increase
        and neighbouring values differ, so the same table has one description.
    """

    name: str
    bits: int
    steps: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        if not MIN_TABLE_BITS <= self.bits <= MAX_TABLE_BITS:
            raise InputError(f"a table of 2^{self.bits} entries", where=f"table {self.name}")
        starts = [start for start, _ in self.steps]
        values = [value for _, value in self.steps]
        ordered = all(a < b for a, b in pairwise(starts))
        changing = all(a != b for a, b in pairwise(values))
        inside = starts and starts[0] == self.low and starts[-1] <= self.high
        if not (ordered and changing and inside and all(0 <= v <= 255 for v in values)):
            raise InputError("its steps are not in canonical form", where=f"table {self.name}")

    @property
    def low(self) -> int:
        """Smallest z."""
        return -(1 << (self.bits - 1))

    @property
    def high(self) -> int:
        """Largest z."""
        return (1 << (self.bits - 1)) - 1

    @cached_property
    def values(self) -> NDArray[np.uint8]:
        """Every entry, uint8 of length 2^bits; the entry of z is at z - low."""
        starts = np.array([start for start, _ in self.steps] + [self.high + 1])
        values = np.array([value for _, value in self.steps], dtype=np.uint8)
        table = np.repeat(values, np.diff(starts))
        table.flags.writeable = False
        return table

    def shrunk(self, bits: int) -> Table:
        """The same function on 2^bits entries, bits at most `self.bits`."""
        low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        first = max(step for step in self.steps if step[0] <= low)[1]
        return Table(
            self.name, bits, ((low, first), *(s for s in self.steps if low < s[0] <= high))
        )


def _canonical(name: str, bits: int, steps: list[tuple[int, int]]) -> Table:
    kept = [step for i, step in enumerate(steps) if not i or step[1] != steps[i - 1][1]]
    return Table(name, bits, tuple(kept))


def clamp_table(bits: int, shift: int) -> Table:
    """clamp(floor((z + 2^(shift-1)) / 2^shift), 0, 255): ReLU, and every clipped linear function.

    ReLU6, Clip, HardSigmoid and a plain requantisation use it too: their scale and offset are
    folded into weights and bias, and the clamp to a byte is their clip.
    """
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    half = 2 ** (shift - 1)
    starts = [(value << shift) - half for value in range(1, 256)]
    steps = [(low, 0)] + [(z, v + 1) for v, z in enumerate(starts) if z <= high]
    return _canonical("clamp", bits, steps)


def leaky_zero_point(slope: Decimal) -> int:
    """Byte that stands for 0 so that positive and negative inputs reach equally far."""
    if slope <= 0:
        return 0
    return int((255 * slope / (1 + slope)).to_integral_value())


def leaky_table(bits: int, shift: int, slope: Decimal) -> Table:
    """LeakyReLU of z / 2^shift, the byte `leaky_zero_point` standing for 0."""
    zero = leaky_zero_point(slope)

    def value(z: Decimal) -> Decimal:
        x = z / (1 << shift)
        return zero + (x if x > 0 else slope * x)

    return _from_function(f"leaky_relu {slope}", bits, value, (Decimal(0),))


@dataclass(frozen=True)
class Grid:
    """How a smooth function lies on integers: byte = zero + f(z / density) / scale.

    Parameters
    ----------
    density : Decimal
        Grid points for each unit of the function's argument.
    scale : Decimal
        Value of one step of the byte.
    zero : int
        Byte of the value 0.
    """

    density: Decimal
    scale: Decimal
    zero: int


def function_table(kind: str, bits: int, grid: Grid) -> Table:
    """Table of one of `functions.FUNCTIONS`, each entry rounded to nearest and clamped to a byte.

    Raises
    ------
    InputError
        If `kind` is not a known function.
    """
    if kind not in FUNCTIONS:
        raise InputError(f"no table for the function {kind}", remedy=f"Known: {sorted(FUNCTIONS)}")
    function = FUNCTIONS[kind]

    def value(z: Decimal) -> Decimal:
        return grid.zero + function(z / grid.density) / grid.scale

    return _from_function(kind, bits, value, tuple(turn * grid.density for turn in function.turns))


def _from_function(
    name: str, bits: int, value: Callable[[Decimal], Decimal], turns: tuple[Decimal, ...]
) -> Table:
    """Steps of a function that is monotone between `turns`, found by bisection."""
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1

    @cache
    def level(z: int) -> int:
        rounded = (value(Decimal(z)) + Decimal("0.5")).to_integral_value(ROUND_FLOOR)
        return int(min(max(rounded, Decimal(0)), Decimal(255)))

    # Its own context: neither the caller's precision nor its rounding may change a table.
    with localcontext(Context(prec=40)):
        cuts = sorted({low, high, *(int(turn) for turn in turns if low < turn < high)})
        changes: list[int] = []
        stack = list(pairwise(cuts))
        while stack:
            a, b = stack.pop()
            if level(a) == level(b):
                continue
            if b - a == 1:
                changes.append(b)
                continue
            middle = (a + b) // 2
            stack += [(a, middle), (middle, b)]
        steps = [(low, level(low))] + [(z, level(z)) for z in sorted(changes)]
    return _canonical(name, bits, steps)
