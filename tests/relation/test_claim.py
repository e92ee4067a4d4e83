"""Claims that hold, claims that do not, and everything that a prover may try between."""

from __future__ import annotations

import io
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from sampled import CONTEXT, keep_sample

from wmproof.argument.soundness import bits
from wmproof.argument.system.prover import ReplayedCoins, prove
from wmproof.argument.system.simulator import simulate
from wmproof.argument.system.statement import (
    MAGIC,
    PROTOCOL,
    Security,
    error_table,
    prepare,
)
from wmproof.argument.system.verifier import verify, verify_proof
from wmproof.argument.transcript import FiatShamirCoins, VerifierTranscript
from wmproof.circuit.ir import Activation, Circuit, Conv, Input, Linear
from wmproof.circuit.tables import clamp_table
from wmproof.commitment import Scheme
from wmproof.errors import InputError, ProofError, VerificationError
from wmproof.relation.chunks import chunks_of, cover
from wmproof.relation.claim.statement import ClaimStatement
from wmproof.relation.hits import prover as hits_prover
from wmproof.relation.network import statement as network_statement
from wmproof.relation.network.statement import NetworkStatement


def statement_of(claim, **changes):
    given = {"threshold": claim.threshold, "context": CONTEXT, "chunk_bits": claim.chunk_bits}
    given |= {"inner": claim.inner, "triggers": len(claim.indices)}
    circuit = changes.pop("circuit", claim.circuit)
    key = changes.pop("key", claim.key)
    given |= changes
    return ClaimStatement(circuit, key, given.pop("threshold"), **given)


@pytest.mark.parametrize("chunk_bits", [8, 1])
def test_a_claim_at_exactly_the_hits_is_accepted(make_claim, chunk_bits):
    claim = make_claim(chunk_bits=chunk_bits)
    assert 0 < claim.hits < len(claim.indices)
    assert (len(claim.chunks) > 1) == (chunk_bits == 1)
    verify_proof(statement_of(claim), prove(claim, claim.witness()))


def test_hits_above_the_threshold_stay_hidden_and_are_accepted(make_claim):
    claim = make_claim(1)
    assert claim.hits > 1
    verify_proof(statement_of(claim), prove(claim, claim.witness()))


def test_how_large_numbers_may_be_is_public(make_claim):
    """Opening takes as long as that says; it is the circuit's word, whatever the pictures are."""
    claim = make_claim()
    for chunk in claim.chunks:
        for node in claim.circuit.committed():
            assert claim.network.segment(chunk, node).largest == claim.circuit.largest[node]
    largest, witness = claim.layout.largest, claim.witness()
    assert all(block.max() <= most for block, most in zip(witness, largest, strict=True))
    verify_proof(statement_of(claim), prove(claim, witness, largest=largest))


def test_too_few_hits_cannot_be_claimed(make_claim):
    claim = make_claim()
    with pytest.raises(VerificationError, match="nothing to prove"):
        make_claim(claim.hits + 1)


def test_a_proof_is_of_its_own_statement_only(make_claim, key):
    claim = make_claim()
    proof = prove(claim, claim.witness())
    vk = key.verification_key
    other = np.array(vk.trigger_commitments)
    other[claim.indices[0], 0] ^= 1
    changes = [
        {"context": bytes(32)},
        {"chunk_bits": 0},
        {"triggers": len(claim.indices) - 1},
        {"key": replace(vk, key_id=bytes(32))},
        {"key": replace(vk, trigger_commitments=other)},
    ]
    if claim.threshold > 1:
        changes.append({"threshold": claim.threshold - 1})
    for change in changes:
        # Chosen labels have no samples at all.
        with pytest.raises((VerificationError, InputError)):
            verify_proof(statement_of(claim, **change), proof)


def test_no_byte_of_a_proof_can_change(make_claim):
    claim = make_claim()
    proof = prove(claim, claim.witness())
    statement = statement_of(claim)
    for place in np.linspace(0, len(proof) - 1, 24).astype(int):
        changed = bytearray(proof)
        changed[place] ^= 1
        with pytest.raises(ProofError):
            verify_proof(statement, bytes(changed))


