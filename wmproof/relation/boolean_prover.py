"""The prover that a segment holds bits; `boolean` states the protocol."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from wmproof.argument.element import ONE
from wmproof.argument.extension import empty_tables
from wmproof.argument.field import MONTGOMERY_R, U32, P
from wmproof.argument.prover_channel import ProverChannel
from wmproof.argument.sumcheck import prover as sumcheck_prover
from wmproof.argument.threads import over_ranges
from wmproof.relation.segments import Segment, SegmentPoint

_SQUARE = np.array([[0, 0]], np.int64)
_ONE, _MINUS_ONE = np.uint32(MONTGOMERY_R), np.uint32(P - MONTGOMERY_R)


@njit(nogil=True, cache=True)
def _signs(start: int, stop: int, bits: NDArray[np.uint8], out: U32) -> None:
    for i in range(start, stop):
        out[0, i] = _MINUS_ONE if bits[i] else _ONE


def prove(channel: ProverChannel, segment: Segment, array: NDArray[np.uint8]) -> SegmentPoint:
    """Prove that the entries, uint8, are bits."""
    label = f"{segment.name}/bits"
    tau = channel.challenges(f"{label}/tau", segment.bits)
    tables = empty_tables(1, array.size)
    tables[:, 1:] = 0
    over_ranges(_signs, array.size, array.reshape(-1), tables[0])
    r, (sign,) = sumcheck_prover.prove(channel, label, ONE, tau, tables, _SQUARE)
    channel.send(f"{label}/sign", [sign])
    return SegmentPoint(segment, r)
