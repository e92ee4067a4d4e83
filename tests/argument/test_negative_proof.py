"""Proofs that must fail: every element of every message of a valid proof, changed one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lookup_statement import LookupProof, LookupStatement

from wmproof.argument.element import BYTES
from wmproof.argument.field import P
from wmproof.argument.system.encoding import length_bounds, sections
from wmproof.argument.system.prover import prove
from wmproof.argument.system.statement import MAGIC, Security, prepare
from wmproof.argument.system.verifier import verify_proof
from wmproof.errors import ProofError

SECURITY = Security(bits=24, grinding_bits=2)
SIZES = (20, 3, 3)
STATEMENT = LookupStatement(*SIZES)
SETUP = prepare(STATEMENT, SECURITY)


@pytest.fixture(scope="module")
def proof() -> bytes:
    rows = np.random.default_rng(3).integers(0, 8, SIZES[0])
    made = LookupProof(*SIZES).with_rows(rows)
    return prove(made, made.witness(), SECURITY)


def _borders() -> list[tuple[str, int, int, bool]]:
    """(name, start, stop, field elements?) of each section but the siblings."""
    result, offset = [], 0
    for name, size, is_field in sections(SETUP):
        result.append((name, offset, offset + size, is_field))
        offset += size
    return result


def _rejected(proof: bytes, statement: LookupStatement = STATEMENT) -> bool:
    try:
        verify_proof(statement, proof, SECURITY)
    except ProofError:
        return True
    return False


def _with_word(proof: bytes, offset: int, word: int) -> bytes:
    return proof[:offset] + word.to_bytes(4, "little") + proof[offset + 4 :]


def _word(proof: bytes, offset: int) -> int:
    return int.from_bytes(proof[offset : offset + 4], "little")


def test_the_proof_is_valid(proof: bytes) -> None:
    verify_proof(STATEMENT, proof, SECURITY)


def test_every_field_element_counts(proof: bytes) -> None:
    # In each element one coefficient, another one from element to element, gets another value.
    accepted = []
    for name, start, stop, is_field in _borders():
        for place, offset in enumerate(range(start, stop, BYTES) if is_field else ()):
            word_at = min(offset + 4 * (place % 4), stop - 4)
            changed = (_word(proof, word_at) + 1 + place) % P
            if not _rejected(_with_word(proof, word_at, changed)):
                accepted.append((name, place))
    assert not accepted


def test_every_base_element_of_an_opened_column_counts(proof: bytes) -> None:
    columns = [(a, b) for name, a, b, _ in _borders() if name.endswith("/columns")]
    assert len(columns) == 2
    for start, stop in columns:
        for offset in range(start, stop, 4):
            assert _rejected(_with_word(proof, offset, (_word(proof, offset) + 1) % P))


def test_every_hash_and_salt_counts(proof: bytes) -> None:
    opaque = [(a, b) for name, a, b, field in _borders() if not field and "nonce" not in name]
    end_of_fixed = _borders()[-1][2]
    for start, stop in [*opaque, (end_of_fixed, len(proof))]:
        for offset in range(start, stop, 8):
            changed = bytearray(proof)
            changed[offset] ^= 1
            # A changed nonce may do the same work; then the challenges behind it differ.
            assert _rejected(bytes(changed)), offset


def test_nothing_is_accepted_that_is_not_canonical(proof: bytes) -> None:
    for name, start, stop, is_field in _borders():
        if is_field and stop > start:
            for word in (P, 2**32 - 1):
                with pytest.raises(ProofError) as caught:
                    verify_proof(STATEMENT, _with_word(proof, start, word), SECURITY)
                assert caught.value.check == "encoding", name


def test_a_proof_cut_anywhere_or_extended_is_rejected(proof: bytes) -> None:
    least, greatest = length_bounds(SETUP)
    assert least <= len(proof) <= greatest
    cuts = {stop for _, _, stop, _ in _borders()} | set(range(0, len(proof), 997))
    for cut in sorted(cuts - {len(proof)}):
        with pytest.raises(ProofError) as caught:
            verify_proof(STATEMENT, proof[:cut], SECURITY)
        assert caught.value.check in ("encoding", "merkle-shape", "merkle-root")
    for extra in (b"\0", bytes(31), bytes(32), bytes(64)):
        assert _rejected(proof + extra)


def test_another_magic_is_rejected(proof: bytes) -> None:
    assert _rejected(b"wmproof argument 2\n" + proof[len(MAGIC) :])
    assert _rejected(b"")


def test_swapped_columns_are_rejected(proof: bytes) -> None:
    for name, start, stop, _ in _borders():
        if name.endswith("/columns"):
            count = (
                SETUP.parameters.witness_queries
                if name.startswith("witness")
                else SETUP.parameters.pad_queries
            )
            width = (stop - start) // count
            first, second = proof[start : start + width], proof[start + width : start + 2 * width]
            assert first != second
            assert _rejected(proof[:start] + second + first + proof[start + 2 * width :])


def test_a_proof_is_of_one_statement(proof: bytes) -> None:
    class Renamed(LookupStatement):
        @property
        def digest(self) -> bytes:
            return bytes(32)

    assert _rejected(proof, Renamed(*SIZES))
    assert _rejected(proof, LookupStatement(SIZES[0] - 1, *SIZES[1:]))
    assert _rejected(proof, LookupStatement(SIZES[0], 4, SIZES[2]))
    with pytest.raises(ProofError):
        verify_proof(STATEMENT, proof, replace(SECURITY, bits=40))
    with pytest.raises(ProofError):
        verify_proof(STATEMENT, proof, replace(SECURITY, grinding_bits=3))


def test_another_table_is_rejected(proof: bytes) -> None:
    other = LookupStatement(*SIZES)
    columns = other.table.columns().copy()
    columns[1, -1] += 1
    other.table._columns = columns
    assert _rejected(proof, other)


def test_two_proofs_cannot_be_spliced(proof: bytes) -> None:
    made = LookupProof(*SIZES).with_rows(np.zeros(SIZES[0], np.int64))
    other = prove(made, made.witness(), SECURITY)
    for _, _, stop, _ in _borders():
        if len(MAGIC) < stop < len(proof):
            assert _rejected(proof[:stop] + other[stop : len(proof)])
