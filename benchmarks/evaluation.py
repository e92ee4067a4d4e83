"""Commitment to 2^26 bytes and a zero-knowledge evaluation proof of it, end to end; prints JSON.

`python -m benchmarks.evaluation [log2 of the rows] [log2 of a row]`
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Mapping
from fractions import Fraction

import numpy as np

from benchmarks._harness import copy_seconds, peak_megabytes, report
from wmproof.argument.algebra.element import Element
from wmproof.argument.algebra.multilinear import evaluate_base, index_point
from wmproof.argument.channel import VerifierChannel
from wmproof.argument.pcs.claims import Place, PointClaim
from wmproof.argument.pcs.ligero.prover import witness_matrix
from wmproof.argument.prover_channel import ProverChannel
from wmproof.argument.soundness import bits
from wmproof.argument.system import prover
from wmproof.argument.system.statement import Security, error_table, prepare, row_bits
from wmproof.argument.system.verifier import verify_proof


class Evaluation:
    """The committed bytes, as one multilinear polynomial, have a hidden value at a random point."""

    def __init__(self, rows: int, message_bits: int) -> None:
        self.rows, self.message_bits = rows, message_bits
        self.digest = hashlib.sha256(repr((rows, message_bits)).encode()).digest()

    def errors(self) -> Mapping[str, Fraction]:
        return {}

    def _point(self, challenges: list[Element]) -> list[Element]:
        variables = row_bits(self.rows) + self.message_bits
        return [*index_point(0, variables - len(challenges)), *challenges]

    @property
    def _variables(self) -> int:
        return (self.rows - 1).bit_length() + self.message_bits

    def verify(self, channel: VerifierChannel) -> list[PointClaim]:
        point = channel.challenges("point", self._variables)
        return [PointClaim(self._point(point), channel.receive("value", 1)[0])]


class ProvableEvaluation(Evaluation):
    """With the bytes."""

    def with_bytes(self, witness: np.ndarray) -> ProvableEvaluation:
        self.witness = witness
        return self

    def prove(self, channel: ProverChannel) -> list[Place]:
        point = channel.challenges("point", self._variables)
        channel.send("value", [evaluate_base(self.witness.reshape(-1), point)])
        return [Place(self._point(point))]


def main(rows_bits: int = 11, message_bits: int = 15) -> None:
    rng = np.random.default_rng(1)
    witness = rng.integers(0, 256, (1 << rows_bits, 1 << message_bits), dtype=np.uint8)
    small = ProvableEvaluation(4, 5).with_bytes(witness[:4, :32].copy())
    prover.prove(small, [small.witness])  # compiles every kernel

    statement = ProvableEvaluation(1 << rows_bits, message_bits).with_bytes(witness)
    setup = prepare(statement, Security())
    # Twice: the first commitment also waits for the system to hand out memory.
    times = []
    for _ in range(2):
        start = time.perf_counter()
        witness_matrix(setup.commitment, [witness]).commit()
        times.append(time.perf_counter() - start)
    commit, commit_memory = min(times), peak_megabytes()
    start = time.perf_counter()
    proof = prover.prove(statement, [witness])
    total = time.perf_counter() - start
    verifying = Evaluation(1 << rows_bits, message_bits)
    verify_proof(verifying, proof)
    start = time.perf_counter()
    verify_proof(verifying, proof)
    verify = time.perf_counter() - start
    security = bits(sum(error_table(statement, setup).values(), Fraction(0)))
    report(
        "evaluation",
        {
            "elements": witness.size,
            "commit_seconds": commit,
            "commit_peak_megabytes": commit_memory,
            "evaluation_proof_seconds": total - commit,
            "prove_seconds": total,
            "verify_seconds": verify,
            "proof_bytes": len(proof),
            "security_bits": security,
            "ratio_of_commit_to_copying_the_codeword": commit / copy_seconds(witness.size * 16),
        },
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
