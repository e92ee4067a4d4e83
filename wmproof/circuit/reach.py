"""How far a layer's numbers reach: as far as is best for most images, not for the wildest.

Few images may move a layer far beyond what all others do: in deep networks, checks of black and
white do by a factor of fifty. Numbers that reach as far as those show next to nothing of the
others. So a layer's numbers reach a part, a power of two, of what was seen: that for which the
layer's relative error, its mean over all images, is least. What rounding adds grows with the reach,
and what lies beyond it is cut off. Probes stand for images that are not given, and count for less
than those that are.
"""

from __future__ import annotations

import math
from collections.abc import Set
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof.circuit.network import Floats

_SAMPLED = 2**12  # accumulators of an image and a layer that are looked at
_UNIT = 2.0**16  # parts in which sizes are counted: sums of whole numbers have one order
_MOST_FINER = 6
_UNSEEN = 0.25  # weight of images beyond what was seen
_PROBE = 2.0**-3  # weight of a probe beside an image that was given
_GAIN = 2.0**-7  # of an image's error, for which tables are made longer


@dataclass(frozen=True, eq=False)
class Seen:
    """What calibration saw of a layer, in one unit.

    Parameters
    ----------
    ends : array (O, 2)
        Smallest and largest accumulator of each channel.
    some : array (N, O, n)
        Accumulators of each image at some places.
    """

    ends: NDArray[Any]
    some: NDArray[Any]

    def over(self, factor: Floats, offset: float | Floats = 0.0) -> Seen:
        """In a unit of which these are `factor` (O,), and then moved."""
        wide = factor[:, None]
        return Seen(self.ends / wide + offset, self.some / wide + offset)

    def at_least(self, least: float) -> Seen:
        """Whatever is smaller raised to that."""
        return Seen(np.maximum(self.ends, least), np.maximum(self.some, least))


class Watch:
    """Looks at a layer's accumulators as they are computed, some images at a time.

    Parameters
    ----------
    count, outputs, places : int
        Images, channels and places of each channel.
    dtype
        Of the accumulators.
    """

    def __init__(self, count: int, outputs: int, places: int, dtype: Any = np.int32) -> None:
        every = -(-places * outputs // _SAMPLED) | 1  # odd: checks have two colours
        self._chosen = slice(0, places, min(every, places))
        self._some = np.empty((count, outputs, len(range(places)[self._chosen])), dtype)
        self._ends: list[NDArray[Any]] = []

    def see(self, rows: slice, z: NDArray[Any]) -> None:
        """Accumulators (O, n, P) of some images."""
        self._ends.append(np.stack([z.min(axis=(1, 2)), z.max(axis=(1, 2))], axis=1))
        self._some[rows] = z[:, :, self._chosen].transpose(1, 0, 2)

    @property
    def seen(self) -> Seen:
        """What was seen of all images."""
        ends = np.stack(self._ends)
        whole = np.stack([ends[:, :, 0].min(axis=0), ends[:, :, 1].max(axis=0)], axis=1)
        return Seen(whole, self._some)


def finer_bits(
    values: Floats, ends: Floats, step: float, headroom: float, probes: int = 0, longer: int = 2
) -> int:
    """How many bits finer numbers should be than those that reach as far as was seen.

    The error of images as they are, for which there is the headroom, counts four times as much as
    that of images that use it up, as pictures may that calibration has not seen.

    Parameters
    ----------
    values : float64 array (N, O, n)
        Of each image and channel, as parts of how far the channel's numbers reach.
    ends : float64 array (O, 2)
        What the smallest and the largest number of each channel stand for.
    step : float
        Between two numbers.
    headroom : float
        How many times farther images may move a layer than calibration has seen.
    probes : int
        How many of the images, the first ones, are probes.
    longer : int
        Bits by which tables can grow.
    """
    # Whole numbers, whose squares add up to less than 2^53: their sums are the same in any order.
    whole = np.rint(values.reshape(len(values), -1) * _UNIT)
    low, high = np.repeat(ends.T * _UNIT, values.shape[2], axis=1)
    power = np.square(whole).sum(axis=1)
    counts = np.where(np.arange(len(power)) < probes, _PROBE, 1.0)[power > 0]
    whole, power = whole[power > 0], power[power > 0]
    rounding = np.count_nonzero(whole, axis=1) * (step * _UNIT * (step * _UNIT)) / 12

    def error(bits: int) -> float:
        total = 0.0
        part = 2.0**-bits
        rounded = rounding * (part * part)
        for beyond, weight in ((1.0, 1.0), (headroom, _UNSEEN)):
            reach = part / beyond
            cut = whole - np.clip(whole, np.rint(low * reach), np.rint(high * reach))
            relative = np.sqrt((rounded + np.square(cut).sum(axis=1)) / power)
            # Of an image no more than all can be lost.
            total += weight * math.fsum((counts * relative / (1 + relative)).tolist())
        return total

    bits, least = 0, error(0)
    while bits < _MOST_FINER:
        finer = error(bits + 1)
        price = _GAIN * float(counts.sum()) if bits < longer else 0.0
        if finer >= least - price:
            break
        bits, least = bits + 1, finer
    return bits


class Reaches:
    """What smooth functions share whose layers' numbers meet: the farthest reach of them.

    Attributes
    ----------
    joined : set of int
        The layers whose numbers meet those of others.
    known : dict of str to (int, int)
        For each function the exponents of its largest value and of its largest argument.
    """

    def __init__(self, joined: Set[int]) -> None:
        self.joined = joined
        self.known: dict[str, tuple[int, int]] = {}

    def hold(self, kind: str, top: int, argument: int) -> tuple[int, int]:
        """The largest of all, those of one more layer among them."""
        before = self.known.get(kind, (top, argument))
        self.known[kind] = max(before[0], top), max(before[1], argument)
        return self.known[kind]
