"""A polynomial commitment of another kind takes Ligero's place, and nothing else changes.

It commits by a hash and opens by saying everything: it binds, is as sound as SHA-256 and hides
nothing. So whatever `pcs.commitment` asks for is enough to run the argument with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from lookup_statement import LookupProof, LookupStatement

from wmproof.argument.algebra.element import BYTES, ZERO, Element
from wmproof.argument.algebra.field import random_elements
from wmproof.argument.algebra.multilinear import evaluate_base
from wmproof.argument.channel import ConstraintSystem, Expression, VerifierChannel
from wmproof.argument.codec import decode_base, decode_elements, encode_base, encode_elements
from wmproof.argument.pcs import provers
from wmproof.argument.pcs.claims import PointClaim
from wmproof.argument.pcs.commitment import Section, Sections, Shape
from wmproof.argument.prover_channel import ProverChannel
from wmproof.argument.system import statement as system_statement
from wmproof.argument.system.encoding import length_bounds
from wmproof.argument.system.prover import prove
from wmproof.argument.system.statement import MAGIC, Security, Setup, error_table, prepare
from wmproof.argument.system.verifier import verify_proof
from wmproof.argument.transcript import ProverTranscript, VerifierTranscript
from wmproof.errors import ProofError

SIZES = 20, 3, 4
SECURITY = Security(bits=60, grinding_bits=4)


@dataclass(frozen=True)
class Clear:
    """`PolynomialCommitment` by SHA-256 over W and over the pads, opened in full."""

    shape: Shape
    products: list[tuple[int, int]]
    grinding_bits: int

    @staticmethod
    def message_bits(entries: int) -> int:
        return 4

    @staticmethod
    def padded_rows(rows: int) -> int:
        return rows

    @staticmethod
    def rehearse(channel: VerifierChannel, rows: int, message_bits: int, claims: Any) -> None:
        """Nothing is said about the claims before the openings."""

    @classmethod
    def choose(
        cls, shape: Shape, products: Any, errors: Any, *, security_bits: float, grinding_bits: int
    ) -> Clear:
        return cls(shape, list(products), grinding_bits)

    def chosen(self) -> dict[str, Any]:
        return {"grinding_bits": self.grinding_bits}

    def errors(self, protocol_errors: Mapping[str, Fraction]) -> dict[str, Fraction]:
        return dict(protocol_errors)

    def sections(self) -> Sections:
        entries = self.shape.rows << self.shape.message_bits
        last = [
            Section("witness", 4 * entries, True),
            Section("pads", BYTES * self.shape.pads, True),
        ]
        return Sections([Section("hashes", 64, False)], last, 1, 0)

    def verifier(self) -> ClearVerifier:
        return ClearVerifier(self)


class ClearVerifier:
    def __init__(self, commitment: Clear) -> None:
        self._shape = commitment.shape
        self._claims: Sequence[PointClaim] = []

    def receive_commitments(self, transcript: VerifierTranscript) -> None:
        self._hashes = transcript.receive("hashes", 64)

    def receive_evaluations(self, channel: VerifierChannel, claims: Sequence[PointClaim]) -> None:
        self._claims = claims

    def receive_constraints(self, transcript: VerifierTranscript, system: ConstraintSystem) -> None:
        self._system = system

    def check_openings(self, transcript: VerifierTranscript) -> None:
        entries = self._shape.rows << self._shape.message_bits
        witness = transcript.receive("witness", 4 * entries)
        pads = transcript.receive("pads", BYTES * self._shape.pads)
        if _hashes(witness, pads) != self._hashes:
            raise ProofError("hash", "this was not committed to")
        self._check(decode_base(witness, "witness"), decode_elements(pads, "pads"))

    def _check(self, witness: np.ndarray, pads: list[Element]) -> None:
        def value_of(expression: Expression) -> Element:
            total = expression.constant
            for unknown, coefficient in expression.terms.items():
                i, j = (unknown, None) if unknown >= 0 else self._system.products[~unknown]
                total = total + coefficient * (pads[i] if j is None else pads[i] * pads[j])
            return total

        for claim in self._claims:
            padded = np.zeros(1 << len(claim.point), np.uint32)
            padded[: len(witness)] = witness
            if evaluate_base(padded, claim.point) != value_of(claim.value):
                raise ProofError("evaluation", "the witness has another value")
        if any(value_of(zero) != ZERO for zero in self._system.zeros):
            raise ProofError("pads", "an equation of the transcript does not hold")


class ClearProver:
    def __init__(self, commitment: Clear) -> None:
        values = random_elements((commitment.shape.pads, 4)).tolist()
        self.pads = [Element(*value) for value in values]

    def commit(
        self,
        transcript: ProverTranscript,
        witness: Sequence[np.ndarray],
        largest: Sequence[int] | None = None,
    ) -> None:
        self._opened = [
            encode_base(np.concatenate([block.reshape(-1) for block in witness])),
            encode_elements(self.pads),
        ]
        transcript.send("hashes", _hashes(*self._opened))

    def prove_evaluations(self, channel: ProverChannel, points: Any) -> None:
        """Nothing is said about the claims before the openings."""

    def prove_constraints(self, transcript: ProverTranscript, system: ConstraintSystem) -> None:
        """Nor about the pads."""

    def open(self, transcript: ProverTranscript) -> None:
        for label, data in zip(("witness", "pads"), self._opened, strict=True):
            transcript.send(label, data)


def _hashes(*parts: bytes) -> bytes:
    return b"".join(hashlib.sha256(part).digest() for part in parts)


@pytest.fixture
def setup(monkeypatch: pytest.MonkeyPatch) -> Setup:
    monkeypatch.setattr(system_statement, "SCHEME", Clear)
    monkeypatch.setitem(provers.PROVERS, Clear, ClearProver)
    return prepare(LookupStatement(*SIZES), SECURITY)


def _proof(change: Any = None) -> bytes:
    proof = LookupProof(*SIZES).with_rows(np.arange(SIZES[0]) % (1 << SIZES[1]))
    if change is not None:
        change(proof)
    return prove(proof, proof.witness(), SECURITY)


def test_it_proves_and_verifies(setup: Setup) -> None:
    statement, data = LookupStatement(*SIZES), _proof()
    assert verify_proof(statement, data, SECURITY) == setup
    assert length_bounds(setup) == (len(data), len(data))
    assert error_table(statement, setup) == dict(statement.errors())


def test_its_checks_are_the_ones_that_count(setup: Setup) -> None:
    """Whatever byte is changed, and whatever the witness lies about, the proof is refused."""

    def outside(proof: LookupProof) -> None:
        proof.columns[1, 3] += 1

    with pytest.raises(ProofError) as error:
        verify_proof(LookupStatement(*SIZES), _proof(outside), SECURITY)
    assert error.value.check in ("pads", "evaluation")
    data = _proof()
    for place in np.random.default_rng(3).integers(len(MAGIC), len(data), 60):
        changed = bytearray(data)
        changed[place] ^= 1
        with pytest.raises(ProofError):
            verify_proof(LookupStatement(*SIZES), bytes(changed), SECURITY)


def test_its_claims_are_compared_with_the_committed_witness(setup: Setup) -> None:
    proof = LookupProof(*SIZES).with_rows(np.arange(SIZES[0]) % (1 << SIZES[1]))
    witness = proof.witness()
    witness[0][0, 2] += 1
    with pytest.raises(ProofError) as error:
        verify_proof(LookupStatement(*SIZES), prove(proof, witness, SECURITY), SECURITY)
    assert error.value.check == "evaluation"


def test_a_proof_of_one_kind_is_none_of_the_other(setup: Setup) -> None:
    clear = _proof()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(system_statement, "SCHEME", next(iter(provers.PROVERS)))
        ligero = _proof()
        with pytest.raises(ProofError):
            verify_proof(LookupStatement(*SIZES), clear, SECURITY)
    with pytest.raises(ProofError):
        verify_proof(LookupStatement(*SIZES), ligero, SECURITY)
