"""Scales and zero points as the standard has them; what is anything else is refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof.circuit.frontend.values import Quantisation
from wmproof.errors import InputError

_SMALLEST, _LARGEST = 2.0**-100, 2.0**60  # of a scale: float32 vanishes and overflows beyond
_MOST_WHOLE = (
    2**30
)  # of a 32-bit constant: a runtime adds products to it, and the sum must not wrap
_REMEDY = "Quantise the model with uint8 or int8 numbers and one float32 scale for each tensor"
# Attributes of QuantizeLinear and DequantizeLinear, and the value at which each changes nothing.
_NOTHING = {"block_size": 0, "output_dtype": 0, "precision": 0, "saturate": 1}
PIXELS = Quantisation(1.0, 0, 0, 255)

Array = NDArray[Any]


def check_attributes(attributes: Mapping[str, Any]) -> None:
    """Refuse blocks of numbers, and types that another attribute names.

    InputError if numbers are quantised in blocks, or an attribute names another type.
    """
    for name, value in attributes.items():
        if name in _NOTHING and value != _NOTHING[name]:
            raise _refused(f"is quantised with {name} = {value}")


def quantisation(scale: Array, zero: Array | None) -> Quantisation:
    """Of a tensor that depends on the image: one scale, and a zero point of its type.

    InputError if they are not one number each, or of other types, or the scale is not a
    positive number.
    """
    zero = np.zeros((), np.uint8) if zero is None else zero
    limits = _integer_range(zero.dtype)
    if scale.size != 1 or zero.size != 1:
        raise _refused(f"has {scale.size} scales and {zero.size} zero points for its numbers")
    step = float(_checked_scale(scale).reshape(()))
    return Quantisation(step, int(zero.reshape(())), *limits)


def dequantised(array: Array, scale: Array, zero: Array | None, axis: int) -> NDArray[np.float32]:
    """A constant, as a runtime makes float32 of it.

    Parameters
    ----------
    scale, zero : array
        One, or one for each index of `axis`.

    Raises
    ------
    InputError
        Integers of 32 bits have a zero point, or are so large that sums wrap.
    """
    step, point = _along(array, scale, zero, axis)
    if array.dtype == np.int32:
        if point.any():
            raise _refused("has 32-bit numbers with a zero point")
        if array.size and int(np.abs(array.astype(np.int64)).max()) >= _MOST_WHOLE:
            raise InputError("has 32-bit constants of 2^30 or more, with which sums wrap")
    else:
        _integer_range(array.dtype)
    return (array.astype(np.int64) - point).astype(np.float32) * step


def quantised(array: Array, scale: Array, zero: Array | None, axis: int) -> Array:
    """Integers of a float constant, ties to even, beyond the ends of their type its ends.

    Parameters
    ----------
    scale, zero : array
        One, or one for each index of `axis`.

    Raises
    ------
    InputError
        The constant is of no type that is quantised.
    """
    zero = np.zeros((), np.uint8) if zero is None else zero
    low, high = _integer_range(zero.dtype)
    if array.dtype != np.float32:
        raise _refused(f"quantises constants of type {array.dtype}")
    step, point = _along(array, scale, zero, axis)
    # Clipped first: a quotient may be larger than any integer.
    whole = np.rint(np.clip(array / step, low - point, high - point)).astype(np.int64) + point
    return whole.astype(zero.dtype)


def factors(array: Array, zero: Array | None, axis: int, outputs: int) -> NDArray[np.int64]:
    """Constant integers, less their zero points, that a runtime multiplies and sums in 32 bits.

    Parameters
    ----------
    zero : array, optional
        One, or one for each index of `axis`.
    outputs : int
        The axis over which sums do not run.

    Raises
    ------
    InputError
        32 bits may not hold the sums.
    """
    _integer_range(array.dtype)
    ones = np.ones(() if zero is None else zero.shape, np.float32)
    whole = array.astype(np.int64) - _along(array, ones, zero, axis)[1]
    others = tuple(i for i in range(array.ndim) if i != outputs % array.ndim)
    if int(np.abs(whole).sum(axis=others).max(initial=0)) * 255 >= _MOST_WHOLE:
        raise InputError("sums so many products of integers that 32 bits may not hold them")
    return np.asarray(whole)


def _along(
    array: Array, scale: Array, zero: Array | None, axis: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Scale and zero points in shapes that broadcast to the array."""
    step = _checked_scale(scale)
    if zero is not None and (zero.size != step.size or zero.dtype.kind not in "iu"):
        raise _refused(f"has {step.size} scales and {zero.size} zero points of type {zero.dtype}")
    if zero is not None and array.dtype.kind != "f" and zero.dtype != array.dtype:
        raise _refused(f"has zero points of type {zero.dtype} for numbers of type {array.dtype}")
    point = np.zeros(step.shape, np.int64) if zero is None else zero.astype(np.int64)
    if step.size == 1:
        return step.reshape(()), point.reshape(())
    if not -array.ndim <= axis < array.ndim or step.shape != (array.shape[axis],):
        raise _refused(
            f"has scales of shape {step.shape} along axis {axis} of a tensor {array.shape}"
        )
    shape = [1] * array.ndim
    shape[axis] = len(step)
    return step.reshape(shape), point.reshape(shape)


def _checked_scale(scale: Array) -> NDArray[np.float32]:
    if scale.dtype != np.float32:
        raise _refused(f"has a scale of type {scale.dtype}")
    fine = (scale >= _SMALLEST) & (scale <= _LARGEST)
    if not scale.size or not fine.all():
        raise _refused(f"has the scales {scale[~fine][:1]}, no positive numbers of sensible size")
    return scale


def _integer_range(dtype: np.dtype[Any]) -> tuple[int, int]:
    if dtype not in (np.uint8, np.int8):
        raise _refused(f"is quantised to {dtype}")
    limits = np.iinfo(dtype)
    return int(limits.min), int(limits.max)


def _refused(what: str) -> InputError:
    return InputError(what, remedy=_REMEDY)
