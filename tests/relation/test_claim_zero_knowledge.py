"""Transcripts of whole claims are uniform word by word, whatever the witness, real or simulated.

A word of a transcript is put into one of four equally likely cells, over `RUNS` transcripts, and
the counts' chi-square is compared with the exact quantile of the multinomial distribution (counts
are small, and its tail is not chi-square's), corrected for the number of words. Each comparison
raises a false alarm with probability below 1e-9, the 25 of a run together below 2.5e-8. A word
that stays in one half of the field is surely detected, and in `CONTROL_RUNS` transcripts one that
never changes. What shows only in more transcripts is left to the argument's own tests, with
over three times as many.
"""

import io
from collections.abc import Callable

import numpy as np
import pytest
from cheating_prover import claim_hits
from grouped_claim import CIRCUIT as GROUPED
from grouped_claim import grouped_key
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

from wmproof.argument.algebra.element import ZERO
from wmproof.argument.pcs.ligero import prover
from wmproof.argument.system.prover import ReplayedCoins, prove_to
from wmproof.argument.system.simulator import _FreshCoins, simulate
from wmproof.argument.system.statement import Security, prepare
from wmproof.argument.system.verifier import verify
from wmproof.argument.transcript import VerifierTranscript
from wmproof.commitment import Scheme
from wmproof.keys import LabelMode
from wmproof.relation.claim.prover import ClaimProof
from wmproof.relation.claim.statement import ClaimStatement

RUNS, CONTROL_RUNS = 72, 24
SECURITY = Security(bits=5, grinding_bits=0)
CONTEXT = bytes(32)
CIRCUIT = toy_circuit()
KINDS = [
    "secret, one counted",
    "a sample, both counted",
    "simulated",
    "groups, one counted",
    "groups, simulated",
]


def claim_of(key, triggers=None):
    given = {"context": CONTEXT, "triggers": triggers}
    return ClaimProof(CIRCUIT, key.verification_key, 1, key.embedded(), **given)


def transcript(claim, setup) -> bytes:
    buffer = io.BytesIO()
    prove_to(claim, setup, claim.witness(), buffer, _FreshCoins())
    return buffer.getvalue()


def sample(setup, make: Callable[[], bytes], runs: int = RUNS) -> np.ndarray:
    return np.stack([field_words(setup, make()) for _ in range(runs)]).astype(np.uint64)


@pytest.fixture(scope="module")
def claim():
    """Labels are secret, commitments have two layers; of two hits one is counted."""
    claim = claim_of(toy_key(CIRCUIT, LabelMode.SECRET))
    claim_hits(claim, np.array([1, 0]))
    return claim


@pytest.fixture(scope="module")
def other():
    """Derived labels, commitments that are hashes alone, a sample of two of three, both counted."""
    key = toy_key(CIRCUIT, LabelMode.DERIVED, Scheme.SHA256, hides=3)
    claim = claim_of(key, triggers=2)
    assert claim.sampled
    assert claim.arrays["hits"].sum() == claim.threshold + 1
    return claim


@pytest.fixture(scope="module")
def grouped():
    """Of two groups of three one is a hit: two slots of eight are dummies."""
    key = grouped_key(3, coins=4, accept=lambda _, hits: hits == [False, True])
    claim = ClaimProof(GROUPED, key.verification_key, 1, key.embedded(), context=CONTEXT)
    assert claim.arrays["hits"].tolist() == [0, 1]
    return claim


@pytest.fixture(scope="module")
def samples(claim, other, grouped) -> dict[str, np.ndarray]:
    setups = [prepare(statement, SECURITY) for statement in (claim, other, grouped)]
    makers = [
        (setups[0], lambda: transcript(claim, setups[0])),
        (setups[1], lambda: transcript(other, setups[1])),
        (setups[0], lambda: simulate(claim, setups[0])[0]),
        (setups[2], lambda: transcript(grouped, setups[2])),
        (setups[2], lambda: simulate(grouped, setups[2])[0]),
    ]
    return {kind: sample(*maker) for kind, maker in zip(KINDS, makers, strict=True)}


def test_whichever_hits_are_counted_the_claim_is_accepted(claim):
    setup = prepare(claim, SECURITY)
    for bits, slack in (([1, 0], 0), ([0, 1], 0), ([1, 1], 1)):
        claim_hits(claim, np.array(bits), slack)
        coins, buffer = _FreshCoins(), io.BytesIO()
        prove_to(claim, setup, claim.witness(), buffer, coins)
        accept(claim, setup, buffer.getvalue(), coins.draws)
    claim_hits(claim, np.array([1, 0]))


def accept(claim, setup, transcript, draws):
    statement = ClaimStatement(claim.circuit, claim.key, 1, context=CONTEXT, inner=claim.inner)
    heard = VerifierTranscript(io.BytesIO(transcript), ReplayedCoins(draws))
    verify(statement, setup, heard)
    heard.finish()


def test_a_simulated_claim_about_groups_is_accepted(grouped):
    setup = prepare(grouped, SECURITY)
    accept(grouped, setup, *simulate(grouped, setup))


@pytest.mark.parametrize("kind", KINDS)
def test_every_word_is_uniform(samples, kind):
    assert_uniform(quarters(samples[kind]))


@pytest.mark.parametrize("kind", KINDS)
def test_neighbours_are_independent(samples, kind):
    assert_neighbours_independent(samples[kind])


@pytest.mark.parametrize("which", ["other", "grouped"])
@pytest.mark.parametrize(
    ("name", "replacement"),
    [
        ("draw_pads", lambda count: [ZERO] * count),
        ("random_elements", lambda shape: np.zeros(shape, np.uint32)),
    ],
    ids=["pads", "tails and blinding rows"],
)
def test_what_is_not_hidden_is_seen(request, monkeypatch, which, name, replacement):
    monkeypatch.setattr(prover, name, replacement)
    claim = request.getfixturevalue(which)
    setup = prepare(claim, SECURITY)
    words = sample(setup, lambda: transcript(claim, setup), CONTROL_RUNS)
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
