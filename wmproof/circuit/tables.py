"""Activation tables: y = T[z], a step function on a grid of integers, shared by many layers.

A table is stored as its steps (where it changes, and to what), so it reads well, has one encoding
and needs no transcendental function to evaluate. Tables of smooth functions are made in decimal
arithmetic, which is correctly rounded by definition and therefore the same on every machine;
libm's exp and erf are not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Context, Decimal, localcontext
from functools import cache, cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from wmproof.circuit.functions import FUNCTIONS, POLES
from wmproof.errors import InputError

MIN_TABLE_BITS = 9
MAX_TABLE_BITS = 24
LARGEST_VALUE = 2**16 - 1


@dataclass(frozen=True)
class Table:
    """T[z] for -2^(bits-1) <= z < 2^(bits-1).

    Parameters
    ----------
    name : str
        What it computes, for people.
    bits : int
        Binary logarithm of the number of entries, 9 to 24.
    steps : tuple of (int, int)
        (z, value): the table takes `value`, 0 to 2^16 - 1, from z on. The first z is -2^(bits-1),
        the z increase and neighbouring values differ, so the same table has one description.
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
        allowed = all(0 <= v <= LARGEST_VALUE for v in values)
        if not (ordered and changing and inside and allowed):
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
    def largest(self) -> int:
        """Largest value."""
        return max(value for _, value in self.steps)

    @cached_property
    def values(self) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """Every entry, uint8 or uint16 of length 2^bits; the entry of z is at z - low."""
        starts = np.array([start for start, _ in self.steps] + [self.high + 1])
        dtype = np.uint8 if self.largest < 256 else np.uint16
        values = np.array([value for _, value in self.steps], dtype)
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


