"""The prover that a segment holds bits; `boolean` states the protocol."""

import numpy as np
from numpy.typing import NDArray

from wmproof._base.jit import njit
from wmproof._base.threads import over_ranges
from wmproof.argument.algebra.element import ONE, Element
from wmproof.argument.algebra.extension import U64
from wmproof.argument.algebra.field import U32
from wmproof.argument.kernels.extension import empty_tables, v_sum
from wmproof.argument.prover_channel import ProverChannel
from wmproof.argument.sumcheck import prover as sumcheck_prover
from wmproof.argument.sumcheck.kernels import add_weighted
from wmproof.relation.segments import Segment, SegmentPoint

_SQUARE = np.array([[0, 0]], np.int64)


class _Signs:
    """u = 1 - 2 x of bits x, for `prove_unbound`."""

    def __init__(self, bits: NDArray[np.uint8]) -> None:
        self._bits, self._half = bits, bits.size // 2

    def sums(self, low: U32, high: U32) -> list[U64]:
        """Of u(0)^2 = 1, and of the squared slopes: 4 where two bits differ."""
        return over_ranges(
            _first_round, self._half, self._half, self._bits, low, high, align=low.shape[1]
        )

    def bind(self, r: U32) -> U32:
        """u(0) + r (u(1) - u(0))."""
        one, slope = ONE, Element.from_montgomery(r) * Element.of(2)
        values = [one, one - slope, slope - one, -one]
        out = empty_tables(1, self._half)
        chosen = np.stack([value.montgomery() for value in values])
        over_ranges(_bind, self._half, self._half, self._bits, chosen, out[0])
        return out


@njit(nogil=True, cache=True)
def _first_round(
    start: int, stop: int, half: int, bits: NDArray[np.uint8], low: U32, high: U32
) -> U64:
    width = low.shape[1]
    sums = np.zeros((2, 4), np.uint64)
    for base in range(start, stop, width):
        block = np.zeros((2, 4), np.uint64)
        v_sum(low, 0, width, block[0])
        for c in range(4):
            total = np.uint64(0)
            for i in range(width):
                differ = (bits[base + i] ^ bits[half + base + i]) & np.uint8(1)
                total += np.uint64(low[c, i]) * np.uint64(differ)
            block[1, c] = 4 * total
        add_weighted(block, high, base // width, sums)
    return sums


@njit(nogil=True, cache=True)
def _bind(start: int, stop: int, half: int, bits: NDArray[np.uint8], values: U32, out: U32) -> None:
    for c in range(4):
        for i in range(start, stop):
            chosen = 2 * (bits[i] & np.uint8(1)) + (bits[half + i] & np.uint8(1))
            out[c, i] = values[chosen, c]


def prove(channel: ProverChannel, segment: Segment, array: NDArray[np.uint8]) -> SegmentPoint:
    """Prove that the entries, uint8, are bits.

    Returns the point of the verifier's claim.
    """
    label = f"{segment.name}/bits"
    tau = channel.challenges(f"{label}/tau", segment.bits)
    flat = array.reshape(-1)
    if tau:
        r, (sign,) = sumcheck_prover.prove_unbound(channel, label, ONE, tau, _Signs(flat), _SQUARE)
    else:
        r, sign = [], ONE - Element.of(2 * int(flat[0]))
    channel.send(f"{label}/sign", [sign])
    return SegmentPoint(segment, r)
