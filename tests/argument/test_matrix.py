import ast
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import codewords_of

import wmproof.argument.pcs.ligero.merkle
import wmproof.argument.pcs.ligero.reed_solomon
from wmproof.argument.algebra.element import Element
from wmproof.argument.algebra.extension import elements_of, vector_of
from wmproof.argument.algebra.field import P, random_elements
from wmproof.argument.pcs.ligero.columns import CommittedMatrix
from wmproof.argument.pcs.ligero.encoded_columns import AT_ONCE, EncodedColumns
from wmproof.argument.pcs.ligero.encoder import Encoder
from wmproof.argument.pcs.ligero.matrix import MessageMatrix
from wmproof.argument.pcs.ligero.memory import memory
from wmproof.argument.pcs.ligero.merkle import SALT_BYTES, leaf_hashes, verify_opening
from wmproof.argument.pcs.ligero.reed_solomon import Code
from wmproof.errors import InputError, ProofError

DTYPES = [np.uint8, np.uint16, np.uint32]


def matrix_of(code: Code, shapes: list[tuple[int, type]], seed: int = 0) -> MessageMatrix:
    """Blocks of the given numbers of rows and types; every extreme value occurs."""
    rng = np.random.default_rng(seed)
    blocks = []
    for rows, dtype in shapes:
        top = min(P, np.iinfo(dtype).max + 1)
        block = rng.integers(0, top, (rows, code.message_length)).astype(dtype)
        if rows:
            block[0, 0], block[-1, -1] = top - 1, 0
        blocks.append(block)
    tails = random_elements((sum(rows for rows, _ in shapes), code.tail), rng.bytes)
    return MessageMatrix(blocks, tails, code)


def dense(matrix: MessageMatrix) -> np.ndarray:
    messages = np.concatenate([block.astype(np.uint32) for block in matrix.blocks])
    return np.concatenate([messages, matrix.tails], axis=1)


def random_vector(size: int, seed: int) -> np.ndarray:
    values = random_elements((4, size), np.random.default_rng(seed).bytes)
    values[:, 0] = P - 1
    return values


def expected_combination(coefficients: list[Element], rows: np.ndarray) -> list[Element]:
    return [
        Element(
            *(
                sum(c[j] * int(v) for c, v in zip(coefficients, column, strict=True)) % P
                for j in range(4)
            )
        )
        for column in rows.T
    ]


SHAPES = [
    [(1, np.uint8)],
    [(3, np.uint32)],
    [(16, np.uint8), (16, np.uint16)],
    [(5, np.uint8), (0, np.uint8), (30, np.uint16), (2, np.uint32), (1, np.uint8)],
]


@pytest.mark.parametrize("shapes", SHAPES)
@pytest.mark.parametrize("code", [Code(2, 3), Code(5, 9), Code(4, 40, 3)], ids=str)
def test_codewords_are_the_rows_encodings(code: Code, shapes: list[tuple[int, type]]) -> None:
    matrix = matrix_of(code, shapes)
    rows = dense(matrix)
    size = code.message_length
    expected = Encoder(code).encode(np.ascontiguousarray(rows[:, :size]), matrix.tails).T
    columns = EncodedColumns(matrix)
    for positions in ([0], [1, 2, code.length - 1], range(code.length)):
        np.testing.assert_array_equal(columns.at(positions), expected[list(positions)])


def test_single_columns_of_long_codewords() -> None:
    # So long that whole blocks of a coset are left out.
    matrix = matrix_of(Code(13, 20), [(17, np.uint8)])
    expected = codewords_of(matrix)
    for positions in ([0], [5, 8191, 8192, 20000, 20001, 32767]):
        columns = EncodedColumns(matrix).at(positions)
        np.testing.assert_array_equal(columns, expected[positions])


# One thread and several, tiles that do not divide the width: 2^12 values are two tiles.
@pytest.mark.parametrize("threads", ["1", "2", "5"])
def test_threads_do_not_change_anything(threads: str, monkeypatch: pytest.MonkeyPatch) -> None:
    code = Code(12, 50)
    matrix = matrix_of(code, [(40, np.uint8), (37, np.uint16), (3, np.uint32)])
    salts = np.random.default_rng(1).bytes
    monkeypatch.setenv("WMPROOF_THREADS", "1")
    c, w = random_vector(80, 1), random_vector(4096, 2)
    one = (matrix.commit(entropy=bytes), matrix.combine_rows(c), matrix.project_columns(w))
    monkeypatch.setenv("WMPROOF_THREADS", threads)
    many = (matrix.commit(entropy=bytes), matrix.combine_rows(c), matrix.project_columns(w))
    assert one[0].root == many[0].root
    assert matrix.commit(entropy=salts).root != one[0].root
    np.testing.assert_array_equal(one[1], many[1])
    np.testing.assert_array_equal(one[2], many[2])