def first(suffix):
    return lambda claim: next(name for name in sorted(claim.arrays) if name.endswith(suffix))


def first_of(prefix):
    return lambda claim: next(name for name in sorted(claim.arrays) if name.startswith(prefix))


def add_one(place=0):
    def change(array):
        array.reshape(-1)[place] += 1

    return change


def flip(place):
    def change(array):
        array.reshape(-1)[place] ^= 1

    return change


def largest_committed(claim):
    nodes = [i for i in claim.circuit.committed() if i]
    return f"chunk0/node{nodes[len(nodes) // 2]}"


CHEATS = {
    "a trigger byte": (lambda c: "chunk0/node0", flip(3)),
    "an activation": (largest_committed, add_one(5)),
    "another activation": (lambda c: f"chunk0/node{[*c.circuit.committed()][-1]}", add_one(2)),
    "a multiplicity": (first("table0/multiplicities"), add_one(1 << 11)),
    "a count of maxima": (first_of("maximum"), add_one(256)),
    "a score": (lambda c: "scores", add_one()),
    "a low limb": (lambda c: "margins/low", add_one()),
    "a high limb": (lambda c: "margins/high", add_one()),
    "the slack": (lambda c: "slack", add_one()),
    "a count of limbs": (lambda c: "range/multiplicities", add_one()),
}
HASH_CHEATS = {
    "a working variable a": (first("trigger/blocks0"), flip(2047)),
    "a working variable e": (first("trigger/blocks0"), flip(2048 + 700)),
    "a message word": (first("trigger/blocks0"), flip(4096 + 40)),
    "a scheduled word": (first("trigger/blocks0"), flip(4096 + 32 * 30)),
    "a carry": (first("trigger/blocks0"), flip(6144 + 16 * 20)),
    "a carry that is no bit": (first("trigger/blocks0"), add_one(6144 + 16 * 20 + 1)),
    "the initial state": (first("trigger/blocks0"), flip(7168 + 5)),
    "a chained state": (first("trigger/blocks2"), flip(7168 + 64)),
    "a final carry": (first("trigger/blocks2"), flip(7424 + 1)),
    "the padding": (first("trigger/blocks3"), flip(4096 + 9)),
}
LINEAR_CHEATS = {
    "a byte of the randomness": (first("trigger/randomness0"), flip(1023)),
    "a byte of its second part": (first("trigger/randomness1"), flip(247)),
    "a byte behind the randomness": (first("trigger/randomness1"), flip(255)),
    "a count of bytes": (first("openings/multiplicities"), add_one(17)),
}
CHEATS_OF = {Scheme.SHA256: HASH_CHEATS, Scheme.SHA256_SIS: LINEAR_CHEATS}


@pytest.mark.parametrize("name", [*CHEATS, *HASH_CHEATS, *LINEAR_CHEATS])
def test_a_false_witness_is_rejected(make_claim, name):
    claim = make_claim()
    cheats = CHEATS | CHEATS_OF[claim.key.scheme]
    if name not in cheats:
        pytest.skip("of another scheme")
    find, change = cheats[name]
    change(claim.arrays[find(claim)])
    with pytest.raises(ProofError):
        verify_proof(statement_of(claim), prove(claim, claim.witness()))


def test_randomness_is_free_but_has_to_open(make_claim):
    claim = make_claim()
    # Another r is another digest: the block's own equations or the chain must break.
    sis = claim.key.scheme is Scheme.SHA256_SIS
    name = first("trigger/randomness0" if sis else "trigger/blocks2")(claim)
    flip(4096 + 3)(claim.arrays[name])
    with pytest.raises(ProofError):
        verify_proof(statement_of(claim), prove(claim, claim.witness()))


