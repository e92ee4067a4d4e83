"""What a tensor of the ONNX graph is during translation.

The batch is one image; axis 0 of every shape is the batch. A tensor is a constant, the bytes of a
node, a linear map of bytes that is not committed yet, or one of these with a zero border.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wmproof.circuit.ir import Shape
from wmproof.circuit.network import FloatLinear, Floats, Rounded


@dataclass(frozen=True, eq=False)
class Constant:
    """A tensor that does not depend on the image.

    Where the number of images N is open, an element of a shape is `array` + `counts` * N.

    Parameters
    ----------
    array : array
    counts : int64 array, optional
        Of its shape; None where nothing counts images.
    batch : int, optional
        The axis that holds one copy of the array after the other, for each image n, plus `ramp` *
        n.
    ends : pair of array, optional
        Between which it is for every runtime, see `rounded_constants`.
    """

    array: NDArray[Any]
    counts: NDArray[np.int64] | None = None
    batch: int | None = None
    ramp: int = 0
    ends: tuple[NDArray[Any], NDArray[Any]] | None = None

    @property
    def shape(self) -> Shape:
        """Shape of the array."""
        return self.array.shape


@dataclass(frozen=True)
class Bytes:
    """The real numbers that the bytes of a node stand for.

    Parameters
    ----------
    shape : tuple of int
        (1, *the node's).
    """

    node: int
    shape: Shape


@dataclass(frozen=True)
class Rearrange:
    """One pending step: permute the axes, then reshape; without the batch axis.

    Parameters
    ----------
    axes : tuple of int or None
        None leaves them as they are.
    """

    axes: tuple[int, ...] | None
    shape: Shape


@dataclass(frozen=True, eq=False)
class Affine:
    """A linear map in its own shape, then steps to the tensor's.

    Parameters
    ----------
    linear : FloatLinear
        (O, H, W).
    shape : tuple of int
        With the batch of 1.
    """

    linear: FloatLinear
    steps: tuple[Rearrange, ...]
    shape: Shape

    def then(self, step: Rearrange, shape: Shape) -> Affine:
        """The same under one more step; steps that undo each other go."""
        before = self.linear.shape if not self.steps else self.steps[-1].shape
        if step.axes is None and self.steps and self.steps[-1].axes is None:
            return replace(self, steps=self.steps[:-1]).then(step, shape)
        last = self.steps[-1] if self.steps else None
        if last is not None and last.axes is not None and step.axes is not None:
            earlier = self.linear.shape if len(self.steps) == 1 else self.steps[-2].shape
            if last.shape == tuple(earlier[axis] for axis in last.axes):
                axes = tuple(last.axes[axis] for axis in step.axes)
                kept = replace(self, steps=self.steps[:-1])
                return kept.then(Rearrange(axes, step.shape), shape)
        same = step.axes is None or step.axes == tuple(range(len(before)))
        if same and step.shape == before:
            return replace(self, shape=shape)
        return replace(self, steps=(*self.steps, step), shape=shape)

    def rewidened(self, channels: int, axis: int) -> tuple[Rearrange, ...] | None:
        """The steps for `channels` instead of O, if they only move O, and to `axis` in the end.

        None if they merge it with something else, cut it, or leave it elsewhere.
        """
        width, place, before = self.linear.shape[0], 0, self.linear.shape
        steps = []
        for step in self.steps:
            if step.axes is not None:
                before = tuple(before[a] for a in step.axes)
                place = step.axes.index(place)
            lead = math.prod(before[:place])
            places = [
                i
                for i, size in enumerate(step.shape)
                if size == width and math.prod(step.shape[:i]) == lead
            ]
            if len(places) != 1:
                return None
            place, before = places[0], step.shape
            steps.append(Rearrange(step.axes, (*before[:place], channels, *before[place + 1 :])))
        return tuple(steps) if place == axis else None

    def undo(self, array: Floats) -> Floats:
        """Bring an array of the tensor's shape (no batch axis) to the shape (O, H, W)."""
        shapes = [self.linear.shape, *(step.shape for step in self.steps)]
        for step, before in zip(reversed(self.steps), reversed(shapes[:-1]), strict=True):
            if step.axes is None:
                array = array.reshape(before)
            else:
                permuted = tuple(before[axis] for axis in step.axes)
                array = array.reshape(permuted).transpose(np.argsort(step.axes))
        return array


@dataclass(frozen=True, eq=False)
class Padded:
    """A tensor with zeros around it.

    Parameters
    ----------
    inner : Bytes or Affine
        (1, C, H, W).
    pads : tuple of int
        (top, left, bottom, right).
    """

    inner: Bytes | Affine
    pads: tuple[int, int, int, int]

    @property
    def shape(self) -> Shape:
        """Shape with the border."""
        n, c, h, w = self.inner.shape
        top, left, bottom, right = self.pads
        return (n, c, h + top + bottom, w + left + right)


@dataclass(frozen=True, eq=False)
class Folded:
    """A tensor one of whose axes holds the images among elements of each.

    So windows or heads join the batch. Along the axis run `outer` parts of an image, outermost,
    then the images, then what is left of each part.

    Parameters
    ----------
    inner : Bytes or Affine
        (1, *shape of one image's part).
    """

    inner: Bytes | Affine
    axis: int
    outer: int = 1

    @property
    def shape(self) -> Shape:
        """Shape of one image's part."""
        return self.inner.shape[1:]


@dataclass(frozen=True, eq=False)
class Gathered:
    """Elements that are bias + sum over taps of weight * (value of the node's element `index`).

    Parameters
    ----------
    index : int64 array (taps, *shape)
    weight : float64 array (taps, *shape)
    bias : float64 array (*shape)
    batch : int
        Axis of the batch, of 1, in the shape.
    """

    node: int
    index: NDArray[np.int64]
    weight: Floats
    bias: Floats
    batch: int

    @property
    def shape(self) -> Shape:
        """Shape with the batch."""
        return self.bias.shape


@dataclass(frozen=True)
class Quantisation:
    """What the integers q of a quantised tensor are: step * (q - zero).

    Parameters
    ----------
    low, high : int
        The ends of the integers.
    """

    step: float
    zero: int
    low: int
    high: int

    @property
    def function(self) -> Rounded:
        """What quantising does to a number."""
        return Rounded(self.step, self.low - self.zero, self.high - self.zero)


@dataclass(frozen=True, eq=False)
class Quantised:
    """A tensor of integers.

    Parameters
    ----------
    inner : Tensor or Folded
        The real numbers that they stand for.
    """

    inner: Tensor | Folded
    quantisation: Quantisation

    @property
    def shape(self) -> Shape:
        """Shape with the batch."""
        return self.inner.shape


@dataclass(frozen=True, eq=False)
class Dynamic:
    """What a runtime makes of a tensor with a scale that it finds in the range of each image.

    Parameters
    ----------
    inner : Tensor or Constant
        What the integers or sums stand for once they are multiplied by the scale, or the constant.
    source : int
        Numbers the tensors.
    part : str
        "integers", their "zero" point, their "scale", perhaps times a constant, or "sums" of
        products of the integers, which "floats" are after a cast.
    """

    inner: Tensor | Constant
    source: int
    part: str

    @property
    def shape(self) -> Shape:
        """Shape with the batch."""
        return self.inner.shape


@dataclass(frozen=True, eq=False)
class Answer:
    """The logits behind a final Softmax or ArgMax, which does not change the answer.

    Parameters
    ----------
    shape : tuple of int
        Of what the model returns.
    is_class : bool
        Whether the tensor is the class itself; else it is a score for each class, or one of two
        classes.
    is_probability : bool
        Whether one score of two classes comes out of a Sigmoid.
    squashed : str
        The operator that made scores of the logits; float32 may make them equal.
    """

    inner: Bytes | Affine
    shape: Shape
    is_class: bool
    is_probability: bool = False
    squashed: str = ""


Tensor: TypeAlias = Bytes | Affine | Padded
TENSORS = (Bytes, Affine, Padded)
Value: TypeAlias = Constant | Tensor | Folded | Gathered | Quantised | Dynamic | Answer
