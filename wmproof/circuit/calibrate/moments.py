"""How the numbers go up and down together that the taps of a small kernel see.

Weights that are rounded one by one err in all directions alike, and most of the error is where the
numbers move most: all taps up or down at once. `quantise` rounds them so that it is not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from wmproof.circuit import ir
from wmproof.circuit.network import FloatConv, FloatLinear, Floats
from wmproof.circuit.plan import Values
from wmproof.circuit.quantise import Encoding, channel_encoding, image_counts

_MOST_TAPS = 256  # of an output: with more this would take longer than everything else
_MOST_SEEN = 2**14  # numbers of an image that are looked at for a map
_UNSEEN = 2.0**-6  # of each tap's power: images may move it alone


def tap_moments(
    linear: FloatLinear, values: Mapping[int, Values], encodings: Sequence[Encoding]
) -> list[Floats | None]:
    """Second moments, about their mean, of the numbers that a group's taps see.

    Parameters
    ----------
    values : mapping of int to array
        Numbers of its sources on all images.
    encodings : sequence of Encoding
        Of the nodes so far.

    Returns
    -------
    list of (float64 array (groups, K, K) or None)
        For each term, K being the weights of an output; None where there is one or too many, or
        one weight stands for several places. The same on every machine.
    """
    return [
        _moments(term, values[term.source], encodings[term.source], linear.shape)
        for term in linear.terms
    ]


def _moments(term: FloatConv, values: Values, encoding: Encoding, shape: ir.Shape) -> Floats | None:
    taps = term.weight[0].size
    if not 1 < taps <= _MOST_TAPS or term.weight.shape[2:] != term.kernel:
        return None
    scale, zero = channel_encoding(encoding, "a layer's source")
    seen = _seen(term, values, np.rint(term.offset / scale - zero), shape)
    counts = np.repeat(image_counts(values.reshape(len(values), -1)), seen.shape[2])
    seen = seen.reshape(term.groups, taps, -1)
    total = float(counts.sum())
    # Whole numbers below 2^53: their sums are the same in any order.
    if float(max(seen.max(), -seen.min())) ** 2 * total >= 2.0**53:
        return None
    weighted = seen * counts
    first = weighted.sum(axis=2)
    about = weighted @ seen.transpose(0, 2, 1)
    about -= first[:, :, None] * first[:, None, :] / total
    every = np.arange(taps)
    about[:, every, every] *= 1 + _UNSEEN
    return about


def _seen(term: FloatConv, values: Values, offset: Floats, shape: ir.Shape) -> Floats:
    """What each tap sees at some places of all images: whole numbers (I * kh * kw, N, P)."""
    count, channels = values.shape[:2]
    places, taps = math.prod(shape[1:]), math.prod(term.kernel)
    every = -(-places * channels * taps // _MOST_SEEN) | 1  # odd: checks have two colours
    down, right = divmod(np.arange(places)[min(every, places) // 2 :: every], shape[2])
    seen = np.empty((channels, *term.kernel, count, len(down)))
    for i, j in np.ndindex(*term.kernel):
        row = down * term.strides[0] + i * term.dilations[0] - term.pads[0]
        column = right * term.strides[1] + j * term.dilations[1] - term.pads[1]
        inside = (row >= 0) & (row < values.shape[2]) & (column >= 0) & (column < values.shape[3])
        found = values[:, :, np.where(inside, row, 0), np.where(inside, column, 0)]
        seen[:, i, j] = ((found + offset[:, None]) * inside).transpose(1, 0, 2)
    return seen.reshape(-1, count, len(down))
