"""The soundness calculator against direct formulas, enumeration and the protocol itself."""

import io
import math
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lookup_statement import LookupStatement

from wmproof.argument.algebra.field import P
from wmproof.argument.channel import VerifierChannel
from wmproof.argument.logup import verifier as lookup_verifier
from wmproof.argument.pcs.commitment import Shape
from wmproof.argument.pcs.ligero.reed_solomon import Code
from wmproof.argument.pcs.ligero.soundness import (
    MOST_MESSAGE_BITS,
    Parameters,
    agreement_error,
    argument_errors,
    choose_parameters,
    evaluation_query_error,
    pad_query_error,
)
from wmproof.argument.soundness import (
    FIELD_SIZE,
    bits,
    lookup_errors,
    over_field,
    sumcheck_error,
)
from wmproof.argument.system.prover import ReplayedCoins
from wmproof.argument.system.statement import Security, error_table, prepare
from wmproof.argument.transcript import FiatShamirCoins, VerifierTranscript
from wmproof.errors import InputError
from wmproof.relation.network.statement import MOST_LOOKUPS


def _total(errors: Mapping[str, Fraction]) -> float:
    return bits(sum(errors.values(), Fraction(0)))


@given(st.integers(0, 200), st.integers(1, 10**6))
def test_bits_are_logarithms(exponent: int, factor: int) -> None:
    assert math.isclose(bits(Fraction(factor, 2**exponent)), exponent - math.log2(factor))
    assert bits(Fraction(0)) == math.inf


def test_the_field_has_nearly_124_bits() -> None:
    assert FIELD_SIZE == P**4
    assert 123.9 < bits(over_field(1)) < 124


@pytest.mark.parametrize(("agreeing", "length", "queries"), [(5, 8, 3), (7, 10, 4), (2, 6, 3)])
def test_agreement_is_the_share_of_query_sets(agreeing: int, length: int, queries: int) -> None:
    sets = list(combinations(range(length), queries))
    inside = sum(max(chosen) < agreeing for chosen in sets)
    assert agreement_error(agreeing, length, queries) == Fraction(inside, len(sets))


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 400), st.data())
def test_agreement_is_a_product_of_shrinking_shares(length: int, data: st.DataObject) -> None:
    agreeing = data.draw(st.integers(0, length))
    queries = data.draw(st.integers(1, length))
    product = Fraction(1)
    for i in range(queries):
        product *= Fraction(max(0, agreeing - i), length - i)
    assert agreement_error(agreeing, length, queries) == product
    # Distinct positions are better than independent ones.
    assert product <= Fraction(agreeing, length) ** queries


def _worst_word(dimension: int, length: int, errors: int) -> int:
    """Most positions at which a cheat survives: a word farther than `errors`, or a wrong row."""
    too_far = length - (errors + 1)
    wrong_row = (dimension - 1) + errors
    return max(too_far, wrong_row)


