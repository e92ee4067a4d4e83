"""Scale and zero of each channel of a layer, from the range that calibration saw.

Everywhere `real` is float64 (O, 2): the smallest and largest real accumulator of each channel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from wmproof.circuit.calibrate.settings import ROUNDING_MARGIN, USUAL_TABLE_BITS, Settings
from wmproof.circuit.network import Clamp, Floats, Leaky
from wmproof.circuit.reach import Seen, finer_bits
from wmproof.circuit.tables import clamp_width, leaky_zero_point

_LEAST_ARGUMENT = -4  # nearer to 0 smooth functions are straight
_MANY_LOST = 3  # bits of a layer's accumulators, from which on each part of one counts


@dataclass(frozen=True, eq=False)
class Share:
    """How the channels of a layer share its range, whatever factors stand between them.

    Parameters
    ----------
    sizes : float64 array (O,)
        How far the numbers before move each channel: it grows with the channel's weights, so floors
        that are a part of it do not change what a rescaled channel looks like.
    groups : int64 array (O,)
        Channels of one number have one scale.
    floor : float
        Least width of a channel, as a part of what its size asks for.
    multiplied : bool
        Whether a product or a normalisation reads the numbers: what they read has one zero, not
        negative.
    summed : bool
        Whether a product adds up many such numbers: there is room only for those that keep the
        headroom.
    inverses : tuple of (channels, others, scales)
        The scales of channels, int64 (n,), times those of others, int64 (n,), are one number.
        `scales` are those of the others' node, or None if it is this one.
    narrowest : float
        Least width of a channel, in real numbers.
    """

    sizes: Floats
    groups: NDArray[np.int64]
    floor: float
    multiplied: bool
    summed: bool
    inverses: tuple[tuple[NDArray[np.int64], NDArray[np.int64], Floats | None], ...] = ()
    narrowest: float = 0.0

    @property
    def tied(self) -> bool:
        """Whether two channels have one scale."""
        return len(np.unique(self.groups)) < len(self.groups)

    @property
    def even(self) -> bool:
        """Whether zeros have to be where they are for any scale: in the middle."""
        return self.multiplied and bool((self.groups != self.groups[0]).any())

    def least(self, values: Floats) -> Floats:
        """The smallest of (O,) in each channel's group."""
        found = np.full(self.groups.max() + 1, np.inf)
        np.minimum.at(found, self.groups, values)
        return np.asarray(found[self.groups])

    def most(self, values: Floats) -> Floats:
        """The largest of (O,) in each channel's group."""
        return -self.least(-values)

    def floored(self, width: Floats, moved: Floats, least: Floats) -> Floats:
        """Widths of the channels; `moved` (O,) is how far calibration saw each of them move."""
        alive = self.sizes > 0
        part = (moved[alive] / self.sizes[alive]).max(initial=0.0)
        width = np.maximum(width, np.maximum(self.floor * part * self.sizes, least))
        width = self.most(np.maximum(width, self.narrowest))
        if not width.any():
            return np.ones_like(width)
        # A channel that is always 0 counts for nothing, whatever its successors' weights are, nor
        # does what it is multiplied by.
        dead = 2.0**-60 if self.multiplied else 2.0**-10
        width = np.where(width > 0, width, width[width > 0].min() * dead)
        for channels, others, scales in self.inverses:
            mates = (width if scales is None else scales)[others]
            width[channels] = (width[channels] * mates).max() / mates
        return width


def clip_scale(
    function: Clamp, real: Floats, share: Share, settings: Settings, wanted: int, largest: int
) -> tuple[Floats, Floats, int, int]:
    """Scale and zero of each channel for a function with two ends, and its table's width.

    Parameters
    ----------
    wanted, largest : int
        Binary logarithm of the accumulators of a number, and the largest number, that are wanted.

    Returns
    -------
    scale, zero : float64 array (O,)
    shift, quarters : int
        As for `clamp_table`; the shift is at most the one that was wanted.
    """
    ends = np.stack([np.minimum(real[:, 0], 0), np.maximum(real[:, 1], 0)])
    low, high = np.clip(ends * settings.headroom, function.low, function.high)
    low, high = share.least(low), share.most(high)
    # Wider steps would forget the clip; a smaller shift only rounds weights earlier.
    width = np.maximum(high - low, settings.channel_floor * ((high - low).max() or 1.0))
    low = np.maximum(function.low, np.minimum(low, function.high - width))
    scale = width / largest
    # The whole accumulator must fit into the table, also the part that is clipped.
    reach = np.abs(real).max(axis=1) * settings.table_headroom / 2 ** (settings.max_table_bits - 1)
    shift, quarters = wanted, 4
    while shift > 1 and (reach * 2.0**shift > scale).any():
        shift -= 1
    if settings.roomy and wanted - shift > _MANY_LOST:
        quarters = next(
            q for q in (7, 6, 5, 4) if q == 4 or (reach * clamp_width(shift, q) <= scale).all()
        )
    return scale, -low / scale, shift, quarters


