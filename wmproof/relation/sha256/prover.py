"""The prover of SHA-256 openings; the package states the protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof.argument.element import HALF, Element
from wmproof.argument.extension import inner_product
from wmproof.argument.prover_channel import ProverChannel
from wmproof.argument.sumcheck import prover as sumcheck_prover
from wmproof.relation import boolean_prover, linear_form_prover
from wmproof.relation.linear_form import Term
from wmproof.relation.segments import SegmentPoint
from wmproof.relation.sha256.factors_prover import TERMS, FactorTables
from wmproof.relation.sha256.form import FACTORS, RunForm
from wmproof.relation.sha256.statement import PLACE_BITS, WORD_BITS, Openings, Run
from wmproof.relation.sha256.weights import CUBES, BitWeights, linear_part

Arrays = Mapping[str, NDArray[Any]]


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
    factors = FactorTables(arrays[label].reshape(-1, 1 << PLACE_BITS), halves)
    point = [*tau, *[HALF] * WORD_BITS]
    claim = -(linear * HALF**WORD_BITS)
    r, values = sumcheck_prover.prove_unbound(channel, label, claim, point, factors, TERMS)
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
