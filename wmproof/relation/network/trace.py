"""Running the circuit on the slots of a chunk: every committed number, and every z looked up."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from threading import get_ident

import numpy as np
from numpy.typing import NDArray

from wmproof._base.threads import Workspace, over_ranges
from wmproof.argument.algebra.field import U32, P
from wmproof.circuit.evaluate import move
from wmproof.circuit.ir import Activation, Circuit, Input, Maximum, Node, node_sources, value_type
from wmproof.circuit.limits import check_images
from wmproof.circuit.plan import Bytes, LinearPlan, Values
from wmproof.circuit.product import Product, product_blocks
from wmproof.circuit.tables import Table
from wmproof.errors import InputError
from wmproof.relation.network import kernels
from wmproof.relation.network.linear_maps import LinearMap
from wmproof.relation.network.statement import layout_of
from wmproof.relation.network.tables import ActivationTable, MaximumTable
from wmproof.relation.tensor_layout import MOST_BLOCKS, TensorLayout


def _nothing(index: int) -> Values:
    raise KeyError(index)


@dataclass
class Trace:
    """What the circuit did with a chunk's images."""

    committed: dict[int, Values] = field(default_factory=dict)
    """dict of int to uint8 or uint16 (blocks, slots, 2^n): numbers of each committing node, in its
    segment's layout."""
    looked_up: Mapping[int, U32] = field(default_factory=dict)
    """mapping of int to uint32 (blocks * slots * 2^n,): z, canonical mod p, of each `Activation`,
    `Product` and `Maximum`, in the same places."""
    logits: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 0), np.int64))
    """int64 (slots, classes)."""
    value: Callable[[int], Values] = field(default=_nothing)
    """A node's numbers, unsigned (slots, *shape), from what is committed."""


