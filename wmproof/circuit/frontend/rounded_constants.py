"""Folding constants whose operators round: each number is the nearest one to the exact result.

NumPy's sums and exponentials differ from machine to machine in their last bits, and constants must
not. Sums are correctly rounded sums of exact products; functions are evaluated in decimals.
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
SUMMED = frozenset({*_FUNCTIONS, "MatMul", "Pow", "ReduceSum", "ReduceMean", "Softplus"}) - {
    "Softplus"
}


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
    if first.dtype.kind != "f" and node.op_type not in {"ReduceSum", "Pow"}:
        raise InputError(f"computes a constant in {first.dtype}, which rounds")
    match node.op_type:
        case "MatMul":
            result = _matrix_product(first, arrays[1])
        case "Pow":
            exponent = np.unique(arrays[1])
            if len(exponent) != 1:
                raise InputError("takes several powers of constants")
            power = Decimal(float(exponent[0]))
            result = _decimal(lambda x: _power(x, power))(first)
        case "ReduceSum" | "ReduceMean":
            given = numbers.get("axes", arrays[1].reshape(-1).tolist() if len(arrays) > 1 else None)
            if not given and numbers.get("noop_with_empty_axes", 0):
                return [first]
            axes = tuple(int(a) % first.ndim for a in given or range(first.ndim))
            result = _sum(first, axes, bool(numbers.get("keepdims", 1)))
            if node.op_type == "ReduceMean":
                result = result / math.prod(first.shape[axis] for axis in axes)
        case _:
            result = _FUNCTIONS[node.op_type](first)
    return [np.asarray(result).astype(first.dtype)]
