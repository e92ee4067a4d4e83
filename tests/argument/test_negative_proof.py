"""Whatever is changed in a valid proof, or in what it is said to prove, it is rejected.

Always with ProofError. Challenges are hashes, so a changed proof can be accepted by chance, but the
changes made here are not well chosen, and the chance is below 2^-50: a changed column or salt does
not fit the root, a changed polynomial differs from the committed one at every position, a changed
message gives the linear test another sum, a changed nonce other positions.
"""

import random
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lookup_statement import LookupProof, LookupStatement
from proof_map import Message, check

from wmproof.argument.algebra.element import BYTES
from wmproof.argument.algebra.field import P
from wmproof.argument.logup.statement import ArrayTable, Lookup
from wmproof.argument.system.encoding import length_bounds
from wmproof.argument.system.prover import prove
from wmproof.argument.system.statement import MAGIC, Security, prepare
from wmproof.argument.system.verifier import verify_proof
from wmproof.errors import ProofError

LENGTH, TABLE_BITS, MESSAGE_BITS = 20, 3, 4
STATEMENT = LookupStatement(LENGTH, TABLE_BITS, MESSAGE_BITS)
SECURITY = Security(bits=12, grinding_bits=4)
SETUP = prepare(STATEMENT, SECURITY)
HASHES = ("witness/root", "pads/root", "salts", "siblings")


def _make(seed: int) -> bytes:
    rows = np.random.default_rng(seed).integers(0, 1 << TABLE_BITS, LENGTH)
    proof = LookupProof(LENGTH, TABLE_BITS, MESSAGE_BITS).with_rows(rows)
    return prove(proof, proof.witness(), SECURITY)


PROOF = _make(1)
MESSAGES = check(STATEMENT, SETUP, PROOF)


def _unit(message: Message) -> int:
    """Bytes of one element, hash, salt or nonce of a message."""
    if message.label == "magic":
        return 1
    if message.label.endswith("/work"):
        return 1
    if message.label.endswith(HASHES):
        return 32
    if message.label in ("witness/columns", "pads/columns"):
        return 4
    return BYTES


def _is_field(message: Message) -> bool:
    return _unit(message) in (4, BYTES)


def _units() -> Iterator[tuple[Message, int]]:
    """Every element of every message, as (message, offset in the proof)."""
    for message in MESSAGES:
        unit = _unit(message)
        assert message.size % unit == 0
        for offset in range(message.start, message.start + message.size, unit):
            yield message, offset


def _reject(proof: bytes) -> None:
    with pytest.raises(ProofError):
        check(STATEMENT, SETUP, proof)


def _put(offset: int, data: bytes) -> bytes:
    return PROOF[:offset] + data + PROOF[offset + len(data) :]


def _word(offset: int) -> int:
    return int.from_bytes(PROOF[offset : offset + 4], "little")


def test_the_proof_is_valid_and_every_byte_belongs_to_a_message() -> None:
    assert verify_proof(STATEMENT, PROOF, SECURITY) == SETUP
    assert sum(message.size for message in MESSAGES) == len(PROOF)
    assert {label.label.split("/")[0] for label in MESSAGES} == {
        "magic",
        "witness",
        "pads",
        "squares",
        "evaluation",
        "positions",
    }


