"""Conv, Gemm, MatMul, BatchNormalization, and arithmetic with constants."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from wmproof.circuit.frontend.arguments import Arguments, floats, planar
from wmproof.circuit.frontend.builder import Builder
from wmproof.circuit.frontend.values import Affine, Bytes, Constant, Padded, Rearrange, Tensor
from wmproof.circuit.network import FloatConv, FloatLinear, Floats
from wmproof.errors import InputError

_MOST_TERMS = 2**10


def conv(builder: Builder, arguments: Arguments) -> Affine:
    """Conv in two dimensions, any stride, padding, dilation and groups."""
    value, weight = arguments.tensor(), floats(arguments.constant(1))
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


def pair(values: tuple[int, ...]) -> tuple[int, int]:
    """Two numbers, one for each spatial axis."""
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
    """(top, left, bottom, right) from `pads` or `auto_pad`."""
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
        total = max(0, (outputs - 1) * strides[axis] + span - size[axis])
        small, large = total // 2, total - total // 2
        low.append(small if mode == "SAME_UPPER" else large)
        high.append(large if mode == "SAME_UPPER" else small)
    return low[0], low[1], high[0], high[1]


def gemm(builder: Builder, arguments: Arguments) -> Affine:
    """Gemm with a constant matrix: alpha * A B + beta * C."""
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


def matmul(builder: Builder, arguments: Arguments) -> Affine:
    """MatMul with a constant matrix on the right, on the last axis of its input."""
    matrix = floats(arguments.constant(1))
    if matrix.ndim != 2:
        raise InputError(f"its constant has shape {matrix.shape}, not (D, M)")
    return dense(builder, arguments.tensor(), matrix.T, np.zeros(matrix.shape[1]))


def dense(builder: Builder, value: Tensor, matrix: Floats, bias: Floats) -> Affine:
    """A matrix (O, D) on the last axis of (1, D) or (1, L, D)."""
    if value.shape[-1] != matrix.shape[1]:
        raise InputError(f"a matrix of shape {matrix.shape} on a tensor {value.shape}")
    if len(value.shape) == 3:
        return _dense_rows(builder, builder.bytes(value), matrix, bias)
    if len(value.shape) != 2:
        raise InputError(f"a matrix product on a tensor {value.shape}; (N, D) or (N, L, D) only")
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


def _dense_rows(builder: Builder, value: Bytes, matrix: Floats, bias: Floats) -> Affine:
    rows, columns = value.shape[1:]
    steps = (Rearrange((1, 0), (columns, rows)), Rearrange(None, (columns, rows, 1)))
    weight = np.ascontiguousarray(matrix)[:, :, None, None]
    layer = FloatConv(-1, weight, (1, 1), np.zeros(0))
    linear = builder.convolve(builder.rearrange(value, steps), layer, bias)
    outputs = len(matrix)
    back = (Rearrange(None, (outputs, rows)), Rearrange((1, 0), (rows, outputs)))
    return Affine(linear, back, (1, rows, outputs))


def batch_normalization(builder: Builder, arguments: Arguments) -> Affine:
    """BatchNormalization with its running statistics."""
    scale, shift, mean, variance = (floats(arguments.constant(i)) for i in (1, 2, 3, 4))
    if arguments.integer("training_mode", 0):
        raise InputError("is exported in training mode", remedy="Export after model.eval()")
    if (variance < 0).any():
        raise InputError("has a negative running variance")
    gain = scale / np.sqrt(variance + arguments.number("epsilon", 1e-5))
    value = arguments.tensor()
    shape = (-1, *(1 for _ in value.shape[2:]))
    result = scaled(builder.affine(value), gain.reshape(shape))
    return shifted(result, (shift - mean * gain).reshape(shape))


def scaled(value: Affine, factor: Floats) -> Affine:
    """Product with a constant that broadcasts to the shape (without batch)."""
    full = value.undo(np.broadcast_to(factor, value.shape[1:]))
    gain = full[:, 0, 0]
    if not np.array_equal(np.broadcast_to(full[:, :1, :1], full.shape), full):
        raise InputError("multiplies by a constant that differs within a channel")
    linear = value.linear
    terms = tuple(
        replace(term, weight=term.weight * gain[:, None, None, None]) for term in linear.terms
    )
    new = FloatLinear(linear.bias * gain[:, None, None], terms, linear.shape)
    return replace(value, linear=new)


def shifted(value: Affine, constant: Floats) -> Affine:
    """Sum with a constant that broadcasts to the shape (without batch)."""
    full = value.undo(np.broadcast_to(constant, value.shape[1:]))
    if np.array_equal(np.broadcast_to(full[:, :1, :1], full.shape), full):
        full = full[:, :1, :1]
    linear = value.linear
    return replace(value, linear=replace(linear, bias=linear.bias + full))


def _constant_operand(array: Floats, value: Tensor) -> Floats:
    """A constant operand without its batch axis; it must not widen the tensor."""
    wide = np.broadcast_shapes(array.shape, value.shape)
    if wide != value.shape:
        raise InputError(f"a constant of shape {array.shape} would widen a tensor {value.shape}")
    return array[0] if array.ndim == len(value.shape) else array


def _constant_side(arguments: Arguments) -> int | None:
    """Which of the two inputs is a constant, if one is."""
    for side in (0, 1):
        if isinstance(arguments.inputs[side], Constant):
            return side
    return None


def _with_constant(builder: Builder, arguments: Arguments, side: int) -> tuple[Affine, Floats]:
    """The tensor as a linear map, and the constant on `side`."""
    value = arguments.tensor(1 - side)
    constant = _constant_operand(floats(arguments.constant(side)), value)
    return builder.affine(value), constant


def add(builder: Builder, arguments: Arguments) -> Affine:
    """Sum with a constant or of two tensors (a residual connection)."""
    side = _constant_side(arguments)
    if side is None:
        return _sum(builder, arguments.tensor(0), arguments.tensor(1))
    return shifted(*_with_constant(builder, arguments, side))


def subtract(builder: Builder, arguments: Arguments) -> Affine:
    """Difference with a constant or of two tensors."""
    side = _constant_side(arguments)
    minus = np.array(-1.0)
    if side is None:
        right = scaled(builder.affine(arguments.tensor(1)), minus)
        return _sum(builder, arguments.tensor(0), right)
    affine, constant = _with_constant(builder, arguments, side)
    return shifted(scaled(affine, minus), constant) if side == 0 else shifted(affine, -constant)


def multiply(builder: Builder, arguments: Arguments) -> Affine:
    """Product with a constant."""
    side = _constant_side(arguments)
    if side is None:
        raise InputError("multiplies two tensors that both depend on the image")
    return scaled(*_with_constant(builder, arguments, side))


def divide(builder: Builder, arguments: Arguments) -> Affine:
    """Quotient by a constant."""
    if _constant_side(arguments) != 1:
        raise InputError("divides by something that depends on the image")
    affine, constant = _with_constant(builder, arguments, 1)
    if not np.all(constant):
        raise InputError("divides by zero")
    return scaled(affine, 1.0 / constant)


def negate(builder: Builder, arguments: Arguments) -> Affine:
    """Neg."""
    return scaled(builder.affine(arguments.tensor()), np.array(-1.0))


def _sum(builder: Builder, left: Tensor, right: Tensor) -> Affine:
    if left.shape != right.shape:
        raise InputError(f"adds tensors of different shapes {left.shape} and {right.shape}")
    a, b = builder.affine(left), builder.affine(right)
    if a.steps != b.steps or a.linear.shape != b.linear.shape:
        # Different arrangements of their elements: meet in the arrangement of plain bytes.
        a, b = builder.affine(builder.bytes(a)), builder.affine(builder.bytes(b))
    bias = a.linear.bias + b.linear.bias
    terms = (*a.linear.terms, *b.linear.terms)
    if len(terms) > _MOST_TERMS:  # sums of sums double them with every node
        raise InputError(f"adds {len(terms)} terms; {_MOST_TERMS} are the most")
    return replace(a, linear=FloatLinear(bias, terms, a.linear.shape))


def pad(builder: Builder, arguments: Arguments) -> Tensor:
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
        axes = [int(axis) % rank for axis in arguments.constant(3).reshape(-1)]
    if len(given) != 2 * len(axes):
        raise InputError(f"{len(given)} padding widths for {len(axes)} axes")
    before, after = [0] * rank, [0] * rank
    for position, axis in enumerate(axes):
        before[axis], after[axis] = given[position], given[position + len(axes)]
    return tuple(before), tuple(after)


LINEAR_OPERATORS = {
    "Conv": conv,
    "Gemm": gemm,
    "MatMul": matmul,
    "BatchNormalization": batch_normalization,
    "Add": add,
    "Sub": subtract,
    "Mul": multiply,
    "Div": divide,
    "Neg": negate,
    "Pad": pad,
}
