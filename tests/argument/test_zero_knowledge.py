"""Real and simulated transcripts have one distribution, whatever the witness and the coins.

Each word of a transcript, and words jointly with their neighbours, are compared with the uniform
distribution by `uniformity`, at a false-alarm rate of 1e-9 a comparison, corrected for the number
of words; a run has 20 comparisons.
"""

import io
from collections.abc import Callable

import numpy as np
import pytest
from lookup_statement import LookupProof, LookupStatement
from uniformity import (
    assert_neighbours_independent,
    assert_uniform,
    field_words,
    quarters,
)

from wmproof.argument.algebra.element import ZERO
from wmproof.argument.pcs.ligero import prover
from wmproof.argument.system.prover import ReplayedCoins, prove_to
from wmproof.argument.system.simulator import _FreshCoins, simulate
from wmproof.argument.system.statement import Security, prepare
from wmproof.argument.system.verifier import verify
from wmproof.argument.transcript import Coins, VerifierTranscript

LENGTH, TABLE_BITS, MESSAGE_BITS = 24, 3, 3
RUNS = 240
KINDS = ["constant", "mixed", "coins chosen", "simulated"]
STATEMENT = LookupStatement(LENGTH, TABLE_BITS, MESSAGE_BITS)
SETUP = prepare(STATEMENT, Security(bits=5, grinding_bits=0))


class _OneChallenge(_FreshCoins):
    """A dishonest verifier: every challenge is the same; positions are honest."""

    def draw(self, label: str, size: int) -> bytes:
        coins = super().draw(label, size)
        challenge = b"".join(c.to_bytes(16, "little") for c in (2, 3, 5, 7))
        return coins if label.endswith("positions") else challenge * (size // len(challenge))


def _real(rows: np.ndarray, coins: Coins | None = None) -> bytes:
    proof = LookupProof(LENGTH, TABLE_BITS, MESSAGE_BITS).with_rows(rows)
    buffer = io.BytesIO()
    prove_to(proof, SETUP, proof.witness(), buffer, coins or _FreshCoins())
    return buffer.getvalue()


def _sample(make: Callable[[], bytes]) -> np.ndarray:
    return np.stack([field_words(SETUP, make()) for _ in range(RUNS)]).astype(np.uint64)


@pytest.fixture(scope="module")
def samples() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    return {
        "constant": _sample(lambda: _real(np.zeros(LENGTH, np.int64))),
        "mixed": _sample(lambda: _real(rng.integers(0, 1 << TABLE_BITS, LENGTH))),
        "coins chosen": _sample(lambda: _real(np.zeros(LENGTH, np.int64), _OneChallenge())),
        "simulated": _sample(lambda: simulate(STATEMENT, SETUP)[0]),
    }


@pytest.mark.parametrize("security", [Security(), Security(bits=30, grinding_bits=0)])
def test_simulated_transcripts_are_accepted(security: Security) -> None:
    setup = prepare(STATEMENT, security)
    for _ in range(3):
        proof, draws = simulate(STATEMENT, setup)
        transcript = VerifierTranscript(io.BytesIO(proof), ReplayedCoins(draws))
        verify(STATEMENT, setup, transcript)
        transcript.finish()


@pytest.mark.parametrize("kind", KINDS)
def test_every_word_is_uniform(samples: dict[str, np.ndarray], kind: str) -> None:
    assert_uniform(quarters(samples[kind]))


@pytest.mark.parametrize("kind", KINDS)
def test_neighbours_are_independent(samples: dict[str, np.ndarray], kind: str) -> None:
    assert_neighbours_independent(samples[kind])


@pytest.mark.parametrize(
    ("name", "replacement"),
    [
        ("draw_pads", lambda count: [ZERO] * count),
        ("random_elements", lambda shape: np.zeros(shape, np.uint32)),
    ],
    ids=["pads", "tails and blinding rows"],
)
def test_the_tests_see_what_is_not_hidden(
    monkeypatch: pytest.MonkeyPatch, name: str, replacement: object
) -> None:
    monkeypatch.setattr(prover, name, replacement)
    sample = _sample(lambda: _real(np.zeros(LENGTH, np.int64)))
    with pytest.raises(AssertionError):
        assert_uniform(quarters(sample))
