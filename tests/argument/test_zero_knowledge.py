"""Real and simulated transcripts have one distribution, whatever the witness.

False-alarm rate: each test compares a statistic with its quantile at 1e-6, after a Bonferroni
correction where it looks at many positions; a run has at most a dozen such comparisons.
"""

from __future__ import annotations

import io

import numpy as np
import pytest
from lookup_statement import LookupProof, LookupStatement
from scipy.stats import chi2

from wmproof.argument.element import ZERO
from wmproof.argument.field import P
from wmproof.argument.system import prover
from wmproof.argument.system.encoding import sections
from wmproof.argument.system.prover import ReplayedCoins, prove_to
from wmproof.argument.system.simulator import _FreshCoins, simulate
from wmproof.argument.system.statement import MAGIC, Security, prepare
from wmproof.argument.system.verifier import verify
from wmproof.argument.transcript import VerifierTranscript

LENGTH, TABLE_BITS, MESSAGE_BITS = 24, 3, 3
RUNS, BUCKETS, FALSE_ALARM = 240, 4, 1e-6
STATEMENT = LookupStatement(LENGTH, TABLE_BITS, MESSAGE_BITS)
SETUP = prepare(STATEMENT, Security(bits=5, grinding_bits=0))


def _real(rows: np.ndarray) -> bytes:
    proof = LookupProof(LENGTH, TABLE_BITS, MESSAGE_BITS).with_rows(rows)
    buffer, coins = io.BytesIO(), _FreshCoins()
    prove_to(proof, SETUP, proof.witness(), buffer, coins)
    return buffer.getvalue()


def _field_words(transcript: bytes) -> np.ndarray:
    """Every field element on the wire, word by word: (number of words,)."""
    words, offset = [], -len(MAGIC)
    for _, size, is_field in sections(SETUP):
        if is_field:
            words.append(np.frombuffer(transcript[offset : offset + size], "<u4"))
        offset += size
    return np.concatenate(words)


def _sample(make: object) -> np.ndarray:
    return np.stack([_field_words(make()) for _ in range(RUNS)]).astype(np.uint64)  # type: ignore[operator]


def _counts(sample: np.ndarray) -> np.ndarray:
    """How often each word falls into each of the equally likely buckets: (words, BUCKETS)."""
    buckets = (sample * BUCKETS // P).astype(np.int64)
    return np.stack([(buckets == b).sum(axis=0) for b in range(BUCKETS)], axis=1)


def _assert_uniform(counts: np.ndarray) -> None:
    expected = RUNS / BUCKETS
    statistic = ((counts - expected) ** 2 / expected).sum(axis=1)
    assert statistic.max() < chi2.isf(FALSE_ALARM / len(counts), BUCKETS - 1)


def _assert_same(a: np.ndarray, b: np.ndarray) -> None:
    both = np.maximum(a + b, 1)
    statistic = ((a - b) ** 2 / both).sum(axis=1)
    assert statistic.max() < chi2.isf(FALSE_ALARM / len(a), BUCKETS - 1)


@pytest.fixture(scope="module")
def samples() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    return {
        "constant": _sample(lambda: _real(np.zeros(LENGTH, np.int64))),
        "mixed": _sample(lambda: _real(rng.integers(0, 1 << TABLE_BITS, LENGTH))),
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


@pytest.mark.parametrize("kind", ["constant", "mixed", "simulated"])
def test_every_word_is_uniform(samples: dict[str, np.ndarray], kind: str) -> None:
    _assert_uniform(_counts(samples[kind]))


@pytest.mark.parametrize("kind", ["constant", "mixed", "simulated"])
def test_sums_and_products_of_neighbours_are_uniform(
    samples: dict[str, np.ndarray], kind: str
) -> None:
    # Neighbouring words belong to one message or one column: a pad used twice would show here.
    sample = samples[kind]
    for distance in (1, 4, 8):
        shifted = np.roll(sample, distance, axis=1)
        _assert_uniform(_counts((sample + P - shifted) % P))


@pytest.mark.parametrize("pair", [("constant", "mixed"), ("mixed", "simulated")])
def test_distributions_agree(samples: dict[str, np.ndarray], pair: tuple[str, str]) -> None:
    one, other = (samples[name] for name in pair)
    _assert_same(_counts(one), _counts(other))
    # Jointly with the word before, in 2 x 2 coarse buckets.
    joint = [
        2 * (2 * s // P).astype(np.int64) + (2 * np.roll(s, 1, axis=1) // P).astype(np.int64)
        for s in (one, other)
    ]
    counts = [np.stack([(j == b).sum(axis=0) for b in range(4)], axis=1) for j in joint]
    _assert_same(counts[0], counts[1])


@pytest.mark.parametrize(
    ("name", "replacement"),
    [
        ("draw_pads", lambda count: [ZERO] * count),
        ("random_elements", lambda shape: np.zeros(shape, np.uint32)),
    ],
    ids=["pads", "tails and blinding rows"],
)
def test_the_tests_see_what_is_not_hidden(
    samples: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch, name: str, replacement: object
) -> None:
    monkeypatch.setattr(prover, name, replacement)
    sample = _sample(lambda: _real(np.zeros(LENGTH, np.int64)))
    with pytest.raises(AssertionError):
        _assert_same(_counts(sample), _counts(samples["simulated"]))