class Tracer:
    """Traces of one circuit.

    Parameters
    ----------
    progress : callable
        Called with the share of nodes done.
    keep_sums : bool
        Whether traces hold z, 4 bytes each; else it is computed again whenever it is asked for.
    most_blocks : int, optional
        As `NetworkStatement` has it.
    """

    def __init__(
        self,
        circuit: Circuit,
        progress: Callable[[float], None] | None = None,
        *,
        keep_sums: bool = True,
        most_blocks: int = MOST_BLOCKS,
    ) -> None:
        self._circuit, self._keep_sums, self._most_blocks = circuit, keep_sums, most_blocks
        self._progress = progress or (lambda _: None)
        # How often each row of a table was looked up, by label and thread.
        self._parts: dict[str, dict[int, U32]] = {}
        workspace, known = Workspace(), (circuit.shapes, circuit.largest)
        self._maps = {
            index: LinearMap(node.linear, *known, workspace)
            for index, node in enumerate(circuit.nodes)
            if isinstance(node, Activation)
        }
        self._output = LinearPlan(circuit.output, *known)
        self._last_use = circuit.last_uses()

    def counts(self, label: str) -> U32:
        """How often each row of a table was looked up in all traces under a label, (2^bits,)."""
        total: U32 = np.sum([*self._parts[label].values()], axis=0, dtype=np.uint32)
        return total

    def __call__(self, images: Bytes, labels: Mapping[int, str]) -> Trace:
        """Run on images, uint8 (slots, C, H, W); InputError if a z leaves its table.

        Each node's lookups are counted under its label in `labels`: `NetworkStatement.labels`.
        """
        check_images(self._circuit, images)
        trace, values = Trace(), dict[int, Values]()
        trace.value = partial(self._value, trace)
        sums: dict[int, U32] = {}
        trace.looked_up = sums if self._keep_sums else SumsAgain(self._sums_again, trace)
        for index, node in enumerate(self._circuit.nodes):
            match node:
                case Input():
                    values[index] = np.ascontiguousarray(images)
                    trace.committed[index] = self._layout(index).place(images)
                case Activation():
                    parts = self._parts.setdefault(labels[index], {})
                    values[index], z = self._activate(index, node, values, parts)
                    self._add(trace, index, labels[index], values[index], z)
                case Product():
                    values[index], z = self._multiply(node, values)
                    self._count(index, labels[index], z)
                    self._add(trace, index, labels[index], values[index], z)
                case Maximum():
                    y, z = self._maximum(index, values[node.a], values[node.b])
                    self._count(index, labels[index], z)
                    self._add(trace, index, labels[index], y, z)
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
        self, index: int, node: Activation, values: dict[int, Values], parts: dict[int, U32]
    ) -> tuple[Values, U32]:
        """What is looked up in a node, and z; each thread counts in a part of its own."""
        plan, table = self._maps[index], self._circuit.tables[node.table]
        entries = table.values
        count, (channels, height, width) = len(values[node_sources(node)[0]]), plan.shape
        y = np.empty((count, channels, height * width), entries.dtype)

        def look_up(z: U32, images: slice, first: int, last: int) -> None:
            into = y[images], _own_part(parts, len(entries))
            least, most = kernels.look_up(z, first, last, entries, table.low, *into)
            _check_range(least, most, table, node)

        z = plan.sums(values, look_up)
        return y.reshape(count, *plan.shape), z

    def _multiply(self, node: Product, values: dict[int, Values]) -> tuple[Values, U32]:
        table, (a, b) = self._circuit.tables[node.table], (values[node.a], values[node.b])
        y = np.empty((len(a), *node.shape), table.values.dtype)
        z = np.empty(y.shape, np.uint32)
        for rows, sums in product_blocks(node, a, b):
            _check_range(sums.min(), sums.max(), table, node)
            y[rows] = table.values[sums - table.low].reshape(-1, *node.shape)
            z[rows] = (sums % P).reshape(-1, *node.shape)
        return y, z

    def _maximum(self, index: int, a: Values, b: Values) -> tuple[Values, U32]:
        y, z = (
            np.empty(a.shape, value_type(self._circuit.largest[index])),
            np.empty(a.shape, np.uint32),
        )
        flat = (array.reshape(-1) for array in (a, b, y, z))
        over_ranges(kernels.subtract, a.size, *flat)
        return y, z

    def _layout(self, index: int) -> TensorLayout:
        return layout_of(self._circuit, index, self._most_blocks)

    def _table(self, index: int) -> ActivationTable | MaximumTable:
        node = self._circuit.nodes[index]
        if isinstance(node, Activation | Product):
            return ActivationTable(self._circuit.tables[node.table])
        return MaximumTable(self._circuit.largest[index])

    def _count(self, index: int, label: str, z: U32) -> None:
        table, flat = self._table(index), z.reshape(-1)
        own = _own_part(self._parts.setdefault(label, {}), 1 << table.bits)
        for part in over_ranges(kernels.count, flat.size, flat, table.low, len(own)):
            own += part

    def _add(self, trace: Trace, index: int, label: str, y: Values, z: U32) -> None:
        """Add a node's committed numbers and canonical z to its trace, in the segment's layout."""
        table, layout = self._table(index), self._layout(index)
        shape = len(y), *layout.shape
        trace.committed[index] = layout.place(y.reshape(shape), table.fill[1])
        if isinstance(trace.looked_up, dict):
            trace.looked_up[index] = layout.place(z.reshape(shape), table.fill[0]).reshape(-1)
        own = _own_part(self._parts[label], 1 << table.bits)
        own[table.fill[0] - table.low] += (len(y) << layout.bits) - z.size

    def _sums_again(self, trace: Trace, index: int) -> U32:
        """Compute z of one node, from the numbers that are committed before it."""
        node = self._circuit.nodes[index]
        values = {source: self._value(trace, source) for source in node_sources(node)}
        if isinstance(node, Maximum):
            _, z = self._maximum(index, values[node.a], values[node.b])
        elif isinstance(node, Activation):
            _, z = self._activate(index, node, values, {})
        elif isinstance(node, Product):
            _, z = self._multiply(node, values)
        else:
            raise KeyError(index)
        layout = self._layout(index)
        return layout.place(z.reshape(-1, *layout.shape), self._table(index).fill[0]).reshape(-1)

    def _value(self, trace: Trace, index: int) -> Values:
        """A node's numbers (slots, *shape), from what is committed."""
        node = self._circuit.nodes[index]
        match node:
            case Input() | Activation() | Product():
                return self._layout(index).taken(trace.committed[index])
            case Maximum():
                excess = self._layout(index).taken(trace.committed[index])
                return excess + self._value(trace, node.b).reshape(excess.shape)
            case _:
                return move(node, {s: self._value(trace, s) for s in node_sources(node)})


class SumsAgain(Mapping[int, U32]):
    """z of each node of a trace, computed again whenever it is asked for, and not held.

    Parameters
    ----------
    compute : callable
        Gives z of a node of a trace, uint32 array.
    trace : Trace
        Secret.
    """

    def __init__(self, compute: Callable[[Trace, int], U32], trace: Trace) -> None:
        self._compute, self._trace = compute, trace

    def __getitem__(self, index: int) -> U32:
        return self._compute(self._trace, index)

    def __iter__(self) -> Iterator[int]:
        return iter(self._trace.committed)

    def __len__(self) -> int:
        return len(self._trace.committed)


def _own_part(parts: dict[int, U32], size: int) -> U32:
    """Counts of a table's rows by this thread; no table has so many lookups that they overflow."""
    thread = get_ident()
    if thread not in parts:
        parts[thread] = np.zeros(size, np.uint32)
    return parts[thread]


def _check_range(least: int, most: int, table: Table, node: Node) -> None:
    if least < table.low or most > table.high:
        # The slot is not named: which trigger it is may be a secret.
        raise InputError(
            f"a hidden trigger gives an accumulator outside its table [{table.low}, {table.high}]",
            where=f"layer {node.name}",
            remedy="Compile with more headroom, or with images like the triggers",
        )
