"""Fast exact evaluation: the same bits as `reference`, at the speed of float32 matrix products.

A convolution becomes matrix products over slices of its input channels, each slice so short that
every partial sum of its products stays below 2^24: float32 is then exact, in any order of
summation, with any BLAS. Where even one channel could exceed that, float64 takes over (2^53).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof.circuit import kernels
from wmproof.circuit.exactness import exact_slices
from wmproof.circuit.ir import (
    Activation,
    Circuit,
    Concat,
    Conv,
    Input,
    Linear,
    Maximum,
    Pad,
    Reshape,
    Shape,
    Slice,
    Transpose,
    Wiring,
    node_sources,
)
from wmproof.circuit.limits import check_images, outside_table
from wmproof.circuit.tables import MIN_TABLE_BITS, Table

Bytes = NDArray[np.uint8]
_WORKSPACE = 2**25  # bytes of unfolded columns at a time


@dataclass(frozen=True)
class Evaluation:
    """What a batch of images gives.

    Parameters
    ----------
    logits : int64 array (N, classes)
    committed : dict of int to uint8 array (N, *shape)
        The bytes of each committing node: the prover's witness. Empty if not asked for.
    ranges : dict of int to int64 array (O, 2)
        Smallest and largest accumulator of each channel of each activation node.
    """

    logits: NDArray[np.int64]
    committed: dict[int, Bytes]
    ranges: dict[int, NDArray[np.int64]]

    @property
    def answers(self) -> NDArray[np.int64]:
        """The classes, the lowest index winning ties; int64 (N,)."""
        return self.logits.argmax(axis=1)


class Evaluator:
    """Evaluates one circuit on many images.

    Parameters
    ----------
    circuit : Circuit
    batch : int
        Images at a time; memory grows with it, speed hardly.
    """

    def __init__(self, circuit: Circuit, *, batch: int = 32) -> None:
        self.circuit = circuit
        self._batch = batch
        self._plans = {
            index: LinearPlan(node.linear, list(circuit.shapes))
            for index, node in enumerate(circuit.nodes)
            if isinstance(node, Activation)
        }
        self._output = LinearPlan(circuit.output, list(circuit.shapes))
        self._last_use = {
            source: index for index, node in enumerate(circuit.nodes) for source in node_sources(node)
        }
        self._last_use |= {term.source: len(circuit.nodes) for term in circuit.output.terms}

    def __call__(self, images: Bytes, *, keep: bool = True) -> Evaluation:
        """Evaluate images, uint8 (N, C, H, W).

        Parameters
        ----------
        images : uint8 array (N, C, H, W)
        keep : bool
            Whether to return the committed bytes of every node.

        Raises
        ------
        InputError
            If the images have another shape or type, or an accumulator leaves its table.
        """
        check_images(self.circuit, images)
        total = len(images)
        logits = np.empty((total, self.circuit.classes), np.int64)
        committed = {
            index: np.empty((total, *self.circuit.shapes[index]), np.uint8)
            for index in (self.circuit.committed() if keep else ())
        }
        ranges: dict[int, NDArray[np.int64]] = {}
        for first in range(0, total, self._batch):
            rows = slice(first, first + self._batch)
            kept = {index: array[rows] for index, array in committed.items()}
            logits[rows] = self._run(images[rows], kept, ranges, first)
        return Evaluation(logits, committed, ranges)

    def _run(
        self,
        images: Bytes,
        kept: dict[int, Bytes],
        ranges: dict[int, NDArray[np.int64]],
        first: int,
    ) -> NDArray[np.int64]:
        values: dict[int, Bytes] = {}
        for index, node in enumerate(self.circuit.nodes):
            match node:
                case Input():
                    values[index] = np.ascontiguousarray(images)
                    committed = images
                case Activation():
                    table = self.circuit.tables[node.table]
                    committed, seen = self._plans[index].look_up(table, values)
                    if seen[:, :, 0].min() < table.low or seen[:, :, 1].max() > table.high:
                        raise outside_table(node, table, seen.transpose(1, 0, 2), first)
                    _widen(ranges, index, seen)
                    values[index] = committed
                case Maximum():
                    values[index] = np.maximum(values[node.a], values[node.b])
                    committed = values[index] - values[node.b]
                case _:
                    values[index] = move(node, values)
            if index in kept:
                kept[index][:] = committed
            for source in node_sources(node):
                if self._last_use[source] == index:
                    values.pop(source, None)
        return self._output.totals(values).T


def _widen(
    ranges: dict[int, NDArray[np.int64]], index: int, seen: NDArray[np.int64]
) -> None:
    low, high = seen[:, :, 0].min(axis=1), seen[:, :, 1].max(axis=1)
    if index in ranges:
        low = np.minimum(low, ranges[index][:, 0])
        high = np.maximum(high, ranges[index][:, 1])
    ranges[index] = np.stack([low, high], axis=1)


def move(node: Wiring, values: dict[int, Bytes]) -> Bytes:
    """The bytes (N, *shape) of a node that only moves bytes."""
    match node:
        case Reshape():
            source = values[node.source]
            return source.reshape(len(source), *node.shape)
        case Transpose():
            axes = (0, *(axis + 1 for axis in node.axes))
            return np.ascontiguousarray(values[node.source].transpose(axes))
        case Concat():
            return np.concatenate([values[source] for source in node.sources], node.axis + 1)
        case Slice():
            parts = map(slice, node.starts, node.stops, node.steps)
            return np.ascontiguousarray(values[node.source][(slice(None), *parts)])
        case Pad():
            widths = [(0, 0), *zip(node.before, node.after, strict=True)]
            return np.pad(values[node.source], widths, constant_values=node.value)


@dataclass
class _Product:
    """A convolution as matrix products over slices of the input channels of each group."""

    term: Conv
    geometry: NDArray[np.int64]
    slices: list[slice] = field(default_factory=list)
    matrices: list[list[NDArray[Any]]] = field(default_factory=list)


class LinearPlan:
    """How to evaluate one `Linear` fast; made once, used for every batch."""

    def __init__(self, linear: Linear, shapes: list[Shape]) -> None:
        self._linear = linear
        self.shape = linear.terms[0].output_shape(shapes[linear.terms[0].source])
        self._products = [_plan(term, self.shape) for term in linear.terms]
        self._bias = linear.bias.reshape(self.shape[0], -1)

    def look_up(self, table: Table, values: dict[int, Bytes]) -> tuple[Bytes, NDArray[np.int64]]:
        """Activations y uint8 (N, O, H, W), and the range of z for each channel and image."""
        outputs, height, width = self.shape
        count = len(values[self._linear.terms[0].source])
        y = np.empty((count, outputs, height * width), np.uint8)
        seen = np.empty((outputs, count, 2), np.int64)
        for rows in self._blocks(count):
            z = self._sums({k: v[rows] for k, v in values.items()}, rows.stop - rows.start)
            part = np.empty((outputs, rows.stop - rows.start, 2), np.int64)
            kernels.look_up(z, self._bias, table.values, table.low, y[rows], part)
            seen[:, rows] = part
        return y.reshape(count, *self.shape), seen

    def totals(self, values: dict[int, Bytes]) -> NDArray[np.int64]:
        """Accumulators with their bias, int64 (O, N * H * W), for small maps such as logits."""
        count = len(values[self._linear.terms[0].source])
        parts = []
        for rows in self._blocks(count):
            images = rows.stop - rows.start
            z = self._sums({k: v[rows] for k, v in values.items()}, images).astype(np.int64)
            bias = np.broadcast_to(self._bias, (self.shape[0], math.prod(self.shape[1:])))
            parts.append(z + np.tile(bias, images))
        return np.concatenate(parts, axis=1)

    def extremes(self, values: dict[int, Bytes]) -> NDArray[np.int64]:
        """Smallest and largest accumulator of each channel over all images, int64 (O, 2)."""
        anything = Table("extremes", MIN_TABLE_BITS, ((-(2 ** (MIN_TABLE_BITS - 1)), 0),))
        _, seen = self.look_up(anything, values)
        return np.stack([seen[:, :, 0].min(axis=1), seen[:, :, 1].max(axis=1)], axis=1)

    def _blocks(self, count: int) -> Iterator[slice]:
        """Batches of images whose unfolded columns fit into the workspace."""
        places = math.prod(self.shape[1:])
        lines = max(
            [1]
            + [
                (part.stop - part.start) * math.prod(p.term.kernel)
                for p in self._products
                for part in p.slices
            ]
        )
        step = max(1, _WORKSPACE // (4 * places * max(lines, self.shape[0])))
        for first in range(0, count, step):
            yield slice(first, min(count, first + step))

    def _sums(self, values: dict[int, Bytes], count: int) -> NDArray[Any]:
        """Sum of the terms without bias, (O, N * H * W): float32 if one product gives it all."""
        first = self._products[0]
        if len(self._products) == 1 and len(first.slices) == 1 and first.term.groups == 1:
            x = values[first.term.source]
            return first.matrices[0][0] @ _columns(first, x, first.slices[0], 0)
        z = np.zeros((self.shape[0], count * math.prod(self.shape[1:])), np.int32)
        for product in self._products:
            _add(product, values[product.term.source], z, self.shape)
        return z


def _plan(term: Conv, shape: Shape) -> _Product:
    numbers = [*term.kernel, *term.strides, term.pads[0], term.pads[1], *term.dilations]
    product = _Product(term, np.array([*numbers, *shape[1:]], np.int64))
    if term.weight.shape[1] == 1 and term.groups > 1:
        return product
    outputs = shape[0] // term.groups
    weight = term.full_weight.reshape(shape[0], term.weight.shape[1], -1)
    slices = exact_slices(weight)
    dtype = np.float64 if slices is None else np.float32
    for part in slices or [slice(0, weight.shape[1])]:
        product.slices.append(part)
        block = weight[:, part].reshape(shape[0], -1).astype(dtype)
        product.matrices.append([block[g : g + outputs] for g in range(0, shape[0], outputs)])
    return product


def _columns(product: _Product, x: Bytes, part: slice, group: int) -> NDArray[Any]:
    kernel = math.prod(product.term.kernel)
    places = int(product.geometry[8] * product.geometry[9])
    dtype = product.matrices[0][0].dtype
    out = np.empty(((part.stop - part.start) * kernel, len(x) * places), dtype)
    kernels.unfold(x, group * product.term.weight.shape[1] + part.start, product.geometry, out)
    return out


def _add(product: _Product, x: Bytes, z: NDArray[np.int32], shape: Shape) -> None:
    term = product.term
    if not product.slices:
        weight = np.ascontiguousarray(term.full_weight)
        kernels.depthwise(x, weight, product.geometry, z.reshape(shape[0], len(x), *shape[1:]))
        return
    outputs = shape[0] // term.groups
    for part, matrices in zip(product.slices, product.matrices, strict=True):
        for group, matrix in enumerate(matrices):
            rows = slice(group * outputs, (group + 1) * outputs)
            kernels.add_exact(z[rows], matrix @ _columns(product, x, part, group))


def classify(circuit: Circuit, images: Bytes) -> NDArray[np.int64]:
    """Answers of the circuit, int64 (N,); see `Evaluator` for errors."""
    return Evaluator(circuit)(images, keep=False).answers
