"""Lookups of any shape are proved, and their claims are about the columns; false ones fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from plain import evaluate

from wmproof.argument.algebra.element import ZERO, Element
from wmproof.argument.algebra.field import U32, P
from wmproof.argument.channel import Expression, VerifierChannel
from wmproof.argument.logup import prover, verifier
from wmproof.argument.logup.statement import ArrayTable, Lookup, filled_part, powers
from wmproof.argument.pcs.ligero.pad_prover import draw_pads
from wmproof.argument.prover_channel import ProverChannel
from wmproof.argument.transcript import fiat_shamir_prover, fiat_shamir_verifier
from wmproof.errors import ProofError


@dataclass
class Case:
    """A lookup with columns, and how often each table row occurs in them."""

    lookup: Lookup
    groups: list[U32]
    multiplicities: U32


def _case(
    bits: int,
    width: int,
    lengths: Sequence[int],
    fill_row: int,
    seed: int,
    blocks: Sequence[int] = (),
) -> Case:
    rng = np.random.default_rng(seed)
    columns = rng.integers(0, P, (width, 1 << bits), dtype=np.uint32)
    table = ArrayTable(columns, fill_row)
    lookup = Lookup("toy", table, list(lengths), blocks)
    groups, indices = [], []
    for g, length in enumerate(lengths):
        chosen = rng.integers(0, 1 << bits, length)
        filled = np.full(1 << lookup.bits(g), fill_row)
        filled[:length] = chosen
        groups.append(np.ascontiguousarray(columns[:, chosen]))
        indices.append(filled)
    return Case(lookup, groups, prover.count_multiplicities(indices, bits))


def _value(expression: Expression, unknowns: dict[int, Element]) -> Element:
    total = expression.constant
    for unknown, coefficient in expression.terms.items():
        total = total + coefficient * unknowns[unknown]
    return total


def _check(case: Case, *, hiding: bool = False, grinding_bits: int = 0) -> None:
    """ProofError unless the proof of the lookup verifies and its claims are true."""
    pads = draw_pads(1200) if hiding else None
    speaking, proof = fiat_shamir_prover("lookup")
    channel = ProverChannel(speaking, pads, grinding_bits=grinding_bits)
    points = prover.prove(channel, case.lookup, case.groups, case.multiplicities)
    listening = fiat_shamir_verifier("lookup", proof.getvalue())
    heard = VerifierChannel(listening, hiding=hiding, grinding_bits=grinding_bits)
    claims = verifier.verify(heard, case.lookup)
    listening.finish()

    system = heard.system
    unknowns = dict(enumerate(pads or []))
    unknowns |= {~k: unknowns[i] * unknowns[j] for k, (i, j) in enumerate(system.products)}
    if any(_value(zero, unknowns) != ZERO for zero in system.zeros):
        raise ProofError("test", "an equation in the pads does not hold")
    assert [claim.point for claim in claims.groups] == points.groups
    assert claims.multiplicities.point == points.multiplicities
    for g, (columns, claim) in enumerate(zip(case.groups, claims.groups, strict=True)):
        blocks = case.lookup.blocks_of(g)
        cube = np.zeros((len(columns), columns.shape[1] // blocks, 1 << (blocks - 1).bit_length()))
        cube[:, :, :blocks] = columns.reshape(len(columns), -1, blocks)
        whole = columns if blocks == 1 else cube.reshape(len(columns), -1).astype(np.uint32)
        for column, value in zip(whole.tolist(), claim.values, strict=True):
            _compare(column, claim.point, _value(value, unknowns))
    [value] = claims.multiplicities.values
    _compare(case.multiplicities.tolist(), claims.multiplicities.point, _value(value, unknowns))


def _compare(column: list[int], point: list[Element], value: Element) -> None:
    if evaluate(column, point) != value:
        raise ProofError("test", "a claim on the columns is false")


@settings(max_examples=60, deadline=None)
@given(
    bits=st.integers(1, 8),
    width=st.integers(1, 3),
    lengths=st.lists(st.integers(1, 70), min_size=1, max_size=3),
    hiding=st.booleans(),
    seed=st.integers(0, 2**32),
    data=st.data(),
)
def test_true_lookups_are_proved(
    bits: int, width: int, lengths: list[int], hiding: bool, seed: int, data: st.DataObject
) -> None:
    fill_row = data.draw(st.integers(0, (1 << bits) - 1))
    _check(_case(bits, width, lengths, fill_row, seed), hiding=hiding)


@pytest.mark.parametrize("lengths", [[1], [2], [1, 1, 1], [2048, 1], [1025], [1000, 24, 3]])
@pytest.mark.parametrize("hiding", [False, True])
def test_extreme_lengths(lengths: list[int], hiding: bool) -> None:
    _check(_case(3, 2, lengths, 5, 1), hiding=hiding, grinding_bits=3)


@pytest.mark.parametrize("blocks", [3, 5, 7, 9, 49])
@pytest.mark.parametrize("free", [0, 1, 2, 3, 5])
def test_blocks_that_are_missing_are_filled_up(blocks: int, free: int) -> None:
    given = [blocks << free, 11, 3 << 4], 2, 1, [blocks, 1, 3]
    _check(_case(3, 2, *given), hiding=True)
    for change in (-1, 1):
        case = _case(3, 2, *given)
        counts = case.multiplicities
        counts[2] = int(counts[2]) + change
        with pytest.raises(ProofError):
            _check(case)
    case = _case(3, 2, *given)
    case.groups[0][1, -1] = (int(case.groups[0][1, -1]) + 1) % P
    with pytest.raises(ProofError):
        _check(case)


def test_long_columns_of_blocks_are_proved_on_all_threads() -> None:
    _check(_case(3, 1, [49 << 10, 5 << 10], 2, 1, [49, 5]))


def test_a_table_may_repeat_rows() -> None:
    # The multiplicities of equal rows can be shared out at will.
    columns = np.array([[7, 7, 7, 9]], np.uint32)
    lookup = Lookup("toy", ArrayTable(columns), [5])
    group = np.array([[7, 9, 7, 7, 7]], np.uint32)
    for counts in ([7, 0, 0, 1], [2, 4, 1, 1], [8, P - 1, 0, 1]):
        _check(Case(lookup, [group], np.array(counts, np.uint32)))


@settings(max_examples=40, deadline=None)
@given(
    bits=st.integers(1, 5),
    width=st.integers(1, 3),
    lengths=st.lists(st.integers(1, 20), min_size=1, max_size=3),
    off=st.integers(1, P - 1),
    hiding=st.booleans(),
    seed=st.integers(0, 2**32),
    data=st.data(),
)
def test_a_wrong_entry_or_count_is_rejected(
    bits: int,
    width: int,
    lengths: list[int],
    off: int,
    hiding: bool,
    seed: int,
    data: st.DataObject,
) -> None:
    case = _case(bits, width, lengths, 0, seed)
    if data.draw(st.booleans()):
        group = data.draw(st.sampled_from(case.groups))
        j, x = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, group.shape[1] - 1))
        group[j, x] = (int(group[j, x]) + off) % P
        assume(group[:, x].tolist() not in case.lookup.table.columns().T.tolist())
    else:
        y = data.draw(st.integers(0, (1 << bits) - 1))
        case.multiplicities[y] = (int(case.multiplicities[y]) + off) % P
    with pytest.raises(ProofError):
        _check(case, hiding=hiding)


def test_the_same_value_p_times_is_no_way_out() -> None:
    # 1 / (a - w) counted 0 = p times; a count is a field element, an entry is there or not.
    case = _case(2, 1, [3], 0, 3)
    case.groups[0][0, 1] = 5
    case.multiplicities[:] = 0
    with pytest.raises(ProofError):
        _check(case)


@pytest.mark.parametrize("wrong", ["length", "rows of the table"])
def test_another_shape_than_announced_is_an_error(wrong: str) -> None:
    case = _case(3, 2, [9], 0, 4)
    if wrong == "length":
        case.groups[0] = np.ascontiguousarray(case.groups[0][:, :8])
        with pytest.raises(ValueError, match="8 rows, not 9"):
            _check(case)
    else:
        with pytest.raises(ValueError, match="power of two"):
            ArrayTable(np.zeros((1, 6), np.uint32))


def test_groups_cannot_change_places() -> None:
    case = _case(3, 2, [4, 4], 0, 5)
    speaking, proof = fiat_shamir_prover("lookup")
    prover.prove(ProverChannel(speaking, None), case.lookup, case.groups, case.multiplicities)
    listening = fiat_shamir_verifier("lookup", proof.getvalue())
    claims = verifier.verify(VerifierChannel(listening, hiding=False), case.lookup)
    for columns, claim in zip(case.groups[::-1], claims.groups, strict=True):
        with pytest.raises(ProofError):
            _compare(columns[0].tolist(), claim.point, claim.values[0].constant)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 15), max_size=20), max_size=4).map(
        lambda groups: [np.array(group, np.int64) for group in groups]
    )
)
def test_multiplicities_are_counts(groups: list[np.ndarray]) -> None:
    found = prover.count_multiplicities(groups, 4)
    assert found.tolist() == [sum(g.tolist().count(y) for g in groups) for y in range(16)]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(0, 99))
def test_the_filling_is_the_extension_of_what_stands_behind_the_end(length: int, seed: int) -> None:
    case = _case(2, 3, [length], 1, seed)
    bits = case.lookup.bits(0)
    beta, *point = draw_pads(1 + bits)
    row = ZERO
    for power, value in zip(powers(beta, 3), case.lookup.table.fill, strict=True):
        row = row + power * Element(value)
    behind = [ZERO] * length + [row] * ((1 << bits) - length)
    assert filled_part(case.lookup, 0, point, beta) == evaluate(behind, point)
