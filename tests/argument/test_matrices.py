"""Products of matrices in double precision against integers of any size."""

import numpy as np
import pytest

from wmproof.argument.algebra.element import ZERO, Element
from wmproof.argument.algebra.extension import elements_of, vector_of
from wmproof.argument.algebra.field import P, random_elements, to_montgomery
from wmproof.argument.algebra.matrices import extension_product, product
from wmproof.argument.algebra.vectors import multiply, scale
from wmproof.argument.kernels import vectors as kernels


# 2^11 terms are what a double adds up at once, 2^16 entries what is doubled at once.
@pytest.mark.parametrize(
    ("m", "k", "n"),
    [(1, 1, 1), (4, 2048, 3), (4, 2049, 3), (3, 5000, 70), (2, 7, 40_000), (5, 0, 2)],
)
def test_products_are_exact(m: int, k: int, n: int) -> None:
    a, b = random_elements((m, k)), random_elements((k, n))
    if k > 1:
        a[0], b[:, 0] = P - 1, P - 1
    picked = np.unique(np.array([0, 1, n // 2, n - 1]) % n)
    exact = a.astype(object) @ b[:, picked].astype(object) % P
    np.testing.assert_array_equal(product(a, b)[:, picked], exact)


def test_the_largest_sums_are_exact() -> None:
    top = np.full((2, 2048), P - 1, np.uint32)
    assert product(top, top.T).tolist() == [[2048, 2048]] * 2


@pytest.mark.parametrize("terms", [3, 2048, 2049])
def test_products_with_negative_numbers_are_exact(terms: int) -> None:
    a = random_elements((4, terms))
    a[0] = P - 1
    ends = np.iinfo(np.int32)
    b = np.random.default_rng(terms).integers(ends.min, ends.max, (terms, 50), np.int32)
    b[:, 0], b[:, 1] = ends.min, ends.max
    np.testing.assert_array_equal(product(a, b), a.astype(object) @ b.astype(object) % P)


def test_bytes_are_multiplied_as_they_are() -> None:
    a, b = random_elements((4, 300)), np.random.default_rng(0).integers(0, 256, (300, 9), np.uint8)
    np.testing.assert_array_equal(product(a, b), product(a, b.astype(np.uint32)))


def test_products_over_the_extension() -> None:
    m, k, n = 3, 4, 5
    a = [[Element(*row) for row in rows] for rows in random_elements((m, k, 4)).tolist()]
    b = [[Element(*row) for row in rows] for rows in random_elements((k, n, 4)).tolist()]
    flat = [vector_of([x for row in rows for x in row]) for rows in (a, b)]
    found = extension_product(flat[0].reshape(4, m, k), flat[1].reshape(4, k, n))
    for i in range(m):
        for j in range(n):
            expected = ZERO
            for t in range(k):
                expected = expected + a[i][t] * b[t][j]
            assert elements_of(found[:, i, j][:, None]) == [expected]


@pytest.mark.parametrize("size", [1, 9000])
def test_products_of_vectors_are_the_kernels_to_the_bit(size: int) -> None:
    a, b = to_montgomery(random_elements((4, size))), to_montgomery(random_elements((4, size)))
    a[:, 0] = b[:, 0] = P - 1
    factor = Element(P - 1, P - 2, 3, 0)
    np.testing.assert_array_equal(multiply(a, b), kernels.multiply(a, b))
    np.testing.assert_array_equal(scale(a, factor), kernels.scale(a, factor))
