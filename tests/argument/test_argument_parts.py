"""Completeness of lookups and claims over all sizes."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from wmproof.argument.channel import VerifierChannel, constant
from wmproof.argument.element import Element
from wmproof.argument.field import P
from wmproof.argument.ligero.claims import PointClaim
from wmproof.argument.ligero.evaluation_prover import prove_evaluations
from wmproof.argument.ligero.evaluation_verifier import EvaluationTest
from wmproof.argument.logup import prover as logup_prover
from wmproof.argument.logup import verifier as logup_verifier
from wmproof.argument.logup.statement import ArrayTable, Lookup
from wmproof.argument.matrix import MessageMatrix
from wmproof.argument.multilinear import (
    evaluate_base,
)
from wmproof.argument.prover_channel import ProverChannel
from wmproof.argument.reed_solomon import Code
from wmproof.argument.transcript import fiat_shamir_prover, fiat_shamir_verifier

SEEDS = st.integers(0, 2**32 - 1)


def _elements(rng: np.random.Generator, count: int) -> list[Element]:
    return [Element(*row) for row in rng.integers(0, P, (count, 4)).tolist()]


def _plain_channels() -> tuple[ProverChannel, object]:
    transcript, buffer = fiat_shamir_prover("test")
    return ProverChannel(transcript, None), buffer


def _verifier(buffer: object) -> VerifierChannel:
    proof = buffer.getvalue()  # type: ignore[attr-defined]
    return VerifierChannel(fiat_shamir_verifier("test", proof), hiding=False)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(1, 6), st.integers(1, 3), st.lists(st.integers(1, 70), max_size=3))
def test_lookups_are_complete(seed: int, table_bits: int, width: int, lengths: list[int]) -> None:
    rng = np.random.default_rng(seed)
    columns = rng.integers(0, P, (width, 1 << table_bits), dtype=np.uint32)
    fill = int(rng.integers(0, 1 << table_bits))
    lookup = Lookup("l", ArrayTable(columns, fill), lengths)
    rows = [rng.integers(0, 1 << table_bits, n) for n in lengths]
    groups = [np.ascontiguousarray(columns[:, r]) for r in rows]
    padded = [
        np.concatenate([r, np.full((1 << lookup.bits(g)) - len(r), fill)])
        for g, r in enumerate(rows)
    ]
    multiplicities = logup_prover.count_multiplicities(padded, table_bits)
    channel, buffer = _plain_channels()
    points = logup_prover.prove(channel, lookup, groups, multiplicities)
    claims = logup_verifier.verify(_verifier(buffer), lookup)
    for group, claim, point in zip(groups, claims.groups, points.groups, strict=True):
        assert claim.point == point
        expected = [evaluate_base(column, point) for column in group]
        assert [value.constant for value in claim.values] == expected
    value = claims.multiplicities.values[0].constant
    assert value == evaluate_base(multiplicities, points.multiplicities)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(1, 21), st.integers(2, 5), st.integers(1, 4))
def test_claims_are_complete(seed: int, rows: int, message_bits: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    code = Code(message_bits, 3, 3)
    block = rng.integers(0, P, (rows, 1 << message_bits), dtype=np.uint32)
    tails = rng.integers(0, P, (rows, 3), dtype=np.uint32)
    matrix = MessageMatrix([block], tails, code)
    row_bits = (rows - 1).bit_length()
    points = []
    for _ in range(count):
        fixed = int(rng.integers(0, row_bits + message_bits + 1))
        corner = [Element(int(b)) for b in rng.integers(0, 2, fixed)]
        points.append([*corner, *_elements(rng, row_bits + message_bits - fixed)])
    channel, buffer = _plain_channels()
    prove_evaluations(channel, matrix, points)
    values = [evaluate_base(block.reshape(-1), point) for point in points]
    claims = [PointClaim(p, constant(v)) for p, v in zip(points, values, strict=True)]
    test = EvaluationTest(_verifier(buffer), code, rows, claims)
    positions = [0, 1, code.length - 1]
    opened = matrix.commit().open_columns(positions)
    test.check_columns(positions, opened.columns)
