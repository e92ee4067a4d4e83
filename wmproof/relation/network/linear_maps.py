"""The prover's way to run a linear map: exact in integers, some rows of sixteen images at a time.

What works on these rows stays in the second cache: packing the numbers that they depend on, all
products, and looking up what they give. `kernels` has the parts.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof._base.threads import Workspace, for_each, thread_count
from wmproof.argument.algebra.field import U32
from wmproof.argument.kernels.simd import LANES
from wmproof.circuit.ir import Conv, Linear, Shape
from wmproof.circuit.plan import Values
from wmproof.relation.network import kernels

_CACHE = 5 << 18  # bytes of packed numbers, of sums and of what says where to read, at a time
_MOST_KNOWN = 1 << 6  # ranges of rows for which it is kept what is read for them
_SIGN = 1 << 15
_WORD = 1 << 32
Finish = Callable[[U32, slice, int, int], None]


class _Depthwise:
    """A convolution with one input channel for each group."""

    def __init__(self, term: Conv, shape: Shape) -> None:
        self.term, self._shape = term, shape
        numbers = (*term.kernel, *term.strides, *term.pads[:2], *term.dilations)
        self._geometry = np.array(numbers, np.int64)
        self._weight = np.ascontiguousarray(term.full_weight)

    def row_bytes(self) -> int:
        """What a row of the result takes in the cache, beside its sums."""
        return 0

    def add(self, x: Values, first: int, last: int, z: U32, workspace: Workspace) -> None:
        """Add rows first .. last - 1 to z (N, O, places)."""
        wide = z.reshape(*z.shape[:2], *self._shape[1:])
        kernels.add_depthwise(x, self._weight, self._geometry, first, last, wide)


class _Dense:
    """A convolution whose groups have several input channels, or which has one group."""

    def __init__(self, term: Conv, shape: Shape, source: Shape, largest: int) -> None:
        self.term, self._shape, self._source = term, shape, source
        self._channels = term.weight.shape[1]
        self._pairs = -(-self._channels // 2)
        self._words = [*_words_of(term)]
        # As signed numbers of 16 bits, the highest bit is a negative one.
        self._masks = [(_SIGN - 1, 1), (_SIGN, _WORD - 1)][: 1 + (largest >= _SIGN)]
        self._known: dict[tuple[int, int], NDArray[np.int64]] = {}  # by rows of the result

    def row_bytes(self) -> int:
        """What a row of the result takes in the cache, beside its sums."""
        place: int = 4 * LANES * self.term.groups * self._pairs
        reads = 8 * math.prod(self.term.kernel) * self._shape[2]
        return self.term.strides[0] * place * self._source[2] + reads

    def add(self, x: Values, first: int, last: int, z: U32, workspace: Workspace) -> None:
        """Add rows first .. last - 1 to z (N, O, places)."""
        width, (begin, end) = self._shape[2], self._rows_read(first, last)
        if begin >= end:
            return
        reads = self._known.get((first, last))
        if reads is None:
            reads = self._reads(first, last, begin, end)
            if len(self._known) < _MOST_KNOWN:
                self._known[first, last] = reads
        size = (end - begin) * self._source[2]
        whole = size + -size % LANES
        wide = self.term.groups * self._pairs * LANES
        lanes = workspace.array("lanes", (1 + whole, wide), np.uint32)
        own = workspace.array("rows", (LANES, whole), np.uint32)
        sums = workspace.array("sums", kernels.SUMS, np.uint32)
        flat, place = x.reshape(*x.shape[:2], -1), begin * self._source[2]
        for mask, sign in self._masks:
            kernels.pack(flat, place, size, self._channels, np.uint32(mask), lanes, own)
            for weights, factor in self._words:
                times = np.uint32(sign * factor % _WORD)
                where = (first * width, (last - first) * width)
                kernels.multiply(lanes.reshape(-1, LANES), weights, reads, times, sums, z, *where)

    def _rows_read(self, first: int, last: int) -> tuple[int, int]:
        """Rows of the source on which rows first .. last - 1 depend."""
        (kernel, _), (stride, _), (dilation, _) = (
            self.term.kernel,
            self.term.strides,
            self.term.dilations,
        )
        begin = first * stride - self.term.pads[0]
        end = (last - 1) * stride - self.term.pads[0] + (kernel - 1) * dilation + 1
        return max(0, begin), min(self._source[1], end)

    def _reads(self, first: int, last: int, begin: int, end: int) -> NDArray[np.int64]:
        """As `kernels.multiply` takes them, for the source's rows begin .. end - 1."""
        (kh, kw), (sh, sw), (dh, dw) = self.term.kernel, self.term.strides, self.term.dilations
        top, left = self.term.pads[:2]
        rows = np.arange(kh)[:, None] * dh + np.arange(first, last) * sh - top
        columns = np.arange(kw)[:, None] * dw + np.arange(self._shape[2]) * sw - left
        inside = ((rows >= begin) & (rows < end))[:, None, :, None] & (
            (columns >= 0) & (columns < self._source[2])
        )[None, :, None]
        place = 1 + (rows - begin)[:, None, :, None] * self._source[2] + columns[None, :, None]
        flat = np.where(inside, place, 0).reshape(kh * kw, -1) * self.term.groups * self._pairs
        return np.pad(flat, ((0, 0), (0, -flat.shape[1] % LANES)))


