"""Building the float network: linear maps are merged as long as possible, then committed."""

from __future__ import annotations

import math

import numpy as np

from wmproof.circuit import ir
from wmproof.circuit.frontend.compose import as_linear_source, compose
from wmproof.circuit.frontend.values import Affine, Bytes, Padded, Rearrange, Tensor
from wmproof.circuit.network import (
    Clamp,
    FloatActivation,
    FloatConv,
    FloatInput,
    FloatLinear,
    FloatNode,
    FloatPad,
    Floats,
    Function,
    float_sources,
)
from wmproof.errors import InputError

Layer = FloatConv  # a convolution whose `source` and `offset` are still to be filled in


class Builder:
    """Collects nodes; every method returns the value of a tensor of one image."""

    def __init__(self, shape: ir.Shape, scale: float) -> None:
        self.nodes: list[FloatNode] = []
        self.shapes: list[ir.Shape] = []
        self.name = "input"
        self.input = self.add(FloatInput("input", shape, scale), shape)

    def add(self, node: FloatNode, shape: ir.Shape) -> Bytes:
        """Append a node of the given shape."""
        if math.prod(shape) > ir.TENSOR_LIMIT:
            raise InputError(f"makes a tensor of shape {shape}, beyond 2^28 elements")
        self.nodes.append(node)
        self.shapes.append(shape)
        return Bytes(len(self.nodes) - 1, (1, *shape))

    def move(self, node: ir.Reshape | ir.Transpose | ir.Concat | ir.Slice) -> Bytes:
        """Append a wiring node; one that changes nothing gives its source."""
        shape = ir.wiring_shape(node, self.shapes)
        sources = ir.node_sources(node)
        trivial = len(sources) == 1 and shape == self.shapes[sources[0]]
        if isinstance(node, ir.Transpose):
            trivial = node.axes == tuple(range(len(shape)))
        return Bytes(sources[0], (1, *shape)) if trivial else self.add(node, shape)

    def reshape(self, value: Bytes, shape: ir.Shape) -> Bytes:
        """The same bytes under another shape (without batch)."""
        return self.move(ir.Reshape(self.name, value.node, shape))

    def rearrange(self, value: Bytes, steps: tuple[Rearrange, ...]) -> Bytes:
        """Carry out pending steps on bytes."""
        for step in steps:
            if step.axes is not None:
                value = self.move(ir.Transpose(self.name, value.node, step.axes))
            value = self.reshape(value, step.shape)
        return value

    def activation(self, value: Tensor, function: Function, like: int | None = None) -> Bytes:
        """Commit bytes: an activation function of a value; `like` a node's encoding if given."""
        affine = self.affine(value)
        node = FloatActivation(self.name, function, affine.linear, like)
        return self.rearrange(self.add(node, affine.linear.shape), affine.steps)

    def bytes(self, value: Tensor) -> Bytes:
        """The value as bytes: requantised if it is a linear map."""
        match value:
            case Bytes():
                return value
            case Padded():
                top, left, bottom, right = value.pads
                return self.pad(self.bytes(value.inner), (0, top, left), (0, bottom, right), 0.0)
            case _:
                return self.activation(value, Clamp())

    def pad(
        self, value: Bytes, before: tuple[int, ...], after: tuple[int, ...], fill: float
    ) -> Bytes:
        """A border of a real value around bytes."""
        if not any(before) and not any(after):
            return value
        shape = tuple(
            size + low + high
            for size, low, high in zip(value.shape[1:], before, after, strict=True)
        )
        return self.add(FloatPad(self.name, value.node, before, after, fill), shape)

    def maximum(self, a: Bytes, b: Bytes) -> Bytes:
        """Elementwise maximum of two tensors with the same encoding."""
        return self.add(ir.Maximum(self.name, a.node, b.node), a.shape[1:])

    def affine(self, value: Tensor) -> Affine:
        """The value as a linear map: bytes become one times themselves."""
        if isinstance(value, Affine):
            return value
        value = self.bytes(value)
        shape = value.shape[1:]
        flat = shape if len(shape) == 3 else (shape[0], math.prod(shape[1:]), 1)
        source = self.reshape(value, flat)
        term = FloatConv(
            source.node, np.ones((flat[0], 1, 1, 1)), (1, 1), np.zeros(flat[0]), groups=flat[0]
        )
        steps = () if flat == shape else (Rearrange(None, shape),)
        return Affine(FloatLinear(np.zeros((flat[0], 1, 1)), (term,), flat), steps, value.shape)

    def convolve(self, value: Tensor, layer: Layer, bias: Floats) -> FloatLinear:
        """A convolution of a (1, C, H, W) value, merged with the linear map before it if exact.

        `layer` gives weight and geometry; `bias` is (O,).
        """
        if bias.shape != (len(layer.weight),):
            raise InputError(f"its bias has shape {bias.shape} for weights {layer.weight.shape}")
        if isinstance(value, Padded):
            layer = _with_pads(layer, value.pads)
            value = value.inner
        if isinstance(value, Affine) and not value.steps:
            merged = compose(layer, bias, value.linear, self.shapes)
            if merged is not None:
                return merged
        source = self.bytes(value)
        linear = as_linear_source(source.node, self.shapes[source.node])
        merged = compose(layer, bias, linear, self.shapes)
        if merged is None:
            raise InputError("cannot be written as a convolution of bytes")
        return merged

    def nonnegative(self, node: int) -> bool:
        """Whether all values of a node are known to be at least 0."""
        found = self.nodes[node]
        if isinstance(found, FloatInput):
            return True
        if isinstance(found, FloatActivation):
            return isinstance(found.function, Clamp) and found.function.low >= 0
        return all(self.nonnegative(source) for source in float_sources(found))


def _with_pads(layer: Layer, pads: tuple[int, int, int, int]) -> Layer:
    a, b, c, d = (x + y for x, y in zip(layer.pads, pads, strict=True))
    return FloatConv(
        layer.source,
        layer.weight,
        layer.kernel,
        layer.offset,
        layer.strides,
        (a, b, c, d),
        layer.dilations,
        layer.groups,
    )
