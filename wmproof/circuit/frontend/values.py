"""What a tensor of the ONNX graph is during translation.

The batch is one image; axis 0 of every shape is the batch. A tensor is a constant, the bytes of a
node, a linear map of bytes that is not committed yet, or one of these with a zero border.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wmproof.circuit.ir import Shape
from wmproof.circuit.network import FloatLinear, Floats


@dataclass(frozen=True, eq=False)
class Constant:
    """A tensor that does not depend on the image."""

    array: NDArray[Any]

    @property
    def shape(self) -> Shape:
        """Shape of the array."""
        return self.array.shape


@dataclass(frozen=True)
class Bytes:
    """The real numbers that the bytes of node `node` stand for; `shape` is (1, *node's shape)."""

    node: int
    shape: Shape


@dataclass(frozen=True)
class Rearrange:
    """One pending step: permute the axes (if given), then reshape; without the batch axis."""

    axes: tuple[int, ...] | None
    shape: Shape


@dataclass(frozen=True, eq=False)
class Affine:
    """A linear map in its own shape (O, H, W), then `steps` to the tensor's `shape`."""

    linear: FloatLinear
    steps: tuple[Rearrange, ...]
    shape: Shape

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
    """`inner`, (1, C, H, W), with zeros around it; `pads` is (top, left, bottom, right)."""

    inner: Bytes | Affine
    pads: tuple[int, int, int, int]

    @property
    def shape(self) -> Shape:
        """Shape with the border."""
        n, c, h, w = self.inner.shape
        top, left, bottom, right = self.pads
        return (n, c, h + top + bottom, w + left + right)


@dataclass(frozen=True, eq=False)
class Gathered:
    """Elements that are bias + sum over taps of weight * (value of the node's element `index`).

    `index` (int64) and `weight` (float64) are (taps, *shape), `bias` is of the tensor's shape, in
    which the batch, of 1, is axis `batch`.
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


@dataclass(frozen=True, eq=False)
class Answer:
    """The logits behind a final Softmax, Sigmoid or ArgMax, which does not change the answer."""

    inner: Bytes | Affine
    shape: Shape


Tensor: TypeAlias = Bytes | Affine | Padded
Value: TypeAlias = Constant | Tensor | Gathered | Answer
