"""Operators that only move data: on bytes they become wiring, on linear maps they wait."""

from __future__ import annotations

import math

import numpy as np
from onnx import TensorProto

from wmproof.circuit import ir
from wmproof.circuit.frontend.arguments import Arguments, floats, normal_axis, not_batch, planar
from wmproof.circuit.frontend.builder import Builder
from wmproof.circuit.frontend.linear_operators import shifted
from wmproof.circuit.frontend.values import (
    Affine,
    Bytes,
    Constant,
    Padded,
    Rearrange,
    Tensor,
    Value,
)
from wmproof.circuit.network import Floats
from wmproof.errors import InputError

FLOATING = frozenset({TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16})


def _identity(builder: Builder, arguments: Arguments) -> Value:
    """Identity."""
    value = arguments.inputs[0]
    if value is None:
        raise InputError("has no input")
    return value


def _dropout(builder: Builder, arguments: Arguments) -> Value:
    """Dropout in inference."""
    if arguments.has(2) and arguments.constant(2).any():
        raise InputError("drops out at random", remedy="Export after model.eval()")
    return _identity(builder, arguments)


def _cast(builder: Builder, arguments: Arguments) -> Value:
    """Cast between floats; what float16 rounds away is found when its ranges are known."""
    target = arguments.integer("to", 1)
    if target not in FLOATING:
        raise InputError(
            f"casts to ONNX type {target}, which rounds", remedy="Export the model in float32"
        )
    return _identity(builder, arguments)


def reshaped(builder: Builder, value: Tensor, shape: ir.Shape) -> Tensor:
    """The tensor under another shape, the batch of 1 included.

    InputError if the batch would not stay the first axis.
    """
    if not shape or shape[0] != 1 or math.prod(shape) != math.prod(value.shape):
        raise InputError(f"reshapes {value.shape} to {shape}: the batch must stay the first axis")
    if len(shape) == 1:
        raise InputError(f"reshapes {value.shape} to one number for each image")
    if isinstance(value, Affine):
        return value.then(Rearrange(None, shape[1:]), shape)
    return builder.reshape(builder.bytes(value), shape[1:])


def _reshape(builder: Builder, arguments: Arguments) -> Tensor:
    """Reshape with 0 and -1 as ONNX defines them."""
    value = arguments.tensor()
    return reshaped(builder, value, arguments.new_shape(value.shape))


def _flatten(builder: Builder, arguments: Arguments) -> Tensor:
    """Flatten from axis 1."""
    value = arguments.tensor()
    axis = normal_axis(arguments.integer("axis", 1), len(value.shape))
    if axis != 1:
        raise InputError(f"flattens at axis {axis}; only axis 1 keeps the batch")
    return reshaped(builder, value, (1, math.prod(value.shape)))


def _squeeze(builder: Builder, arguments: Arguments) -> Tensor:
    """Remove axes of length 1."""
    value = arguments.tensor()
    axes = arguments.axes(1, len(value.shape))
    if not axes:
        raise InputError(
            "removes every axis of length 1, the batch too where one image is given",
            remedy="Export the model with the axes named",
        )
    if any(value.shape[not_batch(axis)] != 1 for axis in axes):
        raise InputError(f"squeezes axes {axes} of {value.shape}")
    return reshaped(builder, value, tuple(np.delete(value.shape, axes).tolist()))


def _unsqueeze(builder: Builder, arguments: Arguments) -> Tensor:
    """Insert axes of length 1."""
    value = arguments.tensor()
    added = len(arguments.ints("axes")) if "axes" in arguments.attributes else None
    count = added if added is not None else arguments.constant(1).size
    axes = arguments.axes(1, len(value.shape) + count) or ()
    shape = list(value.shape)
    for axis in axes:
        shape.insert(not_batch(axis), 1)
    return reshaped(builder, value, tuple(shape))


def _transpose(builder: Builder, arguments: Arguments) -> Tensor:
    """Transpose that leaves the batch in front."""
    value = arguments.tensor()
    return transposed(builder, value, arguments.ints("perm", tuple(range(len(value.shape)))[::-1]))


