"""The prover of linear forms; `linear_form` states the protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof.argument.element import HALF, ZERO
from wmproof.argument.extension import empty_tables, inner_product
from wmproof.argument.matrix import weigh_rows
from wmproof.argument.multilinear import eq_table
from wmproof.argument.prover_channel import ProverChannel
from wmproof.argument.sumcheck import prover as sumcheck_prover
from wmproof.relation.linear_form import Term, Weights, leading_factor
from wmproof.relation.segments import SegmentPoint


def prove(
    channel: ProverChannel,
    label: str,
    terms: Sequence[Term],
    weights: Weights,
    arrays: Mapping[str, NDArray[Any]],
) -> list[SegmentPoint]:
    """Prove a linear form of committed segments.

    Parameters
    ----------
    arrays : mapping
        Each segment's entries, by name.

    Returns
    -------
    list of SegmentPoint
        Of the verifier's claims.
    """
    inner_bits = max(term.inner_bits for term in terms)
    tables = empty_tables(2 * len(terms), 1 << inner_bits)
    tables[:] = 0
    claim = ZERO
    for j, (term, own) in enumerate(zip(terms, weights, strict=True)):
        folded = fold_batch(arrays[term.segment.name], term)
        size = folded.shape[1]
        tables[2 * j, :, :size] = own
        tables[2 * j + 1, :, :size] = folded
        claim = claim + inner_product(np.ascontiguousarray(own), folded)
    pairs = np.arange(2 * len(terms), dtype=np.int64).reshape(-1, 2)
    halves = [HALF] * inner_bits
    claim = claim * HALF**inner_bits
    r, values = sumcheck_prover.prove(channel, label, claim, halves, tables, pairs)
    messages, points = [], []
    for term, value in zip(terms, values[1::2], strict=True):
        lead = inner_bits - term.inner_bits
        messages.append(value * leading_factor(r[:lead]).inverse())
        points.append(SegmentPoint(term.segment, [*term.batch_point, *r[lead:]]))
    channel.send(f"{label}/values", messages)
    return points


def fold_batch(array: NDArray[Any], term: Term) -> NDArray[np.uint32]:
    """The segment with its batch variables bound to the term's point: K (4, 2^inner_bits)."""
    block = np.ascontiguousarray(array).reshape(-1, 1 << term.inner_bits)
    return weigh_rows(block, eq_table(term.batch_point))
