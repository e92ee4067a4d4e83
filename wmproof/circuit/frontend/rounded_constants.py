"""Folding constants whose operators round: each number is the nearest one to the exact result.

NumPy's sums and exponentials differ from machine to machine in their last bits, and constants must
not. Sums are correctly rounded sums of exact products; functions are evaluated in decimals.

A runtime rounds otherwise, and 2^30 + 1 - 2^30 is 0 for it; in float16 it may not round at all
between two operators. So each rounded constant comes with another one, drawn from where a runtime's
may be. Both go the same way, and must still be nearly the same where they meet the image. The draw
is nobody's to try out: it is another one every time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from decimal import Context, Decimal, localcontext
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from wmproof.circuit import functions
from wmproof.errors import InputError

_MOST_PRODUCTS = 2**24
_MOST_VALUES = 2**16  # different ones that a function is asked for
Array = NDArray[Any]


def _matrix_product(left: Array, right: Array) -> Array:
    if left.ndim < 2 or right.ndim != 2 or left.size * right.shape[1] > _MOST_PRODUCTS:
        raise InputError(f"multiplies constants {left.shape} and {right.shape}")
    columns = np.ascontiguousarray(right.T, np.float64)
    rows = left.reshape(-1, left.shape[-1]).astype(np.float64)
    sums = np.array([[math.fsum(row * column) for column in columns] for row in rows])
    return sums.reshape(*left.shape[:-1], right.shape[1])


def _sum(array: Array, axes: tuple[int, ...], keep: bool) -> Array:
    kept = [axis for axis in range(array.ndim) if axis not in axes]
    if math.prod(array.shape[axis] for axis in kept) > _MOST_PRODUCTS:
        raise InputError(f"makes more than 2^24 sums of a constant {array.shape}")
    moved = array.astype(np.float64).transpose(*kept, *axes)
    flat = moved.reshape(math.prod(array.shape[axis] for axis in kept), -1)
    sums = np.array([math.fsum(row) for row in flat])
    return sums.reshape(
        [s if a in kept else 1 for a, s in enumerate(array.shape) if keep or a in kept]
    )


def _decimal(function: Callable[[Decimal], Decimal]) -> Callable[[Array], Array]:
    def apply(array: Array) -> Array:
        points, where = np.unique(array, return_inverse=True)
        if len(points) > _MOST_VALUES:
            raise InputError(f"asks for a function of {len(points)} constants")
        try:
            with localcontext(Context(prec=40)):
                values = np.array([float(function(Decimal(float(p)))) for p in points])
        except ArithmeticError as error:
            raise InputError(f"asks for a function where it has no value ({error!r})") from None
        return np.asarray(values[where].reshape(array.shape))

    return apply


def _power(base: Decimal, exponent: Decimal) -> Decimal:
    if (base < 0 and exponent != int(exponent)) or (base == 0 and exponent <= 0):
        raise InputError(f"takes the power {exponent} of {base}")
    return base**exponent


_FUNCTIONS = {
    "Sigmoid": _decimal(functions.sigmoid),
    "Tanh": _decimal(functions.tanh),
    "Erf": _decimal(functions.erf),
    "Exp": _decimal(lambda x: x.exp()),
    "Log": _decimal(lambda x: x.ln()),
}
SUMMED = frozenset({*_FUNCTIONS, "MatMul", "Pow", "ReduceSum", "ReduceMean"})
_EACH = frozenset({"Add", "Sub", "Mul", "Div", "Sqrt", "Reciprocal"})
"""Of float32 they are exact everywhere, of float16 not."""
_STEPS = frozenset({"Floor", "Ceil", "Round", "Sign", "Mod"})
_MOST_DOUBT = 2.0**-8  # of the largest beside it: what a byte cannot show either
_LONGEST = 2**15  # terms whose roundings might all go one way
_UNITS = 8  # in the last place, by which runtimes' functions are off
_WHOLE = 2.0**53  # runtimes add up integers, and raise them to powers, in float64


def values_asked(operator: str, inputs: Iterable[Array]) -> int:
    """For how many different numbers a node asks for a function's value; each takes its time."""
    if operator not in {*_FUNCTIONS, "Pow"}:
        return 0
    return sum(np.unique(array).size for array in inputs)


def summed(node: onnx.NodeProto, inputs: list[Array | None]) -> list[Array]:
    """The output of a node of `SUMMED`, in the type of its first input.

    Returns
    -------
    list of array
        One.

    Raises
    ------
    InputError
        The operator is computed in a type, or with inputs, that are not handled.
    """
    arrays = [v for v in inputs if v is not None]
    numbers = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    first = arrays[0]
    if first.dtype.kind != "f":
        _check_whole(node.op_type, arrays)
    match node.op_type:
        case "MatMul":
            result = _matrix_product(first, arrays[1])
        case "Pow":
            exponent = np.unique(arrays[1])
            if len(exponent) != 1:
                raise InputError("takes several powers of constants")
            if np.broadcast_shapes(first.shape, arrays[1].shape) != first.shape:
                raise InputError(f"widens a constant {first.shape} by its power's shape")
            power = Decimal(float(exponent[0]))
            result = _decimal(lambda x: _power(x, power))(first)
        case "ReduceSum" | "ReduceMean":
            axes = _summed_axes(node, arrays)
            if axes is None:
                return [first]
            result = _sum(first, axes, bool(numbers.get("keepdims", 1)))
            if node.op_type == "ReduceMean":
                result = result / math.prod(first.shape[axis] for axis in axes)
        case _:
            result = _FUNCTIONS[node.op_type](first)
    return [np.asarray(result).astype(first.dtype)]


