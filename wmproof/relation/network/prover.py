"""The prover of the network's part; `network` states it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof._base.threads import over_ranges
from wmproof.argument.algebra.element import Element
from wmproof.argument.algebra.field import U32
from wmproof.argument.kernels.extension import TableMemory
from wmproof.argument.logup import prover as lookup_prover
from wmproof.argument.prover_channel import ProverChannel
from wmproof.relation.chunks import Chunk
from wmproof.relation.linear_form import prover as linear_form_prover
from wmproof.relation.network import kernels
from wmproof.relation.network.statement import NetworkStatement, TableUse
from wmproof.relation.network.trace import Trace
from wmproof.relation.network.verifier import class_weights
from wmproof.relation.product import prover as product_prover
from wmproof.relation.segments import SegmentPoint

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

    memory = TableMemory()
    for use in network.tables:
        columns = _columns(use, traces, reported)
        counts = arrays[use.multiplicities.name]
        found = lookup_prover.prove(channel, use.lookup, columns, counts, memory)
        points.append(SegmentPoint(use.multiplicities, found.multiplicities))
        for (chunk, node), own in zip(use.groups, found.groups, strict=True):
            segment = network.segment(chunk, node)
            point = segment.from_lookup(own)
            points.append(SegmentPoint(segment, point))
            trace = traces[chunk.index]
            points += _prove_accumulators(
                channel, network, chunk, node, point, trace, arrays, memory
            )
    return points


def _prove_accumulators(
    channel: ProverChannel,
    network: NetworkStatement,
    chunk: Chunk,
    node: int,
    point: Sequence[Element],
    trace: Trace,
    arrays: Arrays,
    memory: TableMemory,
) -> list[SegmentPoint]:
    label = f"chunk{chunk.index}/z{node}"
    product = network.product(chunk, node)
    if product is not None:
        segment = partial(network.segment, chunk)
        operands = trace.value(product.node.a), trace.value(product.node.b)
        z = trace.looked_up[node]
        return product_prover.prove(channel, label, product, segment, point, z, operands, arrays)
    terms, nodes = network.node_form(chunk, node, point)
    weights = network.node_weights(chunk, node, point, nodes)
    return linear_form_prover.prove(channel, label, terms, weights, arrays, memory)


def _columns(
    use: TableUse, traces: Mapping[int, Trace], reported: Callable[[int], None]
) -> Iterator[U32]:
    """Columns z and y of each group, all in the same memory: touching new one costs more."""
    buffer = np.empty(2 * max(use.lookup.lengths), np.uint32)
    for group, (chunk, node) in enumerate(use.groups):
        trace, blocks = traces[chunk.index], use.lookup.blocks_of(group)
        z, y = trace.looked_up[node], trace.committed[node].reshape(-1)
        columns = buffer[: 2 * z.size].reshape(2, -1)
        over_ranges(_fill, z.size // blocks, blocks, z, y, columns)
        yield columns
        reported(z.size)


def _fill(start: int, stop: int, blocks: int, z: U32, y: NDArray[Any], columns: U32) -> None:
    for own, column in zip((z, y), columns, strict=True):
        if blocks == 1:
            column[start:stop] = own[start:stop]
        else:
            kernels.blocks_last(start, stop, own.reshape(blocks, -1), column)


def prove_logits(
    channel: ProverChannel,
    network: NetworkStatement,
    label: str,
    slot_point: Sequence[Element],
    class_point: Sequence[Element],
    arrays: Arrays,
) -> list[SegmentPoint]:
    """Prove the logits at a point of all slots and classes.

    Parameters
    ----------
    slot_point, class_point : sequence of Element
        The point: coordinates of the slots, then those of the classes.
    arrays : mapping of str to array
        The committed segments.
    """
    terms, nodes = network.logit_form(slot_point)
    weights = network.logit_weights(slot_point, class_weights(network, class_point), nodes)
    return linear_form_prover.prove(channel, label, terms, weights, arrays)
