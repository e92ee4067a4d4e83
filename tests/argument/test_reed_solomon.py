import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wmproof.argument.algebra.field import P, from_montgomery, random_elements, to_montgomery
from wmproof.argument.pcs.ligero.encoder import Encoder
from wmproof.argument.pcs.ligero.reed_solomon import Code
from wmproof.errors import InputError

CODES = [
    Code(2, 0, 1),
    Code(2, 4, 2),
    Code(3, 5, 2),
    Code(4, 0),
    Code(4, 16),
    Code(5, 150, 4),
    Code(2, 11, 3),
]


def random_rows(code: Code, rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    messages = rng.integers(0, P, (rows, code.message_length)).astype(np.uint32)
    return messages, rng.integers(0, P, (rows, code.tail)).astype(np.uint32)


def interpolate_and_evaluate(code: Code, message: list[int], tail: list[int], x: int) -> int:
    """f(x) by the barycentric formula on H; no transform, no reduction."""
    size = code.message_length
    vanishing = pow(x, size, P) - 1
    total = sum(
        v * h * pow(x - h, -1, P) for v, h in zip(message, code.slots().tolist(), strict=True)
    )
    inside = vanishing * pow(size, -1, P) * total
    return (inside + vanishing * sum(t * pow(x, j, P) for j, t in enumerate(tail))) % P


@pytest.mark.parametrize("code", CODES, ids=str)
def test_codeword_is_the_polynomial_on_the_coset(code: Code) -> None:
    messages, tails = random_rows(code, 3)
    codewords = Encoder(code).encode(messages, tails)
    assert codewords.shape == (3, code.length)
    for message, tail, word in zip(
        messages.tolist(), tails.tolist(), codewords.tolist(), strict=True
    ):
        expected = [
            interpolate_and_evaluate(code, message, tail, x) for x in code.points().tolist()
        ]
        assert word == expected


@pytest.mark.parametrize("code", [*CODES, Code(9, 150, 4), Code(15, 150)], ids=str)
def test_the_coset_is_a_coset_and_disjoint_from_the_subgroup(code: Code) -> None:
    points, slots = code.points(), code.slots()
    assert len(set(points.tolist())) == code.length
    assert len(set(slots.tolist())) == code.message_length
    assert not set(points.tolist()) & set(slots.tolist())
    assert all(pow(h, code.message_length, P) == 1 for h in slots[:64].tolist())
    assert len({pow(x, code.length, P) for x in points[:64].tolist()}) == 1


@pytest.mark.parametrize("bits", range(25))
def test_the_generator_is_outside_every_subgroup_used(bits: int) -> None:
    assert pow(3, 1 << bits, P) != 1


@pytest.mark.parametrize("rows", [1, 15, 16, 17, 33])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
def test_rows_encode_independently(rows: int, dtype: type) -> None:
    code = Code(6, 9)
    _, tails = random_rows(code, rows)
    top = min(P, np.iinfo(dtype).max + 1)
    messages = np.random.default_rng(5).integers(0, top, (rows, 64)).astype(dtype)
    together = Encoder(code).encode(messages, tails)
    for i in range(rows):
        alone = Encoder(code).encode(messages[i : i + 1].astype(np.uint32), tails[i : i + 1])
        np.testing.assert_array_equal(together[i], alone[0])


def rank(matrix: list[list[int]]) -> int:
    rows, found = [list(r) for r in matrix], 0
    for column in range(len(rows[0])):
        pivot = next((i for i in range(found, len(rows)) if rows[i][column] % P), None)
        if pivot is None:
            continue
        rows[found], rows[pivot] = rows[pivot], rows[found]
        scale = pow(rows[found][column], -1, P)
        rows[found] = [v * scale % P for v in rows[found]]
        for i in range(len(rows)):
            if i != found and rows[i][column]:
                factor = rows[i][column]
                rows[i] = [(v - factor * u) % P for v, u in zip(rows[i], rows[found], strict=True)]
        found += 1
    return found


@settings(max_examples=25, deadline=None)
@given(code=st.sampled_from([c for c in CODES if c.tail and c.tail < 20]), data=st.data())
def test_any_q_positions_are_a_bijective_image_of_the_tail(code: Code, data: st.DataObject) -> None:
    zero = np.zeros((code.tail, code.message_length), np.uint32)
    words = Encoder(code).encode(zero, np.eye(code.tail, dtype=np.uint32))
    positions = data.draw(
        st.lists(
            st.integers(0, code.length - 1), min_size=code.tail, max_size=code.tail, unique=True
        )
    )
    assert rank(words[:, positions].tolist()) == code.tail


@pytest.mark.parametrize("code", [c for c in CODES if c.dimension < 40], ids=str)
def test_any_k_positions_determine_the_row(code: Code) -> None:
    k = code.dimension
    basis = np.eye(k, dtype=np.uint32)
    messages = np.ascontiguousarray(basis[:, : code.message_length])
    tails = np.ascontiguousarray(basis[:, code.message_length :])
    words = Encoder(code).encode(messages, tails)
    assert code.distance == code.length - k + 1
    rng = np.random.default_rng(k)
    for _ in range(3):
        positions = rng.choice(code.length, k, replace=False)
        assert rank(words[:, positions].tolist()) == k


def test_unique_decoding_radius() -> None:
    code = Code(15, 150)
    assert code.unique_decoding_errors == (131072 - 32768 - 150) // 2
    assert 2 * code.unique_decoding_errors < code.distance
    # The figure that the number of opened columns rests on.
    assert math.isclose(code.unique_decoding_errors / code.length, 3 / 8, rel_tol=2e-3)


@pytest.mark.parametrize("code", [*CODES, Code(4, 7), Code(12, 150)], ids=str)
def test_extension_rows_keep_their_representation(code: Code) -> None:
    message, tail = random_rows(code, 4, 9)
    plain = Encoder(code).encode(message, tail)
    coded = Encoder(code).encode(to_montgomery(message), to_montgomery(tail))
    np.testing.assert_array_equal(plain, from_montgomery(coded))
    positions = np.array([5, 0, code.length - 1, 5])
    picked = code.values_at(message, tail, positions)
    np.testing.assert_array_equal(picked, plain[:, positions])


def test_foreign_shapes_and_values_are_refused() -> None:
    code = Code(4, 7)
    messages, tails = random_rows(code, 4)
    with pytest.raises(InputError, match="do not fit"):
        Encoder(code).encode(messages[:, :-1], tails)
    with pytest.raises(InputError, match="do not fit"):
        Encoder(code).encode(messages, tails[:3])
    for array in (messages, tails):
        kept, array[2, 3] = array[2, 3], P
        with pytest.raises(InputError, match="not below p"):
            Encoder(code).encode(messages, tails)
        array[2, 3] = kept
    for position in (-1, code.length):
        with pytest.raises(InputError, match="positions"):
            code.values_at(messages, tails, np.array([position]))


@pytest.mark.parametrize(
    ("message_bits", "tail", "rate_bits"),
    [(1, 0, 2), (4, -1, 2), (4, 0, 0), (4, 17, 2), (23, 0, 2), (9, 513, 2)],
)
def test_impossible_parameters_are_refused(message_bits: int, tail: int, rate_bits: int) -> None:
    with pytest.raises(InputError):
        Code(message_bits, tail, rate_bits)


@pytest.mark.parametrize("code", [Code(2, 0), Code(3, 2), Code(5, 9), Code(9, 127)])
def test_weights_of_positions(code: Code) -> None:
    messages = random_elements((5, code.message_length))
    tails = random_elements((5, code.tail))
    words = Encoder(code).encode(messages, tails)
    positions = np.array([0, 1, 2, code.length // 2, code.length - 1])
    own, behind = code.weights_at(positions)
    rows = np.concatenate([messages, tails], axis=1).astype(object)
    sums = rows @ np.concatenate([own, behind], axis=1).T.astype(object) % P
    assert sums.tolist() == words[:, positions].tolist()