def clamp_scale(
    function: Clamp, seen: Seen, share: Share, settings: Settings, bits: int
) -> tuple[Floats, Floats, int]:
    """Scale and zero of each channel for a linear function with one end or none.

    Parameters
    ----------
    bits : int
        Numbers are below 2^bits.

    Returns
    -------
    scale, zero : float64 array (O,)
    finer : int
        By how many bits these numbers are finer than those that reach as far as was seen.
    """
    largest = 2**bits - 1
    middle = _far_middle(function, seen.ends, share)
    real = seen.ends - middle[:, None]
    scale, zero = _reaching(function, real, share, settings, bits)
    values = np.clip(seen.some - middle[:, None], function.low, function.high)
    finer = _finer_bits(values, scale, zero, share, settings, bits)
    if finer:
        scale, zero = _reaching(function, real, share, settings, bits, finer)
    if math.isfinite(function.low):
        return scale, zero, finer
    if share.even:
        return scale, np.full_like(scale, (largest + 1) // 2), finer
    # An upper end is where the table's is.
    ended = math.isfinite(function.high)
    return (
        scale,
        np.rint(largest - function.high / scale if ended else zero - middle / scale),
        finer,
    )


def coarser_by(finer: int, settings: Settings) -> int:
    """How many bits the accumulators of finer numbers lose: their tables get longer first."""
    return max(0, finer - settings.longer)


def _with_zero(real: Floats) -> Floats:
    return np.stack([np.minimum(real[:, 0], 0), np.maximum(real[:, 1], 0)], axis=1)


def _finer_bits(
    values: Floats, scale: Floats, zero: Floats, share: Share, settings: Settings, bits: int
) -> int:
    """As `finer_bits`, for numbers of so many bits: accumulators stay at least twice as fine."""
    if share.summed:
        return 0
    largest = 2**bits - 1
    ends = np.stack([-zero, largest - zero], axis=1) * (settings.headroom / largest)
    width = (scale * (largest / settings.headroom))[:, None]
    room = settings.headroom
    finer = finer_bits(values / width, ends, room / largest, room, settings.probes, settings.longer)
    return min(finer, settings.shift + 8 - bits)


def _reaching(
    function: Clamp, real: Floats, share: Share, settings: Settings, bits: int, finer: int = 0
) -> tuple[Floats, Floats]:
    """Scale and zero of numbers that reach 2^-finer of what was seen, and the headroom."""
    part = 2.0**-finer
    low, high = np.clip(_with_zero(real).T * part, function.low, function.high)
    low, high = share.least(low), share.most(high)
    if share.even and math.isinf(function.low):
        low, high = -np.maximum(-low, high), np.maximum(-low, high)
    # Room beyond what is seen, on both sides where there is no end.
    room = (settings.headroom - 1) * (high - low) / (2 if np.isinf(function.low) else 1)
    low, high = np.maximum(low - room, function.low), np.minimum(high + room, function.high)
    table_bits = max(settings.min_table_bits, USUAL_TABLE_BITS) + min(finer, settings.longer)
    room = (
        2.0 ** (min(table_bits, settings.max_table_bits) - 1)
        / settings.table_headroom
        / ROUNDING_MARGIN
    )
    least = (
        np.abs(real).max(axis=1) * 2.0 ** (settings.shift + 9 - coarser_by(finer, settings)) / room
    )
    width = share.floored(high - low, np.ptp(real, axis=1) * part, least)
    scale = width / (2**bits - 1)
    return scale, -low / scale


def leaky_scale(
    function: Leaky, seen: Seen, share: Share, settings: Settings, bits: int
) -> tuple[Floats, Floats, int]:
    """Scale and zero of each channel for a function with a slope on either side of 0.

    Parameters
    ----------
    bits : int
        Numbers are below 2^bits.

    Returns
    -------
    scale, zero : float64 array (O,)
    finer : int
        As for `clamp_scale`.
    """
    largest = 2**bits - 1
    zero = leaky_zero_point(Decimal(function.slope), largest)

    def reaching(finer: int) -> Floats:
        up = np.maximum(seen.ends[:, 1], 0) / (largest - zero)
        down = np.maximum(-seen.ends[:, 0], 0) * abs(function.slope) / max(zero, 1)
        if function.slope < 0:
            down = np.maximum(-seen.ends[:, 0], 0) * -function.slope / largest
        scale = np.maximum(up, down) * settings.headroom * 2.0**-finer
        shift = settings.shift + 9 - bits - coarser_by(finer, settings)
        reach = np.abs(seen.ends).max(axis=1) * settings.table_headroom * 2.0**shift
        return share.floored(scale, scale, reach / 2 ** (settings.max_table_bits - 1))

    values = np.where(seen.some < 0, function.slope * seen.some, seen.some)
    zeros = np.full(len(seen.ends), float(zero))
    finer = _finer_bits(values, reaching(0), zeros, share, settings, bits)
    return reaching(finer), zeros, finer


def smooth_top(kind: str, seen: Seen, share: Share, settings: Settings, bits: int) -> int:
    """The exponent of the largest value of a function without bound: all but roots end as ReLU."""
    some, ends = (np.maximum(x, 0) for x in (seen.some, seen.ends))
    if kind == "root":
        some, ends = np.sqrt(some), np.sqrt(ends)
    high = max(float(ends.max()), 2.0**_LEAST_ARGUMENT)
    scale = np.full(len(ends), high * settings.headroom / (2**bits - 1))
    finer = _finer_bits(some, scale, 0 * scale, share, settings, bits)
    # The power of two that is nearest, as factors go.
    return exponent_above(high * settings.headroom * 2.0**-finer / math.sqrt(2))


def exponent_above(x: float) -> int:
    """The exponent of the smallest power of two from x on."""
    mantissa, exponent = math.frexp(max(x, 2.0**_LEAST_ARGUMENT))
    return exponent - (mantissa == 0.5)


def _far_middle(function: Clamp, real: Floats, share: Share) -> Floats:
    """Of each channel, what its numbers lie around if that is farther from 0 than they are wide.

    A constant that is added here and taken off later, as what normalises does, changes nothing.
    """
    if math.isfinite(function.low) or math.isfinite(function.high) or share.even:
        return np.zeros(len(real))
    low, high = share.least(real[:, 0]), share.most(real[:, 1])
    far = np.maximum(0.0 if share.multiplied else low, -high) > high - low
    return np.asarray(np.where(far, (low + high) / 2, 0.0))
