import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from wmproof.cli.options import AGREEMENT
from wmproof.core.policy import Policy
from wmproof.core.strength import (
    as_share,
    as_tolerance,
    chosen_label_bits,
    cut_and_choose,
    forging_bits,
    hidden_at_least,
    hoeffding_bits,
    log2_tail,
    passing_bits,
    required_hits,
    split_forging_bits,
    strength_bits,
)
from wmproof.errors import InputError
from wmproof.keys import KeyKind, LabelMode, VerificationKey
from wmproof.keys.worth import demand


def exact_tail(trials: int, successes: int, chance: Fraction) -> Fraction:
    return sum(
        (
            math.comb(trials, k) * chance**k * (1 - chance) ** (trials - k)
            for k in range(max(0, successes), trials + 1)
        ),
        Fraction(0),
    )


def log2_of(value: Fraction) -> float:
    """log2 of a fraction that may be far below the smallest double."""
    shift = value.denominator.bit_length() - value.numerator.bit_length()
    return math.log2(float(value * 2**shift)) - shift


@given(st.integers(1, 120), st.integers(-3, 125), st.integers(2, 1000))
@settings(max_examples=200)
def test_tails_agree_with_exact_fractions(trials, successes, classes):
    got = log2_tail(trials, successes, 1 / classes)
    if successes > trials:
        assert got == -math.inf
    else:
        expected = log2_of(exact_tail(trials, successes, Fraction(1, classes)))
        assert got == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(st.integers(1, 3000), st.floats(0, 1), st.integers(2, 100))
@settings(max_examples=200)
def test_tails_agree_with_scipy_where_it_does_not_underflow(trials, share, classes):
    successes = round(share * trials)
    expected = binom.logsf(successes - 1, trials, 1 / classes) / math.log(2)
    if expected > -1000:  # below that, SciPy works with subnormal numbers
        got = log2_tail(trials, successes, 1 / classes)
        assert got == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_tails_far_below_the_smallest_double_are_exact():
    assert binom.logsf(1999, 2000, 0.1) == -math.inf
    assert log2_tail(2000, 2000, 0.1) == pytest.approx(-2000 * math.log2(10))
    expected = log2_of(exact_tail(2000, 1800, Fraction(1, 10)))
    assert log2_tail(2000, 1800, 0.1) == pytest.approx(expected, rel=1e-9)


def test_strength_agrees_with_simulation():
    """A million claims by chance; 5 standard deviations: false alarms below 1 in 10**6 runs."""
    rng = np.random.default_rng(20240101)
    runs = 10**6
    seen = (rng.binomial(20, 1 / 4, runs) >= 10).mean()
    p = 2 ** -strength_bits(20, 10, 4)
    assert abs(seen - p) < 5 * math.sqrt(p * (1 - p) / runs)


@given(st.integers(1, 2000), st.integers(2, 1000), st.integers(0, 50))
def test_hoeffding_is_a_lower_bound(triggers, classes, percent):
    hits = required_hits(triggers, Fraction(percent, 100))
    assert hoeffding_bits(triggers, hits, classes) <= strength_bits(triggers, hits, classes) + 1e-9


@pytest.mark.parametrize(("text", "hits"), [("0.29", 71), (0.29, 71), ("0", 100), ("0.1", 90)])
def test_tolerances_are_the_decimals_that_were_written(text, hits):
    assert required_hits(100, as_tolerance(text)) == hits


@pytest.mark.parametrize(
    "value", ["nan", "inf", "-0.1", "1", "x", "1/0", "", "1e99999999", "1e-99999999", "1" * 5000]
)
def test_bad_tolerances_are_refused(value):
    with pytest.raises(InputError):
        as_tolerance(value)


def test_passing_with_j_bad_elements():
    assert passing_bits(128) == pytest.approx(128)
    expected = -math.log2(sum(math.comb(50, k) for k in range(4)) / 2**50)
    assert passing_bits(50, 3) == pytest.approx(expected)


@given(st.integers(1, 128), st.integers(0, 20))
def test_cut_and_choose_excludes_exactly_the_improbable(bits, bad_opened):
    found = cut_and_choose(512, 256, bits=bits, bad_opened=bad_opened)
    assert passing_bits(found.bad_at_most + 1, bad_opened) >= bits - 1e-9
    assert found.bad_at_most == bad_opened or passing_bits(found.bad_at_most, bad_opened) < bits
    assert found.hidden_good_at_least == 256 - (found.bad_at_most - bad_opened)


def test_half_of_the_hidden_elements_are_true_at_the_default():
    """docs/concepts.md, "The public key": about 2 n hidden elements, at most n of them bad."""
    found = cut_and_choose(512, 256, bits=128)
    assert found.hidden_bad_at_most == 127
    assert found.hidden_good_at_least == 129


