r"""Public weights on a linear map's output, pulled back to the bytes that are committed.

A claim z(r_batch, r_o, r_h, r_w) = v about the accumulators of a layer is, in each image, the
linear form sum_out eq((r_o, r_h, r_w), out) z[out]. Transposing the layer's convolutions gives
weights on the nodes that it reads, for one image whatever the batch; transposing the wiring and
the maxima between gives weights on committed nodes alone, and a constant.

    K[c, y, x] = sum_(kh, kw) (sum_o eq(r_o, o) W[o, c, kh, kw]) A_kh[y] B_kw[x]

where A and B place the tensor factors eq(r_h, .) and eq(r_w, .): the cost is one pass over the
weights plus the size of one image times the kernel's, never the number of multiply-accumulates.
Prover and verifier both run this code. Arrays over K are uint32 (4, *shape), Montgomery form.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from wmproof.argument.element import ZERO, Element
from wmproof.argument.extension import inner_product, k_mul, total_of
from wmproof.argument.field import U32, P, Scalar, add, mont_mul, to_montgomery
from wmproof.argument.ligero.algebra import scale
from wmproof.argument.multilinear import eq_table
from wmproof.argument.threads import over_ranges
from wmproof.circuit.ir import (
    Activation,
    Circuit,
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

U64 = NDArray[np.uint64]
NodeWeights = dict[int, U32]


def axis_bits(shape: Shape) -> list[int]:
    """Variables of each axis of a committed tensor, whose axes are padded to powers of two."""
    return [(size - 1).bit_length() for size in shape]


def axis_weights(shape: Shape, point: Sequence[Element]) -> list[U32]:
    """Eq tables of a point's coordinates, axis by axis, cut to the axes' sizes: K (4, size)."""
    tables, first = [], 0
    for size, bits in zip(shape, axis_bits(shape), strict=True):
        table = eq_table(list(point[first : first + bits]))
        tables.append(np.ascontiguousarray(table[:, :size]))
        first += bits
    return tables


def padded(weights: U32) -> U32:
    """Weights (4, *shape) as (4, 2^n), zero where the axes' padding is."""
    shape = weights.shape[1:]
    out = np.zeros((4, *(1 << bits for bits in axis_bits(shape))), np.uint32)
    out[(slice(None), *(slice(size) for size in shape))] = weights
    return out.reshape(4, -1)


def outer(tables: Sequence[U32]) -> U32:
    """Tensor product of K vectors: (4, n_1, n_2, ...)."""
    result = np.ascontiguousarray(tables[0])
    for table in tables[1:]:
        columns = [
            scale(result, Element.from_montgomery(table[:, i])) for i in range(table.shape[1])
        ]
        result = np.ascontiguousarray(np.stack(columns, axis=2).reshape(4, -1))
    return result.reshape(4, *(table.shape[1] for table in tables))


def linear_weights(
    circuit: Circuit, linear: Linear, tables: Sequence[U32]
) -> tuple[NodeWeights, Element]:
    """Weights on committed nodes, and the constant, of sum_out (outer of `tables`)[out] z[out].

    Parameters
    ----------
    tables : three K vectors
        Of the lengths O, H', W'.
    """
    on_values: NodeWeights = {}
    for term in linear.terms:
        _accumulate(
            on_values,
            term.source,
            transposed_conv(term, circuit.shapes[term.source], tables),
        )
    weights, constant = to_committed(circuit, on_values)
    return weights, constant + _bias(linear, tables)


def maximum_weights(
    circuit: Circuit, node: Node, tables: Sequence[U32]
) -> tuple[NodeWeights, Element]:
    """As `linear_weights`, for the difference a - b of a maximum's sources."""
    weights = outer(tables)
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
            case Input() | Activation():
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
    """Which committing nodes `to_committed` reaches from some nodes' values, in order."""
    pending, reached = set(sources), set()
    for index in range(len(circuit.nodes) - 1, -1, -1):
        if index not in pending:
            continue
        node = circuit.nodes[index]
        if isinstance(node, Input | Activation | Maximum):
            reached.add(index)
        if isinstance(node, Maximum):
            pending.add(node.b)
        elif not isinstance(node, Activation):
            pending.update(node_sources(node))
    return sorted(reached)


