from collections.abc import Callable

import galois
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit
from scipy import stats

from wmproof.argument.algebra import extension, field
from wmproof.argument.algebra.element import ONE, ZERO, Element
from wmproof.argument.algebra.field import P, from_montgomery, random_elements, to_montgomery
from wmproof.argument.kernels import extension as kernels
from wmproof.argument.kernels import field as scalar

EDGES = [0, 1, 2, 3, (P - 1) // 2, (P + 1) // 2, 2**24, P - 2**24, P - 2, P - 1]
R_INVERSE = pow(2**32, -1, P)

base = st.one_of(st.sampled_from(EDGES), st.integers(0, P - 1))
elements = st.builds(Element, base, base, base, base)


@pytest.fixture(scope="module")
def prime_field() -> type[galois.FieldArray]:
    return galois.GF(P, primitive_element=3, verify=False)


def schoolbook(a: Element, b: Element) -> Element:
    """Multiply as polynomials in Python, then replace X^4 by 3."""
    product = [0] * 7
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            product[i + j] += x * y
    return Element(*((product[i] + 3 * (product[i + 4] if i < 3 else 0)) % P for i in range(4)))


def random_vector(size: int, seed: int = 0) -> np.ndarray:
    """Montgomery (4, size), canonical values with all edges up front."""
    values = random_elements((4, size), np.random.default_rng(seed).bytes)
    for j in range(4):
        edges = np.roll(EDGES, 3 * j)[:size]
        values[j, : len(edges)] = edges
    return to_montgomery(values)


# --- the field and the extension are what they claim to be


def test_the_modulus_is_prime_with_the_stated_structure() -> None:
    assert P == 2**31 - 2**24 + 1
    assert galois.is_prime(P)
    assert P - 1 == 2**24 * 127
    assert all(pow(3, (P - 1) // q, P) != 1 for q in (2, 127))


def test_the_extension_polynomial_is_irreducible() -> None:
    # Rabin: f of degree 4 is irreducible if X^(p^4) = X mod f and X^(p^2) - X is a unit mod f.
    x = Element(0, 1)
    frobenius = x
    for _ in range(2):
        frobenius = frobenius**P
    assert (frobenius - x) * (frobenius - x).inverse() == ONE
    for _ in range(2):
        frobenius = frobenius**P
    assert frobenius == x


@pytest.mark.parametrize("bits", range(25))
def test_roots_of_unity_are_primitive(bits: int) -> None:
    order = 1 << bits
    root = field.root_of_unity(order)
    assert pow(root, order, P) == 1
    assert bits == 0 or pow(root, order // 2, P) == P - 1


@pytest.mark.parametrize("order", [0, -4, 3, 2**25])
def test_other_orders_are_refused(order: int) -> None:
    with pytest.raises(ValueError, match="order"):
        field.root_of_unity(order)


# --- scalar kernels


def edge_pairs() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    grid = np.array([(a, b) for a in EDGES for b in EDGES], np.uint32)
    more = rng.integers(0, P, (5000, 2)).astype(np.uint32)
    both = np.concatenate([grid, more])
    return np.ascontiguousarray(both[:, 0]), np.ascontiguousarray(both[:, 1])


@njit
def _reduce_all(t, out):  # type: ignore[no-untyped-def]
    for i in range(t.shape[0]):
        out[i] = scalar.mont_reduce(t[i])


def test_products_agree_with_galois(prime_field: type[galois.FieldArray]) -> None:
    a, b = edge_pairs()
    out = np.empty(a.size, np.uint32)
    _reduce_all(to_montgomery(a) * b.astype(np.uint64), out)
    expected = prime_field(a.astype(np.int64)) * prime_field(b.astype(np.int64))
    np.testing.assert_array_equal(out, np.asarray(expected))


def test_the_reduction_covers_its_whole_range() -> None:
    top = 4 * P * P
    edges = [0, 1, P - 1, P, 2**32 - 1, 2**32, P * P, 2 * P * P, top - P, top - 1]
    rng = np.random.default_rng(6)
    values = np.array(
        edges + [int(v) % top for v in rng.integers(0, 2**64, 5000, np.uint64)], np.uint64
    )
    out = np.empty(values.size, np.uint32)
    _reduce_all(values, out)
    assert out.tolist() == [v * R_INVERSE % P for v in values.tolist()]


@given(value=base)
def test_montgomery_form_is_a_bijection(value: int) -> None:
    array = np.array([[value, P - 1 - value]], np.uint32)
    coded = to_montgomery(array)
    assert coded.tolist() == [[v * 2**32 % P for v in array[0].tolist()]]
    assert int(field.montgomery(value)) == coded[0, 0]
    np.testing.assert_array_equal(from_montgomery(coded), array)


# --- one element


@given(a=elements, b=elements, c=elements)
def test_elements_form_a_field(a: Element, b: Element, c: Element) -> None:
    assert a * b == schoolbook(a, b) == b * a
    assert a * (b + c) == a * b + a * c
    assert (a * b) * c == a * (b * c)
    assert a - b + b == a
    assert a + -a == ZERO
    assert all(0 <= x < P for x in a * b - c)


@given(a=elements)
def test_every_element_but_zero_has_an_inverse(a: Element) -> None:
    if a == ZERO:
        with pytest.raises(ZeroDivisionError):
            a.inverse()
    else:
        assert a * a.inverse() == ONE


@given(a=elements, exponent=st.integers(0, 40))
def test_powers_are_repeated_products(a: Element, exponent: int) -> None:
    expected = ONE
    for _ in range(exponent):
        expected = expected * a
    assert a**exponent == expected


@given(a=elements)
def test_elements_survive_montgomery_form(a: Element) -> None:
    assert Element.from_montgomery(a.montgomery()) == a


# --- vectors


@given(values=st.lists(elements, min_size=1, max_size=9))
def test_vectors_survive_montgomery_form(values: list[Element]) -> None:
    assert extension.elements_of(extension.vector_of(values)) == values


# Stretches that begin and end anywhere; the rest of the output must not change.
@pytest.mark.parametrize(("i", "j", "k", "n"), [(0, 0, 0, 700), (3, 11, 5, 64), (1, 2, 3, 1)])
def test_vector_kernels(i: int, j: int, k: int, n: int) -> None:
    a, b, s = random_vector(720), random_vector(720, 1), random_vector(1, 2)[:, 0].copy()
    xs, ys = extension.elements_of(a), extension.elements_of(b)
    r = Element.from_montgomery(s)
    steps: dict[str, tuple[Callable[[np.ndarray], None], Callable[[int], Element]]] = {
        "mul": (lambda o: kernels.v_mul(a, i, b, j, o, k, n), lambda x: xs[i + x] * ys[j + x]),
        "scale": (lambda o: kernels.v_scale(a, i, s, o, k, n), lambda x: r * xs[i + x]),
        "fold": (
            lambda o: kernels.v_fold(a, i, j, s, o, k, n),
            lambda x: xs[i + x] + r * (xs[j + x] - xs[i + x]),
        ),
        "sub": (lambda o: kernels.v_sub(a, i, b, j, o, k, n), lambda x: xs[i + x] - ys[j + x]),
    }
    for name, (kernel, expected) in steps.items():
        out = np.full((4, 720), 77, np.uint32)
        kernel(out)
        assert extension.elements_of(out[:, k : k + n]) == [expected(x) for x in range(n)], name
        assert (out[:, :k] == 77).all(), name
        assert (out[:, k + n :] == 77).all(), name


def test_vectors_are_folded_in_place() -> None:
    a, s = random_vector(720), random_vector(1, 2)[:, 0].copy()
    out = np.empty((4, 300), np.uint32)
    kernels.v_fold(a, 0, 360, s, out, 0, 300)
    kernels.v_fold(a, 0, 360, s, a, 0, 300)
    np.testing.assert_array_equal(a[:, :300], out)


def test_extension_products_agree_with_galois(prime_field: type[galois.FieldArray]) -> None:
    a, b = random_vector(30, 3), random_vector(30, 4)
    out = np.empty((4, 30), np.uint32)
    kernels.v_mul(a, 0, b, 0, out, 0, 30)
    columns = zip(*(from_montgomery(x).T.tolist() for x in (a, b, out)), strict=True)
    for x, y, z in columns:
        product = np.convolve(prime_field(x), prime_field(y))
        product[:3] += product[4:] * prime_field(3)
        assert product[:4].tolist() == z


@pytest.mark.parametrize("size", [1, 5, 512, 9001, 40_000])
def test_sums_and_inner_products(size: int) -> None:
    a, b = random_vector(size, 6), random_vector(size, 7)
    expected = ZERO
    total = ZERO
    for x, y in zip(extension.elements_of(a), extension.elements_of(b), strict=True):
        expected = expected + x * y
        total = total + x
    assert extension.inner_product(a, b) == kernels.inner_product(a, b) == expected
    sums = np.zeros(4, np.uint64)
    kernels.v_sum(a, 0, size, sums)
    assert Element.from_montgomery(extension.total_of([sums])) == total


def test_totals_of_many_threads_do_not_overflow() -> None:
    part = np.full(4, 2**64 - 1, np.uint64)
    assert extension.total_of([part] * 9).tolist() == [9 * (2**64 - 1) % P] * 4


# --- random elements


def test_random_elements_are_uniform() -> None:
    draws = random_elements((500, 400), np.random.default_rng(3).bytes)
    assert draws.dtype == np.uint32
    assert draws.max() < P
    counts = np.histogram(draws, bins=127, range=(0, P))[0]
    # 127 equal parts of F_p; the seed is fixed, and one in 10^6 would be no good.
    assert stats.chisquare(counts).pvalue > 1e-6


def test_random_elements_reject_what_is_not_below_p() -> None:
    words = [P, P - 1, 2**31 - 1, 2**31 + 5, 7, 0xFFFFFFFF]
    stream = b"".join(w.to_bytes(4, "little") for w in words) + (9).to_bytes(4, "little") * 1000
    calls = []

    def entropy(count: int) -> bytes:
        calls.append(count)
        start = sum(calls[:-1])
        return stream[start : start + count]

    assert random_elements(4, entropy).tolist() == [P - 1, 5, 7, 9]


def test_random_elements_draw_again_until_there_are_enough() -> None:
    answers = [lambda k: b"\xff" * k, lambda k: bytes(k)]
    assert random_elements((2, 3), lambda k: answers.pop(0)(k)).tolist() == [[0] * 3] * 2
    assert random_elements((0, 5)).shape == (0, 5)


def test_random_elements_of_the_system_never_repeat() -> None:
    assert not (random_elements(64) == random_elements(64)).all()
