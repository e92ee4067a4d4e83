"""Reading a node's inputs and attributes, with errors that say what is wrong with which one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from wmproof.circuit.frontend.values import (
    Answer,
    Constant,
    Dynamic,
    Folded,
    Gathered,
    Quantised,
    Tensor,
    Value,
)
from wmproof.circuit.ir import Shape
from wmproof.errors import InputError

LARGEST_CONSTANT = 2.0**60


@dataclass(frozen=True, eq=False)
class Arguments:
    """What one ONNX node is given.

    Parameters
    ----------
    inputs : tuple of Value or None
        None where an input is left out.
    opset : int
        Version of the operator set.
    batch : int, optional
        Images that the model takes at a time, None if that is open.
    outputs : int
        How many the node has.
    """

    inputs: tuple[Value | None, ...]
    attributes: dict[str, Any]
    opset: int
    batch: int | None = None
    outputs: int = 1

    def has(self, index: int) -> bool:
        """Whether input `index` is given."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def tensor(self, index: int = 0) -> Tensor:
        """Input `index`, which must depend on the image."""
        value = self.inputs[index] if self.has(index) else None
        if isinstance(value, Gathered):
            raise InputError("its input rearranges elements as only a dense layer could take")
        if isinstance(value, Folded):
            raise InputError("its input has the batch in another axis, or joined with one")
        if isinstance(value, Quantised | Dynamic):
            raise InputError("computes with quantised integers as if they were floats")
        if value is None or isinstance(value, Constant | Answer):
            raise InputError(f"its input {index} must be computed from the image")
        return value

    def constant(self, index: int, rank: int | None = None) -> NDArray[Any]:
        """Input `index`, which must be a constant; one for each image if it has the `rank`."""
        value = self.inputs[index] if self.has(index) else None
        if not isinstance(value, Constant):
            raise InputError(f"its input {index} must be a constant")
        each = value.batch == 0 == value.ramp and value.array.ndim == rank
        each = each and len(value.array) == 1
        repeated = value.batch is not None and not each
        if value.counts is not None or repeated:
            raise batch_dependent()
        return value.array

    def new_shape(self, old: Shape) -> Shape:
        """What Reshape makes of `old`, whose first axis is the batch of 1 and must stay it."""
        shape, axis, _ = self.moved_shape(old, 0)
        if axis or shape[0] != 1:
            raise InputError(
                f"reshapes {old} to {shape}, which mixes the images of a batch",
                remedy="Export with 0 or -1 for the batch axis, or for one image at a time",
            )
        return shape

    def moved_shape(self, old: Shape, axis: int, outer: int = 1) -> tuple[Shape, int, int]:
        """What Reshape makes of one image's part of a tensor, and where the images are in it.

        They are in `axis` of `old`, inside of `outer` parts: see `values.Folded`. The result must
        be the same for every number of images that the model takes. Input 1 says the new shape.
        """
        lead = math.prod(old[:axis]) * outer
        return _only(
            _one_part(self._resolved(wanted, whole), lead, batch)
            for batch, wanted, whole in self._wanted(old, axis)
        )

    def wide_shape(self, old: Shape, axis: int = 0) -> Shape:
        """What Expand makes of one image's part of a tensor, whose images are in `axis`."""

        def wide(wanted: list[int], whole: Shape) -> Shape:
            shape = list(np.broadcast_shapes(tuple(wanted), whole))
            place = axis + len(shape) - len(old)
            if shape[place] != whole[axis]:
                raise batch_dependent()
            shape[place] = old[axis]
            return tuple(shape)

        return _only(wide(wanted, whole) for _, wanted, whole in self._wanted(old, axis))

    def _wanted(self, old: Shape, axis: int) -> Iterator[tuple[int, list[int], Shape]]:
        """For numbers of images: each, the shape that input 1 says, the tensor's with them all."""
        value = self.inputs[1] if self.has(1) else None
        if not isinstance(value, Constant) or value.batch is not None:
            raise InputError("its input 1 must be a constant")
        for batch in (2, 3) if self.batch is None else (self.batch,):
            wanted = value.array.reshape(-1).astype(np.int64)
            if value.counts is not None:
                wanted = wanted + value.counts.reshape(-1) * batch
            yield batch, wanted.tolist(), (*old[:axis], batch * old[axis], *old[axis + 1 :])

    def _resolved(self, wanted: list[int], old: Shape) -> Shape:
        keep_zero = bool(self.integer("allowzero", 0))
        if not keep_zero and any(v == 0 and i >= len(old) for i, v in enumerate(wanted)):
            raise InputError(f"reshapes {old} to {wanted}")
        shape = [old[i] if v == 0 and not keep_zero else v for i, v in enumerate(wanted)]
        if shape.count(-1) == 1:
            rest = math.prod(v for v in shape if v != -1)
            shape[shape.index(-1)] = math.prod(old) // max(rest, 1)
        if not shape or min(shape) < 1 or math.prod(shape) != math.prod(old):
            raise InputError(f"reshapes {old} to {shape}")
        return tuple(shape)

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
        """A float attribute, which is finite where its default is."""
        value = float(self.attributes.get(name, default))
        if math.isnan(value) or math.isinf(value) > math.isinf(default):
            raise InputError(f"attribute {name} is {value}")
        return value

    def axes(self, index: int, rank: int) -> tuple[int, ...] | None:
        """Axes, an attribute in older operator sets and input `index` in newer; None if absent."""
        axes = self.named_axes(index)
        return None if axes is None else distinct(normal_axis(axis, rank) for axis in axes)

    def named_axes(self, index: int) -> tuple[int, ...] | None:
        """Axes as the node names them."""
        if "axes" in self.attributes:
            return self.ints("axes")
        if self.has(index):
            return tuple(int(axis) for axis in self.constant(index).reshape(-1))
        return None


