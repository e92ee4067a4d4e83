"""Cheats that are wrong in one place only: all else in the witness and the proof agrees with it.

Each test's docstring says which equation is left to catch the cheat. A proof of a false statement
is accepted with probability below 2^-40 (`SECURITY`), the coins being the hash's.
"""

from dataclasses import replace

import numpy as np
import pytest
from cheating_prover import (
    Liar,
    changed_image,
    changed_label,
    claim_hits,
    claim_threshold,
    commit,
    margins_of,
    opening_witness,
    openings_of,
)
from sampled import CONTEXT, keep_sample, places_of, size_of

from wmproof.argument.system.prover import prove
from wmproof.argument.system.statement import Security
from wmproof.argument.system.verifier import verify_proof
from wmproof.circuit.ir import Circuit
from wmproof.commitment import Scheme
from wmproof.errors import ProofError
from wmproof.relation.claim.prover import ClaimProof
from wmproof.relation.claim.statement import ClaimStatement
from wmproof.relation.network.statement import NetworkStatement

SECURITY = Security(bits=40, grinding_bits=0)


def liar(circuit, key, opened=None, threshold=1):
    """A claim about what is opened, its openings still missing."""
    vk = key.verification_key
    opened, truth = opened or key.embedded(), key.embedded()
    given = {"context": CONTEXT, "triggers": size_of(key)}
    return Liar(circuit, vk, threshold, opened, **given, truth=truth)


def honest(circuit, key):
    given = {"context": CONTEXT, "triggers": size_of(key)}
    return ClaimProof(circuit, key.verification_key, 1, key.embedded(), **given)


def check(claim, statement=None):
    """Verify a claim's proof against the statement that it should have been about."""
    stated = statement or ClaimStatement(
        claim.circuit,
        claim.key,
        claim.threshold,
        context=CONTEXT,
        inner=claim.inner,
        triggers=len(claim.indices),
    )
    verify_proof(stated, prove(claim, claim.witness(), SECURITY), SECURITY)


def rejected(claim, **against):
    with pytest.raises(ProofError):
        check(claim, **against)


def test_a_liar_who_tells_the_truth_is_believed(circuit, key):
    """So what the cheats below share is no reason to reject them."""
    claim = liar(circuit, key)
    claim.arrays |= opening_witness(claim, key.embedded())
    commit(claim, {})
    bits = claim.arrays["hits"].astype(np.int64)
    claim_threshold(claim, int(bits.sum()))
    claim_hits(claim, bits)
    check(claim)


# Triggers and their openings.


def with_changed_image(circuit, key):
    """The opened triggers, one that the claim is about being changed in one byte."""
    return changed_image(key.embedded(), places_of(circuit, key)[1], 17)


def test_the_network_runs_on_the_committed_image(circuit, key):
    """The message's bits against the input's bytes."""
    claim = liar(circuit, key, with_changed_image(circuit, key))
    claim.arrays |= openings_of(honest(circuit, key))
    rejected(claim)


def test_the_network_runs_on_the_input_that_is_in_the_witness(circuit, key):
    """The linear map of the first layer: the committed image is in the witness, and was not run."""
    truth = honest(circuit, key)
    claim = liar(circuit, key, with_changed_image(circuit, key))
    claim.arrays |= openings_of(truth) | {"chunk0/node0": truth.arrays["chunk0/node0"]}
    rejected(claim)


def test_another_image_does_not_open_the_commitment(circuit, key):
    """The last state against the public commitment: the other image is hashed in every step."""
    opened = with_changed_image(circuit, key)
    claim = liar(circuit, key, opened)
    claim.arrays |= opening_witness(claim, opened)
    rejected(claim)


def test_other_randomness_does_not_open_the_commitment(circuit, key):
    """The same, with the image that was committed."""
    opened = key.embedded()
    randomness = opened.trigger_randomness.copy()
    randomness[places_of(circuit, key)[1], 63] ^= 0x80
    claim = liar(circuit, key)
    claim.arrays |= opening_witness(claim, replace(opened, trigger_randomness=randomness))
    rejected(claim)