def _summed_axes(node: onnx.NodeProto, arrays: list[Array]) -> tuple[int, ...] | None:
    numbers = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    given = numbers.get("axes", arrays[1].reshape(-1).tolist() if len(arrays) > 1 else None)
    if not given and numbers.get("noop_with_empty_axes", 0):
        return None
    return tuple(int(a) % arrays[0].ndim for a in given or range(arrays[0].ndim))


def _check_whole(operator: str, arrays: list[Array]) -> None:
    """Refuse integers that round or wrap on their way."""
    first = arrays[0]
    if operator not in {"ReduceSum", "Pow"}:
        raise InputError(f"computes a constant in {first.dtype}, which rounds")
    sizes = np.abs(first.astype(np.float64))
    power = operator == "Pow"
    if power and arrays[1].dtype.kind not in "iu":
        raise InputError(f"takes a power of {first.dtype} that is none itself, and rounds")
    with np.errstate(over="ignore"):
        most = (sizes ** arrays[1] if power else sizes.sum()).max(initial=0.0)
    if most > min(_WHOLE, np.iinfo(first.dtype).max):
        raise InputError(f"makes integers of {most:.3g}, which {first.dtype} wraps or rounds")


def is_rounded(operator: str, result: Array) -> bool:
    """Whether runtimes may have other numbers where an operator on constants has this result."""
    return operator in SUMMED or (operator in _EACH and result.dtype == np.float16)


def rounded_otherwise(node: onnx.NodeProto, inputs: list[Array | None], result: Array) -> Array:
    """What a runtime might have computed instead of a node whose result `is_rounded`.

    Parameters
    ----------
    inputs : list of array or None
    result : array

    Returns
    -------
    array
        Of the result's shape and type, or float32 for float16; equal to it where nothing is
        rounded.
    """
    if result.dtype.kind != "f":
        return result
    drawn = np.random.default_rng()
    shift = drawn.uniform(0.5, 1.0, result.shape) * drawn.choice([-1, 1], result.shape)
    moved = result + shift * room_of_rounding(node, inputs, result)
    return np.asarray(moved).astype(np.promote_types(result.dtype, np.float32))


def room_of_rounding(
    node: onnx.NodeProto, inputs: list[Array | None], result: Array
) -> NDArray[np.float64]:
    """How far from a float result a runtime's may be; parameters as `rounded_otherwise`.

    Returns
    -------
    float64 array
        Of the result's shape.
    """
    arrays = [v.astype(np.float64) for v in inputs if v is not None]
    first, unit = arrays[0], float(np.finfo(result.dtype).eps) / 2
    match node.op_type:
        case "MatMul":
            count, total = first.shape[-1], np.abs(first) @ np.abs(arrays[1])
        case "ReduceSum" | "ReduceMean":
            axes = _summed_axes(node, arrays) or ()
            count = math.prod(first.shape[axis] for axis in axes)
            total = np.abs(first).sum(axis=axes).reshape(result.shape)
            if node.op_type == "ReduceMean":
                total = total / count
        case operator if operator in _EACH:
            # Half a step or more at the least draw, so that no cast rounds it away.
            return 2.4 * unit * np.abs(result.astype(np.float64))
        case operator:
            floor = 1.0 if operator in {"Sigmoid", "Tanh", "Erf"} else 0.0
            size = np.maximum(np.abs(result.astype(np.float64)), floor)
            return np.where(first != 0, _UNITS * unit * size + 2.0**-126, 0.0)
    if count < 2:
        return np.zeros(result.shape)
    fine = min(unit, 2.0**-24)  # float16 is added up in float32
    return np.asarray((unit + min(count, _LONGEST) * fine) * total)


def check_certain(operator: str, array: Array, other: Array) -> None:
    """Refuse steps and integers of rounded constants: either side of a step may be another's.

    InputError if there are such, or the two are not both numbers.
    """
    whole = array.dtype.kind not in "fV" and operator not in {"Shape", "Size"}
    if whole or operator in _STEPS or array.shape != other.shape:
        raise InputError("asks on which side of a step a rounded constant lies")


def check_alike(array: Array, other: Array) -> None:
    """Compare a constant with another's: in each row and column they must be nearly the same.

    InputError if they are not.
    """
    size = np.abs(np.squeeze(array).astype(np.float64))
    gap = np.abs(np.squeeze(other).astype(np.float64) - np.squeeze(array).astype(np.float64))
    kept = range(size.ndim) if size.ndim > 1 else [None]
    for axis in kept:
        rest = tuple(a for a in range(size.ndim) if a != axis)
        if not (gap.max(rest, initial=0.0) <= _MOST_DOUBT * size.max(rest, initial=0.0)).all():
            raise InputError(
                "reads a constant that is mostly rounding, so every runtime has another one",
                remedy="Export the model with its constants folded",
            )
