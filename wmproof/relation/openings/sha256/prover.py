"""The prover of SHA-256 openings; the package states the protocol."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof.argument.algebra.element import HALF, Element
from wmproof.argument.kernels.extension import inner_product
from wmproof.argument.prover_channel import ProverChannel
from wmproof.argument.sumcheck import prover as sumcheck_prover
from wmproof.commitment.scheme import Bytes, Kind
from wmproof.relation.boolean import prover as boolean_prover
from wmproof.relation.linear_form import prover as linear_form_prover
from wmproof.relation.linear_form.statement import Term
from wmproof.relation.openings.sha256.factors_prover import TABLES, TERMS, FactorTables
from wmproof.relation.openings.sha256.form import FACTORS, RunForm
from wmproof.relation.openings.sha256.openings import PLACE_BITS, ROUNDS, WORD_BITS, Openings, Run
from wmproof.relation.openings.sha256.statement import Sha256Openings
from wmproof.relation.openings.sha256.weights import CUBES, BitWeights, linear_part
from wmproof.relation.openings.sha256.witness import witness
from wmproof.relation.segments import SegmentPoint

Arrays = Mapping[str, NDArray[Any]]
_ELEMENT = 16


def prove(channel: ProverChannel, openings: Openings, arrays: Arrays) -> list[SegmentPoint]:
    """Prove that every commitment opens.

    `arrays` are the bits, and the segments of the messages' source. Returns where the verifier will
    have claims.
    """
    points: list[SegmentPoint] = []
    for run in openings.runs:
        points.append(boolean_prover.prove(channel, run.segment, arrays[run.segment.name]))
        points += _prove_run(channel, openings, run, arrays)
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
    return linear_form_prover.prove(channel, f"{label}/form", form.terms(), form.weights(), arrays)


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


class Sha256Prover:
    """Witness and proof of all openings of a claim."""

    def __init__(self, statement: Sha256Openings) -> None:
        self._statement = statement

    def witness(
        self, opened: Mapping[Kind, tuple[Bytes, Bytes]], arrays: Arrays
    ) -> dict[str, NDArray[Any]]:
        """The bits of every block; InputError if a commitment does not open."""
        found: dict[str, NDArray[Any]] = {}
        for slots, (kind, openings) in zip(
            self._statement.slots, self._statement.parts, strict=True
        ):
            messages, randomness = opened[kind]
            found |= witness(openings, messages[slots.triggers], randomness[slots.triggers])
        return found

    def prove(
        self,
        channel: ProverChannel,
        arrays: Arrays,
        progress: Callable[[float], None] = lambda _: None,
    ) -> list[SegmentPoint]:
        """As `OpeningsProver.prove`."""
        points: list[SegmentPoint] = []
        for i, (_, openings) in enumerate(self._statement.parts):
            progress(i / len(self._statement.parts))
            points += prove(channel, openings, arrays)
        return points

    def working_bytes(self) -> int:
        """One run's factors, or the signs of all its bits, each with a variable bound."""
        runs = [run for _, openings in self._statement.parts for run in openings.runs]
        instance = max(TABLES * ROUNDS << WORD_BITS, 1 << PLACE_BITS) // 2
        return max(_ELEMENT * instance << (run.segment.bits - PLACE_BITS) for run in runs)

    def claims(self) -> int:
        """Six for each run at most, and the message's."""
        return sum(6 * len(openings.runs) + 1 for _, openings in self._statement.parts)
