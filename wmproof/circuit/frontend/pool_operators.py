"""Pools: averages are convolutions, maxima are tournaments of relu(a - b)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from wmproof.circuit import ir
from wmproof.circuit.frontend.arguments import Arguments, not_batch, planar
from wmproof.circuit.frontend.builder import Builder
from wmproof.circuit.frontend.linear_operators import (
    add,
    add_tensors,
    pair,
    scaled,
    subtract,
    window_pads,
)
from wmproof.circuit.frontend.shape_operators import reshaped, sliced
from wmproof.circuit.frontend.values import Affine, Bytes, Constant, Rearrange, Tensor
from wmproof.circuit.network import Clamp, FloatConv
from wmproof.errors import InputError

_MOST_COMPARED = 2**6  # tensors, by one operator
_FEW = 4  # parts that are stacked along an axis of their own


def average_pool(builder: Builder, arguments: Arguments) -> Tensor:
    """AveragePool; windows that count fewer elements at the border are made region by region.

    What `ceil_mode` adds beyond the border is never counted.
    """
    value = arguments.tensor()
    window = _Window.read(arguments, planar(value.shape)[1:])
    counts_border = bool(arguments.integer("count_include_pad", 0))
    if counts_border and any(window.extra) and any(window.pads):
        top, left, bottom, right = window.pads
        value = builder.pad(builder.operand(value), (0, top, left), (0, bottom, right), 0.0)
        window = replace(window, pads=(0, 0, 0, 0))
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
        ceil = bool(arguments.integer("ceil_mode", 0))
        mode = arguments.attributes.get("auto_pad", b"NOTSET")
        if mode not in (b"NOTSET", "NOTSET") and (ceil or dilations != (1, 1)):
            raise InputError(
                "has auto_pad with dilations or ceil_mode, which runtimes read differently",
                remedy="Export the model with pads",
            )
        window = plain
        if ceil:
            window = replace(plain, extra=(plain._ceil(0, size[0]), plain._ceil(1, size[1])))
        window._check_windows(size)
        return window

    def _check_windows(self, size: tuple[int, int]) -> None:
        """Every window must contain an element: what a pool of nothing is, is not said."""
        for axis in (0, 1):
            if max(self.pads[axis], self.pads[axis + 2]) >= self.kernel[axis]:
                raise InputError(f"pads {self.pads} as far as its kernel {self.kernel} reaches")
            taps = np.arange(self.kernel[axis]) * self.dilations[axis] - self.pads[axis]
            starts = np.arange(self.outputs(axis, size[axis])) * self.strides[axis]
            places = starts[:, None] + taps
            if not ((places >= 0) & (places < size[axis])).any(axis=1).all():
                raise InputError("has a window with nothing but padding in it")

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
    """GlobalAveragePool: the mean over all axes but those of images and channels."""
    value = arguments.tensor()
    rank = len(value.shape)
    if rank in {3, 5}:
        axes = {"axes": tuple(range(2, rank))}
        return _reduce_mean(builder, replace(arguments, attributes=axes))
    return _global_average(builder, value)


def _global_average(builder: Builder, value: Tensor) -> Affine:
    _, height, width = planar(value.shape)
    return _average(builder, value, _Window((height, width), (height, width), (1, 1), (0, 0, 0, 0)))


def _reduce_mean(builder: Builder, arguments: Arguments) -> Tensor:
    """ReduceMean over any axes but the batch."""
    value = arguments.tensor()
    rank = len(value.shape)
    axes = arguments.axes(1, rank)
    if axes is None:
        raise InputError("averages over all axes, the batch too")
    if len(axes) == 1 and value.shape[not_batch(axes[0])] <= _FEW < rank:
        return scaled(_sum_of_few(builder, arguments, axes[0]), 1 / np.array(value.shape[axes[0]]))
    kept = [axis for axis in range(1, rank) if axis not in axes]
    shape = tuple(
        1 if axis in axes else size
        for axis, size in enumerate(value.shape)
        if arguments.integer("keepdims", 1) or axis not in axes
    )
    if any(not_batch(axis) == 1 for axis in axes) or rank != 4 or len(axes) != 2:
        value = _kept_first(builder, builder.bytes(value), kept, axes)
    return reshaped(builder, _global_average(builder, value), shape)


def _reduce_sum(builder: Builder, arguments: Arguments) -> Tensor:
    """ReduceSum over any axes but the batch: so many means."""
    value = arguments.tensor()
    axes = arguments.axes(1, len(value.shape))
    if not axes:
        raise InputError("sums over all axes, the batch too, or over none")
    mean = builder.affine(_reduce_mean(builder, arguments))
    return scaled(mean, np.array(float(math.prod(value.shape[axis] for axis in axes))))


def _sum_of_few(builder: Builder, arguments: Arguments, axis: int) -> Affine:
    """The sum along an axis of few parts, such as branches that were stacked: of slices.

    Each of them keeps its scales.
    """
    value = builder.bytes(arguments.tensor())
    shape = value.shape[1:]
    keep = arguments.integer("keepdims", 1)
    own = (*shape[: axis - 1], *([1] if keep else []), *shape[axis:])
    total: Tensor | None = None
    for place in range(shape[axis - 1]):
        ranges = [slice(0, size, 1) for size in shape]
        ranges[axis - 1] = slice(place, place + 1, 1)
        part = builder.reshape(sliced(builder, value.node, ranges), own)
        total = part if total is None else add_tensors(builder, total, part)
    return builder.affine(value if total is None else total)


def _kept_first(builder: Builder, value: Bytes, kept: list[int], axes: tuple[int, ...]) -> Bytes:
    """The elements as (kept, reduced, 1)."""
    if not axes:
        raise InputError("averages over no axis")
    order = tuple(axis - 1 for axis in (*kept, *axes))
    permuted = tuple(value.shape[1 + axis] for axis in order)
    reduced = math.prod(value.shape[axis] for axis in axes)
    flat = (math.prod(value.shape) // reduced, reduced, 1)
    return builder.rearrange(value, (Rearrange(order, permuted), Rearrange(None, flat)))


def _max_pool(builder: Builder, arguments: Arguments) -> Bytes:
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


def _global_max_pool(builder: Builder, arguments: Arguments) -> Bytes:
    """GlobalMaxPool."""
    value = builder.bytes(arguments.tensor())
    _, height, width = planar(value.shape)
    window = _Window((height, width), (1, 1), (1, 1), (0, 0, 0, 0))
    return _maximum_along(builder, _maximum_along(builder, value, 1, window, 1), 0, window, 1)


def _extreme(builder: Builder, arguments: Arguments, *, most: bool) -> Tensor:
    """Max and Min of tensors and constants: b + relu(a - b), and a - relu(a - b)."""
    if len(arguments.inputs) > _MOST_COMPARED:
        raise InputError(f"compares {len(arguments.inputs)} tensors, more than {_MOST_COMPARED}")
    first, *others = sorted(arguments.inputs, key=lambda value: isinstance(value, Constant))
    result: Tensor = builder.bytes(replace(arguments, inputs=(first,)).tensor())
    for other in others:
        if not isinstance(other, Constant):
            other = builder.bytes(replace(arguments, inputs=(other,)).tensor())
        above = subtract(builder, replace(arguments, inputs=(result, other)))
        bent = builder.activation(above, Clamp(0.0))
        sides, join = ((bent, other), add) if most else ((result, bent), subtract)
        result = join(builder, replace(arguments, inputs=sides))
    return result


POOL_OPERATORS = {
    "AveragePool": average_pool,
    "GlobalAveragePool": global_average_pool,
    "ReduceMean": _reduce_mean,
    "ReduceSum": _reduce_sum,
    "MaxPool": _max_pool,
    "GlobalMaxPool": _global_max_pool,
    "Max": lambda builder, arguments: _extreme(builder, arguments, most=True),
    "Min": lambda builder, arguments: _extreme(builder, arguments, most=False),
}
