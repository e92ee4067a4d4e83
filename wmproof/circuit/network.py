"""The float network between an ONNX file and its circuit: the circuit's nodes, with real numbers.

Wiring nodes are the circuit's own. A byte tensor stands for real numbers, scale * (byte - zero);
what scale and zero are is decided by calibration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from wmproof.circuit import ir

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FloatConv:
    """A convolution of (value of node `source` + `offset`), zeros outside; see `ir.Conv`.

    `weight` is float64 (O, I/groups, kh, kw) or (O, I/groups, 1, 1); `offset` is float64 (I,).
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
class FloatLinear:
    """bias + sum of convolutions; `bias` float64 (O, 1, 1) or (O, H, W), `shape` (O, H, W)."""

    bias: Floats
    terms: tuple[FloatConv, ...]
    shape: ir.Shape


@dataclass(frozen=True)
class Clamp:
    """x clipped to [low, high]: ReLU is [0, inf], a plain requantisation [-inf, inf]."""

    low: float = -np.inf
    high: float = np.inf


@dataclass(frozen=True)
class Leaky:
    """x, or slope * x below zero."""

    slope: float


@dataclass(frozen=True)
class Smooth:
    """One of `functions.FUNCTIONS`."""

    kind: str


Function: TypeAlias = Clamp | Leaky | Smooth


@dataclass(frozen=True, eq=False)
class FloatActivation:
    """An activation function of a linear map: the places where bytes are committed.

    `like` names a node whose encoding the bytes share; None lets calibration choose one.
    """

    name: str
    function: Function
    linear: FloatLinear
    like: int | None = None


@dataclass(frozen=True)
class FloatInput:
    """The image; a pixel p stands for the real number scale * p."""

    name: str
    shape: ir.Shape
    scale: float


@dataclass(frozen=True)
class FloatPad:
    """`ir.Pad` with a real value; minus infinity stands for the smallest byte."""

    name: str
    source: int
    before: tuple[int, ...]
    after: tuple[int, ...]
    value: float


Movement: TypeAlias = ir.Reshape | ir.Transpose | ir.Concat | ir.Slice | FloatPad
FloatNode: TypeAlias = FloatInput | FloatActivation | ir.Maximum | Movement


@dataclass(frozen=True, eq=False)
class Network:
    """A classifier: nodes in evaluation order and the logits, shape (classes, 1, 1)."""

    nodes: tuple[FloatNode, ...]
    shapes: tuple[ir.Shape, ...]
    output: FloatLinear


def float_sources(node: FloatNode) -> tuple[int, ...]:
    """Indices of the nodes whose values `node` reads."""
    match node:
        case FloatInput():
            return ()
        case FloatActivation():
            return tuple(term.source for term in node.linear.terms)
        case FloatPad():
            return (node.source,)
        case _:
            return ir.node_sources(node)