def test_a_commitment_opens_under_its_own_index_only(circuit, key):
    """The first state: a key whose position 1 repeats the commitment of position 0."""
    if key.verification_key.scheme is not Scheme.SHA256:
        pytest.skip("the verifier hashes inner commitments itself: test_sis_openings.py")
    opened = key.embedded()
    images, randomness = opened.triggers.images.copy(), opened.trigger_randomness.copy()
    images[1], randomness[1] = images[0], randomness[0]
    copied = replace(
        opened,
        triggers=replace(opened.triggers, images=images),
        trigger_randomness=randomness,
    )
    claim = liar(circuit, key, copied)
    statement = ClaimStatement(circuit, key.verification_key, 1, context=CONTEXT)
    for stated in (claim, statement):
        digests = stated.openings.parts[0][1].digests
        digests[1] = digests[0]
    states = claim.openings.parts[0][1].initial_states
    own = states[1].copy()
    states[1] = states[0]
    claim.arrays |= opening_witness(claim, copied)
    states[1] = own
    rejected(claim, statement=statement)


# Labels.


def relabelled(circuit, key):
    """The opened triggers, the first miss being labelled by the network's answer."""
    truth = honest(circuit, key)
    miss = int(np.flatnonzero(truth.arrays["hits"][: len(truth.indices)] == 0)[0])
    answer = int(truth._logits[miss].argmax())
    return truth, changed_label(key.embedded(), places_of(circuit, key)[miss], answer)


def test_another_label_does_not_count(circuit, key):
    """Derived: the public one-hot rows. Secret: the label's bits against the one-hot rows."""
    truth, opened = relabelled(circuit, key)
    claim = liar(circuit, key, opened, truth.hits + 1)
    claim.arrays |= openings_of(truth)
    assert claim.hits == truth.hits + 1
    rejected(claim)


def test_another_label_does_not_open_the_commitment(circuit, key):
    """Secret: the last state against the label's commitment. Derived: as above."""
    truth, opened = relabelled(circuit, key)
    claim = liar(circuit, key, opened, truth.hits + 1)
    claim.arrays |= opening_witness(claim, opened)
    rejected(claim)


# Hits.


def with_hits(circuit, key, choose, slack=0):
    """A claim of one hit more than there are, with the bits that `choose` makes of the true."""
    claim = liar(circuit, key)
    claim.arrays |= opening_witness(claim, key.embedded())
    claim_threshold(claim, claim.hits + 1)
    bits = claim.arrays["hits"].astype(np.int64)
    choose(claim, bits)
    claim_hits(claim, bits, slack)
    return claim


def test_one_hit_too_few_is_too_few(circuit, key):
    """The count."""
    rejected(with_hits(circuit, key, lambda claim, bits: None))


def test_the_slack_cannot_be_negative(circuit, key):
    """The range of the slack: p - 1 makes the count right."""
    rejected(with_hits(circuit, key, lambda claim, bits: None, slack=-1))


def test_a_miss_is_no_hit(circuit, key):
    """The range of the high limbs: those of a negative margin modulo p are 2^15 or more."""

    def count_a_miss(claim, bits):
        bits[int(np.flatnonzero(bits[: len(claim.indices)] == 0)[0])] = 1

    claim = with_hits(circuit, key, count_a_miss)
    assert claim.arrays["margins/high"].max() >= 1 << 15
    rejected(claim)


def test_a_dummy_slot_does_not_count(circuit, key):
    """The count, which leaves dummies out: this one repeats a trigger that does hit."""

    def count_a_dummy(claim, bits):
        assert (margins_of(claim)[len(claim.indices)] >= 0).all()
        bits[len(claim.indices)] = 1

    rejected(with_hits(circuit, key, count_a_dummy))


def test_a_hit_counts_once(circuit, key):
    """Hits are bits."""

    def count_twice(claim, bits):
        bits[int(np.flatnonzero(bits)[0])] = 2

    rejected(with_hits(circuit, key, count_twice))


def test_logits_are_the_models_own(circuit, key, monkeypatch):
    """The linear map of the logits: another model's are all larger by one, and as far apart."""
    keep_sample(monkeypatch, circuit, key)
    output = replace(circuit.output, bias=circuit.output.bias + 1)
    claim = liar(Circuit(circuit.nodes, circuit.tables, output), key)
    claim.arrays |= opening_witness(claim, key.embedded())
    check(claim)
    claim.circuit = circuit
    rejected(claim)
    claim.network = NetworkStatement(circuit, claim.chunks)
    claim.hit_claim = replace(claim.hit_claim, network=claim.network)
    rejected(claim)