def transposed(builder: Builder, value: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The tensor with its axes, the batch included, in another order.

    InputError if the batch would not stay the first axis.
    """
    if sorted(axes) != list(range(len(value.shape))) or axes[0] != 0:
        raise InputError(f"transposes {value.shape} by {axes}: the batch must stay in front")
    order = tuple(axis - 1 for axis in axes[1:])
    shape = tuple(value.shape[axis] for axis in axes)
    if isinstance(value, Affine):
        return value.then(Rearrange(order, shape[1:]), shape)
    return builder.rearrange(builder.bytes(value), (Rearrange(order, shape[1:]),))


def _depth_to_space(builder: Builder, arguments: Arguments) -> Tensor:
    """DepthToSpace: channels become blocks of places."""
    value, block = arguments.tensor(), arguments.integer("blocksize", 0)
    channels, height, width = planar(value.shape)
    mode = arguments.attributes.get("mode", b"DCR")
    if mode not in (b"DCR", b"CRD") or block < 1 or channels % block**2:
        raise InputError(f"makes blocks of {block} of {channels} channels in mode {mode!r}")
    size = (block, block)
    if mode == b"DCR":
        parts, order = (*size, channels // block**2), (0, 3, 4, 1, 5, 2)
    else:
        parts, order = (channels // block**2, *size), (0, 1, 4, 2, 5, 3)
    split = reshaped(builder, value, (1, *parts, height, width))
    moved = transposed(builder, split, order)
    return reshaped(builder, moved, (1, channels // block**2, height * block, width * block))


def _space_to_depth(builder: Builder, arguments: Arguments) -> Tensor:
    """SpaceToDepth: blocks of places become channels."""
    value, block = arguments.tensor(), arguments.integer("blocksize", 0)
    channels, height, width = planar(value.shape)
    mode = arguments.attributes.get("mode", b"DCR")
    if mode not in (b"DCR", b"CRD") or block < 1 or height % block or width % block:
        raise InputError(f"makes channels of blocks of {block} of {value.shape} in mode {mode!r}")
    size = height // block, width // block
    split = reshaped(builder, value, (1, channels, size[0], block, size[1], block))
    order = (0, 3, 5, 1, 2, 4) if mode == b"DCR" else (0, 1, 3, 5, 2, 4)
    moved = transposed(builder, split, order)
    return reshaped(builder, moved, (1, channels * block**2, *size))


def concat(builder: Builder, arguments: Arguments) -> Tensor:
    """Concat along any axis but the batch; constants are a border and then a sum."""
    rank = max(len(value.shape) for value in arguments.inputs if value is not None)
    axis = not_batch(normal_axis(arguments.integer("axis", 1), rank)) - 1
    parts: list[Bytes | Floats] = [
        _each_image(arguments, index, rank)
        if isinstance(value, Constant)
        else builder.bytes(arguments.tensor(index))
        for index, value in enumerate(arguments.inputs)
    ]
    sources = tuple(part.node for part in parts if isinstance(part, Bytes))
    if len(sources) == len(parts):
        return builder.move(ir.Concat(builder.name, sources, axis))
    return _with_constants(builder, parts, axis)


def _each_image(arguments: Arguments, index: int, rank: int) -> Floats:
    """A constant part of one image's tensor."""
    array = floats(arguments.constant(index, rank))
    value = arguments.inputs[index]
    copies = 1 if isinstance(value, Constant) and value.batch == 0 else arguments.batch
    if array.ndim != rank or copies is None or len(array) != (1 if copies == 1 else copies):
        raise InputError("joins a constant of one image with tensors of any number of them")
    if not (array == array[:1]).all():
        raise InputError("joins another constant to each image of a batch")
    first: Floats = array[0]
    return first


def _with_constants(builder: Builder, parts: list[Bytes | Floats], axis: int) -> Tensor:
    """Each tensor with zeros for the constants beside it, joined, and the constants added."""
    tensors = [part for part in parts if isinstance(part, Bytes)]
    shape = list(tensors[0].shape[1:])
    borders = [[0, 0] for _ in tensors]
    total, seen = [], 0
    for part in parts:
        own = part.shape[1:] if isinstance(part, Bytes) else part.shape
        total.append(np.zeros(own) if isinstance(part, Bytes) else part)
        if isinstance(part, Bytes):
            seen += 1
        else:
            borders[max(seen - 1, 0)][1 if seen else 0] += own[axis]
    zeros = [0] * len(shape)
    padded = []
    for tensor, (low, high) in zip(tensors, borders, strict=True):
        before, after = list(zeros), list(zeros)
        before[axis], after[axis] = low, high
        padded.append(builder.pad(builder.operand(tensor), tuple(before), tuple(after), 0.0).node)
    whole = Bytes(padded[0], (1, *builder.shapes[padded[0]]))
    if len(padded) > 1:
        whole = builder.move(ir.Concat(builder.name, tuple(padded), axis))
    by_token = len(shape) == 2  # tokens (L, D): scales belong to D
    arranged = builder.along(whole, (1,)) if by_token else builder.affine(whole)
    return shifted(arranged, np.concatenate(total, axis))


def split(builder: Builder, arguments: Arguments) -> list[Value]:
    """Split into parts of stated sizes, or into equal ones (the last may be smaller).

    InputError if the sizes do not add up to the axis.
    """
    value = builder.bytes(arguments.tensor())
    axis = not_batch(normal_axis(arguments.integer("axis", 0), len(value.shape)))
    size, count = value.shape[axis], arguments.outputs
    if arguments.has(1):
        sizes = [int(v) for v in arguments.constant(1).reshape(-1)]
    else:
        each = -(-size // arguments.integer("num_outputs", count))
        even = list(arguments.ints("split", ())) or [each] * (count - 1) + [
            size - each * (count - 1)
        ]
        sizes = [int(v) for v in even]
    if len(sizes) != count or sum(sizes) != size or min(sizes) < 1:
        raise InputError(f"splits axis {axis} of {value.shape} into {sizes}")
    ends = np.cumsum(sizes).tolist()
    ranges = [slice(0, s, 1) for s in value.shape[1:]]
    parts: list[Value] = []
    for end, own in zip(ends, sizes, strict=True):
        ranges[axis - 1] = slice(end - own, end, 1)
        parts.append(sliced(builder, value.node, ranges))
    return parts


_MOST_PARTS = 64  # of what is gathered as slices that are joined


def gathers_slices(arguments: Arguments) -> bool:
    """Whether a Gather takes places along one axis that are a few slices."""
    value, places = arguments.inputs[:2]
    if not isinstance(value, Bytes | Affine | Padded) or not isinstance(places, Constant):
        return False
    few = places.array.ndim <= 1 and places.array.size > 0
    return few and len(_runs(places.array.reshape(-1).tolist())) <= _MOST_PARTS


def _runs(places: list[int]) -> list[slice]:
    """Slices that give these places, each as long as it can be."""
    runs, start = [], 0
    while start < len(places):
        step = places[start + 1] - places[start] if start + 1 < len(places) else 1
        end = start + 1
        while step > 0 and end < len(places) and places[end] - places[end - 1] == step:
            end += 1
        runs.append(slice(places[start], places[end - 1] + 1, max(step, 1)))
        start = end
    return runs


def _gather(builder: Builder, arguments: Arguments) -> Tensor:
    """Gather of places along one axis: slices, joined."""
    value, places = builder.bytes(arguments.tensor()), arguments.constant(1)
    axis = not_batch(normal_axis(arguments.integer("axis", 0), len(value.shape)))
    size = value.shape[axis]
    if not -size <= places.min() <= places.max() < size:
        raise InputError(f"gathers elements beyond the {size} of axis {axis}")
    ranges = [slice(0, s, 1) for s in value.shape[1:]]
    parts, runs = [], _runs((places.reshape(-1) % size).tolist())
    if len(runs) > _MOST_PARTS:
        raise InputError(f"gathers {len(runs)} slices; {_MOST_PARTS} are the most")
    for run in runs:
        ranges[axis - 1] = run
        parts.append(sliced(builder, value.node, ranges).node)
    found = Bytes(parts[0], (1, *builder.shapes[parts[0]]))
    if len(parts) > 1:
        found = builder.move(ir.Concat(builder.name, tuple(parts), axis - 1))
    if places.ndim:
        return found
    return reshaped(builder, found, (*found.shape[:axis], *found.shape[axis + 1 :]))


def _tile(builder: Builder, arguments: Arguments) -> Tensor:
    """Tile of any axis but the batch."""
    value, repeats = builder.bytes(arguments.tensor()), arguments.constant(1).reshape(-1).tolist()
    if (
        len(repeats) != len(value.shape)
        or repeats[0] != 1
        or not 1 <= min(repeats) <= max(repeats) <= 64
    ):
        raise InputError(f"repeats {value.shape} {repeats} times")
    for axis, count in enumerate(repeats[1:]):
        if count > 1:
            value = builder.move(ir.Concat(builder.name, (value.node,) * int(count), axis))
    return value


def _slice(builder: Builder, arguments: Arguments) -> Tensor:
    """Slice with positive steps."""
    value = builder.bytes(arguments.tensor())
    rank = len(value.shape)
    if arguments.has(1):
        starts, stops = (arguments.constant(i).reshape(-1).tolist() for i in (1, 2))
        steps = arguments.constant(4).reshape(-1).tolist() if arguments.has(4) else None
    else:
        starts, stops, steps = list(arguments.ints("starts")), list(arguments.ints("ends")), None
    ranges = [slice(0, size, 1) for size in value.shape]
    for axis, start, stop, step in zip(
        sliced_axes(arguments), starts, stops, steps or [1] * len(starts), strict=True
    ):
        if step < 1:
            raise InputError("slices backwards")
        where = normal_axis(axis, rank)
        if ranges[where] != slice(0, value.shape[where], 1):
            raise InputError(f"names axis {where} twice")
        ranges[where] = slice(*slice(start, stop, step).indices(value.shape[where]))
    if ranges[0] != slice(0, 1, 1):
        raise InputError("slices the batch")
    return sliced(builder, value.node, ranges[1:])


def sliced_axes(arguments: Arguments) -> list[int]:
    """The axes that a Slice names, or the first ones."""
    if not arguments.has(1):
        starts = arguments.ints("starts")
        return list(arguments.ints("axes", tuple(range(len(starts)))))
    given = arguments.has(3)
    return (
        arguments.constant(3).reshape(-1).tolist()
        if given
        else [*range(arguments.constant(1).size)]
    )


def sliced(builder: Builder, node: int, ranges: list[slice]) -> Bytes:
    """Part of a node, one range of non-negative numbers for each axis.

    Parameters
    ----------
    ranges : list of slice
        One for each axis, none negative.
    """
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
    "Identity": _identity,
    "Dropout": _dropout,
    "Cast": _cast,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Transpose": _transpose,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
    "Concat": concat,
    "Slice": _slice,
    "Gather": _gather,
    "Tile": _tile,
}
