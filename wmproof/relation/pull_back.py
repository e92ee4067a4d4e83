r"""Public weights on a linear map's output, pulled back to the bytes that are committed.

A claim z(r_batch, r_o, r_h, r_w) = v about the accumulators of a layer is, in each image, the
linear form sum_out eq((r_o, r_h, r_w), out) z[out]. Transposing the layer's convolutions gives
weights on the nodes that it reads, for one image whatever the batch; transposing the wiring and
the maxima between gives weights on committed nodes alone, and a constant.

    K[c, y, x] = sum_(kh, kw) (sum_o eq(r_o, o) W[o, c, kh, kw]) A_kh[y] B_kw[x]

where A and B place the tensor factors eq(r_h, .) and eq(r_w, .), band by band where the height is
cut into blocks (`tensor_layout`): the cost is one pass over the weights plus the size of one image
times the kernel's, never the number of multiply-accumulates.
Prover and verifier both run this code. Arrays over K are uint32 (4, *shape), Montgomery form.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wmproof.argument.algebra.element import ZERO, Element
from wmproof.argument.algebra.extension import inner_product, total_of
from wmproof.argument.algebra.field import U32, P, reduced, to_montgomery
from wmproof.argument.algebra.matrices import extension_product, product
from wmproof.circuit.ir import (
    Activation,
    Circuit,
    Committing,
    Concat,
    Conv,
    Input,
    Linear,
    Maximum,
    Node,
    Pad,
    Reshape,
    Shape,
    Slice,
    Transpose,
    node_sources,
)
from wmproof.circuit.product import Product
from wmproof.relation.tensor_layout import Band, outer

NodeWeights = dict[int, U32]


def linear_weights(
    circuit: Circuit, linear: Linear, bands: Sequence[Band]
) -> tuple[NodeWeights, Element]:
    """Weights on committed nodes, and the constant, of the sum of z weighed by some bands.

    `bands` are those of z, (O, H', W'); all have the same weights of channels.
    """
    on_values: NodeWeights = {}
    for term in linear.terms:
        _accumulate(
            on_values, term.source, _transposed_conv(term, circuit.shapes[term.source], bands)
        )
    weights, constant = to_committed(circuit, on_values)
    for band in bands:
        constant = constant + _bias(linear, band)
    return weights, constant


def maximum_weights(circuit: Circuit, node: Node, weights: U32) -> tuple[NodeWeights, Element]:
    """As `linear_weights`, for the difference a - b of a maximum's sources.

    `weights` are those of the difference, uint32 (4, *shape), in K.

    Returns
    -------
    weights : NodeWeights
        Of the committing nodes.
    constant : Element
    """
    on_values: NodeWeights = {}
    first, second = node_sources(node)
    _accumulate(on_values, first, weights)
    _accumulate(on_values, second, _negated(weights))
    return to_committed(circuit, on_values)


def to_committed(circuit: Circuit, on_values: NodeWeights) -> tuple[NodeWeights, Element]:
    """Pull weights on nodes' values back to the bytes of committing nodes.

    Returns
    -------
    weights : dict of int to uint32 (4, *shape)
        For a `Maximum` node they weigh its committed bytes max(a - b, 0).
    constant : Element
        What constant padding adds.
    """
    pending, committed, constant = dict(on_values), {}, ZERO
    for index in sorted(range(len(circuit.nodes)), reverse=True):
        if index not in pending:
            continue
        weights, node = pending.pop(index), circuit.nodes[index]
        match node:
            case Input() | Activation() | Product():
                committed[index] = weights
            case Maximum():
                committed[index] = weights
                _accumulate(pending, node.b, weights)
            case Reshape():
                shape = circuit.shapes[node.source]
                _accumulate(pending, node.source, weights.reshape(4, *shape))
            case Transpose():
                inverse = np.argsort(node.axes)
                moved = weights.transpose(0, *(axis + 1 for axis in inverse))
                _accumulate(pending, node.source, moved)
            case Concat():
                first = 0
                for source in node.sources:
                    size = circuit.shapes[source][node.axis]
                    part = weights.take(range(first, first + size), axis=node.axis + 1)
                    _accumulate(pending, source, part)
                    first += size
            case Slice():
                spread = np.zeros((4, *circuit.shapes[node.source]), np.uint32)
                parts = map(slice, node.starts, node.stops, node.steps)
                spread[(slice(None), *parts)] = weights
                _accumulate(pending, node.source, spread)
            case Pad():
                sizes = circuit.shapes[node.source]
                inside = tuple(
                    slice(low, low + size) for low, size in zip(node.before, sizes, strict=True)
                )
                kept = weights[(slice(None), *inside)]
                around = _sum(weights) - _sum(kept)
                constant = constant + around * Element(node.value)
                _accumulate(pending, node.source, kept)
    return committed, constant


def committed_sources(circuit: Circuit, sources: Sequence[int]) -> list[int]:
    """Which committing nodes `to_committed` reaches from some nodes' values, in order.

    `sources` are nodes of the circuit. Returns them ascending.
    """
    pending, reached = set(sources), set()
    for index in range(len(circuit.nodes) - 1, -1, -1):
        if index not in pending:
            continue
        node = circuit.nodes[index]
        if isinstance(node, Committing):
            reached.add(index)
        if isinstance(node, Maximum):
            pending.add(node.b)
        elif not isinstance(node, Committing):
            pending.update(node_sources(node))
    return sorted(reached)


def _transposed_conv(term: Conv, source_shape: Shape, bands: Sequence[Band]) -> U32:
    """Weights (4, I, H, W) on a convolution's source from those on bands of its output.

    `source_shape` is (I, H, W).
    """
    channels, height, width = source_shape
    kh, kw = term.kernel
    folded = _fold_outputs(term, bands[0].channels)
    taps = np.broadcast_to(folded, (4, channels, kh, kw))
    by_tap = np.ascontiguousarray(taps.transpose(0, 3, 1, 2)).reshape(4, kw, channels * kh)
    spread = np.zeros((4, height, channels, width), np.uint32)
    across, down = _Axis(term, 1, width), _Axis(term, 0, height)
    for band in bands:
        # Columns first: sum_j taps[c, i, j] columns[x - j], then sum_i rows[y - i] times that.
        read = down.read(band.first, band.rows.shape[1])
        if read.start == read.stop:  # the band lies in the padding
            continue
        lines = extension_product(across.placed(band.columns), by_tap)
        by_row = lines.reshape(4, width, channels, kh).transpose(0, 3, 2, 1)
        flat = np.ascontiguousarray(by_row).reshape(4, kh, channels * width)
        rows = np.ascontiguousarray(down.placed(band.rows, band.first)[:, read])
        more = extension_product(rows, flat).reshape(4, -1, channels, width)
        spread[:, read] = _total(spread[:, read], more)
    return np.ascontiguousarray(spread.transpose(0, 2, 1, 3))


def _fold_outputs(term: Conv, factors: U32) -> U32:
    """sum_o factors[:, o] weight[o, i, ...] for each input channel: K (4, channels, kh, kw)."""
    outputs, inputs, kh, kw = term.weight.shape
    span, taps = outputs // term.groups, inputs * kh * kw
    weight = term.weight.reshape(term.groups, span, taps)
    by_group = factors.reshape(4, term.groups, span)
    if term.groups > span:
        sums = np.zeros((4, term.groups, taps), np.uint64)
        for o in range(span):
            sums += reduced(by_group[:, :, o, None].astype(np.uint64) * _canonical(weight[:, o]))
        folded = reduced(sums).astype(np.uint32)
    else:
        parts = [product(by_group[:, g], weight[g]) for g in range(term.groups)]
        folded = np.stack(parts, axis=1)
    return folded.reshape(4, term.groups * inputs, kh, kw)


def _canonical(weight: NDArray[np.int32]) -> U32:
    # As uint32, a negative w is 2^32 + w.
    numbers = weight.astype(np.uint32)
    return np.where(weight < 0, numbers + np.uint32(P), numbers)


class _Axis:
    """Where a convolution reads along an axis of its source, of `size` entries."""

    def __init__(self, term: Conv, axis: int, size: int) -> None:
        self._taps, self._stride = term.kernel[axis], term.strides[axis]
        self._dilation, self._pad, self._size = term.dilations[axis], term.pads[axis], size

    def placed(self, table: U32, first: int = 0) -> U32:
        """K (4, size, taps): (x, t) is table[h - first] if x = h stride + t dilation - pad."""
        out = np.zeros((4, self._size, self._taps), np.uint32)
        for t in range(self._taps):
            read = (first + np.arange(table.shape[1])) * self._stride
            places = read + t * self._dilation - self._pad
            inside = (places >= 0) & (places < self._size)
            out[:, places[inside], t] = table[:, inside]
        return out

    def read(self, first: int, count: int) -> slice:
        """The entries that some outputs depend on."""
        begin = first * self._stride - self._pad
        end = begin + (count - 1) * self._stride + (self._taps - 1) * self._dilation + 1
        return slice(min(self._size, max(0, begin)), min(self._size, max(0, end)))


def _bias(linear: Linear, band: Band) -> Element:
    canonical = to_montgomery((linear.bias.astype(np.int64) % P).astype(np.uint32))
    if canonical.size > linear.bias.shape[0]:
        rows = slice(band.first, band.first + band.rows.shape[1])
        weights = outer(band.tables).reshape(4, -1)
        return inner_product(weights, _embedded(canonical[:, rows].reshape(-1)))
    places = _sum(band.rows) * _sum(band.columns)
    return places * inner_product(band.channels, _embedded(canonical.reshape(-1)))


def _embedded(values: U32) -> U32:
    out = np.zeros((4, values.size), np.uint32)
    out[0] = values
    return out


def _sum(weights: U32) -> Element:
    flat = weights.reshape(4, math.prod(weights.shape[1:]))
    return Element.from_montgomery(total_of([flat.sum(axis=1, dtype=np.uint64)]))


def _negated(weights: U32) -> U32:
    return np.where(weights, np.uint32(P) - weights, 0).astype(np.uint32)


def _accumulate(weights: NodeWeights, index: int, more: U32) -> None:
    if index not in weights:
        weights[index] = np.ascontiguousarray(more)
        return
    weights[index] = _total(weights[index], more)


def _total(a: U32, b: U32) -> U32:
    total = a + b
    # Both are below p < 2^31; where p can be taken off, the difference does not wrap around.
    result: U32 = np.minimum(total, total - np.uint32(P))
    return result