@settings(max_examples=40, deadline=None)
@given(
    shapes=st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from(DTYPES)), min_size=1, max_size=4
    ).filter(lambda shapes: any(rows for rows, _ in shapes)),
    bits=st.integers(2, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_combinations_and_projections(shapes: list[tuple[int, type]], bits: int, seed: int) -> None:
    code = Code(bits, 3)
    matrix = matrix_of(code, shapes, seed)
    rows = dense(matrix)
    c, w = random_vector(matrix.rows, seed), random_vector(1 << bits, seed + 1)
    assert elements_of(matrix.combine_rows(c)) == expected_combination(elements_of(c), rows)
    messages = rows[:, : 1 << bits]
    projected = expected_combination(elements_of(w), messages.T)
    assert elements_of(matrix.project_columns(w)) == projected
    start = seed % matrix.rows
    stop = start + seed % (matrix.rows - start + 1)
    assert elements_of(matrix.project_columns(w, start, stop)) == projected[start:stop]


def test_large_sums_do_not_overflow() -> None:
    code = Code(12, 4)
    rows = 600
    block = np.full((rows, 4096), P - 1, np.uint32)
    matrix = MessageMatrix([block], np.full((rows, 4), P - 1, np.uint32), code)
    top = Element(P - 1, P - 1, P - 1, P - 1)
    combined = elements_of(matrix.combine_rows(vector_of([top] * rows)))
    assert set(combined) == {Element(rows, rows, rows, rows)}
    projected = elements_of(matrix.project_columns(vector_of([top] * 4096)))
    assert set(projected) == {Element(4096, 4096, 4096, 4096)}


def test_the_combination_of_codewords_is_the_codeword_of_the_combination() -> None:
    code = Code(6, 20)
    matrix = matrix_of(code, [(7, np.uint8), (4, np.uint32)])
    c = random_vector(11, 4)
    combined = matrix.combine_rows(c)
    word = Encoder(code).encode(
        np.ascontiguousarray(combined[:, :64]), np.ascontiguousarray(combined[:, 64:])
    )
    columns = codewords_of(matrix)
    assert elements_of(word) == expected_combination(elements_of(c), columns.T)


def checked(
    matrix: CommittedMatrix, positions: list[int], columns: np.ndarray, salts: bytes
) -> None:
    opening = matrix.open_columns(positions)
    leaves = leaf_hashes(columns, salts)
    depth = matrix.columns.length.bit_length() - 1
    verify_opening(matrix.root, depth, positions, leaves, opening.siblings)


def test_opened_columns_verify_and_no_other_column_does() -> None:
    code = Code(4, 6)
    messages = matrix_of(code, [(9, np.uint8), (3, np.uint32)])
    matrix = messages.commit()
    positions = [0, 1, 17, 40, 63]
    opening = matrix.open_columns(positions)
    assert opening.columns.flags.c_contiguous
    np.testing.assert_array_equal(opening.columns, codewords_of(messages)[positions])
    checked(matrix, positions, opening.columns, opening.salts)
    for i in range(len(positions)):
        for row in range(12):
            changed = opening.columns.copy()
            changed[i, row] = (changed[i, row] + 1) % P
            with pytest.raises(ProofError):
                checked(matrix, positions, changed, opening.salts)
        salts = bytearray(opening.salts)
        salts[i * SALT_BYTES] ^= 1
        with pytest.raises(ProofError):
            checked(matrix, positions, opening.columns, bytes(salts))
    with pytest.raises(ProofError):
        checked(matrix, positions, opening.columns[[1, 0, 2, 3, 4]], opening.salts)
    with pytest.raises(ProofError):
        checked(matrix, positions, opening.columns[:, ::-1], opening.salts)


def test_salts_differ_between_leaves_and_between_commitments() -> None:
    matrix = matrix_of(Code(4, 6), [(2, np.uint8)])
    first, second = matrix.commit(), matrix.commit()
    assert first.root != second.root
    salts = first.open_columns(range(64)).salts
    pieces = {salts[i : i + SALT_BYTES] for i in range(0, len(salts), SALT_BYTES)}
    assert len(pieces) == 64


def test_secrets_stay_out_of_representations() -> None:
    committed = matrix_of(Code(4, 6), [(2, np.uint8)]).commit()
    assert "salts" not in repr(committed)


@pytest.mark.parametrize(
    ("bits", "rows", "dtype"),
    [(13, 20, np.uint8), (11, 600, np.uint8), (11, 6000, np.uint16), (10, 3000, np.uint32)],
)
def test_opening_takes_the_memory_that_is_foreseen(bits: int, rows: int, dtype: type) -> None:
    """A plan that is believed is what keeps a proof of many gigabytes from being killed."""
    source = matrix_of(Code(bits, 100), [(rows, dtype)])
    columns, chosen = (
        EncodedColumns(source),
        range(0, source.code.length, source.code.length // AT_ONCE),
    )
    columns.at(chosen[:1])  # compiles
    tracemalloc.start()
    columns.at(chosen)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    foreseen = memory(rows, bits, 0).proving
    assert most <= foreseen <= 2.5 * most


def test_foreign_input_is_refused() -> None:
    code = Code(4, 6)
    good, tails = np.zeros((2, 16), np.uint8), np.zeros((2, 6), np.uint32)
    high = np.zeros((2, 16), np.uint32)
    high[1, 3] = P
    for blocks in ([good[:, :8]], [good.astype(np.int64)], [good[0]], [high], [good.T.copy().T]):
        with pytest.raises(InputError):
            MessageMatrix(blocks, tails, code)
    with pytest.raises(InputError, match="above 6"):
        MessageMatrix([good, good + np.uint8(7)], np.tile(tails, (2, 1)), code, [6, 6])
    bad = tails.copy()
    bad[0, 5] = P
    for other in (tails[:1], tails[:, :5], tails.astype(np.uint16), bad):
        with pytest.raises(InputError):
            MessageMatrix([good], other, code)
    with pytest.raises(InputError):
        MessageMatrix([], tails[:0], code)
    matrix = MessageMatrix([good], tails, code)
    with pytest.raises(InputError, match="coefficients"):
        matrix.combine_rows(np.zeros((4, 3), np.uint32))
    with pytest.raises(InputError, match="weights"):
        matrix.project_columns(np.zeros((4, 15), np.uint32))
    for start, stop in ((-1, 1), (0, 3), (2, 1)):
        with pytest.raises(InputError, match="rows"):
            matrix.project_columns(np.zeros((4, 16), np.uint32), start, stop)


@pytest.mark.parametrize(
    "module", [wmproof.argument.pcs.ligero.merkle, wmproof.argument.pcs.ligero.reed_solomon]
)
def test_what_a_verifier_uses_does_not_import_the_matrix(module: object) -> None:
    tree = ast.parse(Path(str(module.__file__)).read_text())  # type: ignore[attr-defined]
    imported = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert "wmproof.argument.pcs.ligero.matrix" not in imported


@pytest.mark.parametrize(("start", "stop"), [(0, 12), (3, 11), (4, 9), (5, 6), (7, 7)])
def test_combinations_of_a_range_of_rows(start: int, stop: int) -> None:
    matrix = matrix_of(Code(4, 3), [(4, np.uint8), (5, np.uint16), (3, np.uint32)])
    c = random_vector(12, 3)[:, start:stop]
    expected = expected_combination(elements_of(c), dense(matrix)[start:stop, :16])
    assert elements_of(matrix.combine_messages(c, start)) == expected


def test_coefficients_for_other_rows_are_refused() -> None:
    matrix = matrix_of(Code(4, 3), [(4, np.uint8)])
    for size in (1, 3, 5):
        with pytest.raises(InputError, match="coefficients"):
            matrix.combine_rows(np.zeros((4, size), np.uint32))
    with pytest.raises(InputError, match="coefficients"):
        matrix.combine_messages(np.zeros((3, 2), np.uint32), 0)
    for start, size in ((-1, 2), (3, 2), (5, 0)):
        with pytest.raises(InputError, match="rows"):
            matrix.combine_messages(np.zeros((4, size), np.uint32), start)


# Rows of a batch, of a chunk of the hash, of several; salts that end a block and that begin one.
@pytest.mark.parametrize("rows", [1, 7, 8, 9, 16, 247, 248, 249, 256, 257, 512, 770, 1300])
@pytest.mark.parametrize("message_bits", [5, 6, 7])
def test_columns_are_hashed_while_they_are_encoded(rows: int, message_bits: int) -> None:
    code = Code(message_bits, 9)
    matrix = matrix_of(code, [(rows // 2, np.uint8), (rows - rows // 2, np.uint32)])
    salts = np.random.default_rng(rows).bytes(code.length * 32)
    columns = EncodedColumns(matrix)
    expected = leaf_hashes(columns.at(range(code.length)), salts)
    assert [leaf.tobytes() for leaf in columns.leaves(salts).astype("<u4")] == expected
