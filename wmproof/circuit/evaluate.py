"""Fast exact evaluation: the same bits as `reference`, at the speed of float32 matrix products.

See `plan` for why float products are exact here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wmproof.circuit.ir import (
    Activation,
    Circuit,
    Concat,
    Input,
    Maximum,
    Pad,
    Reshape,
    Slice,
    Transpose,
    Wiring,
    node_sources,
    value_type,
)
from wmproof.circuit.limits import check_images, outside_table
from wmproof.circuit.plan import Bytes, Values, plan_circuit
from wmproof.circuit.product import Product, accumulators, product_blocks
from wmproof.circuit.reach import Seen, Watch
from wmproof.circuit.tables import Table


@dataclass(frozen=True)
class Evaluation:
    """What a batch of images gives.

    Parameters
    ----------
    logits : int64 array (N, classes)
    committed : dict of int to uint8 or uint16 array (N, *shape)
        The numbers of each committing node: the prover's witness. Empty if not asked for.
    ranges : dict of int to int64 array (O, 2)
        Smallest and largest accumulator of each channel of each activation node.
    """

    logits: NDArray[np.int64]
    committed: dict[int, Values]
    ranges: dict[int, NDArray[np.int64]]

    @property
    def answers(self) -> NDArray[np.int64]:
        """The classes, the lowest index winning ties; int64 (N,)."""
        return np.asarray(self.logits.argmax(axis=1), np.int64)


class Evaluator:
    """Evaluates one circuit on many images.

    Parameters
    ----------
    circuit : Circuit
    batch : int
        Images at a time; memory grows with it, speed hardly.
    """

    def __init__(self, circuit: Circuit, *, batch: int = 64) -> None:
        self.circuit = circuit
        self._batch = batch
        self._plans, self._output = plan_circuit(circuit)
        self._last_use = circuit.last_uses()

    def __call__(self, images: Bytes, *, keep: bool = True) -> Evaluation:
        """Evaluate images, uint8 (N, C, H, W).

        Parameters
        ----------
        images : uint8 array (N, C, H, W)
        keep : bool
            Whether to return the committed numbers of every node.

        Raises
        ------
        InputError
            If the images have another shape or type, or an accumulator leaves its table.
        """
        check_images(self.circuit, images)
        total = len(images)
        logits = np.empty((total, self.circuit.classes), np.int64)
        committed = {
            index: np.empty(
                (total, *self.circuit.shapes[index]), value_type(self.circuit.largest[index])
            )
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
        kept: dict[int, Values],
        ranges: dict[int, NDArray[np.int64]],
        first: int,
    ) -> NDArray[np.int64]:
        values: dict[int, Values] = {}
        for index, node in enumerate(self.circuit.nodes):
            match node:
                case Input():
                    values[index] = np.ascontiguousarray(images)
                    committed = images
                case Activation():
                    table = self.circuit.tables[node.table]
                    committed, seen = self._plans[index].look_up(table, values)
                    _check_seen(node, table, seen, first)
                    _widen(ranges, index, seen)
                    values[index] = committed
                case Product():
                    table = self.circuit.tables[node.table]
                    committed, seen = _look_up_product(node, table, values[node.a], values[node.b])
                    _check_seen(node, table, seen, first)
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
        return self._output.totals(values)[:, :, 0]


def _look_up_product(
    node: Product, table: Table, a: Values, b: Values
) -> tuple[Values, NDArray[np.int64]]:
    """Numbers (N, *shape), and the range of z for each image and channel, int64 (N, O, 2).

    Parameters
    ----------
    a, b : uint8 or uint16 (N, *shape of the operand)
        What is outside of the table gets an entry at its end: the range tells.
    """
    z = accumulators(node, a, b)
    flat = z.reshape(*z.shape[:2], -1)
    seen = np.stack([flat.min(axis=2), flat.max(axis=2)], axis=2)
    return table.values.take(z - table.low, mode="clip"), seen


def product_sums(node: Product, values: dict[int, Values]) -> Seen:
    """Accumulators over all images.

    Parameters
    ----------
    values : dict
        The numbers (N, *shape) of the two operands' nodes, among others.
    """
    watch = Watch(len(values[node.a]), node.shape[0], math.prod(node.shape[1:]), np.int64)
    for rows, z in product_blocks(node, values[node.a], values[node.b]):
        watch.see(rows, z.transpose(1, 0, 2))
    return watch.seen


def look_up_products(node: Product, table: Table, values: dict[int, Values]) -> Values:
    """Numbers (N, *shape) of a product whose accumulators are known to be in its table.

    Parameters
    ----------
    values : dict
        The numbers (N, *shape) of the two operands' nodes, among others.
    """
    y = np.empty((len(values[node.a]), *node.shape), table.values.dtype)
    for rows, z in product_blocks(node, values[node.a], values[node.b]):
        y[rows] = table.values[z - table.low].reshape(-1, *node.shape)
    return y


def _check_seen(
    node: Activation | Product, table: Table, seen: NDArray[np.int64], first: int
) -> None:
    if seen[:, :, 0].min() < table.low or seen[:, :, 1].max() > table.high:
        raise outside_table(node, table, seen, first)


def _widen(ranges: dict[int, NDArray[np.int64]], index: int, seen: NDArray[np.int64]) -> None:
    low, high = seen[:, :, 0].min(axis=0), seen[:, :, 1].max(axis=0)
    if index in ranges:
        low = np.minimum(low, ranges[index][:, 0])
        high = np.maximum(high, ranges[index][:, 1])
    ranges[index] = np.stack([low, high], axis=1)


def move(node: Wiring, values: dict[int, Values]) -> Values:
    """The numbers (N, *shape) of a node that only moves numbers.

    Parameters
    ----------
    values : dict
        The numbers (N, *shape) of the nodes that it reads, among others.
    """
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
            source = values[node.source]
            wide = np.promote_types(source.dtype, np.min_scalar_type(node.value))
            return np.pad(source.astype(wide, copy=False), widths, constant_values=node.value)


def classify(circuit: Circuit, images: Bytes) -> NDArray[np.int64]:
    """Answers of the circuit, int64 (N,); see `Evaluator` for errors.

    Parameters
    ----------
    circuit : Circuit
    images : uint8 (N, C, H, W)

    Returns
    -------
    int64 (N,)
        The index of each image's largest logit, the lowest at a tie.
    """
    return Evaluator(circuit)(images, keep=False).answers
