"""Conv, Gemm, MatMul, BatchNormalization, and arithmetic with constants."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from wmproof.circuit.frontend.arguments import (
    Arguments,
    distinct,
    floats,
    normal_axis,
    not_widened,
    planar,
)
from wmproof.circuit.frontend.builder import Builder
from wmproof.circuit.frontend.values import Affine, Constant, Padded, Rearrange, Tensor
from wmproof.circuit.network import FloatConv, FloatLinear, Floats
from wmproof.circuit.rounding import after_scaling, after_shift, after_sum, passed
from wmproof.errors import InputError

_MOST_TERMS = 2**10


def conv(builder: Builder, arguments: Arguments) -> Affine:
    """Conv in one or two dimensions, any stride, padding, dilation and groups.

    InputError if the weight is no constant of as many axes, or does not fit the input.
    """
    value, weight = arguments.tensor(), floats(arguments.constant(1))
    if len(value.shape) == weight.ndim == 3:
        return _conv_of_rows(builder, arguments)
    _, height, width = planar(value.shape)
    if weight.ndim != 4:
        raise InputError(f"its weight has shape {weight.shape}, not (O, I, kh, kw)")
    bias = floats(arguments.constant(2)) if arguments.has(2) else np.zeros(len(weight))
    kernel = (weight.shape[2], weight.shape[3])
    strides = pair(arguments.ints("strides", (1, 1)))
    dilations = pair(arguments.ints("dilations", (1, 1)))
    pads = window_pads(arguments, (height, width), kernel, strides, dilations)
    groups = arguments.integer("group", 1)
    layer = FloatConv(-1, weight, kernel, np.zeros(0), strides, pads, dilations, groups)
    linear = builder.convolve(value, layer, bias)
    return Affine(linear, (), (1, *linear.shape))


def _conv_of_rows(builder: Builder, arguments: Arguments) -> Affine:
    """Conv along one axis: the rows stand on end as pictures one pixel wide."""
    value, weight = builder.bytes(arguments.tensor()), arguments.constant(1)
    tall = builder.reshape(value, (*value.shape[1:], 1))
    ones = {
        name: (*arguments.ints(name), 1)
        for name in ("strides", "dilations")
        if name in arguments.attributes
    }
    pads = tuple(size for low in arguments.ints("pads", (0, 0)) for size in (low, 0))
    attributes = arguments.attributes | ones | {"pads": pads}
    inputs = (tall, Constant(weight[..., None]), *arguments.inputs[2:])
    found = conv(builder, replace(arguments, inputs=inputs, attributes=attributes))
    return found.then(Rearrange(None, found.shape[1:-1]), found.shape[:-1])


def pair(values: tuple[int, ...]) -> tuple[int, int]:
    """Two numbers, one for each spatial axis; InputError if there are not two."""
    if len(values) != 2:
        raise InputError(f"works on {len(values)} spatial axes; only images, with two, are handled")
    return values[0], values[1]


def window_pads(
    arguments: Arguments,
    size: tuple[int, int],
    kernel: tuple[int, int],
    strides: tuple[int, int],
    dilations: tuple[int, int],
) -> tuple[int, int, int, int]:
    """(top, left, bottom, right) from `pads` or `auto_pad`.

    Parameters
    ----------
    size, kernel, strides, dilations : tuple of int
        Of the two spatial axes.

    Raises
    ------
    InputError
        The padding is not two-dimensional, or would have to be negative.
    """
    mode = arguments.attributes.get("auto_pad", b"NOTSET")
    mode = mode.decode() if isinstance(mode, bytes) else mode
    if mode == "NOTSET":
        pads = arguments.ints("pads", (0, 0, 0, 0))
        if len(pads) != 4:
            raise InputError(f"padding {pads} is not two-dimensional")
        return pads[0], pads[1], pads[2], pads[3]
    if mode == "VALID":
        return 0, 0, 0, 0
    low, high = [], []
    for axis in (0, 1):
        outputs = -(-size[axis] // strides[axis])
        span = dilations[axis] * (kernel[axis] - 1) + 1
        total = (outputs - 1) * strides[axis] + span - size[axis]
        if total < -1:  # at -1 they all leave out the last element
            raise InputError(
                f"has auto_pad {mode} with windows of {span} elements, {strides[axis]} apart, that "
                f"end before an axis of {size[axis]} does, which runtimes read differently",
                remedy="Export the model with pads",
            )
        total = max(total, 0)
        small, large = total // 2, total - total // 2
        low.append(small if mode == "SAME_UPPER" else large)
        high.append(large if mode == "SAME_UPPER" else small)
    return low[0], low[1], high[0], high[1]


def gemm(builder: Builder, arguments: Arguments) -> Affine:
    """Gemm with a constant matrix: alpha * A B + beta * C.

    InputError if `transA` is set, or the matrix is no constant that fits.
    """
    if arguments.integer("transA", 0):
        raise InputError("transA would mix the images of a batch")
    matrix = floats(arguments.constant(1))
    if arguments.number("alpha", 1.0) != 1.0:
        matrix = matrix * arguments.number("alpha", 1.0)
    if not arguments.integer("transB", 0):
        matrix = matrix.T
    bias = np.zeros(len(matrix))
    if arguments.has(2):
        given = floats(arguments.constant(2)) * arguments.number("beta", 1.0)
        bias = np.broadcast_to(given, (1, len(matrix)))[0]
    return dense(builder, arguments.tensor(), matrix, bias)


def matmul_by_constant(builder: Builder, arguments: Arguments) -> Affine:
    """MatMul with a constant matrix on the right, on the last axis of its input.

    InputError if the constant has not two axes, or does not fit.
    """
    matrix = floats(arguments.constant(1))
    if matrix.ndim != 2:
        raise InputError(f"its constant has shape {matrix.shape}, not (D, M)")
    return dense(builder, arguments.tensor(), matrix.T, np.zeros(matrix.shape[1]))


def dense(builder: Builder, value: Tensor, matrix: Floats, bias: Floats) -> Affine:
    """A matrix (O, D) on the last axis of (1, ..., D).

    Parameters
    ----------
    matrix : float64 array (O, D)
    bias : float64 array (O,)

    Returns
    -------
    Affine
        (1, ..., O).

    Raises
    ------
    InputError
        The last axis has not D elements.
    """
    if value.shape[-1] != matrix.shape[1]:
        raise InputError(f"a matrix of shape {matrix.shape} on a tensor {value.shape}")
    if len(value.shape) != 2:
        return along_axis(builder, value, len(value.shape) - 2, matrix, bias)
    inner, kernel = _unflattened(builder, value)
    weight = np.ascontiguousarray(matrix).reshape(len(matrix), -1, *kernel)
    linear = builder.convolve(inner, FloatConv(-1, weight, kernel, np.zeros(0)), bias)
    return Affine(linear, (Rearrange(None, (len(matrix),)),), (1, len(matrix)))


def _unflattened(builder: Builder, value: Tensor) -> tuple[Tensor, tuple[int, int]]:
    """A flat value as (1, C, h, w), and (h, w): a flattening is undone, not committed."""
    if isinstance(value, Affine) and all(step.axes is None for step in value.steps):
        shape = value.linear.shape
        return Affine(value.linear, (), (1, *shape)), (shape[1], shape[2])
    value = builder.bytes(value)
    return builder.reshape(value, (value.shape[1], 1, 1)), (1, 1)


def along_axis(builder: Builder, value: Tensor, axis: int, matrix: Floats, bias: Floats) -> Affine:
    """A matrix (O, D) on one axis, of D elements; the batch is not counted.

    It is a 1x1 convolution whose channels are that axis, and moves of the other axes wait.

    Parameters
    ----------
    axis : int
        Without the batch.
    matrix : float64 array (O, D)
    bias : float64 array (O,)
    """
    steps = value.rewidened(len(matrix), axis) if isinstance(value, Affine) else None
    waits = isinstance(value, Affine) and steps is not None
    found = builder.affine(value) if waits else builder.along(value, (axis,))
    plain = Affine(found.linear, (), (1, *found.linear.shape))
    weight = np.ascontiguousarray(matrix)[:, :, None, None]
    linear = builder.convolve(plain, FloatConv(-1, weight, (1, 1), np.zeros(0)), bias)
    shape = (*value.shape[: axis + 1], len(matrix), *value.shape[axis + 2 :])
    if steps is not None:
        return Affine(linear, steps, shape)
    return builder.along_again(linear, (axis,), shape[1:])


def _batch_normalization(builder: Builder, arguments: Arguments) -> Affine:
    """BatchNormalization with its running statistics."""
    scale, shift, mean, variance = (floats(arguments.constant(i)) for i in (1, 2, 3, 4))
    if arguments.integer("training_mode", 0):
        raise InputError("is exported in training mode", remedy="Export after model.eval()")
    if (variance < 0).any():
        raise InputError("has a negative running variance")
    gain = scale / np.sqrt(variance + arguments.number("epsilon", 1e-5))
    value = arguments.tensor()
    axis = arguments.integer("axis", 1)  # of channels: another one in a part of one image
    shape = (-1, *(1 for _ in value.shape[axis + 1 :]))
    result = scaled(_arranged(builder, value, gain.reshape(shape)), gain.reshape(shape))
    return shifted(result, (shift - mean * gain).reshape(shape))


def _arranged(builder: Builder, value: Tensor, constant: Floats) -> Affine:
    """The value as a linear map within whose channels a constant that broadcasts is the same."""
    wide = np.broadcast_to(constant, value.shape[1:])
    if isinstance(value, Affine) and _is_by_channel(value.undo(wide)):
        return value
    varying = tuple(
        axis for axis in range(wide.ndim) if not (wide == wide.take([0], axis=axis)).all()
    )
    plain = builder.affine(value)
    return plain if _is_by_channel(plain.undo(wide)) else builder.along(value, varying)


def _is_by_channel(full: Floats) -> bool:
    return np.array_equal(np.broadcast_to(full[:, :1, :1], full.shape), full)


def scaled(value: Affine, factor: Floats) -> Affine:
    """Product with a constant that broadcasts to the shape (without batch).

    Parameters
    ----------
    factor : float64 array

    Raises
    ------
    InputError
        The constant differs within a channel.
    """
    full = value.undo(np.broadcast_to(factor, value.shape[1:]))
    gain = full[:, 0, 0]
    if not _is_by_channel(full):
        raise InputError("multiplies by a constant that differs within a channel")
    linear = value.linear
    terms = tuple(
        replace(term, weight=term.weight * gain[:, None, None, None]) for term in linear.terms
    )
    way = after_scaling(passed(linear), gain)
    new = FloatLinear(linear.bias * gain[:, None, None], terms, linear.shape, way)
    return replace(value, linear=new)


def negated(value: Affine) -> Affine:
    """The same with the other sign."""
    return scaled(value, np.array(-1.0))


def shifted(value: Affine, constant: Floats) -> Affine:
    """Sum with a constant that broadcasts to the shape (without batch).

    Parameters
    ----------
    constant : float64 array
    """
    full = value.undo(np.broadcast_to(constant, value.shape[1:]))
    if _is_by_channel(full):
        full = full[:, :1, :1]
    linear = value.linear
    way = after_shift(passed(linear), full)
    return replace(value, linear=replace(linear, bias=linear.bias + full, passed=way))


def _constant_operand(array: Floats, value: Tensor) -> Floats:
    """A constant operand without its batch axis; it must not widen the tensor."""
    not_widened(array, value.shape)
    return array[0] if array.ndim == len(value.shape) else array


def constant_side(arguments: Arguments) -> int | None:
    """Which of the two inputs is a constant, if one is.

    Returns
    -------
    int or None
        0 or 1.
    """
    for side in (0, 1):
        if isinstance(arguments.inputs[side], Constant):
            return side
    return None


def _with_constant(builder: Builder, arguments: Arguments, side: int) -> tuple[Affine, Floats]:
    """The tensor as a linear map, and the constant on `side`."""
    value = arguments.tensor(1 - side)
    constant = _constant_operand(floats(arguments.constant(side, len(value.shape))), value)
    return _arranged(builder, value, constant), constant


def _to_shift(builder: Builder, arguments: Arguments, side: int) -> tuple[Affine, Floats]:
    """The same for a sum, which each element of a map may have a constant of its own in."""
    value = arguments.tensor(1 - side)
    constant = _constant_operand(floats(arguments.constant(side, len(value.shape))), value)
    ready = isinstance(value, Affine)
    return (builder.affine(value) if ready else _arranged(builder, value, constant)), constant


def add(builder: Builder, arguments: Arguments) -> Affine:
    """Sum with a constant or of two tensors (a residual connection)."""
    side = constant_side(arguments)
    if side is None:
        return add_tensors(builder, arguments.tensor(0), arguments.tensor(1))
    return shifted(*_to_shift(builder, arguments, side))


def subtract(builder: Builder, arguments: Arguments) -> Affine:
    """Difference with a constant or of two tensors."""
    side = constant_side(arguments)
    if side is None:
        right = negated(builder.affine(arguments.tensor(1)))
        return add_tensors(builder, arguments.tensor(0), right)
    affine, constant = _to_shift(builder, arguments, side)
    return shifted(negated(affine), constant) if side == 0 else shifted(affine, -constant)


def multiply_by_constant(builder: Builder, arguments: Arguments) -> Affine:
    """Product with a constant."""
    side = constant_side(arguments)
    return scaled(*_with_constant(builder, arguments, int(side or 0)))


def divide_by_constant(builder: Builder, arguments: Arguments) -> Affine:
    """Quotient by a constant; InputError if the constant has a zero."""
    affine, constant = _with_constant(builder, arguments, 1)
    if not np.all(constant):
        raise InputError("divides by zero")
    return scaled(affine, 1.0 / constant)


def _negate(builder: Builder, arguments: Arguments) -> Affine:
    """Neg."""
    return negated(builder.affine(arguments.tensor()))


def _widened(builder: Builder, value: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The tensor repeated along axes of length 1, which is a matrix of ones on each of them."""
    if len(shape) != len(value.shape):
        raise InputError(f"widens a tensor {value.shape} to {shape}")
    for axis, (own, size) in enumerate(zip(value.shape, shape, strict=True)):
        if own not in (1, size) or (axis == 0 and size != own):
            raise InputError(f"widens a tensor {value.shape} to {shape}")
        if own != size:
            value = along_axis(builder, value, axis - 1, np.ones((size, 1)), np.zeros(size))
    return value


