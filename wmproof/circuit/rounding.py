"""Where float32 would round away what a merged linear map keeps.

x + 1e11 - 1e11 is x over the reals and not in float32, and a product with 1e-30 and 1e30 may be
zero. A file that computes so means one thing to the compiler and another to a runtime, so the
largest constants and factors on the way to each linear map are remembered (`network.Passed`) and
compared with what calibration sees.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from wmproof.circuit import ir
from wmproof.circuit.network import FloatConv, FloatLinear, Floats, Passed
from wmproof.circuit.quantise import source_channels
from wmproof.errors import InputError

# A constant 2^12 times what it is added to leaves it 12 of float32's 24 bits; 2^5 times leaves it 6
# of float16's 11.
_MOST_PEAK = {24: 2.0**12, 11: 2.0**5}
_RANGE = {24: (1e-30, 1e37), 11: (2.0**-14, 2.0**15)}
_TYPES = {24: "float32", 11: "float16"}
# Up to here, logits that a 256th of them separates have scores four or more float32 steps apart.
LARGEST_SCORE = {"Sigmoid": 12.0, "Tanh": 6.0}
# Scores around 1/2, or 1/classes, of smaller logits differ by less than what float32 rounds.
_SMALLEST_RANGE = {"Sigmoid": 2.0**-10, "Softmax": 2.0**-10, "LogSoftmax": 2.0**-10}


def passed(linear: FloatLinear) -> Passed:
    """What is passed on the way to a map; nothing unless it says so."""
    ones, zeros = np.ones(linear.shape[0]), np.zeros(linear.shape[0])
    return linear.passed or Passed(zeros, ones, ones, zeros, zeros)


def after_scaling(before: Passed, gain: Floats) -> Passed:
    """As before a product with `gain` (O,)."""
    size = np.abs(gain)
    shrunk = np.where(size > 0, 1 / np.where(size > 0, size, 1.0), 1.0)
    low, high = np.minimum(1, before.low * shrunk), np.maximum(1, before.high * shrunk)
    return Passed(before.peak * size, low, high, before.share, before.shift * size)


def after_shift(before: Passed, constant: Floats) -> Passed:
    """As before a sum with `constant` (O, 1, 1) or (O, H, W)."""
    size = np.abs(constant).max(axis=(1, 2))
    return replace(before, peak=np.maximum(before.peak, size))


def after_sum(a: Passed, b: Passed) -> Passed:
    """As before a sum of two maps."""
    low, high = np.minimum(a.low, b.low), np.maximum(a.high, b.high)
    return Passed(a.peak + b.peak, low, high, np.maximum(a.share, b.share), a.shift + b.shift)


def before_function(before: Passed, peak: float, low: float, high: float) -> Passed:
    """As before a function that is computed from the map in steps (`elementwise.way`).

    Parameters
    ----------
    peak, low, high : float
        As in `Passed`.
    """
    return replace(
        before,
        peak=np.maximum(before.peak, peak),
        low=np.minimum(before.low, low),
        high=np.maximum(before.high, high),
    )


def after_layer(layer: FloatConv, bias: Floats, inner: Passed) -> Passed:
    """As before a convolution of a map, `bias` (O,) added.

    Parameters
    ----------
    bias : float64 array (O,)
        Added behind the convolution.
    """
    weight = layer.weight
    spread = layer.kernel[0] * layer.kernel[1] / (weight.shape[2] * weight.shape[3])

    def summed(sizes: Floats) -> Floats:
        if not sizes.any():
            return np.zeros(len(weight))
        moved = np.abs(weight * source_channels(layer, sizes))
        return np.asarray(moved.sum(axis=(1, 2, 3)) * spread)

    peak = summed(inner.peak)
    # The largest size without a copy of a large matrix.
    gain = np.maximum(weight.max(axis=(1, 2, 3)), -weight.min(axis=(1, 2, 3)))
    rows = np.ones(len(weight))
    low, high, share = inner.low.min(), inner.high.max(), inner.share.max()
    wide = Passed(peak, rows * low, rows * high, rows * share, peak)
    scaled = after_scaling(wide, gain)
    return replace(scaled, peak=np.maximum(peak, np.abs(bias)), shift=summed(inner.shift))


def with_doubt(linear: FloatLinear, ends: Sequence[FloatLinear]) -> FloatLinear:
    """The map, which for a runtime may be anything between these."""
    before = passed(linear)
    share, shift = before.share, before.shift
    for end in ends:
        shift = shift + np.abs(end.bias - linear.bias).max(axis=(1, 2))
        for mine, its in zip(linear.terms, end.terms, strict=True):
            largest = np.abs(mine.weight).max(axis=(1, 2, 3))
            gap = np.abs(its.weight - mine.weight).max(axis=(1, 2, 3))
            share = share + np.where(gap > 0, gap / np.where(largest > 0, largest, gap), 0.0)
            moved = source_channels(mine, np.abs(its.offset - mine.offset))
            spread = math.prod(mine.kernel) / math.prod(mine.weight.shape[2:])
            shift = shift + np.abs(mine.weight * moved).sum(axis=(1, 2, 3)) * spread
    return replace(linear, passed=replace(before, share=share, shift=shift))


_MOST_DOUBT = 2.0**-11  # of what numbers reach over: half a step of the finest


def check_doubt(
    linear: FloatLinear, largest: Mapping[int, Floats], spread: Floats, name: str
) -> None:
    """Raise `InputError` where a runtime's rounded constants may give other numbers.

    Parameters
    ----------
    largest : dict of int to float64 array (I,)
        Of each node that is read, the largest size of each channel's real numbers.
    spread : float64 array (O,)
        What the values of each channel reach over.
    """
    way = passed(linear)
    if not way.share.any() and not way.shift.any():
        return
    total = np.zeros(linear.shape[0])
    for term in linear.terms:
        sizes = source_channels(term, largest[term.source] + np.abs(term.offset))
        most = np.abs(term.weight).max(axis=(1, 2, 3)) * math.prod(term.kernel)
        total += most * sizes.sum(axis=(1, 2, 3))
    if (way.share * total + way.shift > _MOST_DOUBT * spread).any():
        raise InputError(
            "is made with constants that are mostly rounding where they are compared, so every "
            "runtime has others",
            where=f"layer {name}",
            remedy="Export the model with its constants folded",
        )


_MOST_DAMPED = 200.0  # (1 + s)^(-3/4) is a part of 512 steps, and 10 of them here


def check_rounding(
    linear: FloatLinear, real: Floats, width: Floats, name: str, digits: int = 24
) -> None:
    """Raise `InputError` where floats of so many bits lose what the map keeps.

    Parameters
    ----------
    real : float64 array (O, 2)
        Smallest and largest value of each channel that calibration sees.
    width : float64 array (O,)
        What the bytes of each channel reach over.
    """
    found, seen = passed(linear), np.abs(real).max(axis=1)
    (smallest, largest), kind = _RANGE[digits], _TYPES[digits]
    sizes = np.maximum(seen, width)
    if (found.peak > _MOST_PEAK[digits] * sizes).any():
        worst = int(np.argmax(found.peak / np.maximum(sizes, np.finfo(np.float64).tiny)))
        raise _lost(
            f"adds a constant that is {found.peak[worst]:.3g} beside {sizes[worst]:.3g}", name, kind
        )
    vanishing = (seen > 0) & (found.low < 1e-6) & (seen * found.low < smallest)
    if (seen * found.high > largest).any() or vanishing.any():
        raise _lost("passes numbers that overflow or vanish", name, kind)
    check_reach(seen, name, digits)


def check_reach(seen: Floats, name: str, digits: int = 24, unit: float = 1.0) -> None:
    """Raise `InputError` where what calibration sees is no number of so many bits.

    Parameters
    ----------
    seen : float64 array
        Real numbers.
    unit : float
        The smallest of the units that they are counted in.
    """
    smallest, largest = _RANGE[digits]
    most = float(np.abs(seen).max())
    if most and not smallest < most < min(largest, 1 / smallest):
        raise _lost(f"reaches {most:.3g}", name, _TYPES[digits])
    if unit < smallest * smallest:
        raise _lost(f"counts in units of {unit:.3g}", name, _TYPES[digits])


def check_lengths(raw: NDArray[np.int64], step: Floats, least: float, name: str) -> None:
    """Raise `InputError` where a file divides by its least length what numbers can tell from 0.

    Parameters
    ----------
    raw : int64 array (O,)
        The largest sum of squared numbers that calibration sees.
    step : float64 array (O,)
        What a length of 1 such number stands for.
    """
    if not (seen := raw > 0).any():
        return
    if least > step[seen].min():
        longest = float((np.sqrt(raw[seen]) * step[seen]).min())
        raise InputError(
            f"divides by a length that it takes for at least {least:.3g}, and one here reaches "
            f"{longest:.3g}: too little for a quotient of unit length",
            where=f"layer {name}",
            remedy="Scale the layer before it up, or export the model with a smaller epsilon",
        )


def check_damping(real: Floats, name: str) -> None:
    """Raise `InputError` where a local response leaves less of a number than a few steps show.

    Parameters
    ----------
    real : float64 array (O, 2)
        Smallest and largest sum of squares of each channel that calibration sees.
    """
    if (most := float(real.max())) > _MOST_DAMPED:
        raise InputError(
            f"damps a local response (LRN) by (1 + s)^(-3/4) with s up to {most:.3g}: beyond "
            f"{_MOST_DAMPED:g}, what is left is a few steps of a number",
            where=f"layer {name}",
            remedy="Use a smaller alpha, or a larger bias",
        )


def check_scores(
    squashed: str, logits: ir.Linear, largest: Sequence[int], unit: Floats, real: Floats
) -> None:
    """Raise `InputError` if scores may tie in float32 where the logits differ.

    That is, if any image could have logits whose last Sigmoid or Tanh saturates, or if logits are
    so small that they vanish beside what a last Softmax adds.

    Parameters
    ----------
    squashed : str
        The last operator: "Softmax", "LogSoftmax", "Sigmoid" or "Tanh".
    logits : ir.Linear
        The circuit's last map.
    largest : sequence of int
        Of each node's numbers.
    unit : float64 array (O,)
        Real value of one step of each logit.
    real : float64 array (O, 2)
        Smallest and largest value of each logit that calibration sees.
    """
    seen = float(real.max() - real.min())
    if seen < _SMALLEST_RANGE.get(squashed, 0.0):
        raise equal_scores(squashed, f", and they reach over {seen:.3g} only")
    if squashed not in LARGEST_SCORE:
        return
    low = logits.bias.min(axis=(1, 2)).astype(np.float64)
    high = logits.bias.max(axis=(1, 2)).astype(np.float64)
    for term in logits.terms:
        weight = term.full_weight.astype(np.float64) * largest[term.source]
        low += np.minimum(weight, 0).sum(axis=(1, 2, 3))
        high += np.maximum(weight, 0).sum(axis=(1, 2, 3))
    reach = float((np.maximum(-low, high) * unit).max())
    if reach > LARGEST_SCORE[squashed]:
        raise equal_scores(squashed, f", and they may reach {reach:.3g}")


def equal_scores(operator: str, why: str = "") -> InputError:
    """The error for scores that float32 cannot tell apart."""
    return InputError(
        f"ends in {operator}, whose values are equal in float32 where its inputs still differ{why}",
        remedy="Export the model without it: its inputs give the same answer",
    )


def _lost(what: str, name: str, kind: str) -> InputError:
    return InputError(
        f"{what} in {kind}, so a runtime computes something else than the formula says",
        where=f"layer {name}",
        remedy="Export the model with constants of sensible size",
    )