def _one_part(shape: Shape, lead: int, batch: int) -> tuple[Shape, int, int]:
    """One image's part of a reshaped tensor, the axis of the images, and what is outside of them.

    `lead` elements lie before the images, in row-major order; that does not change.
    """
    found = []
    for place, size in enumerate(shape):
        outer, rest = divmod(lead, math.prod(shape[:place]))
        if outer and not rest and size % (outer * batch) == 0:
            found.append(((*shape[:place], size // batch, *shape[place + 1 :]), place, outer))
    if found:  # two or more images have one place only
        return min(found, key=lambda one: one[2])
    if batch == 1:  # there is one image, wherever its axis is
        return shape, 0, 1
    raise InputError(
        f"makes a shape {shape} that mixes the images of a batch",
        remedy="Export with 0 or -1 for the batch axis, or for one image at a time",
    )


def normal_axis(axis: int, rank: int) -> int:
    """A non-negative axis below `rank`.

    Parameters
    ----------
    axis : int
        From -rank to rank - 1.

    Raises
    ------
    InputError
        There is no such axis.
    """
    if not -rank <= axis < rank:
        raise InputError(f"axis {axis} of a tensor of {rank} dimensions")
    return axis % rank


def distinct(axes: Iterable[int]) -> tuple[int, ...]:
    """The axes in ascending order; none may be named twice.

    Raises
    ------
    InputError
        One is named twice.
    """
    ordered = tuple(sorted(axes))
    if len(set(ordered)) != len(ordered):
        raise InputError(f"names an axis twice in {ordered}")
    return ordered


def batch_dependent() -> InputError:
    """What a node does depends on how many images are given together."""
    return InputError(
        "computes with the number of images, so an answer would depend on the others in the batch",
        remedy="Export the model for one image at a time",
    )


def floats(array: NDArray[Any]) -> NDArray[np.float64]:
    """A constant as float64.

    Returns
    -------
    float64 array
        Of the same shape.

    Raises
    ------
    InputError
        Float32 would overflow with it.
    """
    wide = np.asarray(array, np.float64)
    largest = max(wide.max(), -wide.min()) if wide.size else 0.0
    if largest > LARGEST_CONSTANT:
        raise InputError(
            f"has a constant of {largest:.3g}, with which float32 loses what it meets",
            remedy="Export the model with weights of sensible size",
        )
    return wide


def not_widened(constant: NDArray[Any], shape: Shape) -> None:
    """Compare the shape of a constant operand with that of a tensor.

    InputError if the constant would make more of the tensor than there was.
    """
    if np.broadcast_shapes(constant.shape, shape) != shape:
        raise InputError(f"a constant of shape {constant.shape} would widen a tensor {shape}")


def not_batch(axis: int) -> int:
    """An axis other than the batch's; InputError if it is axis 0."""
    if axis == 0:
        raise InputError("it works across the images of a batch")
    return axis


def planar(shape: Shape) -> tuple[int, int, int]:
    """(C, H, W) of a tensor (1, C, H, W); InputError if it has another number of axes."""
    if len(shape) != 4:
        raise InputError(f"needs (N, C, H, W), its input is {shape}")
    return shape[1], shape[2], shape[3]


_T = TypeVar("_T")


def _only(results: Iterable[_T]) -> _T:
    """What is the same for every number of images."""
    found = set(results)
    if len(found) != 1:
        raise batch_dependent()
    return found.pop()
