"""Operators that multiply or divide tensors which both depend on the image.

Each is a composition of linear maps, maxima, tables and `FloatProduct`: a softmax is a maximum, a
table of exp, a sum, a table of 1 / s and a product; a normalisation is a linear map, a sum of
squares, a table of its reciprocal root and a product.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from wmproof.circuit import ir
from wmproof.circuit.frontend.arguments import (
    Arguments,
    floats,
    normal_axis,
    not_batch,
    not_widened,
    planar,
)
from wmproof.circuit.frontend.builder import Builder, in_front
from wmproof.circuit.frontend.linear_operators import (
    add_tensors,
    constant_side,
    divide_by_constant,
    matmul_by_constant,
    multiply_by_constant,
    negated,
    scaled,
    shifted,
)
from wmproof.circuit.frontend.shape_operators import reshaped, sliced
from wmproof.circuit.frontend.values import Affine, Bytes, Rearrange, Tensor
from wmproof.circuit.network import (
    SHARE,
    Clamp,
    FloatActivation,
    FloatConv,
    Floats,
    Pole,
    Reciprocal,
    Rounded,
    Smooth,
)
from wmproof.errors import InputError

_ANY = Clamp()


def multiply(builder: Builder, arguments: Arguments) -> Tensor:
    """Mul: by a constant it is a linear map."""
    if constant_side(arguments) is not None:
        return multiply_by_constant(builder, arguments)
    return _multiply_tensors(builder, arguments.tensor(0), arguments.tensor(1))


def _divide(builder: Builder, arguments: Arguments) -> Tensor:
    """Div: by a tensor only where it is above 0 whatever the image."""
    if constant_side(arguments) == 1:
        return divide_by_constant(builder, arguments)
    inverse = _inverse(builder, arguments.tensor(1))
    if constant_side(arguments) is None:
        return _multiply_tensors(builder, arguments.tensor(0), inverse)
    return multiply_by_constant(builder, replace(arguments, inputs=(arguments.inputs[0], inverse)))


def _rounding(builder: Builder, value: Tensor) -> Rounded | None:
    """How a value was quantised that can be above 0, if it was."""
    node = builder.nodes[value.node] if isinstance(value, Bytes) else None
    while isinstance(node, ir.Reshape | ir.Transpose | ir.Slice):
        node = builder.nodes[node.source]
    function = node.function if isinstance(node, FloatActivation) else None
    return function if isinstance(function, Rounded) and function.most > 0 else None


def _inverse(builder: Builder, value: Tensor) -> Bytes:
    """1 / x of what was quantised, or of a positive constant and more of what is never negative."""
    below, rounding = builder.affine(value), _rounding(builder, value)
    if rounding is not None:
        return builder.activation(below, Reciprocal(rounding.step, rounding.most))
    if not (builder.never_negative(below) and (below.linear.bias > 0).all()):
        raise InputError("divides by something that depends on the image and might be 0")
    return builder.activation(below, Pole("reciprocal"))


def _reduced(builder: Builder, arguments: Arguments, function: Callable[[Bytes], Bytes]) -> Tensor:
    """One number of (1, M, R) for each row, for the axes that an operator removes or keeps."""
    value = arguments.tensor()
    axes = arguments.axes(1, len(value.shape))
    if not axes:
        raise InputError("works over all axes, the batch too, or over none")
    kept = replace(arguments, inputs=(value,), attributes={"axes": axes, "keepdims": 1})
    found = _over_axes(builder, kept, function)
    drop = () if arguments.integer("keepdims", 1) else axes
    shape = tuple(size for axis, size in enumerate(found.shape) if axis not in drop)
    return reshaped(builder, found, shape)


def _reduce_length(builder: Builder, arguments: Arguments) -> Tensor:
    """ReduceL2: the root of the mean of squares, times the root of their number."""
    return _reduced(builder, arguments, lambda rows: _length(builder, rows))


def _reduce_max(builder: Builder, arguments: Arguments) -> Tensor:
    """ReduceMax over any axes but the batch."""

    def largest(rows: Bytes) -> Bytes:
        stacked = builder.reshape(rows, (*rows.shape[1:], 1))
        return builder.reshape(_largest(builder, stacked), (1, rows.shape[2]))

    return _reduced(builder, arguments, largest)


def _reduce_min(builder: Builder, arguments: Arguments) -> Tensor:
    """ReduceMin: the maximum of what has the other sign."""
    turned = negated(builder.affine(arguments.tensor()))
    inputs = (turned, *arguments.inputs[1:])
    return negated(builder.affine(_reduce_max(builder, replace(arguments, inputs=inputs))))


def _length(builder: Builder, rows: Bytes) -> Bytes:
    """The Euclidean norms of (1, M, R) along the first axis: (1, 1, R).

    The squares are committed: sums of many products would not fit into a table, means do.
    """
    given, (size, count) = builder.operand(rows), rows.shape[1:]
    own, least = ((0, 1), (0, 1)), Clamp(0.0)
    squares = builder.product(given, given, own, (size, count), function=least)
    flat = builder.reshape(squares, (size, count, 1))
    mean = _convolved(builder, flat, np.full((1, size), 1.0 / size))
    # A table of the root of so many times the mean would have to reach as many times farther.
    root = builder.affine(builder.activation(mean, Smooth("root")))
    length = scaled(root, np.array(math.sqrt(size)))
    return builder.reshape(builder.activation(length, least), (1, count))


_NO_SQUARES = 1e-48  # far below what float32 has: where all numbers are 0 the root is of this
_COARSE_FROM = 2**10  # squares that are added up: see `calibrate.operands`


def _power(builder: Builder, arguments: Arguments) -> Tensor:
    """Pow by 1, 2 or 3."""
    value, given = arguments.tensor(), floats(arguments.constant(1))
    exponents = np.unique(given)
    not_widened(given, value.shape)
    if len(exponents) != 1 or exponents[0] not in {1.0, 2.0, 3.0} or given.ndim > 1:
        raise InputError("has an exponent other than 1, 2 or 3")
    result: Tensor = value
    for _ in range(int(exponents[0]) - 1):
        result = _multiply_tensors(builder, result, value)
    return result


def matmul(builder: Builder, arguments: Arguments) -> Tensor:
    """MatMul: with a constant matrix it is a linear map."""
    if constant_side(arguments) is not None:
        return matmul_by_constant(builder, arguments)
    return _matmul_tensors(builder, arguments.tensor(0), arguments.tensor(1))


def _multiply_tensors(
    builder: Builder, left: Tensor, right: Tensor, function: Clamp = _ANY
) -> Bytes:
    """Elementwise product with broadcasting: gates, and values times their normalisation."""
    shape = np.broadcast_shapes(left.shape, right.shape)
    a, a_axes = _aligned(builder, left, shape)
    b, b_axes = _aligned(builder, right, shape)
    return builder.product(a, b, (a_axes, b_axes), shape[1:], function=function)


def _aligned(builder: Builder, value: Tensor, shape: ir.Shape) -> tuple[Bytes, tuple[int, ...]]:
    """Drop the axes along which an operand is repeated; return it and the labels of the others."""
    if len(value.shape) != len(shape):
        raise InputError(f"multiplies tensors {value.shape} of a batch and {shape}")
    given = builder.operand(value)
    kept = [i for i, size in enumerate(value.shape[1:]) if size == shape[1 + i]]
    if not kept:  # one number is repeated along the shortest axis: an operand has one at least
        shortest = min(range(len(shape) - 1), key=lambda axis: shape[1 + axis])
        copies = (given.node,) * shape[1 + shortest]
        given, kept = builder.move(ir.Concat(builder.name, copies, shortest)), [shortest]
    return builder.reshape(given, tuple(given.shape[1 + i] for i in kept)), tuple(kept)


def _matmul_tensors(builder: Builder, left: Tensor, right: Tensor) -> Bytes:
    """MatMul of two tensors (N, ..., R, K) and (N, ..., K, C)."""
    shape, other = left.shape, right.shape
    rank = len(shape) - 1
    if len(other) != len(shape) or rank < 2 or shape[:-2] != other[:-2] or shape[-1] != other[-2]:
        raise InputError(f"multiplies matrices of shapes {shape} and {other}, which do not fit")
    lead, summed = tuple(range(rank - 2)), rank
    a_axes, b_axes = (*lead, rank - 2, summed), (*lead, summed, rank - 1)
    return builder.product(left, right, (a_axes, b_axes), (*shape[1:-1], other[-1]))


def softmax(builder: Builder, arguments: Arguments) -> Tensor:
    """Softmax along one axis, unless it is the last operator: `endings` takes that one away.

    InputError if it is of operator set 12 or older and joins axes.
    """
    value = builder.bytes(arguments.tensor())
    axis = not_batch(normal_axis(arguments.integer("axis", -1), len(value.shape))) - 1
    if arguments.opset < 13:
        raise InputError(
            "is a softmax of operator set 12 or older, which joins all axes behind its own",
            remedy="Export the model with operator set 13 or newer",
        )
    scores = _in_front(builder, value, axis)
    columns, places = scores.shape[1], math.prod(scores.shape[2:])
    flat = builder.reshape(scores, (columns, places, 1))
    most = _largest(builder, flat)
    below = add_tensors(builder, flat, _spread(builder, most, columns, -1.0))
    powers = builder.activation(below, Smooth("exp_of_negative"))
    whole = builder.activation(_summed(builder, powers), Pole("reciprocal"))
    shares = _multiply_tensors(builder, powers, whole, SHARE)
    return _back(builder, builder.reshape(shares, scores.shape[1:]), axis)


def _layer_normalization(builder: Builder, arguments: Arguments) -> Tensor:
    """LayerNormalization over the last axes; the mean is taken in float32."""
    value = arguments.tensor()
    if arguments.integer("stash_type", 1) != 1:
        raise InputError("takes its mean in another type than float32, which is not compiled")
    axis = not_batch(normal_axis(arguments.integer("axis", -1), len(value.shape)))
    shape, size = value.shape, math.prod(value.shape[axis:])
    rows = reshaped(builder, value, (1, math.prod(shape[1:axis]), size))
    front = _in_front(builder, builder.bytes(rows), 1)
    result = _normalised(builder, front, arguments.number("epsilon", 1e-5))
    # Gains and biases belong to the normalised axis, which is that of the channels here.
    affine = builder.affine(builder.reshape(result, (*result.shape[1:], 1)))
    for change, index in ((scaled, 1), (shifted, 2)):
        if arguments.has(index):
            numbers = np.broadcast_to(floats(arguments.constant(index)), shape[axis:])
            affine = change(affine, numbers.reshape(-1, 1, 1))
    back = (Rearrange((1, 0, 2), (*reversed(result.shape[1:]), 1)), Rearrange(None, shape[1:]))
    return replace(affine, steps=(*affine.steps, *back), shape=shape)


def _instance_normalization(builder: Builder, arguments: Arguments) -> Tensor:
    """InstanceNormalization: each channel is normalised over its places."""
    value = arguments.tensor()
    shape = value.shape
    gain, bias = (floats(arguments.constant(i)) for i in (1, 2))
    rows = reshaped(builder, value, (1, shape[1], math.prod(shape[2:])))
    front = _in_front(builder, builder.bytes(rows), 1)
    result = _normalised(builder, front, arguments.number("epsilon", 1e-5))
    affine = builder.affine(_back(builder, result, 1))
    return reshaped(builder, shifted(scaled(affine, gain[:, None]), bias[:, None]), shape)


def _group_normalization(builder: Builder, arguments: Arguments) -> Tensor:
    """GroupNormalization: groups of channels are normalised together."""
    value = arguments.tensor()
    shape, groups = value.shape, arguments.integer("num_groups", 1)
    gain, bias = (floats(arguments.constant(i)) for i in (1, 2))
    if groups < 1 or shape[1] % groups or arguments.integer("stash_type", 1) != 1:
        raise InputError(
            f"normalises {shape[1]} channels in {groups} groups: groups must be of one size, and "
            "their mean taken in float32"
        )
    if len(gain) == groups != shape[1]:  # operator sets 18 to 20 have one for each group
        gain, bias = (np.repeat(a, shape[1] // groups) for a in (gain, bias))
    rows = reshaped(builder, value, (1, groups, math.prod(shape[1:]) // groups))
    front = _in_front(builder, builder.bytes(rows), 1)
    result = _normalised(builder, front, arguments.number("epsilon", 1e-5))
    whole = reshaped(builder, _back(builder, result, 1), shape)
    column = (-1, *(1 for _ in shape[2:]))
    return shifted(scaled(builder.affine(whole), gain.reshape(column)), bias.reshape(column))


def _local_response(builder: Builder, arguments: Arguments) -> Tensor:
    """LRN: x (1 + a s / b)^(-3/4) b^(-3/4), with s the mean of squares of channels near by."""
    channels, *_ = planar(arguments.tensor().shape)
    size, bias = arguments.integer("size", 0), arguments.number("bias", 1.0)
    alpha, beta = arguments.number("alpha", 1e-4), arguments.number("beta", 0.75)
    if beta != 0.75 or min(alpha, bias, size) <= 0 or size % 2 == 0:
        raise InputError(
            f"has alpha {alpha:.3g}, beta {beta:.3g}, bias {bias:.3g} and size {size}, and is "
            "handled where beta is 0.75, the others are positive and the size is odd"
        )
    value, own = builder.operand(arguments.tensor()), (0, 1, 2)
    shape = value.shape[1:]
    squares = builder.product(value, value, (own, own), shape, function=Clamp(0.0))
    distance = np.arange(channels) - np.arange(channels)[:, None]
    near = np.abs(distance) <= size // 2
    around = _convolved(builder, squares, near * (alpha / (size * bias)))
    share = builder.activation(around, Smooth("local_response"))
    damped = builder.affine(_multiply_tensors(builder, value, share))
    return scaled(damped, np.array(bias**-0.75))


def _normalise(builder: Builder, arguments: Arguments) -> Tensor:
    """A normalisation that the file spells out; see `normalisations`."""
    centred, epsilon = bool(arguments.integer("centred", 1)), arguments.number("epsilon", 0.0)
    return _over_axes(
        builder, arguments, lambda rows: _normalised(builder, rows, epsilon, centred=centred)
    )


def _unit_length(builder: Builder, arguments: Arguments) -> Tensor:
    """X over its Euclidean norm; where that is 0, so is the result.

    Calibration refuses numbers that can be below the least norm that the file divides by.
    """
    value, least = arguments.tensor(), arguments.number("least", 0.0)
    if arguments.has(1) and arguments.wide_shape(value.shape) != value.shape:
        raise InputError(f"widens the norm of {value.shape}")
    return _over_axes(builder, arguments, lambda rows: _of_unit_length(builder, rows, least))


def _of_unit_length(builder: Builder, value: Bytes, least: float) -> Bytes:
    rows = builder.rows(value, _NO_SQUARES)
    return _scaled_by_root(builder, rows, rows, 1.0, _NO_SQUARES, least=least)


def _over_axes(
    builder: Builder, arguments: Arguments, function: Callable[[Bytes], Bytes]
) -> Tensor:
    """A function of (1, M, R) along its first axis, for the named axes of a tensor."""
    value = builder.bytes(arguments.tensor())
    shape = value.shape[1:]
    axes = tuple(not_batch(a) - 1 for a in arguments.axes(99, len(value.shape)) or ())
    order, permuted = in_front(shape, axes)
    rows = (math.prod(permuted[: len(axes)]), math.prod(permuted[len(axes) :]))
    there = (Rearrange(order, permuted), Rearrange(None, rows))
    result = function(builder.rearrange(value, there))
    if result.shape[1] != rows[0]:  # one number for each row
        permuted = (*(1 for _ in axes), *permuted[len(axes) :])
        shape = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    back = (Rearrange(None, permuted), Rearrange(tuple(np.argsort(order).tolist()), shape))
    return builder.rearrange(result, back)


def _normalised(builder: Builder, value: Bytes, epsilon: float, *, centred: bool = True) -> Bytes:
    """(x - mean) / sqrt(variance + epsilon) along the first axis of (1, M, R)."""
    if epsilon <= 0:
        raise InputError(f"divides by a root of 0 where nothing varies: epsilon is {epsilon}")
    size, _ = value.shape[1:]
    rows = builder.rows(value, epsilon)
    if not centred:
        return _scaled_by_root(builder, rows, rows, 1.0 / size, epsilon)
    mean = _convolved(builder, rows, np.full((1, size), 1.0 / size))
    middle = add_tensors(builder, rows, _spread(builder, builder.bytes(mean), size, -1.0))
    coarse = builder.bytes(middle)
    # Of sums of thousands the numbers are coarser than what is then divided may be.
    fine = builder.activation(middle, Clamp()) if size > _COARSE_FROM else coarse
    return _scaled_by_root(builder, coarse, rows, 1.0 / size, epsilon, fine)


def _scaled_by_root(
    builder: Builder,
    value: Bytes,
    rows: Bytes,
    gain: float,
    epsilon: float,
    divided: Bytes | None = None,
    least: float = 0.0,
) -> Bytes:
    """X / sqrt(gain * (sum of squares) + epsilon) along the first axis of (1, M, R, 1): (1, M, R).

    X is made of `rows`.
    """
    size, count = value.shape[1:3]
    centred = builder.operand(value)
    summed = (3, 0, 1)  # labels of (M, R, 1): all but M are the result's
    root = builder.product(
        centred,
        centred,
        (summed, summed),
        (count, 1, 1),
        function=Pole("reciprocal_root"),
        gain=gain,
        offset=epsilon,
        rows=rows.node,
        least=least,
    )
    scaled_rows = _multiply_tensors(
        builder, divided or centred, builder.reshape(root, (1, count, 1))
    )
    return builder.reshape(scaled_rows, (size, count))


def _largest(builder: Builder, value: Bytes) -> Bytes:
    """The maximum along the first axis of (1, M, P, 1), by halves: (1, 1, P, 1)."""
    while value.shape[1] > 1:
        count = value.shape[1]
        half = (count + 1) // 2
        places = [slice(0, size, 1) for size in value.shape[2:]]
        # The halves overlap where the number is odd.
        parts = [slice(0, half, 1), slice(count - half, count, 1)]
        first, second = (sliced(builder, value.node, [part, *places]) for part in parts)
        value = builder.maximum(first, second)
    return value


def _summed(builder: Builder, value: Bytes) -> Affine:
    return _convolved(builder, value, np.ones((1, value.shape[1])))


def _spread(builder: Builder, value: Bytes, count: int, factor: float) -> Affine:
    """Factor times (1, 1, P, 1), in each of `count` channels."""
    return _convolved(builder, value, np.full((count, 1), factor))


def _convolved(builder: Builder, value: Bytes, matrix: Floats) -> Affine:
    layer = FloatConv(-1, matrix[:, :, None, None], (1, 1), np.zeros(0))
    linear = builder.convolve(value, layer, np.zeros(len(matrix)))
    return Affine(linear, (), (1, *linear.shape))


def _in_front(builder: Builder, value: Bytes, axis: int) -> Bytes:
    """The tensor with one axis (batch not counted) first."""
    return builder.rearrange(value, (Rearrange(*in_front(value.shape[1:], (axis,))),))


def _back(builder: Builder, value: Bytes, axis: int) -> Bytes:
    """Undo `_in_front`."""
    shape = value.shape[1:]
    order = [*range(1, len(shape))]
    order.insert(axis, 0)
    return builder.rearrange(value, (Rearrange(tuple(order), tuple(shape[i] for i in order)),))


PRODUCT_OPERATORS = {
    "Mul": multiply,
    "Div": _divide,
    "Reciprocal": lambda builder, arguments: _inverse(builder, arguments.tensor()),
    "ReduceL2": _reduce_length,
    "ReduceMax": _reduce_max,
    "ReduceMin": _reduce_min,
    "Pow": _power,
    "MatMul": matmul,
    "LayerNormalization": _layer_normalization,
    "InstanceNormalization": _instance_normalization,
    "GroupNormalization": _group_normalization,
    "LRN": _local_response,
    "Softmax": softmax,
    "_Normalise": _normalise,
    "_UnitLength": _unit_length,
}
