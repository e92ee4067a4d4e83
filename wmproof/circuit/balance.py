"""How many bits activations get: as many as make weights and activations equally fine.

A table of 2^20 entries has room for 19 bits of accumulator, which activations and weights share:
with one bit more for the activations behind a layer, the integer weights of the next have one less.
Rounding weights by up to half a unit adds an error of 1 / (12 w^2) of a layer's signal, rounding
activations 1 / (12 v), where w is the size of the integer weights and v the variance of the
integer activations that they multiply (their mean is taken off the bias). Layers of large fan-in
have small weights and want few bits, depthwise and dense ones of small fan-in want many. One
number serves all layers, so that they share a table; it minimises what reaches the logits. Errors
go through the network as parts of the signal: where a layer adds up several maps, each counts by
its share of the sum's variance, so the errors of a branch that is small beside what it is added to,
or of a mean that is taken off, are small, too. A product has those of its worse operand: what
normalises or gates a tensor was made of it, and has the same errors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from wmproof.circuit import ir
from wmproof.circuit.network import Floats
from wmproof.circuit.plan import Values

LEAST_BITS, MOST_BITS = 8, 12
_MOST_CHOSEN = 11  # with 12 no network gained much, and ConvNeXt lost


class Balance:
    """Rounding errors in a trial with a certain number of bits: those by weights, and by values.

    All are parts of a node's variance, times 12.
    """

    def __init__(self) -> None:
        self._variances: dict[int, float] = {}
        self._errors: dict[int, tuple[float, float]] = {}

    def add_layer(self, index: int, linear: ir.Linear, gain: Floats) -> None:
        """A layer before it is rounded; its weights are to be multiplied by `gain` (O,)."""
        parts = []
        for term in linear.terms:
            # Sums of whole numbers: the last bit of a float sum must not depend on the machine.
            weight = term.weight
            squares = np.einsum("oihw,oihw->o", weight, weight, dtype=np.float64)  # no copy
            square = float(np.median(squares * gain * gain)) / weight[0].size
            variance = self._variances[term.source]
            if variance > 0 and square > 0:
                weights, values = self._errors[term.source]
                taps = weight.shape[1] * math.prod(term.kernel)
                parts.append((taps * square * variance, weights + 1 / square, values))
        whole = math.fsum(part for part, _, _ in parts) or 1.0
        self._errors[index] = (
            math.fsum(part / whole * weights for part, weights, _ in parts),
            math.fsum(part / whole * values for part, _, values in parts),
        )

    def add_moved(self, index: int, sources: Sequence[int]) -> None:
        """A node that moves numbers of others, or whose weights and steps are given."""
        found = [self._errors[source] for source in sources] or [(0.0, 0.0)]
        weights, values = (math.fsum(one) / len(found) for one in zip(*found, strict=True))
        self._errors[index] = weights, values

    def add_product(self, index: int, a: int, b: int) -> None:
        """A product of two nodes' numbers, which mostly stem from the same ones."""
        weights, values = (max(pair) for pair in zip(self._errors[a], self._errors[b], strict=True))
        self._errors[index] = weights, values

    def add_numbers(self, index: int, values: Values, rounded: bool) -> None:
        """A node's numbers on all pictures, (N, ...); `rounded` if to as many bits as others."""
        wide = values.reshape(len(values), -1).astype(np.int64)
        # Whole numbers: their sums are the same in any order.
        away = wide - wide.sum(axis=0) // len(wide)
        variance = float(np.median(np.square(away).sum(axis=1))) / away.shape[1]
        self._variances[index] = variance
        if rounded and variance > 0:
            by_weights, by_values = self._errors[index]
            self._errors[index] = by_weights, by_values + 1 / variance

    def bits(self, logits: int, tried: int, finer: int = 0) -> int:
        """The best number of bits.

        Parameters
        ----------
        logits : int
            Index of the last layer.
        tried : int
            Bits of the trial.
        finer : int
            Bits by which accumulators will be finer than in the trial, and so will be weights.
        """
        weights, values = self._errors[logits]
        if not weights or not values:
            return tried
        # Another bit quadruples the first error and quarters the second.
        more = math.log2(values / weights) / 4 + finer / 2
        return min(_MOST_CHOSEN, max(LEAST_BITS, tried + round(more)))
