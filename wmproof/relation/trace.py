"""Running the circuit on the slots of a chunk: every committed byte, and every z looked up."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from wmproof.argument.field import U32, P
from wmproof.argument.threads import over_ranges
from wmproof.circuit import kernels
from wmproof.circuit.evaluate import move
from wmproof.circuit.ir import Activation, Circuit, Input, Maximum, node_sources
from wmproof.circuit.limits import check_images
from wmproof.circuit.plan import Bytes, plan_circuit
from wmproof.errors import InputError
from wmproof.relation.network import MAXIMUM_LABEL, activation_label, padded_shape
from wmproof.relation.tables import ActivationTable, MaximumTable


@dataclass
class Trace:
    """What the circuit did with a chunk's images.

    Attributes
    ----------
    committed : dict of int to uint8 (slots, 2^n)
        Bytes of each committing node, its axes padded.
    looked_up : dict of int to uint32 (slots * 2^n,)
        z, canonical mod p, of each `Activation` and `Maximum`, padded by zeros.
    logits : int64 (slots, classes)
    """

    committed: dict[int, Bytes] = field(default_factory=dict)
    looked_up: dict[int, U32] = field(default_factory=dict)
    logits: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 0), np.int64))


class Tracer:
    """Traces of one circuit.

    Parameters
    ----------
    circuit : Circuit
    progress : callable
        Called with the share of nodes done.

    Attributes
    ----------
    counts : dict of str to int64 (2^bits,)
        How often each row of a table, by its label, was looked up in all traces.
    """

    def __init__(self, circuit: Circuit, progress: Callable[[float], None] | None = None) -> None:
        self._circuit = circuit
        self._progress = progress or (lambda _: None)
        self.counts: dict[str, NDArray[np.int64]] = {}
        self._plans, self._output = plan_circuit(circuit)
        self._last_use = circuit.last_uses()

    def __call__(self, images: Bytes) -> Trace:
        """Run on images, uint8 (slots, C, H, W); InputError if a z leaves its table."""
        check_images(self._circuit, images)
        trace, values = Trace(), dict[int, Bytes]()
        for index, node in enumerate(self._circuit.nodes):
            match node:
                case Input():
                    values[index] = np.ascontiguousarray(images)
                    trace.committed[index] = _padded(images, 0)
                case Activation():
                    self._activate(trace, index, node, values)
                case Maximum():
                    self._maximum(trace, index, values[node.a], values[node.b])
                    values[index] = np.maximum(values[node.a], values[node.b])
                case _:
                    values[index] = move(node, values)
            for source in node_sources(node):
                if self._last_use[source] == index:
                    values.pop(source, None)
            self._progress((index + 1) / len(self._circuit.nodes))
        trace.logits = self._output.totals(values)[:, :, 0]
        return trace

    def _activate(
        self, trace: Trace, index: int, node: Activation, values: dict[int, Bytes]
    ) -> None:
        plan, table = self._plans[index], self._circuit.tables[node.table]
        entries = table.values
        count, (channels, *place) = len(values[node_sources(node)[0]]), plan.shape
        y = np.empty((count, channels, math.prod(place)), np.uint8)
        z, seen = np.empty(y.shape, np.uint32), np.empty((count, channels, 2), np.int64)

        def record(rows: slice, sums: NDArray[Any]) -> None:
            kernels.look_up(sums, plan.bias, entries, table.low, y[rows], seen[rows])
            _reduce(sums, plan.bias, z[rows])

        plan.for_each_block(values, record)
        _check_range(seen, table.low, table.high, node.name)
        values[index] = y.reshape(count, *plan.shape)
        self._add(trace, index, activation_label(node.table), ActivationTable(table), y, z)

    def _maximum(self, trace: Trace, index: int, a: Bytes, b: Bytes) -> None:
        y, z = np.empty(a.shape, np.uint8), np.empty(a.shape, np.uint32)
        flat = (array.reshape(-1) for array in (a, b, y, z))
        over_ranges(_subtract, a.size, *flat)
        self._add(trace, index, MAXIMUM_LABEL, MaximumTable(), y, z)

    def _add(
        self,
        trace: Trace,
        index: int,
        label: str,
        table: ActivationTable | MaximumTable,
        y: Bytes,
        z: U32,
    ) -> None:
        """Add a node's committed bytes and canonical z to its trace, in the padded layout."""
        shape = len(y), *self._circuit.shapes[index]
        no_z, no_y = table.fill
        trace.committed[index] = _padded(y.reshape(shape), no_y)
        looked_up = _padded(z.reshape(shape), no_z).reshape(-1)
        trace.looked_up[index] = looked_up
        size = 1 << table.bits
        counts = self.counts.setdefault(label, np.zeros(size, np.int64))
        for part in over_ranges(_count, looked_up.size, looked_up, table.low, size):
            counts += part


def _padded(array: NDArray[Any], filling: int) -> NDArray[Any]:
    """(slots, *shape) as (slots, 2^n), without a copy where no axis grows."""
    slots, *shape = array.shape
    wide = padded_shape(tuple(shape))
    if wide == tuple(shape):
        return array.reshape(slots, -1)
    out = np.full((slots, *wide), filling, array.dtype)
    out[(slice(None), *map(slice, shape))] = array
    return out.reshape(slots, -1)


@njit(nogil=True, cache=True)
def _reduce(sums: NDArray[Any], bias: NDArray[Any], z: U32) -> None:
    """Accumulators mod p, (n, O, P), of sums without their bias, (O, n * P)."""
    count, outputs, places = z.shape
    spread = 1 if bias.shape[1] > 1 else 0
    for n in range(count):
        for o in range(outputs):
            for p in range(places):
                value = np.int64(sums[o, n * places + p]) + bias[o, p * spread]
                z[n, o, p] = value + P if value < 0 else value


@njit(nogil=True, cache=True)
def _subtract(start: int, stop: int, a: Bytes, b: Bytes, y: Bytes, z: U32) -> None:
    """Y = relu(a - b) and z = a - b mod p."""
    for i in range(start, stop):
        difference = np.int64(a[i]) - np.int64(b[i])
        y[i] = difference if difference > 0 else 0
        z[i] = difference + P if difference < 0 else difference


@njit(nogil=True, cache=True)
def _count(start: int, stop: int, z: U32, low: int, size: int) -> NDArray[np.int64]:
    """How often each row of a table of this size is looked up."""
    counts = np.zeros(size, np.int64)
    for i in range(start, stop):
        value = np.int64(z[i])
        counts[(value - P if value > P // 2 else value) - low] += 1
    return counts


def _check_range(seen: NDArray[np.int64], low: int, high: int, name: str) -> None:
    if seen[:, :, 0].min() < low or seen[:, :, 1].max() > high:
        # The slot is not named: which trigger it is may be a secret.
        raise InputError(
            f"a hidden trigger gives an accumulator outside its table [{low}, {high}]",
            where=f"layer {name}",
            remedy="Compile with more headroom, or with images like the triggers",
        )
