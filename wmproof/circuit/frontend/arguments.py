"""Reading a node's inputs and attributes, with errors that say what is wrong with which one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof.circuit.frontend.values import Answer, Constant, Gathered, Tensor, Value
from wmproof.circuit.ir import Shape
from wmproof.errors import InputError


@dataclass(frozen=True, eq=False)
class Arguments:
    """One ONNX node's inputs (None where left out), attributes and operator set version."""

    inputs: tuple[Value | None, ...]
    attributes: dict[str, Any]
    opset: int

    def has(self, index: int) -> bool:
        """Whether input `index` is given."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def tensor(self, index: int = 0) -> Tensor:
        """Input `index`, which must depend on the image."""
        value = self.inputs[index] if self.has(index) else None
        if isinstance(value, Gathered):
            raise InputError("its input rearranges elements as only a dense layer could take")
        if value is None or isinstance(value, Constant | Answer):
            raise InputError(f"its input {index} must be computed from the image")
        return value

    def constant(self, index: int) -> NDArray[Any]:
        """Input `index`, which must be a constant."""
        value = self.inputs[index] if self.has(index) else None
        if not isinstance(value, Constant):
            raise InputError(f"its input {index} must be a constant")
        return value.array

    def ints(self, name: str, default: tuple[int, ...] | None = None) -> tuple[int, ...]:
        """An attribute that is a list of integers."""
        value = self.attributes.get(name, default)
        if value is None:
            raise InputError(f"attribute {name} is missing")
        return tuple(int(v) for v in value)

    def integer(self, name: str, default: int) -> int:
        """An integer attribute."""
        return int(self.attributes.get(name, default))

    def number(self, name: str, default: float) -> float:
        """A float attribute."""
        return float(self.attributes.get(name, default))

    def axes(self, index: int, rank: int) -> tuple[int, ...] | None:
        """Axes, an attribute in older operator sets and input `index` in newer; None if absent."""
        if "axes" in self.attributes:
            axes = self.ints("axes")
        elif self.has(index):
            axes = tuple(int(axis) for axis in self.constant(index).reshape(-1))
        else:
            return None
        return tuple(sorted(normal_axis(axis, rank) for axis in axes))


def normal_axis(axis: int, rank: int) -> int:
    """A non-negative axis below `rank`."""
    if not -rank <= axis < rank:
        raise InputError(f"axis {axis} of a tensor of {rank} dimensions")
    return axis % rank


def floats(array: NDArray[Any]) -> NDArray[np.float64]:
    """A constant as float64."""
    return np.asarray(array, np.float64)


def not_batch(axis: int) -> int:
    """An axis other than the batch's."""
    if axis == 0:
        raise InputError("it works across the images of a batch")
    return axis


def planar(shape: Shape) -> tuple[int, int, int]:
    """(C, H, W) of a tensor (1, C, H, W)."""
    if len(shape) != 4:
        raise InputError(f"needs (N, C, H, W), its input is {shape}")
    return shape[1], shape[2], shape[3]