def transposed_conv(term: Conv, source_shape: Shape, tables: Sequence[U32]) -> U32:
    """Weights (4, I, H, W) on a convolution's source from the factors of weights on its output."""
    outputs, inputs, kh, kw = term.weight.shape
    flat = np.ascontiguousarray(term.weight.reshape(outputs, inputs, kh * kw))
    channels = source_shape[0]
    folded = np.empty((4, channels, kh * kw), np.uint32)
    over_ranges(
        _fold_outputs, channels, flat, term.groups, to_montgomery(tables[0]), folded, grain=4
    )
    folded = folded.reshape(4, channels, kh, kw)
    taps = np.ascontiguousarray(np.broadcast_to(folded, (4, channels, *term.kernel)))
    geometry = np.array([*term.strides, *term.pads[:2], *term.dilations], np.int64)
    out = np.zeros((4, *source_shape), np.uint32)
    over_ranges(_spread, channels, taps, tables[1], tables[2], geometry, out, grain=1)
    return out


@njit(nogil=True, cache=True)
def _fold_outputs(
    start: int, stop: int, weight: NDArray[np.int32], groups: int, factors: U32, out: U32
) -> None:
    """out[:, c, k] = sum_o factors[:, o] weight[o, c in its group, k], for input channels c."""
    outputs, inputs, taps = weight.shape
    span = outputs // groups
    sums = np.empty((4, taps), np.uint64)
    for c in range(start, stop):
        group, i = c // inputs, c % inputs
        sums[:] = 0
        for o in range(group * span, (group + 1) * span):
            for k in range(taps):
                value = np.int64(weight[o, i, k])
                canonical = np.uint32(value + P if value < 0 else value)
                for j in range(4):
                    sums[j, k] += np.uint64(mont_mul(factors[j, o], canonical))
        for j in range(4):
            for k in range(taps):
                out[j, c, k] = np.uint32(sums[j, k] % np.uint64(P))


@njit(inline="always")
def _add_product(
    x0: Scalar, x1: Scalar, x2: Scalar, x3: Scalar, b: U32, i: int, out: U32, k: int
) -> None:
    c0, c1, c2, c3 = k_mul(x0, x1, x2, x3, b[0, i], b[1, i], b[2, i], b[3, i])
    out[0, k] = add(out[0, k], c0)
    out[1, k] = add(out[1, k], c1)
    out[2, k] = add(out[2, k], c2)
    out[3, k] = add(out[3, k], c3)


@njit(nogil=True, cache=True)
def _spread(
    start: int,
    stop: int,
    taps: U32,
    rows: U32,
    columns: U32,
    geometry: NDArray[np.int64],
    out: U32,
) -> None:
    """out[:, c, y, x] = sum of taps[:, c, i, j] rows[:, h] columns[:, w] where they meet."""
    sh, sw, top, left, dh, dw = geometry
    height, width = out.shape[2], out.shape[3]
    line = np.empty((4, width), np.uint32)
    for c in range(start, stop):
        for i in range(taps.shape[2]):
            line[:] = 0
            for j in range(taps.shape[3]):
                t0, t1 = taps[0, c, i, j], taps[1, c, i, j]
                t2, t3 = taps[2, c, i, j], taps[3, c, i, j]
                for w in range(columns.shape[1]):
                    x = w * sw + j * dw - left
                    if 0 <= x < width:
                        _add_product(t0, t1, t2, t3, columns, w, line, x)
            for h in range(rows.shape[1]):
                y = h * sh + i * dh - top
                if 0 <= y < height:
                    target = out[:, c, y]
                    r0, r1, r2, r3 = rows[0, h], rows[1, h], rows[2, h], rows[3, h]
                    for x in range(width):
                        _add_product(r0, r1, r2, r3, line, x, target, x)


def _bias(linear: Linear, tables: Sequence[U32]) -> Element:
    canonical = to_montgomery((linear.bias.astype(np.int64) % P).astype(np.uint32))
    shape = tuple(table.shape[1] for table in tables)
    if linear.bias.shape == shape:
        weights = outer(tables).reshape(4, -1)
        return inner_product(np.ascontiguousarray(weights), _embedded(canonical.reshape(-1)))
    places = _sum(tables[1]) * _sum(tables[2])
    return places * inner_product(tables[0], _embedded(canonical.reshape(-1)))


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
    total = weights[index].astype(np.uint64) + more
    weights[index] = (total % P).astype(np.uint32)
