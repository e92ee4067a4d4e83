"""How far a linear map's accumulators can go: what is known before anything is measured."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from wmproof.circuit.ir import ACCUMULATOR_LIMIT
from wmproof.circuit.network import FloatLinear, Floats
from wmproof.circuit.quantise import Encoding, channel_encoding, row_blocks, source_channels

TINY = 2.0**-100
_PROVISIONAL = 2.0**7
_ONE_SLICE = 2.0**24  # sums of a provisional map that one product in float32 holds
_SIZE_UNIT = 2.0**20
_MOST_COARSER = 4  # bits by which the accumulators of a wide layer may be coarser than others'


def channel_sizes(linear: FloatLinear, encodings: Sequence[Encoding]) -> Floats:
    """How far a step of every source together moves each channel.

    Parameters
    ----------
    encodings : sequence of Encoding
        Of the nodes so far.

    Returns
    -------
    float64 array (O,)
        The same on every machine.
    """
    total = np.zeros(linear.shape[0])
    for term in linear.terms:
        scale = source_channels(term, encodings[term.source].scale[:, 0, 0])
        spread = math.prod(term.kernel) / math.prod(term.weight.shape[2:])
        for rows in row_blocks(term.weight):
            size = np.abs(term.weight[rows] * scale[rows])
            largest = np.maximum(size.max(axis=(1, 2, 3)), TINY)
            # Whole numbers: their sum is the same in any order.
            parts = np.rint(size / largest[:, None, None, None] * _SIZE_UNIT)
            total[rows] += parts.sum(axis=(1, 2, 3)) / _SIZE_UNIT * largest * spread
    return total


def provisional_factor(
    linear: FloatLinear, sizes: Floats, encodings: Sequence[Encoding], largest: Sequence[int]
) -> Floats:
    """Factors that give weights of 7 bits or more and accumulators below 2^29.

    Parameters
    ----------
    sizes : float64 array (O,)
        As `channel_sizes` gives them.
    largest : sequence of int
        Largest number of each node so far.

    Returns
    -------
    float64 array (O,)
        Accumulator units for each unit of the float map.
    """
    heaviest = np.full(linear.shape[0], TINY)
    farthest = 1.0
    for term in linear.terms:
        encoding = encodings[term.source]
        per_channel = encoding.scale[:, 0, 0]
        offset = term.offset / per_channel - encoding.zero[:, 0, 0]
        ends = np.abs(offset), np.abs(offset + largest[term.source])
        farthest = max(farthest, largest[term.source], *(float(e.max()) for e in ends))
        scale = source_channels(term, per_channel)
        for rows in row_blocks(term.weight):
            most = np.abs(term.weight[rows] * scale[rows]).max(axis=(1, 2, 3))
            heaviest[rows] = np.maximum(heaviest[rows], most)
    all_sums = farthest * np.maximum(sizes, TINY)
    fine = np.maximum(_PROVISIONAL / heaviest, _ONE_SLICE / all_sums)
    bias_limit = 2.0**27 / np.maximum(np.abs(linear.bias).max(axis=(1, 2)), TINY)
    return np.asarray(np.minimum(np.minimum(fine, 2.0**27 / all_sums), bias_limit))


def bits_too_fine(
    linear: FloatLinear,
    sizes: Floats,
    factor: Floats,
    encodings: Sequence[Encoding],
    largest: Sequence[int],
    finer: int = 0,
) -> int:
    """How many bits a layer's accumulators must lose for no image to bring them to 2^30.

    Wide layers add up more than their calibration shows. At most `_MOST_COARSER`: weights that
    cancel so well that this is too few are refused, as they would be rounded to nothing.

    Parameters
    ----------
    sizes, largest
        As `provisional_factor`.
    factor : float64 array (O,)
        Accumulator units for each unit of the float map.
    finer : int
        Bits that accumulators have more than usual, and may lose beside the others.

    Returns
    -------
    int
        0 to 4 + finer.
    """
    worst, rounding = farthest(linear, sizes, encodings, largest)
    coarser, most = 0, float((worst * factor).max())
    while coarser < _MOST_COARSER + finer and most / 2**coarser + rounding >= ACCUMULATOR_LIMIT:
        coarser += 1
    return coarser


def farthest(
    linear: FloatLinear, sizes: Floats, encodings: Sequence[Encoding], largest: Sequence[int]
) -> tuple[Floats, float]:
    """How far any image can move each channel, (O,), and what rounding can add in accumulators.

    Parameters
    ----------
    sizes, largest
        As `provisional_factor`.
    """
    reach, taps = 0.0, 0
    for term in linear.terms:
        scale, zero = channel_encoding(encodings[term.source], "a layer's source")
        beside = float(np.abs(term.offset / scale - zero).max())
        reach = max(reach, largest[term.source] + beside)
        taps += term.weight.shape[1] * math.prod(term.kernel)
    worst = np.abs(linear.bias).max(axis=(1, 2)) + sizes * reach
    return worst, taps * reach  # a weight is less than 1 off
