"""The prover of linear forms; `linear_form` states the protocol."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof._base.threads import for_each
from wmproof.argument.algebra.element import HALF, ZERO, Element
from wmproof.argument.kernels.extension import TableMemory, inner_product
from wmproof.argument.kernels.multilinear import eq_table
from wmproof.argument.kernels.rows import weigh_rows
from wmproof.argument.prover_channel import ProverChannel
from wmproof.argument.sumcheck import prover as sumcheck_prover
from wmproof.relation.linear_form.statement import Term, Weights, leading_factor
from wmproof.relation.segments import SegmentPoint


def prove(
    channel: ProverChannel,
    label: str,
    terms: Sequence[Term],
    weights: tuple[Weights, Element],
    arrays: Mapping[str, NDArray[Any]],
    memory: TableMemory | None = None,
) -> list[SegmentPoint]:
    """Prove a linear form of committed segments.

    Returns the points of the verifier's claims.

    Parameters
    ----------
    weights : (Weights, Element)
        With the constant, as the verifier computes them.
    arrays : mapping
        Each segment's entries, by name.
    memory : TableMemory, optional
        That a lookup has used and does not need any more.
    """
    inner_bits = max(term.inner_bits for term in terms)
    memory = memory or TableMemory()
    tables = memory.tables("lowest", 2 * len(terms), 1 << inner_bits)
    claim = ZERO
    for j, (term, own) in enumerate(zip(terms, weights[0], strict=True)):
        folded = fold_batch(arrays[term.segment.name], term)
        size = folded.shape[1]
        tables[2 * j, :, :size] = own
        tables[2 * j + 1, :, :size] = folded
        tables[2 * j : 2 * j + 2, :, size:] = 0
        claim = claim + inner_product(np.ascontiguousarray(own), folded)
    pairs = np.arange(2 * len(terms), dtype=np.int64).reshape(-1, 2)
    halves = [HALF] * inner_bits
    claim = claim * HALF**inner_bits
    r, values = sumcheck_prover.prove(channel, label, claim, halves, tables, pairs)
    channel.know(f"{label}/constant", weights[1])
    messages, points = [], []
    for j, term in enumerate(terms):
        lead = inner_bits - term.inner_bits
        factor = leading_factor(r[:lead])
        channel.know(f"{label}/factor{j}", factor * values[2 * j])
        messages.append(values[2 * j + 1] * factor.inverse())
        points.append(SegmentPoint(term.segment, term.point(r[lead:])))
    channel.send(f"{label}/values", messages)
    return points


def fold_batch(array: NDArray[Any], term: Term) -> NDArray[np.uint32]:
    """A segment with its batch variables bound to the term's point.

    `array` has the segment's values, integers. Returns uint32 (4, at most 2^inner_bits), in K.
    """
    weights, blocks = eq_table(term.batch_point), term.segment.blocks
    parts = np.ascontiguousarray(array).reshape(blocks, weights.shape[1], -1)
    if blocks == 1:
        return weigh_rows(parts[0], weights)
    out = np.empty((4, blocks, parts.shape[2]), np.uint32)

    def fold(block: int) -> None:
        out[:, block] = weigh_rows(parts[block], weights)

    for_each(fold, range(blocks))
    return out.reshape(4, -1)
