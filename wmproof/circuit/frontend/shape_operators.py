"""Operators that only move data: on bytes they become wiring, on linear maps they wait."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from wmproof.circuit import ir
from wmproof.circuit.frontend.arguments import Arguments, normal_axis, not_batch
from wmproof.circuit.frontend.builder import Builder
from wmproof.circuit.frontend.values import Affine, Answer, Bytes, Rearrange, Tensor, Value
from wmproof.errors import InputError


def identity(builder: Builder, arguments: Arguments) -> Value:
    """Identity, Dropout in inference, and casts between float types."""
    value = arguments.inputs[0]
    if value is None:
        raise InputError("has no input")
    return value


def cast(builder: Builder, arguments: Arguments) -> Value:
    """Cast to a float type; anything else would round."""
    target = arguments.integer("to", 1)
    value = arguments.inputs[0]
    if target not in {1, 10, 11, 16} and not isinstance(value, Answer):
        raise InputError(f"casts to ONNX type {target}, which is not a float type")
    return identity(builder, arguments)


def reshaped(builder: Builder, value: Tensor, shape: ir.Shape) -> Tensor:
    """The tensor under another shape, the batch of 1 included."""
    if not shape or shape[0] != 1 or math.prod(shape) != math.prod(value.shape):
        raise InputError(f"reshapes {value.shape} to {shape}: the batch must stay the first axis")
    if len(shape) == 1:
        raise InputError(f"reshapes {value.shape} to one number for each image")
    if isinstance(value, Affine):
        step = Rearrange(None, shape[1:])
        return replace(value, steps=(*value.steps, step), shape=shape)
    return builder.reshape(builder.bytes(value), shape[1:])


def reshape(builder: Builder, arguments: Arguments) -> Tensor:
    """Reshape with 0 and -1 as ONNX defines them."""
    value = arguments.tensor()
    wanted = [int(v) for v in arguments.constant(1).reshape(-1)]
    if not arguments.integer("allowzero", 0):
        wanted = [value.shape[i] if v == 0 else v for i, v in enumerate(wanted)]
    if wanted.count(-1) == 1:
        rest = math.prod(v for v in wanted if v != -1)
        wanted = [math.prod(value.shape) // max(rest, 1) if v == -1 else v for v in wanted]
    return reshaped(builder, value, tuple(wanted))


def flatten(builder: Builder, arguments: Arguments) -> Tensor:
    """Flatten from axis 1."""
    value = arguments.tensor()
    axis = normal_axis(arguments.integer("axis", 1), len(value.shape))
    if axis != 1:
        raise InputError(f"flattens at axis {axis}; only axis 1 keeps the batch")
    return reshaped(builder, value, (1, math.prod(value.shape)))


def squeeze(builder: Builder, arguments: Arguments) -> Tensor:
    """Remove axes of length 1."""
    value = arguments.tensor()
    rank = len(value.shape)
    ones = tuple(axis for axis in range(1, rank) if value.shape[axis] == 1)
    axes = arguments.axes(1, rank) or ones
    if any(value.shape[not_batch(axis)] != 1 for axis in axes):
        raise InputError(f"squeezes axes {axes} of {value.shape}")
    return reshaped(builder, value, tuple(np.delete(value.shape, axes).tolist()))


def unsqueeze(builder: Builder, arguments: Arguments) -> Tensor:
    """Insert axes of length 1."""
    value = arguments.tensor()
    added = len(arguments.ints("axes")) if "axes" in arguments.attributes else None
    count = added if added is not None else arguments.constant(1).size
    axes = arguments.axes(1, len(value.shape) + count) or ()
    shape = list(value.shape)
    for axis in axes:
        shape.insert(not_batch(axis), 1)
    return reshaped(builder, value, tuple(shape))


def transpose(builder: Builder, arguments: Arguments) -> Tensor:
    """Transpose that leaves the batch in front."""
    value = arguments.tensor()
    rank = len(value.shape)
    axes = arguments.ints("perm", tuple(reversed(range(rank))))
    if sorted(axes) != list(range(rank)) or axes[0] != 0:
        raise InputError(f"transposes {value.shape} by {axes}: the batch must stay in front")
    order = tuple(axis - 1 for axis in axes[1:])
    shape = tuple(value.shape[axis] for axis in axes)
    if isinstance(value, Affine):
        return replace(value, steps=(*value.steps, Rearrange(order, shape[1:])), shape=shape)
    return builder.rearrange(builder.bytes(value), (Rearrange(order, shape[1:]),))


def concat(builder: Builder, arguments: Arguments) -> Tensor:
    """Concat along any axis but the batch."""
    values = [builder.bytes(arguments.tensor(i)) for i in range(len(arguments.inputs))]
    axis = not_batch(normal_axis(arguments.integer("axis", 1), len(values[0].shape)))
    sources = tuple(value.node for value in values)
    return builder.move(ir.Concat(builder.name, sources, axis - 1))


def slice_(builder: Builder, arguments: Arguments) -> Tensor:
    """Slice with positive steps."""
    value = builder.bytes(arguments.tensor())
    rank = len(value.shape)
    if arguments.has(1):
        starts, stops = (arguments.constant(i).reshape(-1).tolist() for i in (1, 2))
        axes = arguments.constant(3).reshape(-1).tolist() if arguments.has(3) else None
        steps = arguments.constant(4).reshape(-1).tolist() if arguments.has(4) else None
    else:
        starts, stops = list(arguments.ints("starts")), list(arguments.ints("ends"))
        axes = list(arguments.ints("axes", tuple(range(len(starts)))))
        steps = None
    ranges = [slice(0, size, 1) for size in value.shape]
    for axis, start, stop, step in zip(
        axes or range(len(starts)), starts, stops, steps or [1] * len(starts), strict=True
    ):
        if step < 1:
            raise InputError("slices backwards")
        where = normal_axis(axis, rank)
        ranges[where] = slice(*slice(start, stop, step).indices(value.shape[where]))
    if ranges[0] != slice(0, 1, 1):
        raise InputError("slices the batch")
    return sliced(builder, value.node, ranges[1:])


def sliced(builder: Builder, node: int, ranges: list[slice]) -> Bytes:
    """Part of a node, one range of non-negative numbers for each axis."""
    return builder.move(
        ir.Slice(
            builder.name,
            node,
            tuple(int(r.start) for r in ranges),
            tuple(int(r.stop) for r in ranges),
            tuple(int(r.step) for r in ranges),
        )
    )


SHAPE_OPERATORS = {
    "Identity": identity,
    "Dropout": identity,
    "Cast": cast,
    "Reshape": reshape,
    "Flatten": flatten,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Transpose": transpose,
    "Concat": concat,
    "Slice": slice_,
}