def add_tensors(builder: Builder, left: Tensor, right: Tensor) -> Affine:
    """The sum of two tensors as a linear map; InputError if it has more than 2^10 terms."""
    left, right = builder.committed(left), builder.committed(right)
    shape = np.broadcast_shapes(left.shape, right.shape)
    left, right = _widened(builder, left, shape), _widened(builder, right, shape)
    a, b = builder.affine(left), builder.affine(right)
    if a.steps != b.steps or a.linear.shape != b.linear.shape:
        # Different arrangements of their elements: meet in the arrangement of plain bytes.
        a, b = builder.affine(builder.bytes(a)), builder.affine(builder.bytes(b))
    bias = a.linear.bias + b.linear.bias
    terms = (*a.linear.terms, *b.linear.terms)
    if len(terms) > _MOST_TERMS:  # sums of sums double them with every node
        raise InputError(f"adds {len(terms)} terms; {_MOST_TERMS} are the most")
    way = after_sum(passed(a.linear), passed(b.linear))
    return replace(a, linear=FloatLinear(bias, terms, a.linear.shape, way))


def _total(builder: Builder, arguments: Arguments) -> Tensor:
    """Sum of any number of tensors and constants."""
    order = sorted(arguments.inputs, key=lambda value: isinstance(value, Constant))
    result = order[0]
    for other in order[1:]:
        result = add(builder, replace(arguments, inputs=(result, other)))
    return replace(arguments, inputs=(result,)).tensor()


