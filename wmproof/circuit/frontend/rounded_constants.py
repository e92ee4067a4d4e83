"""Folding constants whose operators round: each number is the nearest one to the exact result.

NumPy's sums and exponentials differ from machine to machine in their last bits, and constants must
not. Sums are correctly rounded sums of exact products; functions are evaluated in decimals.

A runtime rounds otherwise, and 2^30 + 1 - 2^30 is 0 for it; in float16 it may not round at all
between two operators. So each rounded constant has two ends, between which every runtime's is. They
go the same way, and must still be nearly the same where they meet the image; what they leave open
there goes on with the linear map (`rounding.Passed`) until numbers are made of it. Nothing is
drawn: what is refused once is refused by everybody.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from decimal import Context, Decimal, localcontext
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from wmproof.circuit import functions
from wmproof.circuit.frontend.values import Constant
from wmproof.errors import InputError

_MOST_PRODUCTS = 2**24
_MOST_VALUES = 2**16  # different ones that a function is asked for
Array = NDArray[Any]
Ends = tuple[Array, Array]


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
LITTLE_DOUBT = 2.0**-20
"""What a function's last digits leave open: for whatever does not go on with a linear map."""
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


def widened(node: onnx.NodeProto, inputs: list[Array | None], result: Array, ends: Ends) -> Ends:
    """The ends of a node's result, wide enough for what its own operator rounds.

    Parameters
    ----------
    inputs : list of array or None
    result : array
        `is_rounded`.
    ends : pair of array
        What the ends of its inputs give.

    Returns
    -------
    pair of array
        Of the result's shape and type, or float32 for float16.
    """
    if result.dtype.kind != "f":
        return ends
    room, kind = room_of_rounding(node, inputs, result), np.promote_types(result.dtype, np.float32)
    return (ends[0] - room).astype(kind), (ends[1] + room).astype(kind)


def at_ends(node: onnx.NodeProto, inputs: Sequence[Constant | None]) -> list[list[Constant | None]]:
    """The inputs with one end each in the place of what is doubtful: the result lies between.

    Every operator that is folded goes up or down in each number. Those that read more than two
    tensors of floats go up in all of them.

    Raises
    ------
    InputError
        A divisor might be 0.
    """
    doubtful = [i for i, v in enumerate(inputs) if v is not None and v.ends is not None]
    divisor = {"Div": 1, "Reciprocal": 0, "Pow": 0}.get(node.op_type)
    if node.op_type == "Pow" and inputs[1] is not None and (inputs[1].array >= 0).all():
        divisor = None
    if divisor in doubtful:
        low, high = _ends(inputs[divisor])
        if not ((low > 0) | (high < 0)).all():
            raise _mostly_rounding()
    together = [[side] * len(doubtful) for side in (0, 1)]
    sides = itertools.product((0, 1), repeat=len(doubtful)) if len(doubtful) < 3 else together
    return [
        [None if v is None else _end(v, chosen.get(i, 0)) for i, v in enumerate(inputs)]
        for chosen in (dict(zip(doubtful, picked, strict=True)) for picked in sides)
    ]


def _ends(value: Constant | None) -> Ends:
    if value is None or value.ends is None:
        raise ValueError("a constant without doubt")
    return value.ends


def _end(value: Constant, side: int) -> Constant:
    """One end; of what is certain the constant, which a runtime may keep in float32."""
    array = value.array if value.ends is None else value.ends[side]
    wide = array.astype(np.float32) if array.dtype == np.float16 else array
    return replace(value, array=wide, ends=None)


def ends_of_product(inputs: Sequence[Constant | None], result: Array) -> Ends:
    """The ends of a product of two matrices, whose numbers may have any sign."""
    (a, d), (b, e) = (_middle_and_gap(v) for v in inputs if v is not None)
    gap = a @ e + d @ b + d @ e
    return result - gap, result + gap


def _middle_and_gap(value: Constant) -> tuple[Array, Array]:
    size = np.abs(value.array.astype(np.float64))
    return size, np.zeros_like(size) if value.ends is None else gap_of(value)


def gap_of(value: Constant) -> NDArray[np.float64]:
    """How far a constant with ends may be from what it is, at most."""
    low, high = (end.astype(np.float64) for end in _ends(value))
    middle = value.array.astype(np.float64)
    return np.asarray(np.maximum(high - middle, middle - low))


def room_of_rounding(
    node: onnx.NodeProto, inputs: list[Array | None], result: Array
) -> NDArray[np.float64]:
    """How far from a float result a runtime's may be; parameters as `widened`.

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
            # More than half a step, so that no cast rounds it away.
            return 1.2 * unit * np.abs(result.astype(np.float64))
        case operator:
            floor = 1.0 if operator in {"Sigmoid", "Tanh", "Erf"} else 0.0
            size = np.maximum(np.abs(result.astype(np.float64)), floor)
            return np.where(first != 0, _UNITS * unit * size + 2.0**-126, 0.0)
    if count < 2:
        return np.zeros(result.shape)
    fine = min(unit, 2.0**-24)  # float16 is added up in float32
    return np.asarray((unit + min(count, _LONGEST) * fine) * total)


def check_certain(operator: str, array: Array, others: Sequence[Array]) -> None:
    """Refuse steps and integers of rounded constants: either side of a step may be another's.

    InputError if there are such, or an end gives something else than numbers of the same shape.
    """
    whole = array.dtype.kind not in "fV" and operator not in {"Shape", "Size"}
    if whole or operator in _STEPS or any(other.shape != array.shape for other in others):
        raise InputError("asks on which side of a step a rounded constant lies")


def check_alike(value: Constant, most: float = _MOST_DOUBT) -> None:
    """Compare a constant with its ends: in each row and column they must be nearly the same.

    InputError if they are further off than this part of the largest in it.
    """
    size = np.abs(np.squeeze(value.array).astype(np.float64))
    gap = np.squeeze(gap_of(value))
    kept = range(size.ndim) if size.ndim > 1 else [None]
    for axis in kept:
        rest = tuple(a for a in range(size.ndim) if a != axis)
        if not (gap.max(rest, initial=0.0) <= most * size.max(rest, initial=0.0)).all():
            raise _mostly_rounding()


def _mostly_rounding() -> InputError:
    return InputError(
        "reads a constant that is mostly rounding, so every runtime has another one",
        remedy="Export the model with its constants folded",
    )
