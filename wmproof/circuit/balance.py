"""How many bits activations get: as many as make weights and activations equally fine.

A table of 2^20 entries has room for 19 bits of accumulator, which activations and weights share:
with one bit more for the activations behind a layer, the integer weights of the next have one less.
Rounding weights by up to half a unit adds an error of 1 / (12 w^2) of a layer's signal, rounding
activations 1 / (12 v), where w is the size of the integer weights and v the variance of the
integer activations that they multiply (their mean is taken off the bias). Layers of large fan-in
have small weights and want few bits, depthwise and dense ones of small fan-in want many. One
number serves all layers, so that they share a table; it minimises the sum over layers. Where a
layer adds up several maps, each counts by its share of the sum's variance: the errors of a branch
that is small beside what it is added to are small, too.
"""

from __future__ import annotations

import math

import numpy as np

from wmproof.circuit import ir
from wmproof.circuit.network import Floats
from wmproof.circuit.plan import Values

LEAST_BITS, MOST_BITS = 8, 12


class Balance:
    """Rounding errors of the layers of a trial with a certain number of bits."""

    def __init__(self) -> None:
        self._variances: dict[int, float] = {}
        self._by_weights = self._by_values = 0.0

    def add_node(self, index: int, values: Values) -> None:
        """A node that holds activations, on all pictures (N, ...)."""
        wide = values.reshape(len(values), -1).astype(np.int64)
        # Whole numbers: their sums are the same in any order.
        away = wide - wide.sum(axis=0) // len(wide)
        self._variances[index] = float(np.median(np.square(away).sum(axis=1))) / away.shape[1]

    def add_layer(self, linear: ir.Linear, gain: Floats) -> None:
        """A layer that may read such nodes; its weights are to be multiplied by `gain` (O,)."""
        parts = []
        for term in linear.terms:
            variance = self._variances.get(term.source, 0.0)
            # Added up in one order: the last bit of a float sum must not depend on the machine.
            total = math.fsum((term.sizes * gain).tolist())
            taps = term.weight.shape[1] * math.prod(term.kernel)
            size = total / (len(gain) * taps)
            if variance > 0 and size > 0:
                parts.append((taps * size * size * variance, size, variance))
        whole = math.fsum(part for part, _, _ in parts)
        for part, size, variance in parts:
            self._by_weights += part / whole / (size * size)
            self._by_values += part / whole / variance

    def bits(self, tried: int, finer: int = 0) -> int:
        """The best number of bits.

        Parameters
        ----------
        tried : int
            That of the trial.
        finer : int
            Bits by which accumulators will be finer than in the trial, and so will be weights.
        """
        if not self._by_weights or not self._by_values:
            return tried
        # Another bit quadruples the first error and quarters the second.
        more = math.log2(self._by_values / self._by_weights) / 4 + finer / 2
        return min(MOST_BITS, max(LEAST_BITS, tried + round(more)))