def cheat_on_hits(monkeypatch, change):
    honest = hits_prover.witness

    def dishonest(hits, logits, labels):
        arrays, count = honest(hits, logits, labels)
        change(hits, arrays)
        return arrays, max(count, hits.threshold)

    monkeypatch.setattr(hits_prover, "witness", dishonest)


def set_bit(slot):
    def change(hits, arrays):
        arrays["hits"][slot(hits, arrays)] = 1

    return change


def double_a_hit(hits, arrays):
    arrays["hits"][int(np.flatnonzero(arrays["hits"])[0])] = 2


HIT_CHEATS = {
    "one hit too few": lambda hits, arrays: None,
    "a miss as a hit": set_bit(
        lambda hits, arrays: int(np.flatnonzero(arrays["hits"][: hits.triggers] == 0)[0])
    ),
    "a dummy slot as a hit": set_bit(lambda hits, arrays: hits.triggers),
    "a hit twice": double_a_hit,
    "a negative slack": lambda hits, arrays: arrays.update(slack=np.array([65535, 0], np.uint16)),
}


@pytest.mark.parametrize("name", HIT_CHEATS)
def test_hits_cannot_be_made_up(make_claim, monkeypatch, name):
    hits = make_claim().hits
    cheat_on_hits(monkeypatch, HIT_CHEATS[name])
    claim = make_claim(hits + 1)
    with pytest.raises(ProofError):
        verify_proof(statement_of(claim), prove(claim, claim.witness()))


def move_label(rows, claim):
    rows[0] = np.roll(rows[0], 1)


def two_labels(rows, claim):
    rows[0, : claim.circuit.classes] = 1


def behind_the_classes(rows, claim):
    rows[0] = 0
    rows[0, -1] = 1


@pytest.mark.parametrize("change", [move_label, two_labels, behind_the_classes])
def test_a_secret_label_is_the_committed_one(make_claim, change):
    claim = make_claim()
    if not claim.hit_claim.secret:
        pytest.skip("derived labels are public")
    change(claim.arrays["labels"], claim)
    with pytest.raises(ProofError):
        verify_proof(statement_of(claim), prove(claim, claim.witness()))


def test_another_networks_activations_are_rejected(make_claim, circuit, key, monkeypatch):
    keep_sample(monkeypatch, circuit, key)
    claim = make_claim()
    node = next(i for i in circuit.committed() if i)
    linear = circuit.nodes[node].linear
    bias = linear.bias.copy()
    bias.reshape(-1)[0] += 1 << 10
    nodes = list(circuit.nodes)
    nodes[node] = replace(nodes[node], linear=replace(linear, bias=bias))
    other = replace_circuit(circuit, tuple(nodes))
    with pytest.raises(ProofError):
        verify_proof(statement_of(claim, circuit=other), prove(claim, claim.witness()))
    # The same, had the prover bound the other circuit's digest.
    claim.circuit = other
    with pytest.raises(ProofError):
        verify_proof(statement_of(claim, circuit=other), prove(claim, claim.witness()))


def replace_circuit(circuit, nodes):
    return type(circuit)(nodes, circuit.tables, circuit.output)


class Listener(VerifierTranscript):
    """A verifier's transcript that notes the length of each message."""

    def __init__(self, source, coins):
        super().__init__(source, coins)
        self.heard = []

    def _read(self, label, size):
        # How many siblings there are depends on which of the random positions are neighbours.
        self.heard.append((label, None if label.endswith("/siblings") else size))
        return super()._read(label, size)


def test_a_simulated_transcript_is_accepted_and_as_long(make_claim):
    claim = make_claim()
    statement, security = statement_of(claim), Security(grinding_bits=0, bits=60)
    setup = prepare(statement, security)
    transcript, draws = simulate(statement, setup)
    simulated = Listener(io.BytesIO(transcript), ReplayedCoins(draws))
    verify(statement, setup, simulated)
    proof = prove(claim, claim.witness(), security)
    real = Listener(io.BytesIO(proof[len(MAGIC) :]), FiatShamirCoins(PROTOCOL))
    verify(statement, setup, real)
    for stream in (simulated, real):
        stream.finish()
    assert simulated.heard == real.heard


