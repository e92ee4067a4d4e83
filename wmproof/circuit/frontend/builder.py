"""Building the float network: linear maps are merged as long as possible, then committed."""

from __future__ import annotations

import math
from dataclasses import replace

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
    FloatProduct,
    FloatRows,
    Floats,
    Function,
    Leaky,
    Pole,
    Ranged,
    Rounded,
    Smooth,
    float_sources,
    number_makers,
)
from wmproof.circuit.rounding import passed
from wmproof.errors import InputError

_NEAR = 16  # bits by which factors may move numbers that float32 and reals agree on
_ANY = Clamp()
_MANY = 8  # places of a window whose mean is worth a number of its own
Layer = FloatConv  # a convolution whose `source` and `offset` are still to be filled in


class Builder:
    """Collects nodes; every method returns the value of a tensor of one image.

    Parameters
    ----------
    shape : tuple of int
        (C, H, W) of the model's input.
    scale : float
        The real number that a pixel of 1 stands for.
    """

    def __init__(self, shape: ir.Shape, scale: float) -> None:
        self.nodes: list[FloatNode] = []
        self.shapes: list[ir.Shape] = []
        self._makers: list[frozenset[int]] = []
        self._nonnegative: list[bool] = []
        self._committed: dict[int, tuple[FloatLinear, Bytes]] = {}
        self._clamped: dict[int, tuple[Affine, Clamp]] = {}
        self.name = "input"
        self.input = self.add(FloatInput("input", shape, scale), shape)

    def add(self, node: FloatNode, shape: ir.Shape) -> Bytes:
        """Append a node of the given shape."""
        if math.prod(shape) > ir.TENSOR_LIMIT:
            raise InputError(f"makes a tensor of shape {shape}, beyond 2^28 elements")
        self._makers.append(number_makers(len(self.nodes), node, self._makers))
        self._nonnegative.append(self._is_nonnegative(node))
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
        node = FloatActivation(self.name, function, self._of_means(affine.linear), like)
        made = self.rearrange(self.add(node, affine.linear.shape), affine.steps)
        if isinstance(function, Clamp) and like is None:
            self._clamped[made.node] = affine, function
        return made

    def _of_means(self, linear: FloatLinear) -> FloatLinear:
        """The map with means of large windows committed first, if it mixes channels of such.

        A weight that is spread over hundreds of places would be rounded to next to nothing.
        """
        term = linear.terms[0]
        taps = math.prod(term.kernel)
        spread = term.weight.shape[2:] == (1, 1) and taps >= _MANY and not any(term.pads)
        if len(linear.terms) > 1 or not spread or term.weight.shape[1] == 1:
            return linear
        channels = len(term.offset)
        share = np.full((channels, 1, 1, 1), 1.0 / taps)
        window = replace(term, weight=share, groups=channels)
        shape = (channels, *linear.shape[1:])
        positive = self.nonnegative(term.source) and bool((term.offset >= 0).all())
        mean = FloatLinear(np.zeros((channels, 1, 1)), (window,), shape)
        node = self.add(FloatActivation(self.name, Clamp(0.0) if positive else _ANY, mean), shape)
        mixed = FloatConv(
            node.node, term.weight * taps, (1, 1), np.zeros(channels), groups=term.groups
        )
        return replace(linear, terms=(mixed,))

    def unclamped(self, value: Tensor) -> tuple[Tensor, Clamp]:
        """What a value is a clamp of, and the clamp, for who commits it again more coarsely."""
        if isinstance(value, Bytes) and value.node in self._clamped:
            return self._clamped[value.node]
        return value, _ANY

    def bytes(self, value: Tensor) -> Bytes:
        """The value as bytes: requantised if it is a linear map."""
        match value:
            case Bytes():
                return value
            case Padded():
                top, left, bottom, right = value.pads
                return self.pad(self.bytes(value.inner), (0, top, left), (0, bottom, right), 0.0)
            case Affine():
                key = id(value.linear)
                if key not in self._committed:
                    plain = Affine(value.linear, (), (1, *value.linear.shape))
                    # The map lives as long as its id.
                    self._committed[key] = value.linear, self.activation(plain, Clamp())
                return self.rearrange(self._committed[key][1], value.steps)

    def committed(self, value: Tensor) -> Tensor:
        """The bytes of a linear map that is committed already, else the value as it is."""
        known = isinstance(value, Affine) and id(value.linear) in self._committed
        return self.bytes(value) if known else value

    def along(self, value: Tensor, axes: tuple[int, ...]) -> Affine:
        """The value as a linear map whose channels are its `axes` (the batch not counted)."""
        given = self.bytes(value)
        shape = given.shape[1:]
        order, permuted = in_front(shape, axes)
        flat = (math.prod(permuted[: len(axes)]), math.prod(permuted[len(axes) :]), 1)
        if len(axes) == 1 and len(shape) == 3:
            flat = permuted[0], permuted[1], permuted[2]
        there = (Rearrange(order, permuted), Rearrange(None, flat))
        return self.along_again(self.affine(self.rearrange(given, there)).linear, axes, shape)

    def along_again(self, linear: FloatLinear, axes: tuple[int, ...], shape: ir.Shape) -> Affine:
        """A map of channels first as a tensor of `shape` whose channels are `axes`: see `along`."""
        order, permuted = in_front(shape, axes)
        plain = Affine(linear, (), (1, *linear.shape))
        back = Rearrange(tuple(np.argsort(order).tolist()), shape)
        return plain.then(Rearrange(None, permuted), (1, *permuted)).then(back, (1, *shape))

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

    def product(
        self,
        a: Tensor,
        b: Tensor,
        axes: tuple[tuple[int, ...], tuple[int, ...]],
        shape: ir.Shape,
        *,
        function: Clamp | Pole = _ANY,
        gain: float = 1.0,
        offset: float = 0.0,
        rows: int | None = None,
        least: float = 0.0,
    ) -> Bytes:
        """Commit bytes: a function of gain * (sum of products) + offset; see `FloatProduct`."""
        (left, of_left), (right, of_right) = self._unscaled(a), self._unscaled(b)
        left, right, gain = self.operand(left), self.operand(right), gain * of_left * of_right
        return self.add(
            FloatProduct(
                self.name, function, left.node, right.node, *axes, shape, gain, offset, rows, least
            ),
            shape,
        )

    def rows(self, value: Bytes, epsilon: float) -> Bytes:
        """Columns of (1, M, R) that are about to be normalised, as (1, M, R, 1)."""
        shape = (*value.shape[1:], 1)
        return self.add(FloatRows(self.name, value.node, shape, epsilon), shape)

    def _unscaled(self, value: Tensor) -> tuple[Tensor, float]:
        """What a value is a constant times, and the constant, which may wait for a product.

        Such as the 1 / sqrt(d) of queries that were committed with keys and values: committed
        again, their channels would meet in one.
        """
        linear = value.linear if isinstance(value, Affine) else None
        if not isinstance(value, Affine) or linear is None or len(linear.terms) != 1:
            return value, 1.0
        term, way = linear.terms[0], passed(linear)
        gain = float(term.weight.flat[0])
        plain = term.depthwise and term.pointwise and not term.offset.any()
        near = way.low.min() >= 2.0**-_NEAR and way.high.max() <= 2.0**_NEAR and not way.peak.any()
        if not plain or linear.bias.any() or not near or gain <= 0 or (term.weight != gain).any():
            return value, 1.0
        return self.rearrange(Bytes(term.source, (1, *linear.shape)), value.steps), gain

    def operand(self, value: Tensor) -> Bytes:
        """The value as bytes in which 0 is a whole one: clipped ranges may lie between."""
        given = self.bytes(value)
        makers = self._makers[given.node]
        if len(makers) == 1 and all(self._whole_zero(maker) for maker in makers):
            return given
        return self.activation(given, Clamp())

    def _whole_zero(self, node: int) -> bool:
        function = getattr(self.nodes[node], "function", None)
        return not isinstance(function, Clamp) or function.low in (0.0, -math.inf)

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
        return self._nonnegative[node]

    def never_negative(self, value: Affine) -> bool:
        """Whether a map only adds up what is known to be at least 0."""
        return bool((value.linear.bias >= 0).all()) and all(
            self.nonnegative(term.source)
            and bool((term.weight >= 0).all())
            and bool((term.offset >= 0).all())
            for term in value.linear.terms
        )

    def _is_nonnegative(self, found: FloatNode) -> bool:
        """The same of a node that is to be appended."""
        if isinstance(found, FloatInput):
            return True
        if isinstance(found, FloatProduct):
            return isinstance(found.function, Pole) or found.function.low >= 0
        if isinstance(found, FloatActivation):
            if isinstance(found.function, Rounded):
                return found.function.least >= 0
            if isinstance(found.function, Leaky):
                return found.function.slope <= 0
            if found.function == Smooth("root"):
                return True
            return isinstance(found.function, Clamp | Ranged) and found.function.low >= 0
        return all(self._nonnegative[source] for source in float_sources(found))


def in_front(shape: ir.Shape, axes: tuple[int, ...]) -> tuple[tuple[int, ...], ir.Shape]:
    """The order with `axes` first, and the shape in it."""
    order = (*axes, *(axis for axis in range(len(shape)) if axis not in axes))
    return order, tuple(shape[axis] for axis in order)


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
