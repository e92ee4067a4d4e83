"""Cheats on the two-layer commitment: all that is left to catch each is named in its docstring."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cheating_prover import Liar, changed_image, commit, opening_witness
from openings_statement import FlatMessages
from toy_claim import toy_circuit, toy_key

from wmproof.argument.logup.prover import count_multiplicities
from wmproof.argument.system.prover import prove
from wmproof.argument.system.statement import Security
from wmproof.argument.system.verifier import verify_proof
from wmproof.commitment import SCHEMES, Kind, Places, Scheme, matrix
from wmproof.commitment.sha256_sis import outer
from wmproof.errors import InputError, ProofError, VerificationError
from wmproof.keys import LabelMode
from wmproof.relation.claim.prover import inner_commitments, messages_of
from wmproof.relation.claim.statement import ClaimStatement
from wmproof.relation.openings.sha256_sis.verifier import SisOpenings
from wmproof.relation.openings.statement import CommittedSlots

CONTEXT = bytes(32)
SECURITY = Security(bits=40, grinding_bits=0)
CIRCUIT = toy_circuit()


@pytest.fixture(scope="module")
def key():
    return toy_key(CIRCUIT, LabelMode.DERIVED)


def liar(key, opened=None, truth=None):
    truth = truth or key.embedded()
    claim = Liar(CIRCUIT, key.verification_key, 1, opened or truth, context=CONTEXT, truth=truth)
    claim.arrays |= opening_witness(claim, opened or truth)
    return claim


def check(claim, inner=None):
    stated = ClaimStatement(CIRCUIT, claim.key, 1, context=CONTEXT, inner=inner or claim.inner)
    verify_proof(stated, prove(claim, claim.witness(), SECURITY), SECURITY)


def rejected(claim):
    with pytest.raises(ProofError):
        check(claim)


def parts_of(claim):
    slots = claim.openings.slots[0]
    return [segment.name for segment in claim.openings.randomness(slots)]


def with_randomness(claim, rows):
    """Commit to these numbers, (slots, 1272), as the randomness; count those that are bytes."""
    whole = np.zeros((len(rows), 1280), np.uint32)
    whole[:, :1272] = rows
    first, second = parts_of(claim)
    claim.arrays[first], claim.arrays[second] = whole[:, :1024], whole[:, 1024:]
    looked_up = [claim.arrays[s.name].reshape(-1) for s in claim.openings.ranged]
    inside = [values[values < 256].astype(np.int64) for values in looked_up]
    counts, lookup = count_multiplicities(inside, 8), claim.openings.lookup
    counts[0] += lookup.counted - sum(lookup.lengths)
    claim.arrays[claim.openings.multiplicities.name] = counts
    commit(claim, {})
    return claim


def solve(target):
    """Numbers below p that A's first 320 columns take to a vector: Gauss-Jordan modulo p."""
    p = matrix.P
    rows = np.array(matrix.columns(0, 320)).T.astype(np.int64)
    rows = np.concatenate([rows, target.astype(np.int64)[:, None]], axis=1)
    for i in range(320):
        pivot = i + int(np.flatnonzero(rows[i:, i])[0])
        rows[[i, pivot]] = rows[[pivot, i]]
        rows[i] = rows[i] * pow(int(rows[i, i]), -1, p) % p
        others = rows[:, i].copy()
        others[i] = 0
        rows = (rows - others[:, None] * rows[i]) % p
    return rows[:, -1]


def test_a_liar_who_tells_the_truth_is_believed(key):
    claim = liar(key)
    check(with_randomness(claim, key.embedded().trigger_randomness))


def test_randomness_that_is_not_short_opens_to_any_image(key):
    """The range of bytes: every linear equation holds for another image and these numbers."""
    truth = key.embedded()
    opened = changed_image(truth, 1, 0)
    claim = liar(key, opened)
    v = SCHEMES[Scheme.SHA256_SIS].inner(truth.triggers.messages, truth.trigger_randomness)
    numbers = truth.trigger_randomness.astype(np.int64)
    rest = numbers.copy()
    rest[:, :320] = 0
    x = np.concatenate([rest, opened.triggers.messages], axis=1).astype(np.uint8)
    missing = v.view(">u4").astype(np.int64) - matrix.multiply(x).astype(np.int64)
    numbers[1, :320] = solve(missing[1] % matrix.P)
    assert numbers.max() > 255
    rejected(with_randomness(claim, numbers))


@pytest.mark.parametrize("change", [256, -1 % matrix.P])
def test_a_number_that_is_no_byte_is_rejected(key, change):
    """The range of bytes, and the equation, which has another sum."""
    numbers = key.embedded().trigger_randomness.astype(np.int64)
    numbers[0, 5] = change
    rejected(with_randomness(liar(key), numbers))


