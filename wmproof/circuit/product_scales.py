"""Scales of products: their sums are whole numbers that are given, so tables are made to fit them.

A product's accumulators are its sums times a whole factor. Factors are rounded down, so a scale is
never finer than what was asked for; functions with a pole are homogeneous, so that one table with
another numerator serves every layer.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wmproof.circuit.functions import POLES
from wmproof.circuit.ir import ACCUMULATOR_LIMIT
from wmproof.circuit.network import Floats, Reciprocal
from wmproof.circuit.reach import Seen, finer_bits
from wmproof.circuit.tables import Table, counted_table, pole_table
from wmproof.errors import InputError

_COUNTED = 16  # accumulators of a whole number that divides
_POLE_LARGEST = 1023  # of a divisor: one number scales a whole row
_POLE_BITS = 17  # of its table: as many divisors as tell such numbers apart
_BOUND = ACCUMULATOR_LIMIT // 2  # of factors times sums; the rest is for the bias
_FINE_FACTOR = 8  # below it, whole factors miss the scale that is asked for by more than 1/8


class TooFineError(InputError):
    """Numbers that are multiplied have more bits than their product's table has room for."""


class Room(Protocol):
    """What `calibrate.Settings` says of tables."""

    @property
    def headroom(self) -> float:
        """How much larger than in calibration numbers may become."""

    @property
    def table_headroom(self) -> float:
        """How much larger accumulators may become before they leave their table."""

    @property
    def min_table_bits(self) -> int:
        """Logarithm of the usual table's length."""

    @property
    def max_table_bits(self) -> int:
        """Logarithm of the longest table's length."""


def fitting_factor(
    steps: Floats, raw: NDArray[np.int64], most: int, shift: int, settings: Room, zero: Floats
) -> tuple[int, Floats]:
    """Choose a shift and whole factors that give a product's bytes about the scale that they want.

    No byte gets a finer scale than that. The smaller the factors, the coarser the scales: the shift
    grows while there is room in a table.

    Parameters
    ----------
    steps : float64 array (O,)
        How many steps of a number a product of 1 is.
    raw : int64 array (O, 2)
        Smallest and largest sum that calibration sees.
    most : int
        Largest |sum| that any image can give.
    zero : float64 array (O,)
        The number that stands for 0.

    Returns
    -------
    shift : int
    factor : float64 array (O,)
        Whole numbers.

    Raises
    ------
    TooFineError
        One product is less than a number can show.
    """
    reach = np.minimum(np.abs(raw).max(axis=1) * settings.table_headroom, most)
    while shift > 1 and (np.floor(2.0**shift * steps) * most >= _BOUND).any():
        shift -= 1
    factor = np.floor(2.0**shift * steps)
    while factor.min() < _FINE_FACTOR:
        finer = np.floor(2.0 ** (shift + 1) * steps)
        bits = settings.min_table_bits if factor.min() > 1 else settings.max_table_bits
        room = 2.0 ** (bits - 1) - 2.0 ** (shift + 1) * np.abs(zero).max()
        if (reach * finer).max() >= room or finer.max() * most >= _BOUND:
            break
        shift, factor = shift + 1, finer
    if factor.min() < 1:
        raise TooFineError(
            "sums so many products that one of them is less than a number can show",
            remedy="Sum over shorter axes",
        )
    return shift, np.asarray(factor)


