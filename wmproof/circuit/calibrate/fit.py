"""The table and the scales of a layer, from what calibration saw of it and of those before."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from wmproof.circuit.calibrate.operands import averaged_bits, operand_bits, summed_nodes
from wmproof.circuit.calibrate.scales import (
    Share,
    clamp_scale,
    clip_scale,
    coarser_by,
    exponent_above,
    leaky_scale,
    smooth_top,
)
from wmproof.circuit.calibrate.settings import Settings
from wmproof.circuit.calibrate.sizes import TINY, bits_too_fine, farthest
from wmproof.circuit.calibrate.smooth import smooth_table
from wmproof.circuit.functions import FUNCTIONS
from wmproof.circuit.network import (
    SHARE,
    Clamp,
    FloatActivation,
    FloatLinear,
    FloatProduct,
    FloatRows,
    Floats,
    Leaky,
    Network,
    Pole,
    Ranged,
    Reciprocal,
    Rounded,
    Smooth,
)
from wmproof.circuit.product_scales import (
    fit_pole,
    fit_reciprocal,
    fitting_factor,
    largest_factor,
    pole_density,
)
from wmproof.circuit.quantise import Encoding, channel_encoding, source_channels
from wmproof.circuit.reach import Reaches, Seen
from wmproof.circuit.steps import common_step, fit_steps, fit_whole_sums
from wmproof.circuit.tables import (
    Grid,
    Table,
    clamp_table,
    clamp_width,
    leaky_table,
)
from wmproof.circuit.ties import Inverse, Tie, moved_nodes

# Where no share is larger, finer numbers would add up to more than a table holds.
_LEAST_SHARE = 2.0**-2
_LEAST_ROW = 12.0  # widths in roots of epsilon: narrower rows are divided by little but epsilon
_MOST_OWN_ENTRIES = 2**23  # of the tables of layers whose sums are whole
_MOST_LOGIT = 2.0**28  # whatever the image
_MOST_SCORE = 2.0**28.97  # of a group's sum: the relation compares somewhat larger ones
_LEAST_DIVISOR = 2.0**-12  # beside the largest: below it a reciprocal has its largest value


@dataclass(frozen=True, eq=False)
class Fit:
    """A layer's table, and what its channels' accumulators and numbers stand for.

    Parameters
    ----------
    scale, zero : float64 array (O,)
        See `Encoding`.
    factor : float64 array (O,)
        Accumulator units for each unit of the float map.
    origin : float64 array (O,)
        Accumulator that stands for 0.
    """

    table: Table
    scale: Floats
    zero: Floats
    factor: Floats
    origin: Floats


class Fitter:
    """Chooses tables and scales, given the nodes so far.

    Attributes
    ----------
    encodings, largest : list
        Encoding and largest number of each node so far: whoever walks through the network appends
        to them.
    """

    def __init__(
        self,
        network: Network,
        settings: Settings,
        bits: int,
        reaches: Reaches,
        ties: Mapping[int, Tie],
    ) -> None:
        self.encodings: list[Encoding] = []
        self.largest: list[int] = []
        self._settings, self._reaches, self._most_bits = settings, reaches, bits
        self._own_entries = 0
        self._network, self._ties = network, ties
        self._factors = operand_bits(network)
        self._summed = summed_nodes(network)
        self._averaged = averaged_bits(network, bits) if settings.roomy else {}
        self._narrowest: dict[int, float] = {}
        self._epsilons: dict[int, list[tuple[float, int | None]]] = {}
        for index, node in enumerate(network.nodes):
            if isinstance(node, FloatProduct) and node.function == SHARE:
                self._narrowest[index] = _LEAST_SHARE
            if isinstance(node, FloatRows) and index in ties:
                self._widen(node.source, node.epsilon)
            if isinstance(node, FloatProduct) and isinstance(node.function, Pole):
                self._widen(node.a, node.offset, node.rows)

    def _widen(self, source: int, epsilon: float, rows: int | None = None) -> None:
        """Numbers that a normalisation reads reach farther than its epsilon, which it adds."""
        for index in moved_nodes(self._network, {source}):
            after = rows if rows is not None and index > rows else None
            self._epsilons.setdefault(index, []).append((epsilon, after))

    def _least_width(self, index: int) -> float:
        """Of a node's channels, in real numbers, or in the units of the columns before them."""
        widths = [self._narrowest.get(index, 0.0)]
        for epsilon, rows in self._epsilons.get(index, ()):
            node, unit = None if rows is None else self._network.nodes[rows], 1.0
            if isinstance(node, FloatRows) and rows is not None:
                before, after = (self.encodings[i].scale for i in (node.source, rows))
                unit = float((before.reshape(node.shape) / after).min())
            widths.append(_LEAST_ROW * math.sqrt(epsilon) / unit)
        return max(widths)

    def activation(self, index: int, node: FloatActivation, seen: Seen, sizes: Floats) -> Fit:
        """Fit a layer of which this was seen; `sizes` as `channel_sizes` says."""
        real = seen.ends
        settings, bits, ones = self._settings, self._bits(index), np.ones(len(real))
        shift, largest = settings.shift + 9 - bits, 2**bits - 1
        match node.function:
            case Clamp() as function:
                share, quarters = self._share(index, sizes), 4
                if node.like is not None:
                    scale, zero = channel_encoding(self.encodings[node.like], node.name)
                elif math.isfinite(function.high - function.low):
                    # Beyond the clip there is as much of the table again.
                    largest = largest // 2
                    scale, zero, shift, quarters = clip_scale(
                        function, real, share, settings, shift, largest
                    )
                else:
                    scale, zero, finer = clamp_scale(function, seen, share, settings, bits)
                    shift -= coarser_by(finer, settings)
                    if not share.tied and not share.inverses and math.isinf(function.high):
                        whole = self._whole_weight(node.linear, scale, shift)
                        # What is in the middle of numbers without a lower end stays there.
                        fixed = largest / 2 if math.isinf(function.low) else 0.0
                        zero = fixed + (zero - fixed) * (scale / whole)
                        if math.isinf(function.low):
                            zero = np.rint(zero)
                        scale = whole
                most = clamp_width(shift, quarters) / scale
                shift = max(1, shift - self._too_fine(node.linear, sizes, most))
                table = clamp_table(settings.max_table_bits, shift, largest, quarters)
                width = float(clamp_width(shift, quarters))
                return Fit(table, scale, zero, width / scale, zero * width)
            case Leaky() as function:
                share = self._share(index, sizes)
                scale, zero, finer = leaky_scale(function, seen, share, settings, bits)
                shift -= coarser_by(finer, settings)
                shift = max(1, shift - self._too_fine(node.linear, sizes, 2.0**shift / scale))
                table = leaky_table(
                    settings.max_table_bits, shift, Decimal(function.slope), largest
                )
                return Fit(table, scale, zero, 2.0**shift / scale, 0 * ones)
            case Smooth(kind):
                table, grid = self._smooth_table(kind, index, seen)
                coarser = self._too_fine(node.linear, sizes, float(grid.density) * ones)
                if coarser:
                    table, grid = self._smooth_table(kind, index, seen, coarser)
                scale, zero = float(grid.scale) * ones, float(grid.zero) * ones
                return Fit(table, scale, zero, float(grid.density) * ones, 0 * ones)
            case Pole(kind):
                divisors = seen.at_least(real.max() * _LEAST_DIVISOR)
                density = pole_density(real.max(), self._even_step(node.linear), settings)
                table, scale = fit_pole(kind, divisors, settings, density)
                return Fit(table, scale, 0 * ones, density * ones, 0 * ones)
            case Reciprocal() as function:
                table, scale, density, start = fit_reciprocal(function, seen, settings, node.name)
                return Fit(table, scale, 0 * ones, density * ones, start * ones)
            case (Rounded() | Ranged()) as function:
                return self._fit_steps(node.linear, function, real, sizes)

    def product(
        self, index: int, node: FloatProduct, sums: Seen, unit: Floats, most: int, rows: Floats
    ) -> Fit:
        """Fit a product of numbers.

        Parameters
        ----------
        sums : Seen
            Sums of products, whole numbers.
        unit : float64 array (O,)
            What 1 in such a sum stands for.
        most : int
            Largest |sum| that any image can give.
        rows : float64 array (O,)
            What 1 in the numbers before a normalisation stands for, by which its columns are
            divided; else 1.
        """
        settings, bits = self._settings, self._bits(index)
        raw = sums.ends
        match node.function:
            case Clamp():
                share = self._share(index, unit)
                seen = sums.over(1 / unit, node.offset)
                scale, zero, finer = clamp_scale(node.function, seen, share, settings, bits)
                shift, largest = (
                    settings.shift + 9 - bits - coarser_by(finer, settings),
                    2**bits - 1,
                )
                shift, factor = fitting_factor(unit / scale, raw, most, shift, settings, zero)
                scale = 2.0**shift * unit / factor
                table = clamp_table(settings.max_table_bits, shift, largest)
                bias = np.rint((zero + node.offset / scale) * 2.0**shift)
                return Fit(table, scale, zero, factor, bias)
            case Pole():
                offset = node.offset / rows**2
                factor = largest_factor(raw.max() + (offset / unit).max(), most, settings)
                density = float(factor[0] / unit[0])
                # Where a sum is 0 so is all that its quotient multiplies: it needs no room.
                divisors = sums.at_least(1).over(1 / unit, offset[:, None])
                table, scale = fit_pole(node.function.kind, divisors, settings, density)
                return Fit(table, scale, 0 * offset, factor + 0 * offset, np.rint(offset * density))

    def logits(self, linear: FloatLinear, real: Floats, sizes: Floats) -> float:
        """Accumulator units of 1 for the logits."""
        largest = float(np.abs(real).max()) or 1.0
        worst, rounding = farthest(linear, sizes, self.encodings, self.largest)
        group = self._settings.group
        room = min(_MOST_LOGIT, _MOST_SCORE / group) - rounding
        # Rounding seldom takes all that it could.
        room = max(room, _MOST_LOGIT / (2 * group))
        scale = min(2.0**self._settings.logit_bits / largest, room / max(worst.max(), TINY))
        return self._whole_steps(linear, scale)

    def chosen(self, index: int) -> bool:
        """Whether a node has as many bits as there are, not fewer of its own."""
        return self._bits(index) == self._most_bits

    def _bits(self, index: int) -> int:
        most = self._averaged.get(index, self._most_bits)
        return min(most, self._factors.get(index, most))

    def _share(self, index: int, sizes: Floats) -> Share:
        tie = self._ties.get(index) or Tie.of_none(len(sizes))

        def scales(inverse: Inverse) -> Floats | None:
            earlier = inverse.node != index
            return self.encodings[inverse.node].scale[:, 0, 0] if earlier else None

        return Share(
            sizes,
            tie.groups,
            self._settings.channel_floor * self._settings.headroom,
            index in self._factors or index in self._narrowest or index in self._epsilons,
            index in self._summed,
            tuple((one.channels, one.others, scales(one)) for one in tie.inverses),
            self._least_width(index),
        )

    def _whole_weight(self, linear: FloatLinear, scale: Floats, shift: int) -> Floats:
        """Scales, somewhat coarser, for which the one weight of a channel of means is whole.

        Means of many numbers have small weights, and rounded ones would be another gain.
        """
        term = linear.terms[0]
        if len(linear.terms) > 1 or not term.depthwise or term.weight.shape[2:] != (1, 1):
            return scale
        source, _ = channel_encoding(self.encodings[term.source], "a layer's source")
        exact = np.abs(term.weight[:, 0, 0, 0]) * source * 2.0**shift
        whole = np.floor(exact / scale)
        return np.asarray(np.where(whole >= 1, exact / np.maximum(whole, 1), scale))

    def _even_step(self, linear: FloatLinear) -> float | None:
        """What a step of any number that a map reads adds to it, if it is the same for all."""
        steps = set()
        for term in linear.terms:
            source, _ = channel_encoding(self.encodings[term.source], "a layer's source")
            moved = np.abs(term.weight * source_channels(term, source))
            steps |= {float(moved.min()), float(moved.max())}
        return steps.pop() if len(steps) == 1 else None

    def _too_fine(self, linear: FloatLinear, sizes: Floats, factor: Floats) -> int:
        finer = self._settings.finer
        return bits_too_fine(linear, sizes, factor, self.encodings, self.largest, finer)

    def _fit_steps(
        self, linear: FloatLinear, function: Rounded | Ranged, real: Floats, sizes: Floats
    ) -> Fit:
        """A layer whose steps are given."""
        settings, ones = self._settings, np.ones(len(real))
        whole = self._whole_sums(linear, function, real, sizes)
        if whole is not None and isinstance(function, Rounded):
            zero = -float(function.least)
            return Fit(whole[0], function.step * ones, zero * ones, whole[1] * ones, 0 * ones)
        room = settings.headroom, settings.table_headroom
        table, step, number, shift = fit_steps(function, real, settings.shift, *room)
        coarser = self._too_fine(linear, sizes, 2.0**shift / step * ones)
        if coarser:
            wanted = settings.shift - coarser
            table, step, number, shift = fit_steps(function, real, wanted, *room)
        factor, origin = 2.0**shift / step, number * 2.0**shift
        return Fit(table, step * ones, number * ones, factor * ones, origin * ones)

    def _whole_sums(
        self, linear: FloatLinear, function: Rounded | Ranged, real: Floats, sizes: Floats
    ) -> tuple[Table, float] | None:
        """A layer's own table, where its sums are whole and there is room for one."""
        if isinstance(function, Ranged):
            return None
        step = common_step(linear, self.encodings)
        if step is None:
            return None
        most = float(sizes.max()) * max(self.largest[term.source] for term in linear.terms)
        fitted = fit_whole_sums(function, linear, step, real, most, self._settings.table_headroom)
        if fitted is None or self._own_entries + 2 ** fitted[0].bits > _MOST_OWN_ENTRIES:
            return None
        self._own_entries += 2 ** fitted[0].bits
        return fitted

    def _smooth_table(
        self, kind: str, index: int, seen: Seen, coarser: int = 0
    ) -> tuple[Table, Grid]:
        """A layer's table; `coarser` bits are taken off its accumulators."""
        settings, bits = self._settings, self._bits(index)
        share = self._share(index, np.ones(len(seen.ends)))
        top = smooth_top(kind, seen, share, settings, bits)
        argument = exponent_above(float(np.abs(seen.ends).max()) * settings.table_headroom)
        if index in self._reaches.joined:
            top, argument = self._reaches.hold(kind, top, argument)
        if None not in FUNCTIONS[kind].limits:
            top = 0
        return smooth_table(kind, top, argument, bits, settings, coarser)

    def _whole_steps(self, linear: FloatLinear, factor: float) -> float:
        """The factor with which a step of a number is whole, where logits are one node's numbers.

        Then equal numbers are equal logits, and the lowest index wins.
        """
        term = linear.terms[0]
        scale = channel_encoding(self.encodings[term.source], "logits")[0]
        if len(linear.terms) > 1 or not (term.depthwise and term.pointwise):
            return factor
        steps = np.abs(term.weight[:, 0, 0, 0] * scale)
        whole = math.floor(steps[0] * factor)
        return whole / float(steps[0]) if whole and (steps == steps[0]).all() else factor
