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
from functools import cache

import numpy as np
import pytest
from cheating_prover import claim_hits
from scipy.special import gammaln
from toy_claim import toy_circuit, toy_key

from wmproof.argument.element import ZERO
from wmproof.argument.field import P
from wmproof.argument.system import prover
from wmproof.argument.system.encoding import sections
from wmproof.argument.system.prover import ReplayedCoins, prove_to
from wmproof.argument.system.simulator import _FreshCoins, simulate
from wmproof.argument.system.statement import MAGIC, Security, prepare
from wmproof.argument.system.verifier import verify
from wmproof.argument.transcript import VerifierTranscript
from wmproof.keys import LabelMode
from wmproof.relation.claim import ClaimStatement
from wmproof.relation.claim_prover import ClaimProof

RUNS, CONTROL_RUNS, CELLS, FALSE_ALARM = 56, 20, 4, 1e-6
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


def field_words(setup, data: bytes) -> np.ndarray:
    """Every field element on the wire, word by word: (number of words,)."""
    words, offset = [], -len(MAGIC)
    for _, size, is_field in sections(setup):
        if is_field:
            words.append(np.frombuffer(data[offset : offset + size], "<u4"))
        offset += size
    return np.concatenate(words)


def sample(setup, make: Callable[[], bytes], runs: int = RUNS) -> np.ndarray:
    return np.stack([field_words(setup, make()) for _ in range(runs)]).astype(np.uint64)


@cache
def quantile(runs: int, alarm: float) -> float:
    """Least t with P(chi-square >= t) <= alarm, for `runs` balls in four equally likely cells."""
    a, b, c = np.meshgrid(*[np.arange(runs + 1)] * 3, indexing="ij")
    counts = np.stack([a, b, c, runs - a - b - c]).reshape(CELLS, -1)
    counts = counts[:, counts[-1] >= 0]
    logs = gammaln(runs + 1) - gammaln(counts + 1).sum(axis=0) - runs * np.log(CELLS)
    statistic, inverse = np.unique(chi_square(counts, runs), return_inverse=True)
    tail = np.cumsum(np.bincount(inverse, weights=np.exp(logs))[::-1])[::-1]
    return float(statistic[tail <= alarm][0])


def chi_square(counts: np.ndarray, runs: int) -> np.ndarray:
    expected = runs / CELLS
    return np.round(((counts - expected) ** 2 / expected).sum(axis=0), 9)


def assert_uniform(cells: np.ndarray) -> None:
    """Cells (runs, words), 0 to 3."""
    runs, words = cells.shape
    counts = np.stack([(cells == cell).sum(axis=0) for cell in range(CELLS)])
    assert chi_square(counts, runs).max() < quantile(runs, FALSE_ALARM / words)


def quarters(words: np.ndarray) -> np.ndarray:
    return words * CELLS // P


def halves(words: np.ndarray) -> np.ndarray:
    return words * 2 // P


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
    # Neighbouring words belong to one message or one column: a pad used twice would show here.
    words = samples[kind]
    for distance in (1, 4, 8):
        assert_uniform(quarters((words + P - np.roll(words, distance, axis=1)) % P))
    assert_uniform(2 * halves(words) + halves(np.roll(words, 1, axis=1)))


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
