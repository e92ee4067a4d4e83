"""Tables and scales of numbers whose steps the model's file says, or of 8 bits for a whole tensor.

An int8 file says the scale and the zero point of each of its tensors, and their integers are the
circuit's numbers. Where a runtime finds the scale in each image's range, the circuit has one for
all images: what calibration sees has as many steps as there, and the headroom lies beyond.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from wmproof.circuit.ir import ACCUMULATOR_LIMIT
from wmproof.circuit.network import FloatLinear, Floats, Ranged, Rounded
from wmproof.circuit.quantise import Encoding, source_channels
from wmproof.circuit.tables import (
    MIN_TABLE_BITS,
    Table,
    clamp_table,
    rounding_table,
    step_table,
)

_STEPS = 255  # of 8 bits
_MOST = 2**12 - 1
_WHOLE = 2.0**-12  # so near to a whole number are products of float32 scales and integers
_WHOLE_TIE = 2.0**-20
_FLOAT32 = 2.0**-22  # error of products of float32 numbers, as a part of them
_MOST_BITS = 22  # of the tables, also of those that a layer has for itself
_MOST_SUM = ACCUMULATOR_LIMIT / 2
_FINE, _FINEST = 4, 10  # bits of the part of a step to which a bias is rounded
_MARGIN = 1 + 2.0**-5


def fit_steps(
    function: Rounded | Ranged, real: Floats, shift: int, headroom: float, table_headroom: float
) -> tuple[Table, float, int, int]:
    """Table, scale, number that stands for 0, and binary logarithm of the accumulators of a number.

    Parameters
    ----------
    real : float64 array (O, 2)
        Smallest and largest argument of each channel that calibration sees.
    shift, headroom, table_headroom
        As in `calibrate.Settings`.
    """
    if isinstance(function, Rounded):
        step, zero, largest = function.step, -function.least, function.most - function.least
    else:
        step, zero, largest = _whole_range(function, real, headroom)
    shift += 9 - max(8, largest.bit_length())
    reach = table_headroom * float(np.abs(real / step + zero).max())
    while shift > 1 and reach * 2.0**shift > 2.0 ** (_MOST_BITS - 1):
        shift -= 1
    if isinstance(function, Rounded):
        # Even multiples of the scale are the even numbers where 0 is one of them.
        return rounding_table(_MOST_BITS, shift, largest, zero % 2 == 1), step, zero, shift
    return clamp_table(_MOST_BITS, shift, largest), step, zero, shift


def _whole_range(function: Ranged, real: Floats, headroom: float) -> tuple[float, int, int]:
    """Step, zero and largest number for what is seen, 0 among it, and as much beyond."""
    low, high = np.clip(
        [min(float(real.min()), 0.0), max(float(real.max()), 0.0)], function.low, function.high
    ).tolist()
    step = (high - low) / _STEPS or 1.0
    largest = min(_MOST, 2 ** math.ceil(math.log2((_STEPS + 1) * headroom)) - 1)
    beyond = 0 if function.low >= 0 else (largest - _STEPS) // 2
    return step, beyond + round(-low / step), largest


def common_step(linear: FloatLinear, encodings: Sequence[Encoding]) -> float | None:
    """The real number of which every product of a map is a whole multiple, None if there is none.

    So it is with weights of int8 that share a scale: their sums are then whole numbers, and a table
    makes of them exactly what the runtime does.
    """
    found = []
    for term in linear.terms:
        scale = source_channels(term, encodings[term.source].scale[:, 0, 0])
        found.append(np.unique(np.abs(term.weight * scale)))
        if len(found[-1]) > _STEPS + 1:
            return None
    sizes = np.unique(np.concatenate(found))
    if len(sizes) > _STEPS + 1 or not sizes[-1]:
        return None
    for count in range(1, _STEPS + 1):
        step = float(sizes[-1] / count)
        if (np.abs(sizes / step - np.rint(sizes / step)) < _WHOLE).all():
            return step
    return None


def fit_whole_sums(
    function: Rounded,
    linear: FloatLinear,
    step: float,
    real: Floats,
    most: float,
    table_headroom: float,
) -> tuple[Table, float] | None:
    """Table of a layer whose sums are whole multiples of `step`, and accumulators in one of 1.

    Parameters
    ----------
    real : float64 array (O, 2)
        As in `fit_steps`.
    most : float
        Largest |sum of products| that any image can give.

    Returns
    -------
    tuple, or None
        None where the table would be larger than that which layers share.
    """
    reach = _MARGIN * table_headroom * float(np.abs(real).max()) / step
    bits = max(MIN_TABLE_BITS, math.ceil(math.log2(max(reach, 1.0) + 1)) + 1)
    bias = linear.bias / step
    finer = 0
    if not (np.abs(bias - np.rint(bias)) < _WHOLE + _FLOAT32 * np.abs(bias)).all():
        # A bias that is no such multiple is rounded to a part of one.
        room = math.log2(_MOST_SUM * step / max(most, step))
        finer = min(_FINEST, _MOST_BITS - bits, math.floor(room))
        if finer < _FINE:
            return None
    if bits + finer > _MOST_BITS:
        return None
    factor = 2.0**finer / step
    return _whole_table(bits + finer, function, factor), factor


def _whole_table(bits: int, function: Rounded, factor: float) -> Table:
    """Table of `function` at multiples of 1 / factor, ties to even multiples of the step."""
    return step_table("round whole sums", bits, _starts(function, factor))


def _starts(function: Rounded, factor: float) -> Iterator[int]:
    """The first accumulator of each number from 1 on."""
    for steps in range(function.least + 1, function.most + 1):
        middle = (steps - 0.5) * function.step * factor
        near = round(middle)
        if abs(middle - near) <= _WHOLE_TIE * max(1.0, abs(middle)):
            yield near + steps % 2  # a tie belongs to the even one
        else:
            yield math.ceil(middle)