def clamp_table(bits: int, shift: int, largest: int = 255, quarters: int = 4) -> Table:
    """clamp(z / width to nearest, 0, largest): ReLU, every clipped linear function.

    ReLU6, Clip, HardSigmoid and a plain requantisation use it too: their scale and offset are
    folded into weights and bias, and the clamp is their clip.

    Parameters
    ----------
    bits : int
        Binary logarithm of the number of entries.
    shift, quarters : int
        Accumulators of one value, `clamp_width(shift, quarters)`.
    largest : int
    """
    width = clamp_width(shift, quarters)
    return step_table("clamp", bits, (v * width - width // 2 for v in range(1, largest + 1)))


def clamp_width(shift: int, quarters: int = 4) -> int:
    """Accumulators of one value: 2^shift, or more by quarters of it, 4 to 7."""
    return (quarters << shift) >> 2


def step_table(name: str, bits: int, starts: Iterable[int]) -> Table:
    """The table that takes 1, 2, ... from each of `starts` on, which do not fall, and 0 before.

    Parameters
    ----------
    name : str
    bits : int
        Binary logarithm of the number of entries.
    starts : iterable of int
    """
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    values = {low: 0}
    for value, start in enumerate(starts, 1):
        if start <= high:
            values[max(start, low)] = value
    return _canonical(name, bits, sorted(values.items()))


def rounding_table(bits: int, shift: int, largest: int, odd: bool) -> Table:
    """clamp(z / 2^shift rounded to nearest, 0, largest), ties to the even value, or to the `odd`.

    ONNX rounds ties of QuantizeLinear to even multiples of the scale; which numbers those are
    depends on the zero point.

    Parameters
    ----------
    bits, shift, largest
        As `clamp_table`.
    odd : bool
        Whether ties belong to the odd value.
    """
    starts = (
        (v << shift) - (1 << (shift - 1)) + ((v % 2 == 1) is not odd) for v in range(1, largest + 1)
    )
    return step_table("round to odd" if odd else "round to even", bits, starts)


def leaky_zero_point(slope: Decimal, largest: int = 255) -> int:
    """Value that stands for 0 so that positive and negative inputs reach equally far.

    Parameters
    ----------
    slope : Decimal
        Of the function below zero.
    largest : int

    Returns
    -------
    int
        0 for a slope that is not positive.
    """
    if slope <= 0:
        return 0
    return int((largest * slope / (1 + slope)).to_integral_value())


def leaky_table(bits: int, shift: int, slope: Decimal, largest: int = 255) -> Table:
    """LeakyReLU of z / 2^shift, `leaky_zero_point` standing for 0.

    Parameters
    ----------
    bits, shift, largest
        As `clamp_table`.
    slope : Decimal
    """
    zero = leaky_zero_point(slope, largest)

    def value(z: Decimal) -> Decimal:
        x = z / (1 << shift)
        return zero + (x if x > 0 else slope * x)

    return _from_function(f"leaky_relu {slope}", bits, value, (Decimal(0),), largest)


@dataclass(frozen=True)
class Grid:
    """How a smooth function lies on integers: value = zero + f(z / density) / scale.

    Parameters
    ----------
    density : Decimal
        Grid points for each unit of the function's argument.
    scale : Decimal
        What one step of the value stands for.
    zero : int
        Value that stands for 0.
    largest : int
        Largest value.
    """

    density: Decimal
    scale: Decimal
    zero: int
    largest: int = 255


def function_table(kind: str, bits: int, grid: Grid) -> Table:
    """Table of one of `functions.FUNCTIONS`, each entry rounded to nearest and clamped.

    Parameters
    ----------
    kind : str
        The function's name.
    bits : int
        Logarithm of the number of entries.
    grid : Grid
        What accumulators and entries stand for.

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

    turns = tuple(turn * grid.density for turn in function.turns)
    return _from_function(kind, bits, value, turns, grid.largest)


def pole_table(kind: str, bits: int, numerator: int, largest: int) -> Table:
    """round(numerator / z^k), at most `largest`, also for z <= 0; `functions.POLES` has the k.

    Parameters
    ----------
    kind : str
        One of `functions.POLES`.
    bits : int
        Binary logarithm of the number of entries.
    numerator, largest : int
    """
    exponent = POLES[kind]

    def value(z: Decimal) -> Decimal:
        if z <= 0:
            return Decimal(largest)
        return numerator / (z.sqrt() if exponent != 1 else z)

    return _from_function(f"{numerator} {kind}", bits, value, (), largest)


def counted_table(table: Table, width: int, most: int) -> Table:
    """What a table has for 1 to `most`, each for `width` accumulators.

    They begin at the low end: what stands for 0, or for less, lies outside.
    """
    bits = max(MIN_TABLE_BITS, (width * most - 1).bit_length())
    low, values = -(2 ** (bits - 1)), table.values[1 - table.low :]
    steps = [(low + width * (k - 1), int(values[k - 1])) for k in range(1, most + 1)]
    return _canonical(f"counted {table.name}", bits, steps)


def _from_function(
    name: str,
    bits: int,
    value: Callable[[Decimal], Decimal],
    turns: tuple[Decimal, ...],
    largest: int,
) -> Table:
    """Steps of a function that is monotone between `turns`."""
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1

    @cache
    def exact(z: int) -> Decimal:
        return value(Decimal(z)) + Decimal("0.5")

    def level(z: int) -> int:
        rounded = exact(z).to_integral_value(ROUND_FLOOR)
        return int(min(max(rounded, Decimal(0)), Decimal(largest)))

    # Its own context: neither the caller's precision nor its rounding may change a table.
    with localcontext(Context(prec=40)):
        cuts = sorted({low, high, *(int(turn) for turn in turns if low < turn < high)})
        changes: list[int] = []
        stack = [(a, b, 0) for a, b in pairwise(cuts)]
        while stack:
            a, b, tries = stack.pop()
            if level(a) == level(b):
                continue
            if b - a == 1:
                changes.append(b)
                continue
            middle = (a + b) // 2
            if abs(level(b) - level(a)) == 1 and tries % 3 < 2:
                middle = _crossing(a, b, exact(a), exact(b), max(level(a), level(b)), tries)
            stack += [(a, middle, tries + 1), (middle, b, tries + 1)]
        steps = [(low, level(low))] + [(z, level(z)) for z in sorted(changes)]
    return _canonical(name, bits, steps)


def _crossing(a: int, b: int, at_a: Decimal, at_b: Decimal, target: int, tries: int) -> int:
    """A place in a < z < b near to where a line between the ends crosses a value, or before it.

    A guess and the place before it leave one step between them where the function is nearly
    straight; every third place that is tried is the middle, so bad guesses cost little.
    """
    guess = a + int((target - at_a) / (at_b - at_a) * (b - a))
    return min(max(guess + (tries + 1) % 2, a + 1), b - 1)
