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
from wmproof.circuit.evaluate import move
from wmproof.circuit.ir import Activation, Circuit, Input, Maximum, Shape, node_sources
from wmproof.circuit.limits import check_images
from wmproof.circuit.plan import Bytes, LinearPlan
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
        shapes = list(circuit.shapes)
        self._plans = {
            index: LinearPlan(node.linear, shapes)
            for index, node in enumerate(circuit.nodes)
            if isinstance(node, Activation)
        }
        self._output = LinearPlan(circuit.output, shapes)
        self._last_use = {
            source: index
            for index, node in enumerate(circuit.nodes)
            for source in node_sources(node)
        }
        self._last_use |= {term.source: len(circuit.nodes) for term in circuit.output.terms}

    def __call__(self, images: Bytes) -> Trace:
        """Run on images, uint8 (slots, C, H, W); InputError if a z leaves its table."""
        check_images(self._circuit, images)
        trace, values = Trace(), dict[int, Bytes]()
        for index, node in enumerate(self._circuit.nodes):
            shape = self._circuit.shapes[index]
            match node:
                case Input():
                    values[index] = np.ascontiguousarray(images)
                    trace.committed[index] = _padded_bytes(images, shape)
                case Activation():
                    z = self._plans[index].totals(values).reshape(len(images), -1)
                    table = ActivationTable(self._circuit.tables[node.table])
                    _check_range(z, table.table.low, table.table.high, node.name)
                    values[index] = _look_up_values(z, table).reshape(len(images), *shape)
                    label = activation_label(node.table)
                    self._look_up(trace, index, label, z, table.table.low, table.table.values)
                case Maximum():
                    a, b = values[node.a], values[node.b]
                    values[index] = np.maximum(a, b)
                    difference = a.astype(np.int64).reshape(len(images), -1)
                    difference -= b.reshape(len(images), -1)
                    low, results = MaximumTable().low, MaximumTable().values.astype(np.uint8)
                    self._look_up(trace, index, MAXIMUM_LABEL, difference, low, results)
                case _:
                    values[index] = move(node, values)
            for source in node_sources(node):
                if self._last_use[source] == index:
                    values.pop(source, None)
            self._progress((index + 1) / len(self._circuit.nodes))
        trace.logits = self._output.totals(values)[:, :, 0]
        return trace

    def _look_up(
        self,
        trace: Trace,
        index: int,
        label: str,
        z: NDArray[np.int64],
        low: int,
        values: Bytes,
    ) -> None:
        """Add a node's committed bytes and canonical z to its trace, in the padded layout."""
        shape = self._circuit.shapes[index]
        slots, size = len(z), math.prod(padded_shape(shape))
        y = np.empty((slots, size), np.uint8)
        looked_up = np.empty((slots, size), np.uint32)
        found = over_ranges(_embed, slots, z, _places(shape), low, values, y, looked_up, grain=1)
        counts = self.counts.setdefault(label, np.zeros(len(values), np.int64))
        for part in found:
            counts += part
        trace.committed[index], trace.looked_up[index] = y, looked_up.reshape(-1)


def _look_up_values(z: NDArray[np.int64], table: ActivationTable) -> Bytes:
    out = np.empty(z.shape, np.uint8)
    over_ranges(_take, z.size, z.reshape(-1), table.table.low, table.table.values, out.reshape(-1))
    return out


@njit(nogil=True, cache=True)
def _take(start: int, stop: int, z: NDArray[np.int64], low: int, values: Bytes, out: Bytes) -> None:
    for i in range(start, stop):
        out[i] = values[z[i] - low]


def _places(shape: Shape) -> NDArray[np.int64]:
    """For each padded place the index of its element, -1 where there is none."""
    wide = padded_shape(shape)
    places = np.full(wide, -1, np.int64)
    places[tuple(slice(size) for size in shape)] = np.arange(math.prod(shape)).reshape(shape)
    return places.reshape(-1)


@njit(nogil=True, cache=True)
def _embed(
    start: int,
    stop: int,
    z: NDArray[np.int64],
    places: NDArray[np.int64],
    low: int,
    values: Bytes,
    y: Bytes,
    looked_up: U32,
) -> NDArray[np.int64]:
    counts = np.zeros(values.shape[0], np.int64)
    for slot in range(start, stop):
        for i in range(places.shape[0]):
            place = places[i]
            value = z[slot, place] if place >= 0 else 0
            y[slot, i] = values[value - low]
            looked_up[slot, i] = value + P if value < 0 else value
            counts[value - low] += 1
    return counts


def _padded_bytes(images: Bytes, shape: Shape) -> Bytes:
    out = np.zeros((len(images), *padded_shape(shape)), np.uint8)
    out[(slice(None), *(slice(size) for size in shape))] = images
    return out.reshape(len(images), -1)


def _check_range(z: NDArray[Any], low: int, high: int, name: str) -> None:
    least, greatest = int(z.min()), int(z.max())
    if least < low or greatest > high:
        # The slot is not named: which trigger it is may be a secret.
        raise InputError(
            f"a hidden trigger gives an accumulator outside its table [{low}, {high}]",
            where=f"layer {name}",
            remedy="Compile with more headroom, or with images like the triggers",
        )
