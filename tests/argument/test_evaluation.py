"""Values of a committed matrix of any number of rows, at any points; false values are rejected."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import base_values, codewords_of, evaluate, points

from wmproof.argument.algebra.element import ONE, ZERO, Element
from wmproof.argument.algebra.field import P, random_elements
from wmproof.argument.algebra.multilinear import index_point
from wmproof.argument.channel import VerifierChannel, constant
from wmproof.argument.pcs.claims import Place, PointClaim
from wmproof.argument.pcs.ligero.claims import corner_rows
from wmproof.argument.pcs.ligero.evaluation_prover import prove_evaluations
from wmproof.argument.pcs.ligero.evaluation_verifier import EvaluationTest
from wmproof.argument.pcs.ligero.matrix import MessageMatrix
from wmproof.argument.pcs.ligero.memory import memory
from wmproof.argument.pcs.ligero.pad_prover import draw_pads
from wmproof.argument.pcs.ligero.reed_solomon import Code
from wmproof.argument.prover_channel import ProverChannel
from wmproof.argument.transcript import fiat_shamir_prover, fiat_shamir_verifier
from wmproof.errors import ProofError

QUERIES = 6


def _matrix(rows: Sequence[int], message_bits: int, seed: int) -> MessageMatrix:
    """Blocks of bytes, halfwords and words in turn."""
    code = Code(message_bits, QUERIES, 4)
    blocks = []
    for i, count in enumerate(rows):
        below, dtype = ((256, np.uint8), (65536, np.uint16), (P, np.uint32))[i % 3]
        values = base_values(count * code.message_length, seed + i, below).astype(dtype)
        blocks.append(values.reshape(count, code.message_length))
    return MessageMatrix(blocks, random_elements((sum(rows), code.tail)), code)


def _entries(matrix: MessageMatrix) -> list[int]:
    return [v for block in matrix.blocks for v in block.reshape(-1).tolist()]


def _check(
    matrix: MessageMatrix,
    claimed: Sequence[tuple[list[Element], Element]],
    *,
    hiding: bool,
    codewords: np.ndarray | None = None,
    rows: Sequence[range | None] | None = None,
) -> None:
    """Prove values at points and verify them, columns included; ProofError if they are false."""
    if codewords is None:
        codewords = codewords_of(matrix)
    variables = (matrix.rows - 1).bit_length() + matrix.code.message_bits
    pads = draw_pads(2 * variables) if hiding else None
    speaking, proof = fiat_shamir_prover("evaluation")
    which = rows or [None] * len(claimed)
    where = [Place(point, own) for (point, _), own in zip(claimed, which, strict=True)]
    prove_evaluations(ProverChannel(speaking, pads), matrix, where, blinding=0)
    listening = fiat_shamir_verifier("evaluation", proof.getvalue())
    channel = VerifierChannel(listening, hiding=hiding)
    claims = [
        PointClaim(point, constant(value), own)
        for (point, value), own in zip(claimed, which, strict=True)
    ]
    test = EvaluationTest(channel, matrix.code, matrix.rows, claims)
    for zero in channel.system.zeros:
        total = zero.constant
        for unknown, coefficient in zero.terms.items():
            total = total + coefficient * (pads or [])[unknown]
        if total != ZERO:
            raise ProofError("test", "an equation in the pads does not hold")
    positions = listening.positions("positions", matrix.code.length, QUERIES)
    test.check_columns(positions, np.ascontiguousarray(codewords[positions]))
    listening.finish()


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    message_bits=st.integers(2, 4),
    hiding=st.booleans(),
    seed=st.integers(0, 2**32),
    data=st.data(),
)
def test_true_values_are_proved(
    rows: list[int], message_bits: int, hiding: bool, seed: int, data: st.DataObject
) -> None:
    matrix = _matrix(rows, message_bits, seed)
    entries = _entries(matrix)
    variables = (matrix.rows - 1).bit_length() + message_bits
    where = data.draw(st.lists(points(variables), min_size=1, max_size=4))
    claimed = [(point, evaluate(entries, point)) for point in where]
    _check(matrix, claimed, hiding=hiding)


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 8, 13])
def test_single_entries_are_values_at_corners(rows: int) -> None:
    matrix = _matrix([rows], 2, rows)
    entries = _entries(matrix)
    bits = (rows - 1).bit_length() + 2
    entries += [0] * ((1 << bits) - len(entries))  # rows behind the last one are zero
    claimed = [(index_point(i, bits), Element(v)) for i, v in enumerate(entries)]
    _check(matrix, claimed, hiding=False)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 12),
    count=st.integers(1, 4),
    hiding=st.booleans(),
    seed=st.integers(0, 2**32),
    data=st.data(),
)
def test_a_false_value_is_rejected(
    rows: int, count: int, hiding: bool, seed: int, data: st.DataObject
) -> None:
    matrix = _matrix([rows], 3, seed)
    entries = _entries(matrix)
    variables = (rows - 1).bit_length() + 3
    where = [data.draw(points(variables)) for _ in range(count)]
    claimed = [(point, evaluate(entries, point)) for point in where]
    wrong = data.draw(st.integers(0, count - 1))
    claimed[wrong] = (where[wrong], claimed[wrong][1] + ONE)
    with pytest.raises(ProofError, match=r"evaluation/claims|equation in the pads"):
        _check(matrix, claimed, hiding=hiding)


def test_errors_that_add_up_to_zero_are_rejected() -> None:
    # Claims are weighed by powers of a challenge.
    matrix = _matrix([4], 2, 7)
    where = [draw_pads(4), draw_pads(4)]
    claimed = [(point, evaluate(_entries(matrix), point)) for point in where]
    claimed = [(p, v + off) for (p, v), off in zip(claimed, (ONE, -ONE), strict=True)]
    with pytest.raises(ProofError, match="evaluation/claims"):
        _check(matrix, claimed, hiding=False)


@pytest.mark.parametrize("row", [0, 3, 6])
def test_values_of_another_matrix_than_the_committed_one_are_rejected(row: int) -> None:
    matrix = _matrix([7], 3, 1)
    committed = codewords_of(matrix)
    block = matrix.blocks[0].copy()
    block[row, 2] ^= 1
    other = MessageMatrix([block], matrix.tails, matrix.code)
    point = draw_pads(6)
    claimed = [(point, evaluate(_entries(other), point))]
    _check(other, claimed, hiding=False)
    with pytest.raises(ProofError, match="combined row differs"):
        _check(other, claimed, hiding=False, codewords=committed)


@pytest.mark.parametrize("hiding", [True, False])
@pytest.mark.parametrize(("first", "count"), [(0, 1), (0, 7), (2, 5), (5, 2), (6, 1), (3, 4)])
def test_claims_may_be_about_some_rows(first: int, count: int, hiding: bool) -> None:
    """As if they were a polynomial of their own, whatever their number and their place are."""
    code = Code(3, QUERIES, 4)
    matrix = MessageMatrix(
        [random_elements((4, 8)), random_elements((3, 8))], random_elements((7, code.tail)), code
    )
    rows = range(first, first + count)
    whole, own = draw_pads(3 + 3), draw_pads((count - 1).bit_length() + 3)
    entries = _entries(matrix)
    value = evaluate(entries[8 * first : 8 * (first + count)], own)
    true = [(whole, evaluate(entries, whole)), (own, value)]
    _check(matrix, true, hiding=hiding, rows=[None, rows])
    with pytest.raises(ProofError):
        _check(matrix, [true[0], (own, value + ONE)], hiding=hiding, rows=[None, rows])
    others = range(first - 1, first - 1 + count) if first else range(1, 1 + count)
    if others.stop <= matrix.rows:
        with pytest.raises(ProofError):
            _check(matrix, true, hiding=hiding, rows=[None, others])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 6).flatmap(points))
def test_corner_rows_are_those_that_a_point_weighs(point: list[Element]) -> None:
    start, stop, rest = corner_rows(point)
    assert stop - start == 1 << len(rest)
    for index in range(1 << len(point)):
        inside = start <= index < stop
        value = evaluate([int(i == index) for i in range(1 << len(point))], point)
        if inside:
            corner = [int(i == index - start) for i in range(1 << len(rest))]
            assert value == evaluate(corner, rest)
        else:
            assert value == ZERO


@pytest.mark.parametrize("threads", ["1", "8"])
def test_claims_are_bound_in_the_memory_that_is_foreseen(
    monkeypatch: pytest.MonkeyPatch, threads: str
) -> None:
    monkeypatch.setenv("WMPROOF_THREADS", threads)
    rows, bits, claims = 60, 12, 64
    code = Code(bits, QUERIES, 4)
    words = random_elements((rows, code.message_length))
    matrix = MessageMatrix([words], random_elements((rows, code.tail)), code)
    variables = (rows - 1).bit_length() + bits
    where = [draw_pads(variables) for _ in range(claims)]
    for _ in range(2):  # The first time compiles.
        speaking, _ = fiat_shamir_prover("evaluation")
        tracemalloc.start()
        prove_evaluations(ProverChannel(speaking, None), matrix, [*map(Place, where)], blinding=0)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert most <= memory(rows, bits, claims).proving <= 2 * most
