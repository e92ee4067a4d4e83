"""The prover of SHA-256 openings; the package states the protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from wmproof.argument.element import HALF, ONE, ZERO, Element
from wmproof.argument.extension import empty_tables, inner_product
from wmproof.argument.field import U32
from wmproof.argument.ligero.algebra import scale
from wmproof.argument.prover_channel import ProverChannel
from wmproof.argument.sumcheck import prover as sumcheck_prover
from wmproof.argument.threads import over_ranges
from wmproof.relation import boolean_prover, linear_form_prover
from wmproof.relation.linear_form import Term
from wmproof.relation.segments import SegmentPoint
from wmproof.relation.sha256.form import FACTORS, RunForm
from wmproof.relation.sha256.statement import PLACE_BITS, WORD_BITS, Openings, Run
from wmproof.relation.sha256.weights import (
    CHOICE,
    CUBES,
    BitWeights,
    Factor,
    linear_part,
)

Arrays = Mapping[str, NDArray[Any]]
_TABLES = FACTORS + 1
_TERMS = np.arange(_TABLES, dtype=np.int64).reshape(-1, 3)
_ALL_FACTORS = [factor for cube in CUBES for factor in cube] + [CHOICE]


def prove(
    channel: ProverChannel,
    openings: Openings,
    arrays: Arrays,
    progress: Callable[[float], None] = lambda _: None,
) -> list[SegmentPoint]:
    """Prove that every commitment opens; arrays hold the bits and the source's segments."""
    points: list[SegmentPoint] = []
    for run in openings.runs:
        points.append(boolean_prover.prove(channel, run.segment, arrays[run.segment.name]))
        points += _prove_run(channel, openings, run, arrays)
        progress((run.first + (1 << run.bits)) / openings.blocks)
    return points


def _prove_run(
    channel: ProverChannel, openings: Openings, run: Run, arrays: Arrays
) -> list[SegmentPoint]:
    label = run.segment.name
    instance_bits = openings.slot_bits + run.bits
    base = channel.challenge(f"{label}/lambda")
    tau = channel.challenges(f"{label}/tau", instance_bits + 6)
    halves = BitWeights.of(base)
    linear = _linear(run, arrays[label], halves, tau, instance_bits)
    channel.send(f"{label}/linear", [linear])
    tables = factor_tables(arrays[label].reshape(-1, 1 << PLACE_BITS), halves)
    point = [*tau, *[HALF] * WORD_BITS]
    claim = -(linear * HALF**WORD_BITS)
    r, values = sumcheck_prover.prove(channel, label, claim, point, tables, _TERMS)
    channel.send(f"{label}/factors", values[:FACTORS])
    pairs = [values[3 * k] * values[3 * k + 1] for k in range(len(CUBES))]
    channel.send(f"{label}/pairs", pairs)
    gamma, mu = channel.challenges(f"{label}/gamma", 2)
    rho = channel.challenges(f"{label}/rho", 6)
    form = RunForm(openings, run, base, tau, r, gamma, mu, rho)
    weights, _ = form.weights()
    return linear_form_prover.prove(channel, f"{label}/form", form.terms(), weights, arrays)


def _linear(
    run: Run,
    bits: NDArray[np.uint8],
    halves: BitWeights,
    tau: Sequence[Element],
    instance_bits: int,
) -> Element:
    weights, constant = linear_part(halves, tau[instance_bits:])
    folded = linear_form_prover.fold_batch(bits, Term(run.segment, tau[:instance_bits]))
    return inner_product(weights, folded) + constant


def factor_tables(bits: NDArray[np.uint8], halves: BitWeights) -> U32:
    """Every factor of the products on (instance, round, bit), a table of ones last.

    Parameters
    ----------
    bits : uint8 (instances, 2^13)

    Returns
    -------
    uint32 (18, 4, >= instances * 2^11)
    """
    values = np.stack([_bit_values(factor, halves) for factor in _ALL_FACTORS])
    early = np.stack([_early_value(factor) for factor in _ALL_FACTORS])
    shape = np.array(
        [("aew".index(f.word), f.back, f.turn, f.wraps, f.late) for f in _ALL_FACTORS], np.int64
    )
    differences = np.stack([(-ONE).montgomery(), ZERO.montgomery(), ONE.montgomery()])
    out = empty_tables(_TABLES, len(bits) << 11)
    over_ranges(_fill, len(bits), bits, shape, values, early, differences, out, grain=4)
    return out


def _bit_values(factor: Factor, halves: BitWeights) -> U32:
    """What the factor is for a bit of 0 and of 1: K (2, 4, 32)."""
    weight = halves.named(factor.weight)
    if factor.sign:
        return np.stack([weight, scale(weight, -ONE)])
    return np.stack([np.zeros_like(weight), weight])


def _early_value(factor: Factor) -> U32:
    return (ZERO if factor.weight else ONE).montgomery()


@njit(nogil=True, cache=True)
def _fill(
    start: int,
    stop: int,
    bits: NDArray[np.uint8],
    shape: NDArray[np.int64],
    values: U32,
    early: U32,
    differences: U32,
    out: U32,
) -> None:
    words = np.zeros((3, 68, 32), np.uint8)
    count = shape.shape[0]
    for n in range(start, stop):
        own = bits[n]
        for row in range(68):
            for i in range(32):
                if row < 4:
                    words[0, row, i] = own[7168 + 32 * (3 - row) + i]
                    words[1, row, i] = own[7168 + 32 * (7 - row) + i]
                else:
                    place = 32 * (row - 4) + i
                    words[0, row, i] = own[place]
                    words[1, row, i] = own[2048 + place]
                    words[2, row, i] = own[4096 + place]
        for t in range(64):
            at = (n * 64 + t) * 32
            for f in range(count):
                word, back, turn, wraps, late = shape[f]
                if late and t < 16:
                    for c in range(4):
                        out[f, c, at : at + 32] = early[f, c]
                    continue
                row = 4 + t - back
                for i in range(32):
                    place = i + turn
                    bit = 0
                    if place < 32 or wraps:
                        bit = words[word, row, place & 31]
                    for c in range(4):
                        out[f, c, at + i] = values[f, bit, c, i]
            for i in range(32):
                difference = np.int64(words[1, 2 + t, i]) - np.int64(words[1, 1 + t, i])
                for c in range(4):
                    out[count, c, at + i] = differences[difference + 1, c]
                    out[count + 1, c, at + i] = differences[2, c]
