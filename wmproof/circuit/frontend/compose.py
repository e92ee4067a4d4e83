"""Merging a convolution into the linear map before it, where the result is again a convolution.

Weights cost nothing in the argument and committed bytes do, so normalisations, average pools and
flattenings before a linear layer are folded into its weights. Each rule is exact over the reals
and uses elementwise products only, or `math.fsum`, which is correctly rounded: the same doubles
on every machine.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from wmproof.circuit import ir
from wmproof.circuit.network import FloatConv, FloatLinear, Floats
from wmproof.circuit.quantise import source_channels
from wmproof.circuit.rounding import after_layer, passed


def as_linear_source(node: int, shape: ir.Shape) -> FloatLinear:
    """Node `node`, (C, H, W), as one times itself."""
    channels = shape[0]
    weight = np.ones((channels, 1, 1, 1))
    term = FloatConv(node, weight, (1, 1), np.zeros(channels), groups=channels)
    return FloatLinear(np.zeros((channels, 1, 1)), (term,), shape)


def compose(
    layer: FloatConv, bias: Floats, inner: FloatLinear, shapes: list[ir.Shape]
) -> FloatLinear | None:
    """`layer` (its source and offset ignored) after `inner`, or None where no rule applies.

    Parameters
    ----------
    layer : FloatConv
        Its source and offset are ignored.
    bias : float64 array
        Of the layer.
    inner : FloatLinear
        The map that the layer reads.
    shapes : list of tuple of int
        Of the nodes.
    """
    if len(inner.terms) != 1 or inner.bias.shape[1:] != (1, 1):
        return None
    term = inner.terms[0]
    result = None
    if term.depthwise and _is_box(term):
        result = _after_box(layer, term, inner, shapes)
    if result is None and term.depthwise and layer.pointwise and layer.groups == 1:
        result = _pointwise_after_depthwise(layer, term, inner)
    if result is None and term.pointwise and _averages_freely(layer):
        result = _average_after_pointwise(layer, term, inner)
    if result is None:
        return None
    merged, extra = result
    shape = ir.conv_shape(merged, merged.weight.shape, shapes[merged.source])
    way = after_layer(layer, bias, passed(inner))
    return FloatLinear((bias + extra)[:, None, None], (merged,), shape, way)


def _is_box(term: FloatConv) -> bool:
    """Whether a depthwise term sums disjoint boxes without border and scales them."""
    return (
        term.weight.shape[2:] == (1, 1)
        and term.kernel == term.strides
        and term.pads == (0, 0, 0, 0)
        and term.dilations == (1, 1)
        and bool((term.weight != 0).all())
    )


def _after_box(
    layer: FloatConv, term: FloatConv, inner: FloatLinear, shapes: list[ir.Shape]
) -> tuple[FloatConv, Floats] | None:
    """A convolution of scaled box sums is a convolution with a kernel as many times larger."""
    qh, qw = term.kernel
    height, width = shapes[term.source][1:]
    plain = (qh, qw) == (1, 1)
    if not plain and layer.dilations != (1, 1):
        return None
    # Rows that the boxes leave out would reappear inside the border.
    if (height % qh and layer.pads[2]) or (width % qw and layer.pads[3]):
        return None
    gain = term.weight[:, 0, 0, 0]
    offset = term.offset + inner.bias[:, 0, 0] / (gain * (qh * qw))
    if not np.isfinite(offset).all():
        return None
    weight = layer.weight
    if (gain != 1).any():
        weight = weight * source_channels(layer, gain)
    if not plain and layer.kernel != (1, 1) and weight.shape[2:] == layer.kernel:
        weight = weight.repeat(qh, axis=2).repeat(qw, axis=3)
    top, left, bottom, right = layer.pads
    merged = replace(
        layer,
        source=term.source,
        weight=weight,
        kernel=(layer.kernel[0] * qh, layer.kernel[1] * qw),
        offset=offset,
        strides=(layer.strides[0] * qh, layer.strides[1] * qw),
        pads=(top * qh, left * qw, bottom * qh, right * qw),
    )
    return merged, np.zeros(len(weight))


def _pointwise_after_depthwise(
    layer: FloatConv, term: FloatConv, inner: FloatLinear
) -> tuple[FloatConv, Floats]:
    """A 1x1 convolution of an (overlapping, padded) average pool or depthwise convolution."""
    weight = layer.weight * term.weight[:, 0][None]
    merged = replace(term, weight=weight, groups=1)
    return merged, _row_products(layer.weight[:, :, 0, 0], inner.bias[:, 0, 0])


def _averages_freely(layer: FloatConv) -> bool:
    return (
        layer.groups == len(layer.weight)
        and layer.weight.shape[1:] == (1, 1, 1)
        and layer.pads == (0, 0, 0, 0)
        and layer.kernel != (1, 1)
    )


def _average_after_pointwise(
    layer: FloatConv, term: FloatConv, inner: FloatLinear
) -> tuple[FloatConv, Floats] | None:
    """An average pool of a 1x1 convolution is a convolution with its weight spread."""
    if layer.groups != len(term.weight):
        return None
    gain = layer.weight[:, 0, 0, 0]
    merged = replace(
        layer,
        source=term.source,
        weight=term.weight * gain[:, None, None, None],
        offset=term.offset,
        groups=term.groups,
    )
    return merged, inner.bias[:, 0, 0] * gain * math.prod(layer.kernel)


def _row_products(matrix: Floats, vector: Floats) -> Floats:
    """Matrix @ vector, each entry the correctly rounded sum of its rounded products."""
    if not vector.any():
        return np.zeros(len(matrix))
    return np.array([math.fsum(row * vector) for row in matrix])