def test_every_part_has_an_error_and_the_sum_reaches_the_default(make_claim):
    claim = make_claim()
    setup = prepare(claim, Security())
    errors = error_table(claim, setup)
    expected = ["table0 compression", "table0 linear maps", "margins", "scores"]
    expected += [f"{use.label} layers" for use in claim.network.tables]
    expected += ["count", "hit bits", "logits", "range layers"]
    sis = claim.key.scheme is Scheme.SHA256_SIS
    expected += ["openings compression", "openings linear"] if sis else ["chunk0/trigger rounds"]
    assert set(expected) <= set(errors)
    assert ("labels" in errors) == claim.hit_claim.secret
    assert bits(sum(errors.values())) >= 100


@pytest.mark.parametrize("count", range(1, 300, 7))
def test_chunks_cover_with_few_dummies(count):
    sizes = [1 << size for size in cover(count, 6)]
    assert sum(sizes) >= count
    assert all(a >= b for a, b in pairwise(sizes))
    assert sum(sizes) - count < max(8, 64)
    for chunk in chunks_of(count, 6):
        assert chunk.first % chunk.slots == 0
        assert chunk.first < count


def test_a_layer_of_one_value_for_one_trigger_is_refused():
    one = np.ones((1, 1, 1, 1), np.int32)
    layer = Linear(np.zeros((1, 1, 1), np.int32), (Conv(0, one, (1, 1)),))
    logits = Linear(np.zeros((2, 1, 1), np.int32), (Conv(1, np.ones((2, 1, 1, 1), int), (1, 1)),))
    nodes = (Input("image", (1, 1, 1)), Activation("only", 0, layer))
    circuit = Circuit(nodes, (clamp_table(9, 1),), logits)
    assert NetworkStatement(circuit, chunks_of(2, 8)).tables
    with pytest.raises(InputError, match="one value"):
        _ = NetworkStatement(circuit, chunks_of(1, 8)).tables


# More lookups than one argument counts.


def in_parts(monkeypatch, claim):
    """Let arguments count no more than the largest group has."""
    lookups = [use.lookup for use in claim.network.tables]
    lengths = [1 << own.bits(group) for own in lookups for group in range(len(own.lengths))]
    monkeypatch.setattr(network_statement, "MOST_LOOKUPS", max(lengths))


@pytest.mark.parametrize("keep_sums", [True, False])
def test_a_table_may_have_several_arguments(make_claim, monkeypatch, keep_sums):
    in_parts(monkeypatch, make_claim(chunk_bits=2))
    claim = make_claim(chunk_bits=2, keep_sums=keep_sums)
    labels = [use.label for use in claim.network.tables]
    assert {"table0", "table0.1"} <= set(labels)
    for use in claim.network.tables:
        assert claim.arrays[use.multiplicities.name].sum() == use.lookup.counted
    groups = [group for use in claim.network.tables for group in use.groups]
    assert len(set(groups)) == len(groups)
    statement = statement_of(claim)
    assert {"table0.1 compression", "table0.1 layers"} <= set(statement.errors())
    verify_proof(statement, prove(claim, claim.witness()))
    add_one(3)(claim.arrays["table0.1/multiplicities"])
    with pytest.raises(ProofError):
        verify_proof(statement, prove(claim, claim.witness()))


def test_more_than_one_argument_counts_at_once_is_refused(make_claim, monkeypatch):
    monkeypatch.setattr(network_statement, "MOST_LOOKUPS", 16)
    with pytest.raises(InputError, match="cannot be counted") as caught:
        make_claim(1)
    assert "--chunk" in caught.value.remedy


def test_sums_that_are_not_held_are_the_same(make_claim):
    held, again = make_claim(), make_claim(keep_sums=False)
    for index, trace in held._traces.items():
        for node, z in trace.looked_up.items():
            assert np.array_equal(again._traces[index].looked_up[node], z)
