"""The prover of the network's part; `network` states it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof.argument.element import Element
from wmproof.argument.field import U32
from wmproof.argument.logup import prover as lookup_prover
from wmproof.argument.prover_channel import ProverChannel
from wmproof.argument.threads import over_ranges
from wmproof.relation import linear_form_prover
from wmproof.relation.network import NetworkStatement, TableUse
from wmproof.relation.network_verifier import class_weights
from wmproof.relation.segments import SegmentPoint
from wmproof.relation.trace import Trace

Arrays = Mapping[str, NDArray[Any]]


def prove(
    channel: ProverChannel,
    network: NetworkStatement,
    arrays: Arrays,
    traces: Mapping[int, Trace],
    progress: Callable[[float], None] = lambda _: None,
) -> list[SegmentPoint]:
    """Prove that every activation is its table's value.

    Parameters
    ----------
    arrays : mapping
        The segments' entries, by name.
    traces : mapping of int to Trace
        By the chunk's index.
    """
    points: list[SegmentPoint] = []
    done, total = 0, sum(sum(use.lookup.lengths) for use in network.tables)

    def reported(entries: int) -> None:
        nonlocal done
        done += entries
        progress(done / total)

    for use in network.tables:
        columns = _columns(use, traces, reported)
        counts = arrays[use.multiplicities.name]
        found = lookup_prover.prove(channel, use.lookup, columns, counts)
        points.append(SegmentPoint(use.multiplicities, found.multiplicities))
        for (chunk, node), point in zip(use.groups, found.groups, strict=True):
            points.append(SegmentPoint(network.segment(chunk, node), point))
            terms, nodes = network.node_form(chunk, node, point)
            weights, _ = network.node_weights(chunk, node, point, nodes)
            label = f"chunk{chunk.index}/z{node}"
            points += linear_form_prover.prove(channel, label, terms, weights, arrays)
    return points


def _columns(
    use: TableUse, traces: Mapping[int, Trace], reported: Callable[[int], None]
) -> Iterator[U32]:
    """Columns z and y of each group, all in the same memory: touching new one costs more."""
    buffer = np.empty(2 * max(use.lookup.lengths), np.uint32)
    for chunk, node in use.groups:
        trace = traces[chunk.index]
        z, y = trace.looked_up[node], trace.committed[node].reshape(-1)
        columns = buffer[: 2 * z.size].reshape(2, -1)
        over_ranges(_fill, z.size, z, y, columns)
        yield columns
        reported(z.size)


def _fill(start: int, stop: int, z: U32, y: NDArray[np.uint8], columns: U32) -> None:
    columns[0, start:stop] = z[start:stop]
    columns[1, start:stop] = y[start:stop]


def prove_logits(
    channel: ProverChannel,
    network: NetworkStatement,
    label: str,
    slot_point: Sequence[Element],
    class_point: Sequence[Element],
    arrays: Arrays,
) -> list[SegmentPoint]:
    """Prove the logits at a point of all slots and classes."""
    terms, nodes = network.logit_form(slot_point)
    weights, _ = network.logit_weights(slot_point, class_weights(network, class_point), nodes)
    return linear_form_prover.prove(channel, label, terms, weights, arrays)