def test_a_number_that_wraps_to_a_byte_is_no_byte(key):
    """The encoding: p + b is the byte b modulo p, and no row of the table."""
    numbers = key.embedded().trigger_randomness.astype(np.int64)
    claim = with_randomness(liar(key), numbers)
    check(claim)
    first = parts_of(claim)[0]
    claim.arrays[first] = claim.arrays[first].copy()
    claim.arrays[first][0, 0] += matrix.P
    with pytest.raises((ProofError, InputError)):
        check(claim)


@pytest.mark.parametrize("part", ["image", "randomness"])
def test_one_wrong_byte_is_rejected(key, part):
    """The linear equation of one slot."""
    opened = key.embedded()
    if part == "image":
        rejected(liar(key, changed_image(opened, 1, 0)))
        return
    randomness = opened.trigger_randomness.copy()
    randomness[1, 1271] ^= 1
    changed = replace(opened, trigger_randomness=randomness)
    rejected(liar(key, changed))


def test_an_inner_commitment_by_another_matrix_does_not_open(key, monkeypatch):
    """The linear equation: the key's commitments are hashes of these very numbers."""
    opened, vk = key.embedded(), key.verification_key
    messages = messages_of(opened)[Kind.TRIGGER]
    matrix.columns.cache_clear()
    monkeypatch.setattr(matrix, "_TAG", b"a matrix of the claimant's own".ljust(32, b"\0"))
    inner = SCHEMES[Scheme.SHA256_SIS].inner(*messages)
    monkeypatch.undo()
    matrix.columns.cache_clear()
    digests = np.array(vk.trigger_commitments)
    places = Places(vk.key_id, opened.indices, Kind.TRIGGER)
    digests[opened.indices] = outer(inner, places, messages[0].shape[1])
    claim = liar(key)
    for slots in claim.openings.slots:
        slots.digests[:] = digests[opened.indices]
    stated = SisOpenings(claim.openings.slots, {Kind.TRIGGER: inner})
    claim.openings = stated
    statement = ClaimStatement(CIRCUIT, vk, 1, context=CONTEXT, inner=claim.inner)
    statement.openings = stated
    with pytest.raises(ProofError):
        verify_proof(statement, prove(claim, claim.witness(), SECURITY), SECURITY)


def test_inner_commitments_are_hashed_and_compared(key):
    """SHA-256, in the verifier: a number, two exchanged, one that is not canonical, a length."""
    inner = inner_commitments(key.verification_key, key.embedded())
    size = len(inner) // 2
    changed = bytearray(inner)
    changed[7] ^= 1
    cases = {
        "not those of the key": [bytes(changed), inner[size:] + inner[:size], bytes(len(inner))],
        "not below p": [b"\xff" * 4 + inner[4:]],
        "bytes of inner": [inner[:-4], inner + inner, b""],
    }
    for message, wrongs in cases.items():
        for wrong in wrongs:
            with pytest.raises(VerificationError, match=message) as caught:
                ClaimStatement(CIRCUIT, key.verification_key, 1, context=CONTEXT, inner=wrong)
            assert caught.value.check == "inner-commitments"


def test_a_statement_of_sizes_only_verifies_nothing(key):
    claim = liar(key)
    proof = prove(claim, claim.witness(), SECURITY)
    sizes = ClaimStatement(CIRCUIT, key.verification_key, 1, context=CONTEXT, inner=None)
    with pytest.raises((ValueError, ProofError)):
        verify_proof(sizes, proof, SECURITY)


def test_more_bytes_than_the_field_counts_are_refused():
    """A multiplicity of p would count as none."""
    bits = 13
    places = Places(bytes(32), np.arange(1 << bits), Kind.TRIGGER)
    slots = CommittedSlots(
        "many", bits, places.indices, places, np.zeros((1 << bits, 32), np.uint8), 3 * 224 * 224,
        FlatMessages(bits, 3 * 224 * 224),
    )  # fmt: skip
    with pytest.raises(InputError, match="cannot be counted"):
        SisOpenings([slots], None)


def test_the_errors_reach_100_bits_for_images_of_imagenets_size():
    from wmproof.argument.soundness import bits

    places = Places(bytes(32), np.arange(256), Kind.TRIGGER)
    slots = CommittedSlots(
        "chunk", 8, places.indices, places, np.zeros((256, 32), np.uint8), 3 * 224 * 224,
        FlatMessages(8, 3 * 224 * 224),
    )  # fmt: skip
    errors = SisOpenings([slots], None).errors()
    assert bits(errors["openings linear"]) > 115
    # 16 bits of proof of work precede the compression.
    assert bits(errors["openings compression"]) + 16 > 100
