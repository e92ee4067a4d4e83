"""Random circuits whose axes have any small size: every kind of node, tensors of any rank."""

import math
from itertools import pairwise

import numpy as np

from wmproof.circuit.ir import (
    Activation,
    Circuit,
    Concat,
    Conv,
    Input,
    Linear,
    Maximum,
    Pad,
    Reshape,
    Slice,
    Transpose,
)
from wmproof.circuit.product import Product
from wmproof.circuit.tables import Table
from wmproof.errors import InputError

_TABLE_BITS = 13
_MOST_ENTRIES = 600
_CLASSES = 3


class OddCircuits:
    """Draws a circuit; what does not fit is drawn again.

    Parameters
    ----------
    seed : int
    """

    def __init__(self, seed):
        self._random = np.random.default_rng(seed)
        self._tables = tuple(self._table(most, zero) for most, zero in ((15, 4), (15, 0), (300, 7)))
        self._nodes = [Input("x", (self._below(3) + 1, *(self._below(9) + 1 for _ in "hw")))]

    def draw(self, count=7):
        """A circuit of so many nodes, and those that they need."""
        kinds = (
            self._conv,
            self._conv,
            self._conv,
            self._pool,
            self._pool,
            self._move,
            self._multiply,
        )
        last = self._conv(0) or 0
        for _ in range(count):
            last = kinds[self._below(len(kinds))](last) or last
        size = math.prod(self._circuit().shapes[last])
        flat = self._add(Reshape("flat", last, (size, 1, 1)))
        weight = self._weight((_CLASSES, size, 1, 1), (1, 1), flat)
        return self._circuit(Conv(flat, weight, (1, 1)))

    def _below(self, stop):
        return int(self._random.integers(stop))

    def _circuit(self, term=None):
        """So far; checked as circuits check themselves."""
        channels, *size = self._nodes[0].shape
        if term is None:
            term = Conv(0, np.zeros((_CLASSES, channels, 1, 1), np.int32), tuple(size))
        bias = np.zeros((_CLASSES, 1, 1), np.int32)
        return Circuit(tuple(self._nodes), self._tables, Linear(bias, (term,)))

    def _add(self, node):
        """The node's index, or None if it does not fit."""
        self._nodes.append(node)
        try:
            if math.prod(self._circuit().shapes[-1]) <= _MOST_ENTRIES:
                return len(self._nodes) - 1
        except InputError:
            pass
        self._nodes.pop()
        return None

    def _table(self, most, zero):
        """With any value at 0, and many steps."""
        low = -(1 << (_TABLE_BITS - 1))
        drawn = self._random.integers(low + 1, -low, 40)
        values = {int(z): self._below(most + 1) for z in (low, *drawn)} | {0: zero, 1: zero + 1}
        steps = sorted(values.items())
        changing = [b for a, b in pairwise([(low, -1), *steps]) if a[1] != b[1]]
        return Table("odd", _TABLE_BITS, tuple(changing))

    def _weight(self, shape, kernel, source):
        """Small, and so few that every accumulator is in the tables."""
        room = (1 << (_TABLE_BITS - 2)) // self._circuit().largest[source] - 1
        room //= 2 * math.prod(kernel) // math.prod(shape[2:])
        weight = self._random.integers(-2, 3, (shape[0], math.prod(shape[1:]))).astype(np.int32)
        for row in weight:
            order = self._random.permutation(len(row))
            row[order[np.cumsum(np.abs(row[order])) > room]] = 0
        return weight.reshape(shape)

    def _conv(self, source):
        """Strides, dilations, groups, wide padding, and now and then a second term."""
        draw, circuit = self._random.integers, self._circuit()
        shape = circuit.shapes[source]
        if len(shape) != 3:
            size = math.prod(shape)
            first = math.gcd(size, 60)
            source = self._add(Reshape("r", source, (first, 1, size // first)))
            shape = self._circuit().shapes[source]
        kernel, strides, dilations = (tuple(draw(1, stop, 2).tolist()) for stop in (5, 4, 3))
        pads = tuple(draw(0, 6, 4).tolist()) if self._below(2) else (0, 0, 0, 0)
        groups = shape[0] if self._below(3) == 0 else 1
        outputs = groups * (self._below(3) + 1)
        spatial = (1, 1) if self._below(5) == 0 else kernel
        weight = self._weight((outputs, shape[0] // groups, *spatial), kernel, source)
        terms = [Conv(source, weight, kernel, strides, pads, dilations, groups)]
        try:
            out = terms[0].output_shape(shape)
        except InputError:
            return None
        like = [i for i, own in enumerate(circuit.shapes) if own[1:] == out[1:] and len(own) == 3]
        if like and self._below(3):
            other = like[self._below(len(like))]
            pointwise = (outputs, circuit.shapes[other][0], 1, 1)
            terms.append(Conv(other, self._weight(pointwise, (1, 1), other), (1, 1)))
        bias = draw(-40, 40, out if self._below(2) else (outputs, 1, 1)).astype(np.int32)
        return self._add(Activation("a", self._below(3), Linear(bias, tuple(terms))))

    def _pool(self, source):
        """The larger of neighbours along an axis."""
        shape = self._circuit().shapes[source]
        axis, step = self._below(len(shape)), 1 + self._below(2)
        count = len(range(0, shape[axis] - 1, step))
        if not count:
            return None
        sides = []
        for start in range(2):
            starts, stops, steps = [0] * len(shape), [*shape], [1] * len(shape)
            starts[axis], stops[axis] = start, start + (count - 1) * step + 1
            steps[axis] = step
            sides.append(self._add(Slice("s", source, *map(tuple, (starts, stops, steps)))))
        return self._add(Maximum("m", *sides))

    def _move(self, source):
        """Wiring of any kind."""
        shape = self._circuit().shapes[source]
        kind, rank = self._below(4), len(shape)
        if kind == 0:
            return self._add(Transpose("t", source, tuple(self._random.permutation(rank).tolist())))
        if kind == 1:
            sizes, left = [], math.prod(shape)
            for _ in range(self._below(5)):
                divisors = [d for d in range(1, left + 1) if left % d == 0]
                sizes.append(divisors[self._below(len(divisors))])
                left //= sizes[-1]
            return self._add(Reshape("r", source, (*sizes, left)))
        if kind == 2:
            axis = self._below(rank)
            shapes = self._circuit().shapes
            like = [
                i for i, own in enumerate(shapes) if _without(own, axis) == _without(shape, axis)
            ]
            return self._add(Concat("c", (source, like[self._below(len(like))]), axis))
        before, after = (tuple(self._random.integers(0, 2, rank).tolist()) for _ in range(2))
        return self._add(Pad("p", source, before, after, self._below(12)))

    def _multiply(self, source):
        """Each number with itself, or rows with rows."""
        shape = self._circuit().shapes[source]
        rank, rows = len(shape), self._below(2)
        if (rows and rank < 2) or rank > 5:
            return None
        labels = tuple(range(rank))
        a, b, out = labels, labels, shape
        if rows:
            a, b = (*labels[:-1], rank), (*labels[:-2], rank - 1, rank)
            out = (*shape[:-1], shape[-2])
        factor, bias = (self._random.integers(-1, 2, out[0]).astype(np.int32) for _ in range(2))
        zeros = self._below(3), self._below(3)
        made = Product("q", self._below(2), source, source, a, b, out, *zeros, factor, bias)
        reach = (self._circuit().largest[source],) * 2
        if made.bound(made.sizes(shape, shape), reach) >= 1 << (_TABLE_BITS - 1):
            return None
        return self._add(made)


def _without(shape, axis):
    return shape[:axis], shape[axis + 1 :]