@pytest.mark.parametrize("bits", [16, 64, 128])
def test_the_hidden_half_has_a_least_size(bits):
    least = hidden_at_least(512, bits)
    assert binom.logcdf(least - 1, 512, 0.5) / math.log(2) <= -bits
    assert binom.logcdf(least, 512, 0.5) / math.log(2) > -bits


def test_chosen_labels_are_worth_less_than_coins():
    best = min(j + strength_bits(256 - j, 231 - j, 10) for j in range(232))
    assert chosen_label_bits(256, 231, 10) == best < strength_bits(256, 231, 10)


def test_the_best_accuser_against_chosen_labels_is_no_better_than_computed():
    """Enumerate l = 8 exactly: j bad elements, each claim that passes with all j hidden."""
    hidden, hits, q = 4, 3, Fraction(1, 2)
    best = max(Fraction(1, 2**j) * exact_tail(hidden - j, hits - j, q) for j in range(hits + 1))
    assert chosen_label_bits(hidden, hits, 2) == pytest.approx(-log2_of(best))


def test_forging_a_claim_rolls_labels_and_challenge_together():
    for strength in (0.5, 10, 64, 141.5):
        assert 2 ** forging_bits(strength) * 2**-strength == pytest.approx(1)


def test_where_they_roll_apart_forging_is_a_search_for_a_pair():
    """Labels are tried Q / 2 times and challenges Q / 2 times: expected successes reach one."""
    for strength in (10, 64, 141.5):
        calls = 2 ** split_forging_bits(strength)
        assert (calls / 2) ** 2 * 2**-strength == pytest.approx(1)
    assert split_forging_bits(strength_bits(256, 0, 10)) == 0


def test_trying_keys_against_a_model_costs_what_is_printed():
    """The real derivation, and a model that answers 0: 4,000 roots of 4 triggers of two classes.

    A roll hits all hidden triggers that fall, of which there are h, with probability 2**-h.
    Five standard deviations: false alarms below 1 in 10**6 runs.
    """
    rolls, wins, expected, variance = 4000, 0, 0.0, 0.0
    for roll in range(rolls):
        commitments = np.zeros((4, 32), np.uint8)
        commitments[0, :2] = divmod(roll, 256)
        key = VerificationKey(
            KeyKind.PUBLIC, LabelMode.DERIVED, bytes(32), 2, (2, 2), 1, commitments, None
        )
        hidden = key.hidden_indices()
        wins += not key.derived_labels()[hidden].any()
        p = 2.0 ** -strength_bits(len(hidden), len(hidden), 2)
        expected, variance = expected + p, variance + p * (1 - p)
    assert abs(wins - expected) < 5 * math.sqrt(variance)


@pytest.mark.parametrize("classes", [2, 4, 8, 16, 64, 128, 256, 4096, 2**16, 2**24])
def test_whole_bits_are_whole(classes):
    """All hits of h are worth h log2(C) bits: a judge who asks for these is given them."""
    each = classes.bit_length() - 1
    for hits in range(600):
        assert strength_bits(hits, hits, classes) == each * hits
        assert passing_bits(hits) == hits
    assert str(strength_bits(7, 0, classes)) == "0.0"


def key_of(classes):
    commitments = np.zeros((256, 32), np.uint8)
    return VerificationKey(
        KeyKind.PUBLIC, LabelMode.DERIVED, bytes(32), classes, (2, 2), 1, commitments, None
    )


def test_a_claim_that_is_worth_exactly_what_is_asked_is_enough():
    asked = demand(Policy(strength=153), key_of(8), 51)
    assert (asked.threshold, asked.reachable, asked.bits) == (51, True, 153)


def test_no_number_of_bits_is_said_to_be_more_than_it_is():
    """One hit fewer than is needed is not said to be worth 128 bits where 128 are asked for."""
    key, near = key_of(10), 0
    for triggers in range(100, 256):
        asked = demand(Policy(strength=128), key, triggers)
        hits = asked.threshold - 1
        worth = strength_bits(triggers, hits, 10)
        near += worth >= 127.5
        assert f"{hits} hits are worth {math.floor(worth)} bits" in asked.missed_by(key, hits)
    assert near


def test_a_judge_may_ask_for_full_agreement():
    assert (
        AGREEMENT.convert("1", None, None) == as_share("1.0") == Policy(agreement=1).agreement == 1
    )
    for value in ("nan", "inf", "1.1", "-0.1", "1e9999", "x", None, True):
        with pytest.raises(InputError):
            Policy(agreement=value)
