"""Resize by nearest neighbours, linear or cubic interpolation: a matrix along each axis."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from wmproof.circuit.frontend.arguments import Arguments
from wmproof.circuit.frontend.builder import Builder
from wmproof.circuit.frontend.linear_operators import along_axis
from wmproof.circuit.frontend.values import Tensor
from wmproof.circuit.network import Floats
from wmproof.errors import InputError


def resize(builder: Builder, arguments: Arguments) -> Tensor:
    """Resize to sizes or by scales, of operator set 11 and newer.

    InputError if it resizes the batch, or in a way that no convolution gives.
    """
    value = arguments.tensor()
    _check(arguments)
    rank = len(value.shape)
    named = arguments.attributes.get("axes")
    axes = tuple(range(rank)) if named is None else tuple(int(a) % rank for a in named)
    by_sizes = arguments.has(3) and arguments.constant(3).size > 0
    numbers = arguments.constant(3 if by_sizes else 2).reshape(-1)
    if len(numbers) != len(axes):
        raise InputError(f"has {len(numbers)} sizes or scales for {len(axes)} axes")
    for axis, number in zip(axes, numbers.tolist(), strict=True):
        size = value.shape[axis]
        if axis == 0:
            if number != (arguments.batch if by_sizes else 1):
                raise InputError("resizes the batch")
            continue
        exact = Fraction(number)
        scale = exact / size if by_sizes else exact
        # A runtime multiplies in float32: 10 times the float32 next to 0.7 is 7 there.
        target = int(number) if by_sizes else math.floor(np.float32(size) * np.float32(number))
        if target != size or scale != 1:
            if _mode(arguments) == "cubic" and (rank != 4 or axis < 2):
                raise InputError(f"interpolates axis {axis} of {value.shape} by cubes")
            matrix = _matrix(arguments, size, target, scale)
            value = along_axis(builder, value, axis - 1, matrix, np.zeros(target))
    return value


def _text(arguments: Arguments, name: str, default: str) -> str:
    value = arguments.attributes.get(name, default)
    return value.decode() if isinstance(value, bytes) else str(value)


def _mode(arguments: Arguments) -> str:
    return _text(arguments, "mode", "nearest")


def _check(arguments: Arguments) -> None:
    if arguments.opset < 11:
        raise InputError("resizes by an operator set before 11, whose places are not defined")
    plain = {
        "antialias": arguments.integer("antialias", 0) == 0,
        "keep_aspect_ratio_policy": _text(arguments, "keep_aspect_ratio_policy", "stretch")
        == "stretch",
        "mode": _mode(arguments) in {"nearest", "linear", "cubic"},
        "cubic_coeff_a": abs(arguments.number("cubic_coeff_a", -0.75)) <= 1,  # else they cancel
    }
    for name, fine in plain.items():
        if not fine:
            raise InputError(f"has {name} = {arguments.attributes[name]!r}, which is not handled")


def _matrix(arguments: Arguments, size: int, target: int, scale: Fraction) -> Floats:
    if not 1 <= target <= 2**14 or scale <= 0:
        raise InputError(f"resizes an axis of {size} to {target}")
    matrix = np.zeros((target, size))
    for row in range(target):
        place = _place(arguments, row, size, target, scale)
        if _mode(arguments) == "cubic":
            matrix[row] = _cubic(arguments, place, size)
        elif _mode(arguments) == "nearest":
            matrix[row, min(max(_nearest(arguments, place), 0), size - 1)] = 1
        else:
            inside = min(max(place, Fraction(0)), Fraction(size - 1))
            low = math.floor(inside)
            matrix[row, low] = 1 - (inside - low)
            if low + 1 < size:
                matrix[row, low + 1] += float(inside - low)
    return matrix


def _cubic(arguments: Arguments, place: Fraction, size: int) -> Floats:
    """Weights of the four neighbours; those beyond the border are the last one, or left out."""
    a, weights = arguments.number("cubic_coeff_a", -0.75), np.zeros(size)
    outside = arguments.integer("exclude_outside", 0)
    first = math.floor(place) - 1
    for index in range(first, first + 4):
        distance = float(abs(place - index))
        near = (a + 2) * distance**3 - (a + 3) * distance**2 + 1
        far = a * (distance**3 - 5 * distance**2 + 8 * distance - 4)
        if not outside or 0 <= index < size:
            weights[min(max(index, 0), size - 1)] += near if distance <= 1 else far
    total: float = weights.sum()
    if total < 0.25:
        raise InputError("leaves out nearly all neighbours beyond the border")
    return weights / total


def _place(arguments: Arguments, row: int, size: int, target: int, scale: Fraction) -> Fraction:
    """Where an element of the result lies among those of the input."""
    kind = _text(arguments, "coordinate_transformation_mode", "half_pixel")
    middle = (row + Fraction(1, 2)) / scale - Fraction(1, 2)
    match kind:
        case "half_pixel":
            return middle
        case "pytorch_half_pixel":
            return middle if target > 1 else Fraction(0)
        case "asymmetric":
            return row / scale
        case "align_corners":
            return Fraction(row * (size - 1), target - 1) if target > 1 else Fraction(0)
        case _:
            raise InputError(f"places its elements by {kind}, which is not handled")


def _nearest(arguments: Arguments, place: Fraction) -> int:
    """The nearest element; where float32 might see another one, the file is refused."""
    half = Fraction(1, 2)
    kind = _text(arguments, "nearest_mode", "round_prefer_floor")
    edge = place if kind in {"floor", "ceil"} else place - half
    distance = abs(edge - round(edge))
    exact = Fraction(float(np.float32(float(place)))) == place
    if distance < Fraction(1, 1000) and not (
        exact and place.denominator & (place.denominator - 1) == 0
    ):
        raise InputError("resizes at places that float32 rounds to one side or the other")
    match kind:
        case "floor":
            return math.floor(place)
        case "ceil":
            return math.ceil(place)
        case "round_prefer_floor":
            return math.ceil(place - half)
        case "round_prefer_ceil":
            return math.floor(place + half)
        case _:
            raise InputError(f"takes neighbours by {kind}, which is not handled")
