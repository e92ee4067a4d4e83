"""Sumcheck: true sums are proved, false ones are not; against sums over all corners."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import evaluate, points, product, weight, weights

from wmproof.argument.algebra.element import HALF, ONE, ZERO, Element
from wmproof.argument.algebra.extension import elements_of
from wmproof.argument.algebra.field import U32, random_elements
from wmproof.argument.channel import ConstraintSystem, Expression, VerifierChannel, constant
from wmproof.argument.pcs.ligero.pad_prover import draw_pads
from wmproof.argument.prover_channel import ProverChannel
from wmproof.argument.sumcheck import prover, verifier
from wmproof.argument.sumcheck.kernels import Terms, evaluate_round, fold
from wmproof.argument.transcript import fiat_shamir_prover, fiat_shamir_verifier


def _tables(factors: int, variables: int, seed: int, spare: int = 0) -> U32:
    """Random multilinears, with some unused room behind each."""
    rng = np.random.default_rng(seed)
    return random_elements((factors, 4, (1 << variables) + spare), rng.bytes)


def _entries(tables: U32, variables: int) -> list[list[Element]]:
    used = np.ascontiguousarray(tables[:, :, : 1 << variables])
    return [elements_of(table) for table in used]


def _value(columns: Sequence[Sequence[Element]], terms: Terms, x: int) -> Element:
    total = ZERO
    for term in terms.tolist():
        total = total + product(columns[t][x] for t in term)
    return total


def _sum(columns: Sequence[Sequence[Element]], terms: Terms, point: Sequence[Element]) -> Element:
    total = ZERO
    for x in range(1 << len(point)):
        total = total + weight(point, x) * _value(columns, terms, x)
    return total


def _value_of(expression: Expression, pads: list[Element]) -> Element:
    total = expression.constant
    for unknown, coefficient in expression.terms.items():
        total = total + coefficient * pads[unknown]
    return total


def _roundtrip(
    claim: Element, point: list[Element], tables: U32, terms: Terms, *, hiding: bool
) -> tuple[list[Element], list[Element], Element, ConstraintSystem]:
    """Prove and verify; the random point, the values there, and what the verifier wants of F."""
    pads = draw_pads(len(point) * terms.shape[1]) if hiding else None
    speaking, proof = fiat_shamir_prover("sumcheck")
    spoken = ProverChannel(speaking, pads)
    r, values = prover.prove(spoken, "sum", claim, point, tables, terms)
    listening = fiat_shamir_verifier("sumcheck", proof.getvalue())
    channel = VerifierChannel(listening, hiding=hiding)
    heard, expression = verifier.verify(channel, "sum", constant(claim), point, terms.shape[1])
    listening.finish()
    assert heard == r
    return r, values, _value_of(expression, pads or []), channel.system


@settings(max_examples=60, deadline=None)
@given(
    variables=st.integers(0, 5),
    degree=st.integers(1, 4),
    count=st.integers(1, 3),
    factors=st.integers(1, 5),
    spare=st.sampled_from([0, 3, 272]),
    hiding=st.booleans(),
    seed=st.integers(0, 2**32),
    data=st.data(),
)
def test_true_sums_are_proved(
    variables: int,
    degree: int,
    count: int,
    factors: int,
    spare: int,
    hiding: bool,
    seed: int,
    data: st.DataObject,
) -> None:
    tables = _tables(factors, variables, seed, spare)
    columns = _entries(tables, variables)
    index = st.integers(0, factors - 1)
    row = st.lists(index, min_size=degree, max_size=degree)
    terms = np.array(data.draw(st.lists(row, min_size=count, max_size=count)), np.int64)
    # A coordinate of zero is a challenge that nobody draws; the prover divides by it.
    point = [r if r != ZERO else ONE for r in data.draw(points(variables))]
    claim = _sum(columns, terms, point)
    r, values, wanted, system = _roundtrip(claim, point, tables, terms, hiding=hiding)
    assert values == [evaluate(column, r) for column in columns]
    assert wanted == _value([[v] for v in values], terms, 0)
    assert system.pads == (variables * degree if hiding else 0)


@pytest.mark.parametrize("variables", [9, 10, 11, 12, 13])
def test_sizes_around_the_kernels_blocks(variables: int) -> None:
    # eq tables are split at 2^10, tiles have 512 entries, and threads share longer tables.
    tables = _tables(3, variables, variables)
    columns = _entries(tables, variables)
    terms = np.array([[0, 1], [2, 2]], np.int64)
    point = draw_pads(variables)
    claim = ZERO
    for x, w in enumerate(weights(point)):
        claim = claim + w * _value(columns, terms, x)
    _, values, wanted, _ = _roundtrip(claim, point, tables, terms, hiding=False)
    assert wanted == values[0] * values[1] + values[2] * values[2]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 5), st.integers(1, 3), st.integers(0, 2**32))
def test_plain_sums_are_sums_at_one_half(variables: int, degree: int, seed: int) -> None:
    tables = _tables(degree, variables, seed)
    columns = _entries(tables, variables)
    terms = np.arange(degree, dtype=np.int64).reshape(1, degree)
    total = ZERO
    for x in range(1 << variables):
        total = total + _value(columns, terms, x)
    halved = verifier.halved(constant(total), variables).constant
    assert halved == total * HALF**variables
    halves = verifier.halves(variables)
    _, values, wanted, _ = _roundtrip(halved, halves, tables, terms, hiding=False)
    assert wanted == product(values)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**32), st.booleans())
def test_a_false_sum_leaves_a_false_claim(
    variables: int, degree: int, seed: int, hiding: bool
) -> None:
    # The prover runs as if its claim were true: the error stays as large as it was.
    tables = _tables(degree, variables, seed)
    terms = np.arange(degree, dtype=np.int64).reshape(1, degree)
    point = draw_pads(variables)
    truth = _sum(_entries(tables, variables), terms, point)
    off = Element(1, 2, 3, 4)
    _, values, wanted, _ = _roundtrip(truth + off, point, tables, terms, hiding=hiding)
    assert wanted != product(values)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(0, 2**32), st.booleans())
def test_interpolation_gives_back_the_coefficients(degree: int, seed: int, corner: bool) -> None:
    rng = np.random.default_rng(seed)
    coefficients = [Element(*c) for c in random_elements((degree + 1, 4), rng.bytes).tolist()]
    rho = ONE if corner else Element(*random_elements(4, rng.bytes).tolist())

    def h(x: Element) -> Element:
        total = ZERO
        for i, c in enumerate(coefficients):
            total = total + c * x**i
        return total

    claim = (ONE - rho) * h(ZERO) + rho * h(ONE)
    values = [h(ZERO), coefficients[-1], *(h(Element(t)) for t in range(2, degree))]
    values = values if degree > 1 else values[:1]
    assert prover.interpolate(values, claim, rho) == coefficients[1:]


def test_a_zero_challenge_is_an_error_and_no_proof() -> None:
    with pytest.raises(ZeroDivisionError):
        prover.interpolate([ONE], ONE, ZERO)


def test_no_variables_means_no_messages() -> None:
    tables = _tables(2, 0, 1)
    x, y = (column[0] for column in _entries(tables, 0))
    speaking, proof = fiat_shamir_prover("sumcheck")
    terms = np.array([[0, 1]], np.int64)
    found = prover.prove(ProverChannel(speaking, None), "sum", x * y, [], tables, terms)
    assert found == ([], [x, y])
    assert isinstance(proof, io.BytesIO)
    assert proof.getvalue() == b""


class _Halves:
    """Tables that are folded when asked, as a caller's own multilinears would be."""

    def __init__(self, tables: U32, variables: int, terms: Terms) -> None:
        self._tables, self._half, self._terms = tables, 1 << (variables - 1), terms

    def sums(self, low: U32, high: U32) -> list[np.ndarray]:
        return [evaluate_round(0, self._half, self._tables, self._half, self._terms, low, high)]

    def bind(self, r: U32) -> U32:
        tables = self._tables.copy()
        fold(0, self._half, tables, self._half, r)
        return tables


@pytest.mark.parametrize("variables", [1, 2, 3, 11])
def test_unbound_multilinears_are_proved_like_tables(variables: int) -> None:
    tables, terms = _tables(4, variables, 8), np.array([[0, 1, 2], [3, 3, 0]], np.int64)
    point = elements_of(random_elements((4, variables), np.random.default_rng(9).bytes))
    claim = _sum(_entries(tables, variables), terms, point)
    said = []
    for prove, own in (
        (prover.prove, tables.copy()),
        (prover.prove_unbound, _Halves(tables, variables, terms)),
    ):
        speaking, proof = fiat_shamir_prover("sumcheck")
        result = prove(ProverChannel(speaking, None), "sum", claim, point, own, terms)
        said.append((result, proof.getvalue()))
    assert said[0] == said[1]
