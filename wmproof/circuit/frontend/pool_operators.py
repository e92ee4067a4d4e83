"""Pools: averages are convolutions, maxima are tournaments of relu(a - b)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from wmproof.circuit import ir
from wmproof.circuit.frontend.arguments import Arguments, not_batch, planar
from wmproof.circuit.frontend.builder import Builder
from wmproof.circuit.frontend.linear_operators import pair, window_pads
from wmproof.circuit.frontend.shape_operators import reshaped, sliced
from wmproof.circuit.frontend.values import Affine, Bytes, Rearrange, Tensor
from wmproof.circuit.network import Clamp, FloatConv
from wmproof.errors import InputError


def average_pool(builder: Builder, arguments: Arguments) -> Tensor:
    """AveragePool; windows that count fewer elements at the border are made region by region."""
    value = arguments.tensor()
    window = _Window.read(arguments, planar(value.shape)[1:])
    counts_border = bool(arguments.integer("count_include_pad", 0))
    if counts_border and any(window.extra):
        raise InputError("averages in ceil_mode while counting its border")
    if (any(window.pads) and not counts_border) or any(window.extra):
        return _average_regions(builder, builder.bytes(value), window)
    return _average(builder, value, window)


@dataclass(frozen=True)
class _Window:
    """A pool's geometry; `extra` (bottom, right) is the border that ceil_mode adds."""

    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    pads: tuple[int, int, int, int]
    extra: tuple[int, int] = (0, 0)

    @classmethod
    def read(cls, arguments: Arguments, size: tuple[int, int]) -> _Window:
        kernel = pair(arguments.ints("kernel_shape"))
        strides = pair(arguments.ints("strides", (1, 1)))
        dilations = pair(arguments.ints("dilations", (1, 1)))
        pads = window_pads(arguments, size, kernel, strides, dilations)
        plain = cls(kernel, strides, dilations, pads)
        if not arguments.integer("ceil_mode", 0):
            return plain
        return replace(plain, extra=(plain._ceil(0, size[0]), plain._ceil(1, size[1])))

    def _ceil(self, axis: int, size: int) -> int:
        """Border that ceil_mode adds; no window may start beyond the data and its left border."""
        padded = size + self.pads[axis] + self.pads[axis + 2]
        span = self.dilations[axis] * (self.kernel[axis] - 1) + 1
        outputs = -(-(padded - span) // self.strides[axis]) + 1
        if (outputs - 1) * self.strides[axis] >= self.pads[axis] + size:
            outputs -= 1
        return max(0, (outputs - 1) * self.strides[axis] + span - padded)

    def outputs(self, axis: int, size: int) -> int:
        """Number of windows along an axis."""
        padded = size + self.pads[axis] + self.pads[axis + 2] + self.extra[axis]
        span = self.dilations[axis] * (self.kernel[axis] - 1) + 1
        if padded < span:
            raise InputError(f"a window of {span} on {padded} elements")
        return (padded - span) // self.strides[axis] + 1


def _average(builder: Builder, value: Tensor, window: _Window) -> Affine:
    channels = value.shape[1]
    weight = np.full((channels, 1, 1, 1), 1.0 / math.prod(window.kernel))
    layer = FloatConv(
        -1,
        weight,
        window.kernel,
        np.zeros(0),
        window.strides,
        window.pads,
        window.dilations,
        channels,
    )
    linear = builder.convolve(value, layer, np.zeros(channels))
    return Affine(linear, (), (1, *linear.shape))


def _average_regions(builder: Builder, value: Bytes, window: _Window) -> Bytes:
    """Averages over what lies inside: whole windows together, each clipped one on its own."""
    if window.dilations != (1, 1):
        raise InputError("averages dilated windows without counting its border")
    node, (channels, height, width) = value.node, planar(value.shape)
    rows = []
    for top, bottom, high in _regions(window, 0, height):
        parts = []
        for left, right, wide in _regions(window, 1, width):
            ranges = [slice(0, channels, 1), slice(top, bottom, 1), slice(left, right, 1)]
            part = _Window((high, wide), window.strides, (1, 1), (0, 0, 0, 0))
            average = _average(builder, sliced(builder, node, ranges), part)
            # An average lies between its elements: their encoding fits, and is common to all.
            parts.append(builder.activation(average, Clamp(), like=node))
        rows.append(_joined(builder, parts, 2))
    return _joined(builder, rows, 1)


def _joined(builder: Builder, parts: list[Bytes], axis: int) -> Bytes:
    nodes = tuple(part.node for part in parts)
    return builder.move(ir.Concat(builder.name, nodes, axis)) if len(nodes) > 1 else parts[0]


def _regions(window: _Window, axis: int, size: int) -> list[tuple[int, int, int]]:
    """(first, end, window length) of runs of outputs whose clipped windows are alike."""
    kernel, stride = window.kernel[axis], window.strides[axis]
    found: list[tuple[int, int, int]] = []
    for output in range(window.outputs(axis, size)):
        first = output * stride - window.pads[axis]
        low, high = max(0, first), min(size, first + kernel)
        whole = high - low == kernel
        if whole and found and found[-1][2] == kernel and found[-1][1] - kernel + stride == low:
            found[-1] = (found[-1][0], high, kernel)
        else:
            found.append((low, high, high - low))
    return found


def global_average_pool(builder: Builder, arguments: Arguments) -> Tensor:
    """GlobalAveragePool."""
    value = arguments.tensor()
    return _global_average(builder, value)


def _global_average(builder: Builder, value: Tensor) -> Affine:
    _, height, width = planar(value.shape)
    return _average(builder, value, _Window((height, width), (height, width), (1, 1), (0, 0, 0, 0)))


def reduce_mean(builder: Builder, arguments: Arguments) -> Tensor:
    """ReduceMean over any axes but the batch."""
    value = arguments.tensor()
    rank = len(value.shape)
    axes = arguments.axes(1, rank)
    if axes is None:
        raise InputError("averages over all axes, the batch too")
    kept = [axis for axis in range(1, rank) if axis not in axes]
    shape = tuple(
        1 if axis in axes else size
        for axis, size in enumerate(value.shape)
        if arguments.integer("keepdims", 1) or axis not in axes
    )
    if any(not_batch(axis) == 1 for axis in axes) or rank != 4 or len(axes) != 2:
        value = _kept_first(builder, builder.bytes(value), kept, axes)
    return reshaped(builder, _global_average(builder, value), shape)


def _kept_first(builder: Builder, value: Bytes, kept: list[int], axes: tuple[int, ...]) -> Bytes:
    """The elements as (kept, reduced, 1)."""
    if not axes:
        raise InputError("averages over no axis")
    order = tuple(axis - 1 for axis in (*kept, *axes))
    permuted = tuple(value.shape[1 + axis] for axis in order)
    reduced = math.prod(value.shape[axis] for axis in axes)
    flat = (math.prod(value.shape) // reduced, reduced, 1)
    return builder.rearrange(value, (Rearrange(order, permuted), Rearrange(None, flat)))


def max_pool(builder: Builder, arguments: Arguments) -> Bytes:
    """MaxPool: first along the axis that leaves fewer comparisons for the other."""
    if len(arguments.inputs) > 1 and arguments.integer("storage_order", 0):
        raise InputError("returns indices")
    value = builder.bytes(arguments.tensor())
    _, height, width = planar(value.shape)
    window = _Window.read(arguments, (height, width))
    sizes = (window.outputs(0, height), window.outputs(1, width))
    top, left, bottom, right = window.pads
    # Byte 0 is the smallest: it never wins against the element that every window contains.
    border = (0, bottom + window.extra[0], right + window.extra[1])
    value = builder.pad(value, (0, top, left), border, -math.inf)
    height, width = value.shape[2:]
    rows_first = sizes[0] * width * (window.kernel[0] - 1) + math.prod(sizes) * window.kernel[1]
    columns_first = height * sizes[1] * (window.kernel[1] - 1) + math.prod(sizes) * window.kernel[0]
    for axis in (0, 1) if rows_first < columns_first else (1, 0):
        value = _maximum_along(builder, value, axis, window, sizes[axis])
    return value


def _maximum_along(
    builder: Builder, value: Bytes, axis: int, window: _Window, outputs: int
) -> Bytes:
    stride, dilation = window.strides[axis], window.dilations[axis]
    seen = []
    for tap in range(window.kernel[axis]):
        ranges = [slice(0, size, 1) for size in value.shape[1:]]
        first = tap * dilation
        ranges[1 + axis] = slice(first, first + (outputs - 1) * stride + 1, stride)
        seen.append(sliced(builder, value.node, ranges))
    return reduce(builder.maximum, seen)


def global_max_pool(builder: Builder, arguments: Arguments) -> Bytes:
    """GlobalMaxPool."""
    value = builder.bytes(arguments.tensor())
    _, height, width = planar(value.shape)
    window = _Window((height, width), (1, 1), (1, 1), (0, 0, 0, 0))
    return _maximum_along(builder, _maximum_along(builder, value, 1, window, 1), 0, window, 1)


POOL_OPERATORS = {
    "AveragePool": average_pool,
    "GlobalAveragePool": global_average_pool,
    "ReduceMean": reduce_mean,
    "MaxPool": max_pool,
    "GlobalMaxPool": global_max_pool,
}
