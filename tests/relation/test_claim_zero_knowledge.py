"""Transcripts of whole claims are uniform word by word, whatever the witness, real or simulated.

A word of a transcript is put into one of four equally likely cells, over `RUNS` transcripts, and
the counts' chi-square is compared with the exact quantile of the multinomial distribution (counts
are small, and its tail is not chi-square's), corrected for the number of words. Each comparison
raises a false alarm with probability below 1e-6, the fifteen of a run together below 1.5e-5. A word
that stays in one half of the field is surely detected, and in `CONTROL_RUNS` transcripts one that
never changes. What shows only in more transcripts is left to the argument's own tests, with four
times as many.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from cheating_prover import claim_hits
from toy_claim import toy_circuit, toy_key
from uniformity import (
    FALSE_ALARM,
    assert_neighbours_independent,
    assert_uniform,
    chi_square,
    field_words,
    quantile,
    quarters,
)

from wmproof.argument.element import ZERO
from wmproof.argument.system import prover
from wmproof.argument.system.prover import ReplayedCoins, prove_to
from wmproof.argument.system.simulator import _FreshCoins, simulate
from wmproof.argument.system.statement import Security, prepare
from wmproof.argument.system.verifier import verify
from wmproof.argument.transcript import VerifierTranscript
from wmproof.keys import LabelMode
from wmproof.relation.claim import ClaimStatement
from wmproof.relation.claim_prover import ClaimProof

RUNS, CONTROL_RUNS = 56, 20
SECURITY = Security(bits=5, grinding_bits=0)
CONTEXT = bytes(32)
CIRCUIT = toy_circuit()
KINDS = ["secret, one counted", "derived, both counted", "simulated"]


def claim_of(key):
    return ClaimProof(CIRCUIT, key.verification_key, 1, key.embedded(), context=CONTEXT)


def transcript(claim, setup) -> bytes:
    buffer = io.BytesIO()
    prove_to(claim, setup, claim.witness(), buffer, _FreshCoins())
    return buffer.getvalue()


def sample(setup, make: Callable[[], bytes], runs: int = RUNS) -> np.ndarray:
    return np.stack([field_words(setup, make()) for _ in range(runs)]).astype(np.uint64)


@pytest.fixture(scope="module")
def claim():
    """Labels are secret; both triggers hit, and one of them is counted."""
    claim = claim_of(toy_key(CIRCUIT, LabelMode.SECRET))
    claim_hits(claim, np.array([1, 0]))
    return claim


@pytest.fixture(scope="module")
def other():
    """Labels are derived, triggers are others, and both are counted: one above the threshold."""
    claim = claim_of(toy_key(CIRCUIT, LabelMode.DERIVED))
    assert claim.arrays["hits"].sum() == claim.threshold + 1
    return claim


@pytest.fixture(scope="module")
def samples(claim, other) -> dict[str, np.ndarray]:
    setups = [prepare(statement, SECURITY) for statement in (claim, other)]
    makers = [
        (setups[0], lambda: transcript(claim, setups[0])),
        (setups[1], lambda: transcript(other, setups[1])),
        (setups[0], lambda: simulate(claim, setups[0])[0]),
    ]
    return {kind: sample(*maker) for kind, maker in zip(KINDS, makers, strict=True)}


def test_whichever_hits_are_counted_the_claim_is_accepted(claim):
    setup = prepare(claim, SECURITY)
    statement = ClaimStatement(CIRCUIT, claim.key, 1, context=CONTEXT)
    for bits, slack in (([1, 0], 0), ([0, 1], 0), ([1, 1], 1)):
        claim_hits(claim, np.array(bits), slack)
        coins, buffer = _FreshCoins(), io.BytesIO()
        prove_to(claim, setup, claim.witness(), buffer, coins)
        source = io.BytesIO(buffer.getvalue())
        heard = VerifierTranscript(source, ReplayedCoins(coins.draws))
        verify(statement, setup, heard)
        heard.finish()
    claim_hits(claim, np.array([1, 0]))


@pytest.mark.parametrize("kind", KINDS)
def test_every_word_is_uniform(samples, kind):
    assert_uniform(quarters(samples[kind]))


@pytest.mark.parametrize("kind", KINDS)
def test_neighbours_are_independent(samples, kind):
    assert_neighbours_independent(samples[kind])


@pytest.mark.parametrize(
    ("name", "replacement"),
    [
        ("draw_pads", lambda count: [ZERO] * count),
        ("random_elements", lambda shape: np.zeros(shape, np.uint32)),
    ],
    ids=["pads", "tails and blinding rows"],
)
def test_what_is_not_hidden_is_seen(other, monkeypatch, name, replacement):
    monkeypatch.setattr(prover, name, replacement)
    setup = prepare(other, SECURITY)
    words = sample(setup, lambda: transcript(other, setup), CONTROL_RUNS)
    with pytest.raises(AssertionError):
        assert_uniform(quarters(words))


def test_what_can_be_detected():
    words = 20_000
    half, constant = (
        np.array([[RUNS // 2], [RUNS // 2], [0], [0]]),
        np.array([[RUNS], [0], [0], [0]]),
    )
    for counts in (half, constant):
        assert chi_square(counts, RUNS) >= quantile(RUNS, FALSE_ALARM / words)
