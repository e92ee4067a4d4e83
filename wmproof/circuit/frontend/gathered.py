"""Tensors whose elements are small sums of bytes picked from anywhere, for a dense layer to absorb.

An adaptive average pool whose output does not divide its input is exported as gathers, masks and
sums that have no shape of their own. They are followed as lists of (element, weight) and folded
into the matrix that comes after, exactly and in a fixed order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof.circuit.frontend.arguments import Arguments, floats, normal_axis
from wmproof.circuit.frontend.builder import Builder
from wmproof.circuit.frontend.linear_operators import dense
from wmproof.circuit.frontend.shape_operators import gathers_slices
from wmproof.circuit.frontend.values import Affine, Bytes, Constant, Folded, Gathered
from wmproof.circuit.network import Floats
from wmproof.errors import InputError

_LARGEST = 2**26
_CANCELLING = 2.0**10
_SENSIBLE = 2.0**20


def starts_gathering(operator: str, arguments: Arguments) -> bool:
    """Whether an operator leaves what wiring and convolutions can express."""
    if operator == "Gather":
        return not gathers_slices(arguments)
    return operator in {"GatherND", "Where"}


def gathered(builder: Builder, arguments: Arguments) -> Arguments:
    """The same arguments with every tensor as a `Gathered`."""
    inputs = [
        value
        if value is None or isinstance(value, Constant | Gathered)
        else _of_folded(builder, value, arguments.batch)
        if isinstance(value, Folded)
        else _start(builder, builder.bytes(arguments.tensor(index)))
        for index, value in enumerate(arguments.inputs)
    ]
    return replace(arguments, inputs=tuple(inputs))


def _start(builder: Builder, value: Bytes) -> Gathered:
    index = np.arange(math.prod(value.shape)).reshape(1, *value.shape)
    return Gathered(value.node, index, np.ones(index.shape), np.zeros(value.shape), 0)


def _of_folded(builder: Builder, value: Folded, batch: int | None) -> Gathered:
    axis = value.shape.index(1) if batch == 1 and 1 in value.shape else value.axis
    if value.shape[axis] != 1:
        raise InputError("gathers elements of a tensor whose batch is joined with another axis")
    source = builder.bytes(value.inner)
    index = np.arange(math.prod(value.shape)).reshape(1, *value.shape)
    return Gathered(source.node, index, np.ones(index.shape), np.zeros(value.shape), axis)


def _only(arguments: Arguments) -> Gathered:
    for value in arguments.inputs:
        if isinstance(value, Gathered):
            return value
    raise InputError("has no gathered input")


@dataclass(frozen=True)
class _Move:
    """One rearrangement applied to all arrays of a `Gathered`, and the new batch axis."""

    apply: Callable[[NDArray[Any]], NDArray[Any]]
    batch: int

    def __call__(self, value: Gathered) -> Gathered:
        index = np.stack([self.apply(tap) for tap in value.index]).astype(np.int64)
        weight = np.stack([self.apply(tap) for tap in value.weight])
        if index.size > _LARGEST:
            raise InputError(f"gathers {index.size} elements")
        return replace(
            value, index=index, weight=weight, bias=self.apply(value.bias), batch=self.batch
        )


def _transpose(arguments: Arguments) -> Gathered:
    value = _only(arguments)
    axes = arguments.ints("perm", tuple(reversed(range(len(value.shape)))))
    return _Move(lambda array: array.transpose(axes), axes.index(value.batch))(value)


def _gather(arguments: Arguments) -> Gathered:
    value, places = _only(arguments), arguments.constant(1).astype(np.int64)
    axis = normal_axis(arguments.integer("axis", 0), len(value.shape))
    _keep_batch(value, axis)
    size = value.shape[axis]
    if places.size and not -size <= places.min() <= places.max() < size:
        raise InputError(f"gathers elements beyond the {size} of axis {axis}")
    shift = places.ndim - 1 if value.batch > axis else 0
    return _Move(lambda array: np.take(array, places, axis), value.batch + shift)(value)


def _gather_nd(arguments: Arguments) -> Gathered:
    value, places = _only(arguments), arguments.constant(1).astype(np.int64)
    if arguments.integer("batch_dims", 0):
        raise InputError("gathers with batch dimensions")
    depth = places.shape[-1]
    for axis in range(depth):
        _keep_batch(value, axis)
    where = tuple(np.moveaxis(places, -1, 0))
    if any(
        part.size and not -size <= part.min() <= part.max() < size
        for part, size in zip(where, value.shape, strict=False)
    ):
        raise InputError(f"gathers elements beyond the shape {value.shape}")
    batch = value.batch - depth + places.ndim - 1
    return _Move(lambda array: array[where], batch)(value)


def _keep_batch(value: Gathered, axis: int) -> None:
    if axis == value.batch:
        raise InputError("works across the images of a batch")


def _widened(value: Gathered, shape: tuple[int, ...]) -> Gathered:
    wide = np.broadcast_shapes(shape, value.shape)
    batch = value.batch + len(wide) - len(value.shape)
    if wide[batch] != 1:
        raise InputError(f"widens a tensor {value.shape} to {wide}")
    added = (1,) * (len(wide) - len(value.shape))
    return _Move(lambda a: np.broadcast_to(a.reshape(added + a.shape), wide).copy(), batch)(value)


def _where(arguments: Arguments) -> Gathered:
    """Where with a constant condition between a tensor and a constant."""
    condition = arguments.constant(0).astype(bool)
    tensor_first = isinstance(arguments.inputs[1], Gathered)
    other = _sensible(arguments.constant(2 if tensor_first else 1))
    shape = np.broadcast_shapes(condition.shape, other.shape)
    value = _widened(_only(arguments), shape)
    keep = np.broadcast_to(condition if tensor_first else ~condition, value.shape)
    return replace(
        value,
        weight=np.where(keep, value.weight, 0.0),
        bias=np.where(keep, value.bias, np.broadcast_to(other, value.shape)),
    )


def _add(arguments: Arguments) -> Gathered:
    left, right = arguments.inputs[:2]
    if not isinstance(left, Gathered) or not isinstance(right, Gathered):
        value = _only(arguments)
        constant = _sensible(arguments.constant(0 if value is right else 1))
        value = _widened(value, constant.shape)
        return replace(value, bias=value.bias + constant)
    if left.node != right.node or left.shape != right.shape:
        raise InputError(f"adds gathered tensors {left.shape} and {right.shape}")
    return replace(
        left,
        index=np.concatenate([left.index, right.index]),
        weight=np.concatenate([left.weight, right.weight]),
        bias=left.bias + right.bias,
    )


def _sensible(array: NDArray[Any]) -> Floats:
    """A constant that float32 adds to gathered elements, or multiplies them by, without harm."""
    wide, sizes = floats(array), np.abs(array)
    if (sizes > _SENSIBLE).any() or ((sizes > 0) & (sizes < 1 / _SENSIBLE)).any():
        raise InputError("has a constant beside which float32 loses what is gathered")
    return wide


def _scale(value: Gathered, factor: Floats) -> Gathered:
    value = _widened(value, factor.shape)
    return replace(value, weight=value.weight * factor, bias=value.bias * factor)


def _multiply(arguments: Arguments) -> Gathered:
    value = _only(arguments)
    side = 0 if value is arguments.inputs[1] else 1
    return _scale(value, _sensible(arguments.constant(side)))


def _divide(arguments: Arguments) -> Gathered:
    divisor = floats(arguments.constant(1))
    if not np.all(divisor):
        raise InputError("divides by zero")
    return _scale(_only(arguments), _sensible(1.0 / divisor))


def _reduce_mean(arguments: Arguments) -> Gathered:
    value = _only(arguments)
    rank = len(value.shape)
    axes = arguments.axes(1, rank)
    if not axes:
        raise InputError("averages over all axes, the batch too, or over none")
    for axis in axes:
        _keep_batch(value, axis)
    keep = bool(arguments.integer("keepdims", 1))
    index: NDArray[Any] = value.index
    weight: NDArray[Any] = value.weight
    bias = value.bias
    count = math.prod(value.shape[axis] for axis in axes)
    for axis in reversed(axes):
        index = np.concatenate(list(np.moveaxis(index, axis + 1, 0)))
        weight = np.concatenate(list(np.moveaxis(weight, axis + 1, 0)))
        parts = list(np.moveaxis(bias, axis, 0))
        bias = parts[0]
        for part in parts[1:]:
            bias = bias + part
    batch = value.batch - sum(axis < value.batch for axis in axes)
    if keep:
        for axis in axes:
            index, weight = (np.expand_dims(a, axis + 1) for a in (index, weight))
            bias = np.expand_dims(bias, axis)
        batch = value.batch
    return replace(value, index=index, weight=weight / count, bias=bias / count, batch=batch)


def _reshape(arguments: Arguments) -> Gathered:
    value = _only(arguments)
    if value.batch:
        raise InputError("reshapes while the batch is not the first axis")
    shape = arguments.new_shape(value.shape)
    return _Move(lambda array: array.reshape(shape), 0)(value)


def _flatten(arguments: Arguments) -> Gathered:
    value = _only(arguments)
    if value.batch or arguments.integer("axis", 1) != 1:
        raise InputError("flattens while the batch is not the first axis")
    return _Move(lambda array: array.reshape(1, -1), 0)(value)


def _identity(arguments: Arguments) -> Gathered:
    return _only(arguments)


GATHERED_OPERATORS: dict[str, Callable[[Arguments], Gathered]] = {
    "Transpose": _transpose,
    "Gather": _gather,
    "GatherND": _gather_nd,
    "Where": _where,
    "Add": _add,
    "Mul": _multiply,
    "Div": _divide,
    "ReduceMean": _reduce_mean,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Identity": _identity,
}


def absorb(builder: Builder, arguments: Arguments) -> Affine:
    """Gemm on a gathered tensor: its matrix in terms of the bytes themselves.

    InputError if the matrix is no constant, does not fit, or its sums cancel.
    """
    value = arguments.inputs[0]
    matrix = arguments.constant(1)
    if not isinstance(value, Gathered) or matrix.ndim != 2:
        raise InputError("multiplies by something gathered from the image")
    if arguments.integer("transA", 0) or value.batch or len(value.shape) != 2:
        raise InputError(f"a matrix product on a gathered tensor {value.shape}")
    columns = matrix.T if arguments.integer("transB", 0) else matrix
    if len(columns) != value.shape[1]:
        raise InputError(f"a matrix of shape {matrix.shape} on a tensor {value.shape}")
    source = math.prod(builder.shapes[value.node])
    folded = np.zeros((source, columns.shape[1]))
    sizes = np.zeros_like(folded)
    constant = np.zeros(columns.shape[1])
    # One element after the other: a fixed order of the float additions.
    for place, column in enumerate(columns):
        for index, weight in zip(value.index[:, 0, place], value.weight[:, 0, place], strict=True):
            if weight:
                folded[index] += weight * column
                sizes[index] += np.abs(weight * column)
        if value.bias[0, place]:
            constant += value.bias[0, place] * column
    if sizes.max(initial=0) > _CANCELLING * np.abs(folded).max(initial=0):
        raise InputError("gathers elements whose sums cancel, which float32 would round away")
    folded *= arguments.number("alpha", 1.0)
    bias = constant * arguments.number("alpha", 1.0)
    if arguments.has(2):
        given = floats(arguments.constant(2)) * arguments.number("beta", 1.0)
        bias = bias + np.broadcast_to(given, (1, len(bias)))[0]
    flat = builder.reshape(Bytes(value.node, (1, *builder.shapes[value.node])), (source,))
    return dense(builder, flat, folded.T, bias)
