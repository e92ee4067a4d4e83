"""The float network between an ONNX file and its circuit: the circuit's nodes, with real numbers.

Wiring nodes are the circuit's own. A byte tensor stands for real numbers, scale * (byte - zero);
what scale and zero are is decided by calibration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wmproof.circuit import ir

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FloatConv:
    """A convolution of (value of a node + offset), zeros outside; the rest as `ir.Conv`.

    Parameters
    ----------
    weight : float64 array (O, I/groups, kh, kw) or (O, I/groups, 1, 1)
    offset : float64 array (I,)
    """

    source: int
    weight: Floats
    kernel: tuple[int, int]
    offset: Floats
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilations: tuple[int, int] = (1, 1)
    groups: int = 1

    @property
    def pointwise(self) -> bool:
        """Whether every output element sees exactly the elements at its own place."""
        return self.kernel == (1, 1) == self.strides and self.pads == (0, 0, 0, 0)

    @property
    def depthwise(self) -> bool:
        """Whether channel c of the output sees exactly channel c of the source."""
        return self.groups == len(self.offset) == len(self.weight)


@dataclass(frozen=True, eq=False)
class Passed:
    """What the file computes on the way to a linear map, all in units of the map's own values.

    Merged maps are exact over the reals; float32 computes the steps.

    Parameters
    ----------
    peak : float64 array (O,)
        The largest constant that is added on the way.
    low, high : float64 array (O,)
        How many times smaller and larger than the result a value on the way is.
    share : float64 array (O,)
        How much of the largest weight of a term each of its weights may be off, where a runtime
        rounds constants otherwise.
    shift : float64 array (O,)
        How much a constant that is added may be off.
    """

    peak: Floats
    low: Floats
    high: Floats
    share: Floats
    shift: Floats


@dataclass(frozen=True, eq=False)
class FloatLinear:
    """bias + sum of convolutions.

    Parameters
    ----------
    bias : float64 array (O, 1, 1) or (O, H, W)
    shape : tuple of int
        (O, H, W).
    passed : Passed, optional
        What float32 computes on the way.
    """

    bias: Floats
    terms: tuple[FloatConv, ...]
    shape: ir.Shape
    passed: Passed | None = None


@dataclass(frozen=True)
class Clamp:
    """x clipped to [low, high]: ReLU is [0, inf], a plain requantisation [-inf, inf]."""

    low: float = -np.inf
    high: float = np.inf


SHARE = Clamp(0.0, 1.0)
"""Of a whole, as a softmax makes them: a row of shares adds up to 1."""


@dataclass(frozen=True)
class Leaky:
    """x, or slope * x below zero."""

    slope: float


@dataclass(frozen=True)
class Smooth:
    """One of `functions.FUNCTIONS`."""

    kind: str


@dataclass(frozen=True)
class Pole:
    """One of `functions.POLES` of a positive number: falling, with a pole at 0."""

    kind: str


@dataclass(frozen=True)
class Reciprocal:
    """1 / x of what was rounded to whole multiples of a step; where it is not above 0, no answer.

    Parameters
    ----------
    most : int
        The last multiple, at least 1.
    """

    step: float
    most: int


@dataclass(frozen=True)
class Rounded:
    """x rounded to whole multiples of a step, ties to even.

    Parameters
    ----------
    least, most : int
        The first and the last multiple.
    """

    step: float
    least: int
    most: int


@dataclass(frozen=True)
class Ranged:
    """x clipped to [low, high] on one scale of 8 bits for the whole tensor, found in its range."""

    low: float = -np.inf
    high: float = np.inf


Function: TypeAlias = Clamp | Leaky | Smooth | Pole | Reciprocal | Rounded | Ranged


@dataclass(frozen=True, eq=False)
class FloatActivation:
    """An activation function of a linear map: the places where bytes are committed.

    Parameters
    ----------
    like : int, optional
        A node whose encoding the bytes share; None lets calibration choose one.
    """

    name: str
    function: Function
    linear: FloatLinear
    like: int | None = None


@dataclass(frozen=True, eq=False)
class FloatProduct:
    """An activation function of gain * (a sum of products of two nodes' values) + offset.

    Parameters
    ----------
    a, b : int
        The nodes.
    a_axes, b_axes : tuple of int
        Labels, as those of `product.Product`.
    shape : tuple of int
        Of the result.
    rows : int, optional
        The `FloatRows` whose columns are the first axis of the result: each has a unit of its own.
    least : float
        The root of the smallest sum that the file tells from 0; no number may stand for less.
    """

    name: str
    function: Clamp | Pole
    a: int
    b: int
    a_axes: tuple[int, ...]
    b_axes: tuple[int, ...]
    shape: ir.Shape
    gain: float = 1.0
    offset: float = 0.0
    rows: int | None = None
    least: float = 0.0

    def by_label(self, a: NDArray[Any], b: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Two arrays of the operands' shapes with an axis for each label, the result's first.

        An axis has size 1 if the operand has no such axis, or all along it is the same.
        """
        labels = 1 + max(len(self.shape) - 1, *self.a_axes, *self.b_axes)
        return _by_label(a, self.a_axes, labels), _by_label(b, self.b_axes, labels)


def narrowed(array: NDArray[Any]) -> NDArray[Any]:
    """The array, of size 1 along each axis that it is the same along."""
    for axis in range(array.ndim):
        first = array.take([0], axis=axis)
        if (array == first).all():
            array = first
    return array


def _by_label(array: NDArray[Any], axes: tuple[int, ...], labels: int) -> NDArray[Any]:
    array = narrowed(array)
    sizes = dict(zip(axes, array.shape, strict=True))
    shape = [sizes.get(label, 1) for label in range(labels)]
    return array.transpose(np.argsort(axes)).reshape(shape)


@dataclass(frozen=True)
class FloatInput:
    """The image.

    Parameters
    ----------
    shape : tuple of int
        (C, H, W).
    scale : float
        A pixel p stands for the real number scale * p.
    """

    name: str
    shape: ir.Shape
    scale: float


@dataclass(frozen=True)
class FloatPad:
    """`ir.Pad` with a real value.

    Parameters
    ----------
    value : float
        Minus infinity stands for the smallest byte.
    """

    name: str
    source: int
    before: tuple[int, ...]
    after: tuple[int, ...]
    value: float


@dataclass(frozen=True)
class FloatRows:
    """A reshape of (M, R) to (M, R, 1) whose columns are normalised by what follows.

    So a factor of a column changes nothing but what `epsilon` is beside it, and each may have a
    scale of its own.

    Parameters
    ----------
    epsilon : float
        What is added to the variance of a column.
    """

    name: str
    source: int
    shape: ir.Shape
    epsilon: float


Movement: TypeAlias = ir.Reshape | ir.Transpose | ir.Concat | ir.Slice | FloatPad | FloatRows
FloatNode: TypeAlias = FloatInput | FloatActivation | FloatProduct | ir.Maximum | Movement


@dataclass(frozen=True, eq=False)
class Network:
    """A classifier.

    Parameters
    ----------
    nodes : tuple of FloatNode
        In evaluation order.
    shapes : tuple of tuple of int
        Of the nodes.
    output : FloatLinear
        The logits, (classes, 1, 1).
    squashed : str
        The Softmax, Sigmoid or Tanh that the file applies to the logits, if it does.
    digits : int
        How many bits the floats have that the file computes with: 24, or 11 for float16.
    """

    nodes: tuple[FloatNode, ...]
    shapes: tuple[ir.Shape, ...]
    output: FloatLinear
    squashed: str = ""
    digits: int = 24


def number_makers(index: int, node: FloatNode, before: Sequence[frozenset[int]]) -> frozenset[int]:
    """The nodes that chose the numbers of a node, given those of all nodes before it."""
    if isinstance(node, FloatInput | FloatActivation | FloatProduct):
        return frozenset({index})
    return frozenset().union(*(before[source] for source in float_sources(node)))


def float_sources(node: FloatNode) -> tuple[int, ...]:
    """Indices of the nodes whose values `node` reads."""
    match node:
        case FloatInput():
            return ()
        case FloatActivation():
            return tuple(term.source for term in node.linear.terms)
        case FloatProduct():
            return (node.a, node.b)
        case FloatPad() | FloatRows():
            return (node.source,)
        case _:
            return ir.node_sources(node)