def _expand(builder: Builder, arguments: Arguments) -> Tensor:
    """Expand along axes of length 1."""
    value = arguments.tensor()
    return _widened(builder, value, arguments.wide_shape(value.shape))


def _pad(builder: Builder, arguments: Arguments) -> Tensor:
    """Pad by a constant; a zero border of an image waits for the convolution that follows."""
    mode = arguments.attributes.get("mode", b"constant")
    if mode not in (b"constant", "constant"):
        raise InputError(f"pads in mode {mode!r}; only constant padding is handled")
    value = arguments.tensor()
    rank = len(value.shape)
    before, after = _pad_widths(arguments, rank)
    fill = arguments.number("value", 0.0)
    if arguments.has(2) and arguments.constant(2).size:
        fill = float(arguments.constant(2).reshape(-1)[0])
    if before[0] or after[0]:
        raise InputError("pads the batch")
    if min(*before, *after) < 0:
        raise InputError("crops by negative padding")
    image = rank == 4 and before[1] == after[1] == 0
    if image and fill == 0 and not isinstance(value, Padded):
        return Padded(value, (before[2], before[3], after[2], after[3]))
    return builder.pad(builder.bytes(value), before[1:], after[1:], fill)


def _pad_widths(arguments: Arguments, rank: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if arguments.has(1):
        given = [int(v) for v in arguments.constant(1).reshape(-1)]
    else:
        given = list(arguments.ints("pads"))
    axes = list(range(rank))
    if arguments.has(3):
        axes = [normal_axis(int(axis), rank) for axis in arguments.constant(3).reshape(-1)]
        distinct(axes)
    if len(given) != 2 * len(axes):
        raise InputError(f"{len(given)} padding widths for {len(axes)} axes")
    before, after = [0] * rank, [0] * rank
    for position, axis in enumerate(axes):
        before[axis], after[axis] = given[position], given[position + len(axes)]
    return tuple(before), tuple(after)


LINEAR_OPERATORS = {
    "Conv": conv,
    "Gemm": gemm,
    "BatchNormalization": _batch_normalization,
    "Add": add,
    "Sub": subtract,
    "Neg": _negate,
    "Pad": _pad,
    "Sum": _total,
    "Expand": _expand,
}