def largest_factor(reach: float, most: int, settings: Room) -> Floats:
    """Choose the whole factor, at least 1, with which sums fill a table of the usual size.

    Parameters
    ----------
    reach : float
        Largest sum that calibration sees, with what is added to it.
    most : int
        As `fitting_factor`.

    Returns
    -------
    float64 array (1,)
        A whole number.
    """
    room = 2.0 ** (_POLE_BITS - 1) / settings.table_headroom
    return np.array([max(1.0, min(room // max(1, int(reach)), _BOUND // most))])


def pole_density(high: float, step: float | None, settings: Room) -> float:
    """Accumulator units of 1 for divisors that are sums of numbers.

    Parameters
    ----------
    high : float
        Largest divisor that calibration sees.
    step : float, optional
        What a step of any of the numbers adds, if it is the same for all: its weight is whole then,
        since rounding would change all sums alike, and by much where it is small.
    """
    bits = settings.min_table_bits if step is None else _POLE_BITS
    density = 2.0 ** (bits - 1) / settings.table_headroom / high
    return density if step is None else max(1.0, density * step // 1) / step


def fit_pole(kind: str, seen: Seen, settings: Room, density: float) -> tuple[Table, Floats]:
    """Table and scales (O,) of a function with a pole at 0.

    Rows whose divisor is far smaller than most, such as those of flat pictures, get the largest
    value: see `reach`.

    Parameters
    ----------
    seen : Seen
        The divisors that calibration sees; all positive.
    density : float
        Accumulator units of 1.
    """
    low, high = float(seen.ends[:, 0].min()), float(seen.ends[:, 1].max())
    if low <= 0:
        raise InputError(f"divides by {low:.3g}, and can divide by positive numbers only")
    exponent = float(POLES[kind])
    bits = (math.ceil(high * density * settings.table_headroom) - 1).bit_length() + 1
    # The smallest number that calibration sees, with headroom, has the largest value.
    least = low * density / settings.headroom
    room = math.sqrt(settings.headroom) if exponent < 1 else settings.headroom
    # Each quotient counts by itself: it scales a row of its own.
    parts = (low / np.maximum(seen.some, low)).reshape(-1, 1, 1)
    parts = np.sqrt(parts) if exponent < 1 else parts
    finer = finer_bits(parts, np.array([[0.0, room]]), room / _POLE_LARGEST, room)
    most = _POLE_LARGEST * 2**finer
    numerator = _rounded_down(most * (math.sqrt(least) if exponent < 1 else least))
    step = math.sqrt(density) if exponent < 1 else density
    bits = min(max(bits, _POLE_BITS), settings.max_table_bits)
    table = pole_table(kind, bits, numerator, _POLE_LARGEST)
    return table, np.full(len(seen.ends), step / numerator)


def fit_reciprocal(
    function: Reciprocal, seen: Seen, settings: Room, name: str
) -> tuple[Table, Floats, float, float]:
    """Table, scales, accumulator units of 1, and accumulator of 0, which lies outside the table.

    Parameters
    ----------
    seen : Seen
        The divisors that calibration sees.
    name : str
        Of the layer, for errors.

    Raises
    ------
    InputError
        One of them is not above 0.
    """
    step = function.step
    if seen.ends.min() < step / 2:
        raise InputError(
            f"divides by what was quantised in steps of {step:.3g}, which calibration sees at 0",
            where=f"layer {name}",
            remedy="Quantise the model without this division (nodes_to_exclude)",
        )
    counted = seen.over(np.full(len(seen.ends), step))
    whole, scales = fit_pole("reciprocal", counted, settings, 1.0)
    table = counted_table(whole, _COUNTED, function.most)
    return table, scales / step, _COUNTED / step, float(table.low - _COUNTED // 2)


def whole_numbers(values: Floats) -> NDArray[np.int32]:
    """Factors or biases, which are whole already, as integers.

    Raises
    ------
    InputError
        One of them is 2^30 or more.
    """
    if not np.abs(values).max() < ACCUMULATOR_LIMIT:
        raise InputError(
            f"adds or multiplies by {float(np.abs(values).max()):.3g}, which must stay below 2^30"
        )
    return values.astype(np.int32)


def _rounded_down(x: float) -> int:
    """X rounded down to 4 bits, so that layers whose numbers are alike share a table."""
    mantissa, exponent = math.frexp(max(x, 1.0))
    return int(math.ldexp(math.floor(mantissa * 16) / 16, exponent))