@pytest.mark.parametrize(
    ("message_bits", "tail", "rate_bits"), [(4, 8, 2), (6, 20, 3), (10, 148, 2)]
)
def test_evaluation_queries(message_bits: int, tail: int, rate_bits: int) -> None:
    code = Code(message_bits, tail, rate_bits)
    length, dimension = code.length, code.dimension
    # Unique decoding: the bound is the best over all choices of the proximity parameter.
    best = min(
        _worst_word(dimension, length, errors) for errors in range((length - dimension) // 2 + 1)
    )
    assert evaluation_query_error(code, tail) == agreement_error(best, length, tail)


@pytest.mark.parametrize(
    ("message_bits", "tail", "rate_bits"), [(4, 8, 4), (6, 20, 4), (7, 160, 5)]
)
def test_pad_queries(message_bits: int, tail: int, rate_bits: int) -> None:
    code = Code(message_bits, tail, rate_bits)
    length, dimension = code.length, 2 * code.dimension - 1
    limit = (length - code.dimension) // 2
    best = min(_worst_word(dimension, length, errors) for errors in range(limit + 1))
    assert pad_query_error(code, tail) == agreement_error(best, length, tail)
    # An arbitrary mask row agrees with two different polynomials in at most (n + d - 1) / 2
    # positions with one of them: where all other rows are codewords, the same bound. Where they
    # are not, proximity gaps give it, at the price that "pads batched" has.
    assert best <= (length + dimension - 1) / 2


def test_the_known_figure_of_unique_decoding() -> None:
    # Rate 1/4, long rows: (5/8)^148 is just beyond 100 bits.
    code = Code(16, 148, 2)
    exact = bits(evaluation_query_error(code, 148))
    assert math.isclose(exact, -148 * math.log2(5 / 8), rel_tol=0.01)
    assert exact >= 100


@given(st.integers(0, 40), st.integers(1, 4))
def test_sumcheck_error(variables: int, degree: int) -> None:
    error = sumcheck_error(variables, degree)
    assert error == Fraction(variables * (degree + 1), P**4)
    # Not below the best known cheat, d roots in each round (see the tests with few challenges).
    assert error >= 1 - (1 - Fraction(degree, P**4)) ** variables


class _Counting(VerifierTranscript):
    """Hears zeros, and counts challenges by the last part of their labels."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(bytes(10**6)), FiatShamirCoins("count"))
        self.asked: Counter[str] = Counter()

    def challenges(self, label: str, count: int) -> list:  # type: ignore[type-arg]
        self.asked[label.split("/")[-1]] += count
        return super().challenges(label, count)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 3000), min_size=1, max_size=4), st.integers(1, 9))
def test_lookup_errors_count_the_challenges_that_are_drawn(
    lengths: list[int], table_bits: int
) -> None:
    statement = LookupStatement(1, table_bits, 2)
    lookup = replace(statement.lookup, lengths=lengths)
    transcript = _Counting()
    lookup_verifier.verify(VerifierChannel(transcript, rehearsal=True), lookup)
    asked = transcript.asked
    # lambda and half: linear; a round of degree 2 with its eq factor: 3 bad challenges.
    layers = asked["lambda"] + 3 * asked["r"] + asked["half"]
    errors = lookup_errors("l", lengths, table_bits, 2)
    assert errors["l layers"] == over_field(layers)
    assert asked["compress"] == 2


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 3000), min_size=1, max_size=4), st.integers(1, 9), st.integers(1, 6))
def test_compression_error_is_the_degree_of_the_compared_fractions(
    lengths: list[int], table_bits: int, width: int
) -> None:
    entries = sum(max(2, 1 << math.ceil(math.log2(n))) for n in lengths) + 2**table_bits
    errors = lookup_errors("l", lengths, table_bits, width)
    assert errors["l compression"] == over_field(entries * max(1, width - 1))


SHAPE = Shape(rows=1 << 10, message_bits=12, claims=40, pads=20_000, products=3_000, zeros=1_500)
PROTOCOL = lookup_errors("relu", [1 << 24], 20, 2)


def test_the_sum_has_every_part_with_its_formula() -> None:
    code, pad_code = Code(12, 140, 2), Code(7, 100, 4)
    parameters = Parameters(code, 140, pad_code, 100, 16)
    errors = argument_errors(SHAPE, parameters, PROTOCOL)
    width = 1 << 7
    pad_rows = math.ceil(20_000 / width) + 3 * math.ceil(3_000 / width) + 1
    k, relief = P**4, Fraction(1, 2**16)
    assert errors == {
        "relu compression": relief * Fraction(2**24 + 2**20, k),
        "relu layers": PROTOCOL["relu layers"],
        "claims batched": Fraction(39, k),
        "claims sumcheck": Fraction(3 * 22, k),
        "witness proximity": Fraction(10 * 2**14, k),
        "witness queries": relief * evaluation_query_error(code, 140),
        # 13 coordinates name one of 7500 linear constraints.
        "pads batched": Fraction((1 + 13 + math.ceil(3_000 / width)) * (2**11 + 1), k),
        "pads proximity": Fraction(pad_rows * 2**11, k),
        "pads queries": relief * pad_query_error(pad_code, 100),
    }


@pytest.mark.parametrize("field", ["rows", "message_bits", "claims", "pads", "products", "zeros"])
def test_larger_arguments_are_not_sounder(field: str) -> None:
    parameters = Parameters(Code(12, 140, 2), 140, Code(7, 100, 4), 100, 16)
    small = SHAPE
    for _ in range(6):
        # Four times as many each: of constraints, only the logarithm counts.
        step = 1 if field == "message_bits" else 3 * getattr(small, field)
        large = replace(small, **{field: getattr(small, field) + step})
        before = argument_errors(small, parameters, PROTOCOL)
        after = argument_errors(large, parameters, PROTOCOL)
        assert _total(after) <= _total(before)
        assert any(after[name] > before[name] for name in before)
        small = large


def test_more_queries_longer_codewords_and_more_work_are_sounder() -> None:
    for error, rate_bits in ((evaluation_query_error, 2), (pad_query_error, 4)):
        code = Code(8, 60, rate_bits)
        by_queries = [error(code, q) for q in range(1, 120)]
        assert all(a > b for a, b in pairwise(by_queries))
        by_rate = [error(Code(8, 60, r), 60) for r in range(rate_bits, 10)]
        assert all(a > b for a, b in pairwise(by_rate))
        by_tail = [error(Code(8, tail, rate_bits), 60) for tail in range(0, 100, 10)]
        assert all(a < b for a, b in pairwise(by_tail))
    totals = [
        _total(
            argument_errors(
                SHAPE, Parameters(Code(12, 120, 2), 120, Code(7, 100, 4), 100, g), PROTOCOL
            )
        )
        for g in range(20)
    ]
    assert all(a < b for a, b in pairwise(totals))
    assert all(b - a < 1 + 1e-9 for a, b in pairwise(totals))


@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(1, 1 << 13),
    message_bits=st.integers(2, 15),
    pads=st.integers(1, 100_000),
    # Without work, 2^28 lookups alone cost all but 95 bits of the field.
    security=st.sampled_from([20, 60, 80, 94]),
    grinding=st.sampled_from([0, 8, 16, 20]),
)
def test_chosen_parameters_reach_what_was_asked(
    rows: int, message_bits: int, pads: int, security: int, grinding: int
) -> None:
    shape = Shape(rows, message_bits, 20, pads, pads // 8, pads // 20)
    protocol = lookup_errors("l", [rows << message_bits], 16, 2)
    chosen = choose_parameters(shape, protocol, security_bits=security, grinding_bits=grinding)
    assert _total(argument_errors(shape, chosen, protocol)) >= security
    assert chosen.witness_code.message_bits == message_bits
    # As many random coefficients as opened columns: no fewer would hide them.
    assert chosen.witness_code.tail == chosen.witness_queries
    assert chosen.pad_code.tail == chosen.pad_queries
    assert chosen.grinding_bits == grinding


@pytest.mark.parametrize("rows", [1 << b for b in range(3, 14)])
def test_defaults_reach_100_bits_at_all_sizes_of_a_proof_of_ownership(rows: int) -> None:
    # Up to 2^28 committed values, lookups of all of them in tables of 2^22 rows, 200 layers.
    for message_bits in (10, 12, 15):
        shape = Shape(rows, message_bits, 200, 60_000, 12_000, 6_000)
        entries = rows << message_bits
        protocol = {
            **lookup_errors("activations", [entries >> 1], 22, 2),
            **lookup_errors("hashes", [entries >> 2, entries >> 3], 16, 3),
            "linear layers": sumcheck_error(200 * 30, 3),
        }
        chosen = choose_parameters(shape, protocol)
        errors = argument_errors(shape, chosen, protocol)
        assert _total(errors) >= 100
        assert chosen.grinding_bits == 16
        assert chosen.witness_queries <= 148
        # A few columns fewer would not do.
        fewer = replace(chosen, witness_queries=chosen.witness_queries - 8)
        assert _total(argument_errors(shape, fewer, protocol)) < 100


def test_defaults_reach_100_bits_for_a_statement() -> None:
    assert Security() == Security(bits=100, grinding_bits=16)
    statement = LookupStatement(100, 5, 4)
    setup = prepare(statement, Security())
    errors = error_table(statement, setup)
    assert _total(errors) >= 100
    assert set(errors) >= set(statement.errors())


@pytest.mark.parametrize(
    ("entries", "security", "worst"),
    [(1 << 20, 124, ""), (1 << 45, 100, "l compression"), (1 << 28, 115, "witness proximity")],
)
def test_what_the_field_cannot_give_is_an_input_error(
    entries: int, security: int, worst: str
) -> None:
    shape = Shape(1 << 10, 12, 20, 1000, 100, 50)
    with pytest.raises(InputError, match=f"cannot reach {security} bits") as error:
        choose_parameters(shape, lookup_errors("l", [entries], 16, 2), security_bits=security)
    assert error.value.where is not None
    assert worst in error.value.where
    assert error.value.remedy


def test_simulated_queries_miss_as_often_as_computed() -> None:
    # 20000 draws by the transcript itself; 5 standard deviations, false alarm 1e-6.
    rng = random.Random(5)
    coins = ReplayedCoins([rng.randbytes(8 * 3) for _ in range(40_000)])
    transcript = VerifierTranscript(io.BytesIO(), coins)
    agreeing, length, queries, runs = 40, 64, 3, 20_000
    missed = sum(max(transcript.positions("p", length, queries)) < agreeing for _ in range(runs))
    rate = float(agreement_error(agreeing, length, queries))
    assert abs(missed - runs * rate) < 5 * math.sqrt(runs * rate * (1 - rate))


def test_eight_full_lookup_arguments_and_a_witness_of_2_to_the_33_reach_100_bits() -> None:
    """What a network for 224x224 takes for 256 triggers is less; rows are as long as they get."""
    group = 1 << 26
    parts: dict[str, Fraction] = {}
    for number in range(8):
        groups = [group] * (MOST_LOOKUPS // group)
        assert sum(groups) == MOST_LOOKUPS < P / 1.9
        parts |= lookup_errors(f"table{number}", groups, 20, 2)
        # A linear form a group, over one image's numbers.
        parts[f"table{number} linear maps"] = sumcheck_error(len(groups) * 20, 2)
    shape = Shape(
        1 << (33 - MOST_MESSAGE_BITS),
        MOST_MESSAGE_BITS,
        claims=2000,
        pads=100_000,
        products=10_000,
        zeros=5000,
    )
    errors = argument_errors(shape, choose_parameters(shape, parts), parts)
    assert _total(errors) >= 100
    assert 93 < bits(over_field(MOST_LOOKUPS)) < 94
    assert 109 < bits(errors["table0 compression"]) < 110