# Split by label, so that a failure names the message, and a run can be spread over cores.
@pytest.mark.parametrize("label", sorted({message.label for message in MESSAGES}))
def test_every_element_of_every_message_counts(label: str) -> None:
    rng = random.Random(label)
    for message, offset in _units():
        if message.label != label:
            continue
        if _is_field(message):
            where = offset + 4 * rng.randrange(_unit(message) // 4)
            value = (_word(where) + rng.randrange(1, P)) % P
            _reject(_put(where, value.to_bytes(4, "little")))
        else:
            where = offset + rng.randrange(_unit(message))
            _reject(_put(where, bytes([PROOF[where] ^ 1 << rng.randrange(8)])))


def test_smallest_changes_count() -> None:
    # One more in the constant coefficient, in one element of each message.
    for message in filter(_is_field, MESSAGES):
        where = message.start + message.size // 2 // _unit(message) * _unit(message)
        _reject(_put(where, ((_word(where) + 1) % P).to_bytes(4, "little")))


@pytest.mark.parametrize("value", [P, 2**31, 2**32 - 1])
def test_no_element_may_be_p_or_more(value: int) -> None:
    for message in filter(_is_field, MESSAGES):
        for where in (message.start, message.start + message.size - 4):
            with pytest.raises(ProofError, match="below p"):
                check(STATEMENT, SETUP, _put(where, value.to_bytes(4, "little")))


def test_an_element_has_one_encoding() -> None:
    for message in filter(_is_field, MESSAGES):
        for where in range(message.start, message.start + message.size, 4):
            if _word(where) + P < 2**32:
                equal = (_word(where) + P).to_bytes(4, "little")
                with pytest.raises(ProofError, match="below p"):
                    check(STATEMENT, SETUP, _put(where, equal))
                break


def test_truncated_proofs_are_rejected() -> None:
    for message in MESSAGES:
        _reject(PROOF[: message.start])
        _reject(PROOF[: message.start + message.size // 2])
    for missing in (1, 2, 4, 31, 32, 33, 64):
        _reject(PROOF[:-missing])


def test_left_out_messages_are_rejected() -> None:
    for message in MESSAGES:
        if message.size:
            _reject(PROOF[: message.start] + PROOF[message.start + message.size :])


def test_longer_proofs_are_rejected() -> None:
    for tail in (b"\0", bytes(4), bytes(32), bytes(64), PROOF[-32:], PROOF):
        _reject(PROOF + tail)
        _reject(PROOF[: len(MAGIC)] + tail + PROOF[len(MAGIC) :])
    _, greatest = length_bounds(SETUP)
    _reject(PROOF + bytes(greatest + 32 - len(PROOF)))


def test_neighbouring_messages_of_one_size_cannot_change_places() -> None:
    swapped = 0
    for one, other in pairwise(MESSAGES):
        if one.size == other.size:
            first = PROOF[one.start : one.start + one.size]
            second = PROOF[other.start : other.start + other.size]
            _reject(_put(one.start, second + first))
            swapped += 1
    assert swapped


@pytest.mark.parametrize("matrix", ["witness", "pads"])
def test_opened_columns_cannot_change_places(matrix: str) -> None:
    columns, salts = (
        next(m for m in MESSAGES if m.label == f"{matrix}/{kind}") for kind in ("columns", "salts")
    )
    queries = salts.size // 32
    height = columns.size // queries

    def swap(proof: bytes, start: int, width: int, i: int) -> bytes:
        low, middle, high = (start + (i + k) * width for k in range(3))
        return proof[:low] + proof[middle:high] + proof[low:middle] + proof[high:]

    for i in range(queries - 1):
        moved = swap(PROOF, columns.start, height, i)
        _reject(moved)
        _reject(swap(moved, salts.start, 32, i))
        _reject(swap(PROOF, salts.start, 32, i))


def test_rows_of_the_opened_columns_cannot_change_places() -> None:
    message = next(m for m in MESSAGES if m.label == "witness/columns")
    data = PROOF[message.start : message.start + message.size]
    columns = np.frombuffer(data, "<u4").reshape(SETUP.commitment.parameters.witness_queries, -1)
    for i, j in pairwise(range(columns.shape[1])):
        order = np.arange(columns.shape[1])
        order[[i, j]] = j, i
        _reject(_put(message.start, columns[:, order].tobytes()))


def test_messages_of_another_proof_of_the_same_are_rejected() -> None:
    other = _make(2)
    for message in MESSAGES[1:-2]:
        start, stop = message.start, message.start + message.size
        # Two small nonces may well be the same.
        if not message.label.endswith("/work") or other[start:stop] != PROOF[start:stop]:
            _reject(PROOF[:start] + other[start:stop] + PROOF[stop:])
        _reject(PROOF[:stop] + other[stop:])


def test_swapped_matrices_are_rejected() -> None:
    roots = PROOF[len(MAGIC) : len(MAGIC) + 64]
    _reject(_put(len(MAGIC), roots[32:] + roots[:32]))


@pytest.mark.parametrize(
    "statement",
    [
        LookupStatement(LENGTH - 1, TABLE_BITS, MESSAGE_BITS),
        LookupStatement(LENGTH + 1, TABLE_BITS, MESSAGE_BITS),
        LookupStatement(2 * LENGTH, TABLE_BITS, MESSAGE_BITS),
        LookupStatement(LENGTH, TABLE_BITS + 1, MESSAGE_BITS),
        LookupStatement(LENGTH, TABLE_BITS, MESSAGE_BITS + 1),
    ],
    ids=["shorter", "longer", "twice as long", "larger table", "wider rows"],
)
def test_a_proof_is_of_one_statement_only(statement: LookupStatement) -> None:
    with pytest.raises(ProofError):
        verify_proof(statement, PROOF, SECURITY)


@pytest.mark.parametrize(
    "security",
    [
        Security(13, 4),
        Security(11, 4),
        Security(12, 5),
        Security(12, 3),
        Security(12, 0),
        Security(),
    ],
    ids=str,
)
def test_a_proof_is_of_one_security_only(security: Security) -> None:
    if prepare(STATEMENT, security) == SETUP:
        pytest.skip("the same parameters")
    with pytest.raises(ProofError):
        verify_proof(STATEMENT, PROOF, security)


def test_the_digest_is_bound() -> None:
    class Other(LookupStatement):
        @property
        def digest(self) -> bytes:
            return bytes([super().digest[0] ^ 1]) + super().digest[1:]

    with pytest.raises(ProofError):
        verify_proof(Other(LENGTH, TABLE_BITS, MESSAGE_BITS), PROOF, SECURITY)


@pytest.mark.parametrize("column", [0, 1])
def test_another_table_is_rejected(column: int) -> None:
    # Even where the digest does not tell them apart.
    statement = LookupStatement(LENGTH, TABLE_BITS, MESSAGE_BITS)
    columns = statement.table.columns().copy()
    columns[column, 5] += 1
    statement.table = ArrayTable(columns)
    statement.lookup = Lookup("squares", statement.table, [LENGTH])
    with pytest.raises(ProofError):
        verify_proof(statement, PROOF, SECURITY)


def test_swapped_table_columns_are_rejected() -> None:
    statement = LookupStatement(LENGTH, TABLE_BITS, MESSAGE_BITS)
    statement.table = ArrayTable(np.ascontiguousarray(statement.table.columns()[::-1]))
    statement.lookup = Lookup("squares", statement.table, [LENGTH])
    with pytest.raises(ProofError):
        verify_proof(statement, PROOF, SECURITY)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_garbled_proofs_raise_nothing_but_proof_errors(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(PROOF)))
    stop = data.draw(st.integers(start, min(len(PROOF), start + 80)))
    garbled = PROOF[:start] + data.draw(st.binary(max_size=80)) + PROOF[stop:]
    if garbled != PROOF:
        _reject(garbled)


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=200))
def test_noise_is_no_proof(noise: bytes) -> None:
    _reject(noise)
    _reject(MAGIC + noise)
    filled = (MAGIC + noise + bytes(len(PROOF)))[: len(PROOF)]
    _reject(filled)
