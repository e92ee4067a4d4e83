"""Multilinear extensions against sums over all corners of the cube."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import COEFFICIENT, ELEMENT, base_values, evaluate, points, weight, weights

from wmproof.argument.algebra.element import ONE, ZERO, Element
from wmproof.argument.algebra.extension import elements_of, vector_of
from wmproof.argument.algebra.field import P
from wmproof.argument.algebra.multilinear import (
    eq,
    eq_table,
    evaluate_base,
    evaluate_vector,
    index_point,
    prefix_indicator,
    weighted_rows,
)
from wmproof.argument.kernels import multilinear as kernels

SIZED_POINT = st.integers(0, 6).flatmap(points)


@settings(max_examples=40, deadline=None)
@given(SIZED_POINT)
def test_eq_table_holds_the_weight_of_every_corner(point: list[Element]) -> None:
    table = elements_of(eq_table(point))
    assert table == elements_of(kernels.eq_table(point))
    assert table == weights(point) == [weight(point, x) for x in range(1 << len(point))]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 5).flatmap(lambda n: st.tuples(points(n), points(n))))
def test_eq_is_the_inner_product_of_its_tables(pair: tuple[list[Element], list[Element]]) -> None:
    a, b = pair
    total = ZERO
    for x in range(1 << len(a)):
        total = total + weight(a, x) * weight(b, x)
    assert eq(a, b) == total == eq(b, a)


def test_eq_of_points_of_different_lengths_is_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        eq([ONE], [ONE, ONE])


@pytest.mark.parametrize("bits", [0, 1, 4])
def test_index_points_are_the_corners(bits: int) -> None:
    for index in range(1 << bits):
        corner = index_point(index, bits)
        assert [weight(corner, x) for x in range(1 << bits)] == [
            ONE if x == index else ZERO for x in range(1 << bits)
        ]


@settings(max_examples=60, deadline=None)
@given(SIZED_POINT, st.data())
def test_prefix_indicator_is_the_extension_of_the_first_entries(
    point: list[Element], data: st.DataObject
) -> None:
    size = data.draw(st.integers(0, 1 << len(point)))
    assert prefix_indicator(size, point) == evaluate([1] * size, point)


@settings(max_examples=60, deadline=None)
@given(SIZED_POINT, st.integers(0, 999), st.data())
def test_base_values_are_evaluated_at_any_length(
    point: list[Element], seed: int, data: st.DataObject
) -> None:
    size = data.draw(st.integers(0, 1 << len(point)))
    values = base_values(size, seed)
    assert evaluate_base(values, point) == evaluate(values.tolist(), point)


@settings(max_examples=30, deadline=None)
@given(SIZED_POINT, st.data())
def test_vectors_are_evaluated_at_any_length(point: list[Element], data: st.DataObject) -> None:
    most = 1 << len(point)
    values = data.draw(st.lists(ELEMENT, min_size=1, max_size=most))
    expected = ZERO
    for factor, value in zip(weights(point), values, strict=False):
        expected = expected + factor * value
    assert evaluate_vector(vector_of(values), point) == expected


@pytest.mark.parametrize("size", [1, 1023, 1024, 1025, 2047, 2048, 3000, 4096])
def test_evaluation_across_block_borders(size: int) -> None:
    # The kernel works on blocks of 1024.
    point = [Element(7 * i + 2, i, 3, 1) for i in range(12)]
    values = base_values(size, size)
    assert evaluate_base(values, point) == evaluate(values.tolist(), point)


def test_long_tables_are_the_kernels_to_the_bit() -> None:
    point = [Element(P - 1 - i, i, P - 1, 3) for i in range(15)]
    np.testing.assert_array_equal(eq_table(point), kernels.eq_table(point))


def test_many_threads_agree_with_one() -> None:
    # 2^17 values, 128 blocks; bound variable by variable in plain integers mod p.
    point = [Element(5 * i + 2) for i in range(17)]
    values = base_values(1 << 17, 3)
    folded = values.astype(object)
    for r in point:
        low, high = np.split(folded, 2)
        folded = (low + r.c0 * (high - low)) % (2**31 - 2**24 + 1)
    assert evaluate_base(values, point) == Element(int(folded[0]))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 5),
    st.lists(ELEMENT, min_size=1, max_size=9),
    st.integers(0, 99),
    COEFFICIENT,
)
def test_weighted_rows(count: int, weights: list[Element], seed: int, extreme: int) -> None:
    rows = base_values(count * len(weights), seed).reshape(count, -1)
    rows[0, 0] = extreme
    found = elements_of(weighted_rows(rows, np.ascontiguousarray(vector_of(weights))))
    for row, value in zip(rows.tolist(), found, strict=True):
        expected = ZERO
        for factor, entry in zip(weights, row, strict=True):
            expected = expected + factor * Element(entry)
        assert value == expected
