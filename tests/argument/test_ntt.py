import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wmproof.argument.algebra.field import P, from_montgomery, root_of_unity, to_montgomery
from wmproof.argument.algebra.ntt import (
    bit_reversed_points,
    coefficients,
    merge_constants,
    split_constants,
    values_at,
)
from wmproof.argument.kernels import ntt

SIZES = [1, 2, 4, 8, 16, 32, 64]


def reverse(index: int, bits: int) -> int:
    return int(format(index, f"0{bits}b")[::-1], 2) if bits else 0


def horner(coefficients: list[int], x: int) -> int:
    value = 0
    for c in reversed(coefficients):
        value = (value * x + c) % P
    return value


def lanes_of(polynomials: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(polynomials.T).reshape(-1)


def random_polynomials(size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, P, (ntt.LANES, size)).astype(np.uint32)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shift", [1, 3, P - 2])
def test_points_are_the_coset_in_bit_reversed_order(size: int, shift: int) -> None:
    bits = size.bit_length() - 1
    root = root_of_unity(size)
    expected = [shift * pow(root, reverse(b, bits), P) % P for b in range(size)]
    assert bit_reversed_points(size, shift).tolist() == expected


def test_a_zero_shift_is_refused() -> None:
    with pytest.raises(ValueError, match="nonzero"):
        bit_reversed_points(8, P)


@pytest.mark.parametrize("size", SIZES)
def test_constants_split_every_modulus(size: int) -> None:
    table = from_montgomery(split_constants(size, 3)).tolist()
    inverses = from_montgomery(merge_constants(size)).tolist()
    plain = from_montgomery(split_constants(size, 1)).tolist()
    moduli = {1: pow(3, size, P)}
    for i in range(1, size):
        assert table[i] ** 2 % P == moduli[i]
        moduli[2 * i], moduli[2 * i + 1] = table[i], -table[i] % P
        assert inverses[i] * plain[i] % P == 1
    leaves = [moduli[size + b] for b in range(size)]
    assert leaves == bit_reversed_points(size, 3).tolist()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shift", [1, 3, 12345])
def test_forward_is_evaluation(size: int, shift: int) -> None:
    polynomials = random_polynomials(size)
    data = lanes_of(polynomials)
    ntt.forward(data, split_constants(size, shift), 1)
    points = bit_reversed_points(size, shift).tolist()
    for lane, row in enumerate(polynomials.tolist()):
        assert data[lane :: ntt.LANES].tolist() == [horner(row, x) for x in points]


# 2^12 points is where blocks start to be cached, so both sides and both parities around it.
@pytest.mark.parametrize("bits", [11, 12, 13, 14, 15, 16])
def test_large_transforms_agree_with_horner_and_invert(bits: int) -> None:
    size = 1 << bits
    polynomials = random_polynomials(size, bits)
    data = lanes_of(polynomials)
    ntt.forward(data, split_constants(size, 1), 1)
    points = bit_reversed_points(size, 1).tolist()
    for b in (0, 1, 2, size // 2 + 3, size - 1):
        assert data[b * ntt.LANES + 5] == horner(polynomials[5].tolist(), points[b])
    ntt.inverse(data, merge_constants(size))
    back = data.astype(np.uint64) * np.uint64(pow(size, -1, P)) % np.uint64(P)
    np.testing.assert_array_equal(back, lanes_of(polynomials))


@pytest.mark.parametrize("size", SIZES)
def test_inverse_interpolates(size: int) -> None:
    polynomials = random_polynomials(size, 7)
    points = bit_reversed_points(size, 1).tolist()
    values = np.array([[horner(row, x) for x in points] for row in polynomials.tolist()], np.uint32)
    data = lanes_of(values)
    ntt.inverse(data, merge_constants(size))
    scaled = data.astype(np.uint64) * np.uint64(pow(size, -1, P)) % np.uint64(P)
    np.testing.assert_array_equal(scaled, lanes_of(polynomials))


def test_a_subtree_transforms_one_sub_coset() -> None:
    size, parts = 64, 4
    table = split_constants(size, 3)
    points = bit_reversed_points(size, 3).tolist()
    polynomials = random_polynomials(size // parts, 3)
    for k in range(parts):
        data = lanes_of(polynomials)
        ntt.forward(data, table, parts + k)
        own = points[k * 16 : (k + 1) * 16]
        for lane, row in enumerate(polynomials.tolist()):
            assert data[lane :: ntt.LANES].tolist() == [horner(row, x) for x in own]


@settings(max_examples=30, deadline=None)
@given(bits=st.integers(0, 10), seed=st.integers(0, 2**32 - 1))
def test_forward_is_linear_in_either_representation(bits: int, seed: int) -> None:
    size = 1 << bits
    table = split_constants(size, 3)
    a, b = random_polynomials(size, seed), random_polynomials(size, seed + 1)
    total = ((a.astype(np.uint64) + b) % np.uint64(P)).astype(np.uint32)
    images = []
    for polynomials in (a, b, total, to_montgomery(total)):
        data = lanes_of(polynomials)
        ntt.forward(data, table, 1)
        images.append(data)
    summed = (images[0].astype(np.uint64) + images[1]) % np.uint64(P)
    np.testing.assert_array_equal(images[2], summed)
    np.testing.assert_array_equal(images[2], from_montgomery(images[3]))


@pytest.mark.parametrize("value", [0, 1, P - 1])
def test_extreme_values_stay_below_p(value: int) -> None:
    size = 256
    data = np.full(size * ntt.LANES, value, np.uint32)
    ntt.forward(data, split_constants(size, 1), 1)
    expected = np.zeros((size, ntt.LANES), np.uint32)
    expected[0] = value * size % P
    np.testing.assert_array_equal(data.reshape(size, -1), expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
def test_load_lanes_transposes(dtype: type) -> None:
    rows = np.random.default_rng(2).integers(0, np.iinfo(dtype).max + 1, (16, 37)).astype(dtype)
    for count, first in [(5, 4), (15, 1), (16, 0)]:
        lanes = np.zeros((37, ntt.LANES), np.uint32)
        ntt.load_lanes(rows[:count], lanes, first)
        np.testing.assert_array_equal(lanes[:, first : first + count], rows[:count].T)
        assert not lanes[:, :first].any()
        assert not lanes[:, first + count :].any()


# --- the verifier's transforms, in NumPy


# 2^6 values are where passes begin to go along the values of a block.
@pytest.mark.parametrize("bits", [*range(9), 13])
def test_interpolation_is_the_kernels_to_the_bit(bits: int) -> None:
    size = 1 << bits
    values = random_polynomials(size, bits)
    values[0], values[1] = 0, P - 1
    data = lanes_of(values)
    ntt.inverse(data, merge_constants(size))
    scaled = data.astype(np.uint64) * np.uint64(pow(size, -1, P)) % np.uint64(P)
    np.testing.assert_array_equal(lanes_of(coefficients(values)), scaled)


@pytest.mark.parametrize("degree", [1, 2, 3, 4, 5, 16, 17, 100, 4099])
def test_values_at_points_are_horners(degree: int) -> None:
    polynomials = random_polynomials(degree, degree)[:3]
    polynomials[0] = P - 1
    points = np.array([0, 1, P - 1, 3, 12345, P - 2], np.uint32)
    expected = [[horner(row, x) for x in points.tolist()] for row in polynomials.tolist()]
    assert values_at(polynomials, points).tolist() == expected
