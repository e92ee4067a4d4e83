"""Linear maps of numbers: an integer bias plus convolutions, and the bound on what they reach."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from wmproof.errors import InputError

TENSOR_LIMIT = 2**28
ACCUMULATOR_LIMIT = 2**30
Shape: TypeAlias = tuple[int, ...]
Ints: TypeAlias = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Conv:
    """One term of a linear map: a convolution of the numbers of a node.

    Parameters
    ----------
    source : int
        The node, of shape (I, H, W).
    weight : int32 array (O, I/groups, kh, kw)
        Spatial dimensions of 1 are spread over the whole `kernel`, so that a pool stores one
        number.
    kernel, strides, dilations : tuple of int
        Height and width.
    pads : tuple of int
        (top, left, bottom, right); what is outside counts as 0.
    groups : int
    """

    source: int
    weight: Ints
    kernel: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilations: tuple[int, int] = (1, 1)
    groups: int = 1

    @property
    def full_weight(self) -> Ints:
        """The weight with its spatial dimensions spread, shape (O, I/groups, kh, kw), a view."""
        return np.broadcast_to(self.weight, (*self.weight.shape[:2], *self.kernel))

    @property
    def pointwise(self) -> bool:
        """Whether every output element sees exactly the elements at its own place."""
        return self.kernel == (1, 1) and self.strides == (1, 1) and self.pads == (0, 0, 0, 0)

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """Sum |weight| of each output channel, int64 (O,)."""
        spread = math.prod(self.kernel) // math.prod(self.weight.shape[2:])
        # Some rows at a time: no copy of a large matrix.
        step = max(1, 2**18 // self.weight[0].size)
        blocks = (self.weight[i : i + step] for i in range(0, len(self.weight), step))
        # In 64 bits before the sign is lost: -2^31 has no opposite in 32.
        sums = [np.abs(block, dtype=np.int64).sum(axis=(1, 2, 3)) for block in blocks]
        return spread * np.concatenate(sums)

    def output_shape(self, source_shape: Shape) -> Shape:
        """Shape (O, H', W') of the term for a source of shape (I, H, W); raises `InputError`."""
        return conv_shape(self, self.weight.shape, source_shape)


def conv_shape(term: object, weight_shape: Shape, source_shape: Shape) -> Shape:
    """Output shape of a convolution term (integer or float) after checking all its numbers.

    Parameters
    ----------
    term : Conv or FloatConv
    weight_shape : (O, I / groups, kh, kw)
        Or (O, I / groups, 1, 1) for one weight everywhere in the kernel.
    source_shape : (I, H, W)

    Returns
    -------
    tuple of int
        (O, H', W').

    Raises
    ------
    InputError
        Weight, kernel, strides, dilations, padding and source do not fit each other.
    """
    kernel, strides = term.kernel, term.strides  # type: ignore[attr-defined]
    pads, dilations, groups = term.pads, term.dilations, term.groups  # type: ignore[attr-defined]
    if len(source_shape) != 3 or len(weight_shape) != 4:
        raise InputError(f"a convolution needs (I, H, W), its source is {source_shape}")
    outputs, inputs, *spatial = weight_shape
    if groups < 1 or outputs < 1 or outputs % groups or inputs * groups != source_shape[0]:
        raise InputError(f"weight {weight_shape} in {groups} groups does not fit {source_shape}")
    if tuple(spatial) not in {kernel, (1, 1)} or min(*kernel, *strides, *dilations) < 1:
        raise InputError(f"kernel {kernel}, strides {strides} or dilations {dilations} are wrong")
    if min(pads) < 0:
        raise InputError(f"padding {pads} is negative")
    if outputs * inputs * math.prod(kernel) > TENSOR_LIMIT:  # a weight can be spread over it
        raise InputError(f"weight {weight_shape} with kernel {kernel} is beyond 2^28 elements")
    sizes = []
    for axis in (0, 1):
        span = dilations[axis] * (kernel[axis] - 1) + 1
        free = source_shape[1 + axis] + pads[axis] + pads[axis + 2] - span
        if free < 0:
            raise InputError(f"kernel {kernel} is larger than its padded source {source_shape}")
        sizes.append(free // strides[axis] + 1)
    return (outputs, sizes[0], sizes[1])


@dataclass(frozen=True, eq=False)
class Linear:
    """z = bias + sum of convolutions.

    Parameters
    ----------
    bias : int32 array (O, 1, 1) or (O, H, W)
    terms : tuple of Conv
        At least one.
    """

    bias: Ints
    terms: tuple[Conv, ...]

    def bound(self, largest: Sequence[int]) -> int:
        """Largest |z| that numbers up to each node's `largest` could give, whatever the image.

        Parameters
        ----------
        largest : sequence of int
            The largest number of each node that comes before.
        """
        # A hostile map would wrap in 64 bits. Floats do not, and below 2^53 they are exact.
        total = np.abs(self.bias.astype(np.float64)).max(axis=(1, 2))
        for term in self.terms:
            total = total + float(largest[term.source]) * term.sizes
        return int(total.max())


def linear_shape(
    linear: Linear, shapes: Sequence[Shape], largest: Sequence[int], where: str
) -> Shape:
    """Shape (O, H, W) of a linear map; checks its bias, its terms and the accumulator bound.

    Parameters
    ----------
    shapes, largest : sequence
        Shape and largest number of each node that comes before.
    where : str
        Names the map in errors.

    Raises
    ------
    InputError
        A term reads no node, shapes do not fit, or an accumulator could reach 2^30.
    """
    if not linear.terms:
        raise InputError("a linear map without terms", where=where)
    if not all(0 <= term.source < len(shapes) for term in linear.terms):
        raise InputError("reads a node that does not exist", where=where)
    results = {term.output_shape(shapes[term.source]) for term in linear.terms}
    if len(results) != 1:
        raise InputError(f"sums terms of different shapes {sorted(results)}", where=where)
    shape = results.pop()
    if linear.bias.shape not in {shape, (shape[0], 1, 1)}:
        raise InputError(f"bias of shape {linear.bias.shape} for {shape}", where=where)
    bound = linear.bound(largest)
    if bound >= ACCUMULATOR_LIMIT:
        raise InputError(
            f"the accumulator could reach {bound}, and must stay below 2^30",
            where=where,
            remedy="Compile with a smaller shift, or look for weights of absurd size in this layer",
        )
    return shape
