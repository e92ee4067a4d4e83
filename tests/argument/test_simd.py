"""Arithmetic of one number and of a register of them, against integers."""

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError

from wmproof.argument.algebra.field import P, random_elements
from wmproof.argument.kernels import simd
from wmproof.argument.kernels.extension import (
    ONE,
    add_k_sums,
    k_add_product,
    k_load,
    k_sums,
    multiplier,
)
from wmproof.argument.kernels.simd import LANES

EDGES = [0, 1, 2, (P - 1) // 2, (P + 1) // 2, 2**24, P - 2**24, P - 2, P - 1]
R_INVERSE = pow(2**32, -1, P)
FUNCTIONS = 8


def numbers(seed: int) -> np.ndarray:
    """All pairs of edges among the first two, then random ones; a multiple of `LANES` and 5."""
    columns = random_elements((8, 20 * LANES + 5), np.random.default_rng(seed).bytes)
    grid = np.array([(x, y) for x in EDGES for y in EDGES], np.uint32).T
    columns[:2, : grid.shape[1]] = grid
    columns[:, 100:110] = P - 1
    columns[:, 110:115] = 0
    return columns


@njit(forceinline=True)
def _apply(v, factor, i, out, like):  # type: ignore[no-untyped-def]
    a, b = simd.load(v, (0, i), like), simd.load(v, (1, i), like)
    c, d = simd.load(v, (2, i), like), simd.load(v, (3, i), like)
    e, f = simd.load(v, (4, i), like), simd.load(v, (5, i), like)
    g, h = simd.load(v, (6, i), like), simd.load(v, (7, i), like)
    quotient = simd.quotient_of(factor)
    simd.store(out, (0, i), simd.add(a, b))
    simd.store(out, (1, i), simd.sub(a, b))
    simd.store(out, (2, i), simd.mul(a, factor, quotient))
    simd.store(out, (3, i), simd.mul(simd.wrapping_sum(a, b), factor, quotient))
    simd.store(out, (4, i), simd.mul(simd.loose_difference(a, b), factor, quotient))
    simd.store(out, (5, i), simd.dot(a, b, c, d, e, f, g, h))
    simd.store(out, (6, i), simd.dot(a, factor, c, factor, e, factor, g, factor))
    simd.store(out, (7, i), simd.sub(simd.add(a, a), a))


@njit
def _apply_all(v, number, out):  # type: ignore[no-untyped-def]
    for i in range(0, v.shape[1] - LANES + 1, LANES):
        _apply(v, simd.uniform(number), i, out[0], simd.vector())
    for i in range(v.shape[1]):
        _apply(v, number, i, out[1], ONE)


@pytest.mark.parametrize("factor", EDGES)
def test_functions_agree_with_integers(factor: int) -> None:
    columns = numbers(factor)
    out = np.zeros((2, FUNCTIONS, columns.shape[1]), np.uint32)
    _apply_all(columns, np.uint32(factor), out)
    expected = []
    for a, b, c, d, e, f, g, h in columns.T.tolist():
        products = [a, a + b, a - b, a * b + c * d + e * f + g * h, factor * (a + c + e + g)]
        one, both, less, four, same = (x * R_INVERSE % P for x in products)
        times = [x * factor % P for x in (one, both, less)]
        expected.append([(a + b) % P, (a - b) % P, *times, four, same, a])
    assert out[1].T.tolist() == expected
    whole = columns.shape[1] // LANES * LANES
    np.testing.assert_array_equal(out[0, :, :whole], out[1, :, :whole])


@njit
def _multiply_any(x, factor, out):  # type: ignore[no-untyped-def]
    for i in range(0, x.shape[0], LANES):
        many = simd.load(x, (i,), simd.vector())
        product = simd.mul(many, simd.uniform(factor), simd.uniform(simd.quotient_of(factor)))
        simd.store(out, (i,), product)


def test_first_factors_may_be_any_words() -> None:
    words = np.random.default_rng(1).integers(0, 2**32, 64 * LANES).astype(np.uint32)
    words[:4] = 2**32 - 1, P, 2 * P, 2 * P - 1
    for factor in EDGES:
        out = np.empty_like(words)
        _multiply_any(words, np.uint32(factor), out)
        assert out.tolist() == [x * factor * R_INVERSE % P for x in words.tolist()]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
def test_smaller_numbers_are_widened(dtype: type) -> None:
    @njit
    def copy(a, out):  # type: ignore[no-untyped-def]
        simd.store(out, (0,), simd.load(a, (0,), simd.vector()))
        simd.store(out, (LANES,), simd.load(a, (LANES,), ONE))

    values = (np.arange(LANES + 1) * 254321 % np.iinfo(dtype).max).astype(dtype)
    out = np.zeros(LANES + 1, np.uint32)
    copy(values, out)
    assert out.tolist() == values.tolist()


@njit
def _copy_lanes(a, out):  # type: ignore[no-untyped-def]
    simd.store(out, (0, 0), simd.load(a, (0, 0), simd.vector()))


@njit
def _copy_rows(a, out):  # type: ignore[no-untyped-def]
    simd.store_rows(out, (0, 0), simd.load_rows(a, (0, 0), 2))


@pytest.mark.parametrize("copy", [_copy_lanes, _copy_rows])
def test_lanes_that_are_no_neighbours_are_refused(copy) -> None:  # type: ignore[no-untyped-def]
    near = np.arange(4 * LANES**2, dtype=np.uint32).reshape(2 * LANES, 2 * LANES)
    out = np.zeros_like(near)
    copy(near, out)
    assert out[0, :LANES].tolist() == near[0, :LANES].tolist()
    for apart in (np.asfortranarray(near), near[:, ::2]):
        for pair in ((apart, out), (near, apart)):
            with pytest.raises(TypingError, match="C order"):
                copy(*pair)


@njit
def _sums(a, b, out):  # type: ignore[no-untyped-def]
    products, alone = k_sums(simd.vector()), k_sums(ONE)
    for i in range(0, a.shape[1], LANES):
        first, second = k_load(a, i, simd.vector()), k_load(b, i, simd.vector())
        products = k_add_product(products, first, multiplier(second))
    for i in range(a.shape[1]):
        alone = k_add_product(alone, k_load(a, i, ONE), multiplier(k_load(b, i, ONE)))
    add_k_sums(products, out[0])
    add_k_sums(alone, out[1])


@pytest.mark.parametrize("value", [None, P - 1])
def test_long_sums_do_not_overflow(value: int | None) -> None:
    a, b = random_elements((4, 4096)), random_elements((4, 4096))
    if value is not None:
        a[:], b[:] = value, value
    out = np.zeros((2, 4), np.uint64)
    _sums(a, b, out)
    expected = np.zeros(7, object)
    for x, y in zip(a.T.tolist(), b.T.tolist(), strict=True):
        expected += np.convolve(np.array(x, object), np.array(y, object))
    sums = [(expected[c] + 3 * (expected[c + 4] if c < 3 else 0)) * R_INVERSE % P for c in range(4)]
    assert (out[0] % P).tolist() == (out[1] % P).tolist() == sums
