"""Openings alone: against hashlib, and runs of several blocks."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openings_statement import OpeningsProof, OpeningsStatement, sample

from wmproof.argument.system.prover import prove
from wmproof.argument.system.verifier import verify_proof
from wmproof.errors import ProofError
from wmproof.relation.openings.sha256.compression import INITIAL_STATE, ROUND_CONSTANTS, compressed
from wmproof.relation.openings.sha256.kernels import compress
from wmproof.relation.openings.sha256.openings import words_of


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=200))
def test_compression_is_sha256(message):
    padded = message + b"\x80" + bytes(-(len(message) + 9) % 64)
    padded += (8 * len(message)).to_bytes(8, "big")
    state, scratch = INITIAL_STATE.copy(), np.zeros(1 << 13, np.uint8)
    several = np.tile(INITIAL_STATE, (3, 1))
    for block in words_of(np.frombuffer(padded, np.uint8).reshape(-1, 64)):
        compress(state, block, ROUND_CONSTANTS, scratch)
        several = compressed(several, np.stack([block, ~block, block]))
    digest = hashlib.sha256(message).digest()
    assert state.astype(">u4").tobytes() == digest
    assert several[0].astype(">u4").tobytes() == several[2].astype(">u4").tobytes() == digest


@pytest.mark.parametrize("length", [1, 64, 150, 400])
def test_commitments_open(length):
    openings, arrays = sample(2, length)
    claim = OpeningsProof(openings, arrays)
    verify_proof(OpeningsStatement(openings), prove(claim, claim.witness()))


def rejected(openings, arrays):
    claim = OpeningsProof(openings, arrays)
    with pytest.raises(ProofError):
        verify_proof(OpeningsStatement(openings), prove(claim, claim.witness()))


@pytest.mark.parametrize("block", [0, 2])
@pytest.mark.parametrize("place", [7168 + 1, 7424, 6144 + 16 * 63 + 4, 4096 + 2047, 31, 4095])
def test_each_bit_of_a_longer_run_counts(block, place):
    openings, arrays = sample(1, 64 * 4)
    assert openings.runs[0].bits == 2
    bits = arrays[openings.runs[0].segment.name].reshape(2, 4, -1)
    bits[1, block, place] ^= 1
    rejected(openings, arrays)


def test_the_message_has_to_be_in_its_place():
    openings, arrays = sample(1, 150)
    arrays["messages"][0, [3, 4]] = arrays["messages"][0, [4, 3]] ^ 1
    rejected(openings, arrays)


@pytest.mark.parametrize("field", ["initial_states", "digests"])
def test_the_public_ends_count(field):
    openings, arrays = sample(1, 70)
    getattr(openings, field)[1, 3] ^= 1
    rejected(openings, arrays)


def test_a_slots_bits_do_not_serve_another():
    openings, arrays = sample(1, 70)
    for run in openings.runs:
        bits = arrays[run.segment.name].reshape(2, -1)
        bits[:] = bits[::-1].copy()
    rejected(openings, arrays)