def _words_of(term: Conv) -> Iterator[tuple[U32, int]]:
    """Weights, as `kernels.multiply` takes them, and by what to multiply the sums that they give.

    Weights of more than 16 bits are two of 16.
    """
    outputs, channels = len(term.weight) // term.groups, term.weight.shape[1]
    weight = term.full_weight.reshape(term.groups, outputs, channels, -1)
    yield _words(weight.astype(np.int16)), 1
    if weight.min() < -_SIGN or weight.max() >= _SIGN:
        yield _words((weight - weight.astype(np.int16)) >> 16), 1 << 16


def _words(part: NDArray[Any]) -> U32:
    """Weights of 16 bits, (groups, O, I, taps), as `kernels.multiply` takes them."""
    groups, outputs, channels, taps = part.shape
    tiles, pairs = -(-outputs // kernels.OUTPUTS), -(-channels // 2)
    halves = np.zeros((groups, tiles * kernels.OUTPUTS, 2 * pairs, taps), np.int16)
    halves[:, :outputs, :channels] = part
    apart = halves.reshape(groups, tiles, kernels.OUTPUTS, pairs, 2, taps)
    words = np.ascontiguousarray(apart.transpose(0, 1, 5, 3, 2, 4)).view(np.uint32)
    return words.reshape(groups, tiles, -1, kernels.OUTPUTS)


class LinearMap:
    """How to run one `Linear`; made once, used for every chunk.

    Parameters
    ----------
    shapes, largest : sequence
        Of the nodes so far.
    workspace : Workspace
        Which all maps may share.

    Attributes
    ----------
    shape : tuple of int
        (O, H, W) of the result.
    """

    def __init__(
        self, linear: Linear, shapes: Sequence[Shape], largest: Sequence[int], workspace: Workspace
    ) -> None:
        self.shape = linear.terms[0].output_shape(shapes[linear.terms[0].source])
        self._workspace = workspace
        self._bias = linear.bias.reshape(self.shape[0], -1)
        self._terms = [
            _Depthwise(term, self.shape)
            if term.weight.shape[1] == 1 and term.groups > 1
            else _Dense(term, self.shape, shapes[term.source], largest[term.source])
            for term in linear.terms
        ]

    def sums(self, values: Mapping[int, Values], finish: Finish) -> U32:
        """Accumulators mod 2^32, on all cores.

        Parameters
        ----------
        values : mapping of int to unsigned array (N, *shape)
            The numbers of the map's sources.
        finish : callable
            Called with the array that is returned, but some images of it, which these are, and the
            first and the last place + 1 that is there now.

        Returns
        -------
        uint32 (N, O, H * W)
        """
        count = len(values[self._terms[0].term.source])
        outputs, height, width = self.shape
        z = np.empty((count, outputs, height * width), np.uint32)

        def run(unit: tuple[slice, int, int]) -> None:
            images, first, last = unit
            own = z[images]
            kernels.spread(self._bias, first * width, last * width, own)
            for term in self._terms:
                x = values[term.term.source][images]
                term.add(x, first, last, own, self._workspace)
            finish(own, images, first * width, last * width)

        for_each(run, self._units(count))
        return z

    def _units(self, count: int) -> Iterator[tuple[slice, int, int]]:
        """Images and rows, few enough for the cache and enough for all threads."""
        outputs, height, width = self.shape
        row = 4 * LANES * outputs * width + max(term.row_bytes() for term in self._terms)
        groups = -(-count // LANES)
        fair = math.ceil(height * groups / max(groups, thread_count()))
        step = max(1, min(_CACHE // row, fair))
        for images in range(0, count, LANES):
            for first in range(0, height, step):
                yield slice(images, min(count, images + LANES)), first, min(height, first + step)
