"""Whatever byte is changed in a claim's files, the real verifier refuses, and says at which check.

A changed proof meets other coins, and passes with probability below 2^-84: 100 bits, less 16 of
work that was done for other coins.
"""

from __future__ import annotations

import functools
import random
import re
from dataclasses import replace
from fractions import Fraction

import numpy as np
import onnx
import pytest
from proof_map import check as check_argument

from wmproof.argument.system.prover import prove
from wmproof.argument.system.statement import prepare
from wmproof.circuit.calibrate import Settings
from wmproof.circuit.compile import compile_model
from wmproof.circuit.format import digest as circuit_digest
from wmproof.core.policy import Policy
from wmproof.core.triggers import noise
from wmproof.errors import FormatError, ProofError, VerificationError
from wmproof.keys.keygen import pkeygen
from wmproof.keys.public_key import parse_public_key
from wmproof.keys.worth import demand
from wmproof.pverify import verifier
from wmproof.pverify.claim_file import encode_claim, parse_claim
from wmproof.pverify.statement import NON_INTERACTIVE, open_public_model
from wmproof.pverify.verifier import verify_claim
from wmproof.relation.claim.prover import ClaimProof, inner_commitments
from wmproof.relation.claim.statement import ClaimStatement, inner_bytes

SECURITY = 16
POLICY = Policy(strength=24, tolerance=0.1, security=SECURITY, accept_chosen_labels=True)
CLAIM_HEAD = 8 + 2 + 3 * 32 + 4 + 1 + 4 + 4
CLAIM_FIELDS = {
    "magic": (0, 8),
    "version": (8, 2),
    "model digest": (10, 32),
    "key digest": (42, 32),
    "circuit digest": (74, 32),
    "threshold": (106, 4),
    "chunk": (110, 1),
    "triggers": (111, 4),
    "length": (115, 4),
}
CLAIM_CHECKS = {
    "model digest": {"model"},
    "key digest": {"key"},
    "circuit digest": {"circuit"},
    "triggers": {"sample", "strength", "statement", "inner-commitments", "threshold"},
}


def flip(data, place, bit=0):
    changed = bytearray(data)
    changed[place] ^= 1 << bit
    return bytes(changed)


def refusal(case, **changed):
    """The name of the check that refuses a claim in which something was changed."""
    given = {"model": case.marked, "public_key": case.public, "claim": case.claim}
    given |= {"policy": POLICY} | changed
    with pytest.raises((FormatError, VerificationError)) as caught:
        verify_claim(**given)
    name = "format" if isinstance(caught.value, FormatError) else caught.value.check
    assert name
    return name


def adapted(claim, **fields):
    """The claim with a header that says what the verifier will want to hear."""
    header, argument = parse_claim(claim)
    return encode_claim(replace(header, **fields), argument)


def refused_argument(case, **changed):
    """With a header that is right in everything, the argument itself is refused."""
    given = {"model": case.marked, "public_key": case.public, "claim": case.claim}
    given |= {"policy": POLICY} | changed
    public = open_public_model(given["model"], given["public_key"], POLICY)
    given["claim"] = adapted(
        given["claim"],
        model_digest=public.digest,
        key_digest=given["public_key"].verification_key.digest,
        circuit_digest=public.circuit_digest,
    )
    with pytest.raises(ProofError) as caught:
        verify_claim(**given)
    assert caught.value.check


@pytest.fixture
def compiled_once(monkeypatch):
    """The same file and key compile to the same circuit: no need to do it for every change."""
    monkeypatch.setattr(verifier, "open_public_model", functools.cache(open_public_model))


# The claim.


def shown_bytes(case):
    vk = case.public.verification_key
    return inner_bytes(vk, len(vk.hidden_indices()))


def messages_by_kind(case):
    """For each kind of message of the argument (its label without numbers) all of them."""
    header, argument = parse_claim(case.claim)
    public = open_public_model(case.marked, case.public, POLICY)
    statement = ClaimStatement(
        public.circuit,
        case.public.verification_key,
        header.threshold,
        context=public.context,
        chunk_bits=header.chunk_bits,
        inner=argument[: shown_bytes(case)],
    )
    start = shown_bytes(case)
    assert start == 1280 * len(case.public.verification_key.hidden_indices())
    argument = argument[start:]
    messages = check_argument(statement, prepare(statement, NON_INTERACTIVE), argument)
    assert sum(message.size for message in messages) == len(argument)
    kinds = {}
    for message in messages:
        if message.size:
            kinds.setdefault(re.sub(r"\d+", "", message.label), []).append(message)
    return kinds


def test_a_byte_of_every_kind_of_message_counts(case, compiled_once):
    kinds = messages_by_kind(case)
    parts = {kind.split("/")[0] for kind in kinds}
    assert {"magic", "witness", "pads", "table", "chunk", "hits", "range", "margins"} <= parts
    assert {"scores", "count", "evaluation", "positions"} <= parts
    for kind, messages in kinds.items():
        chosen = random.Random(kind).choice(messages)
        head = CLAIM_HEAD + shown_bytes(case)
        place = head + chosen.start + random.Random(kind).randrange(chosen.size)
        assert refusal(case, claim=flip(case.claim, place)) != "format", kind


@pytest.mark.parametrize("place", [CLAIM_HEAD, -1])
def test_the_first_and_the_last_byte_of_the_argument_count(case, compiled_once, place):
    assert refusal(case, claim=flip(case.claim, place)) != "format"


@pytest.mark.parametrize("field", CLAIM_FIELDS)
def test_every_field_of_the_head_counts(case, compiled_once, field):
    start, size = CLAIM_FIELDS[field]
    for place in {start, start + size - 1}:
        found = refusal(case, claim=flip(case.claim, place))
        if field == "version" and place > start:
            assert found != "format"  # of an earlier version, and refused by that version's rules
        elif field in ("magic", "version", "length"):
            assert found == "format"
        else:
            assert found in CLAIM_CHECKS.get(field, {"threshold", "encoding", found})
            assert found != "format"


def test_every_inner_commitment_counts(case, compiled_once):
    size = shown_bytes(case)
    for place in (0, 1279, 1280, size // 2, size - 1):
        changed = flip(case.claim, CLAIM_HEAD + place)
        assert refusal(case, claim=changed) == "inner-commitments"


# The public key.


def public_key_fields(public):
    """Name, offset and size of everything in the file; docs/formats.md has the layout."""
    size, opened = len(public.verification_key), len(public.opened)
    image = int(np.prod(public.verification_key.image_shape))
    hidden = int(public.verification_key.hidden_indices()[0])
    shown = int(public.opened.indices[0])
    commitments = 10 + 73
    fields = [("magic", 0, 8), ("version", 8, 2)]
    vk = [("vk magic", 8), ("vk version", 2), ("kind", 1), ("label mode", 1), ("key id", 32)]
    vk += [(name, 4) for name in ("classes", "size", "batches", "channels", "height", "width")]
    place = 10
    vk += [("scheme", 1), ("group", 4)]
    for name, width in vk:
        fields.append((name, place, width))
        place += width
    assert place == commitments
    fields.append(("hidden commitment", place + 32 * hidden, 32))
    fields.append(("opened commitment", place + 32 * shown, 32))
    place += 32 * size
    opening = [("images", image), ("labels", 4), ("trigger randomness", 1272)]
    for name, width in opening:
        fields.append((f"opened {name}", place, opened * width))
        place += opened * width
    fields.append(("signature", place, len(public.to_bytes()) - place))
    return fields


def test_every_field_of_the_public_key_counts(case, compiled_once):
    data = case.public.to_bytes()
    for name, start, size in public_key_fields(case.public):
        assert size > 0
        for place in {start, start + size - 1}:
            try:
                changed = parse_public_key(flip(data, place))
            except FormatError:
                continue
            found = refusal(case, public_key=changed)
            assert found in ("commitments", "key", "derived-labels", "security"), name


def test_a_signature_counts(case):
    signed = case.public.signed(bytes(range(32)))
    data = signed.to_bytes()
    for place in range(len(case.public.body) + 1, len(data), 16):
        assert refusal(case, public_key=parse_public_key(flip(data, place))) == "signature"


def test_another_key_does_not_get_the_proof_by_a_new_header(case):
    hidden = len(case.key.to_embed())
    while True:  # until the statements are of one size
        owner, other = pkeygen(noise(64, (8, 8)), 10, security=SECURITY)
        if len(other.verification_key.hidden_indices()) == hidden:
            break
    # Its inner commitments are not the other key's; had he those, the argument is of his own.
    with pytest.raises(VerificationError) as caught:
        refused_argument(case, public_key=other)
    assert caught.value.check == "inner-commitments"
    header, argument = parse_claim(case.claim)
    shown = inner_commitments(other.verification_key, owner.embedded())
    claim = encode_claim(header, shown + argument[len(shown) :])
    refused_argument(case, public_key=other, claim=claim)


# The model and its circuit.


def heaviest_weight(data):
    """Where the model file keeps the most significant mantissa byte of its largest weight."""
    tensors = [t for t in onnx.load_from_string(data).graph.initializer if t.raw_data]
    matrices = [t for t in tensors if t.data_type == onnx.TensorProto.FLOAT and len(t.dims) > 1]
    tensor = matrices[-1]
    place = int(np.abs(np.frombuffer(tensor.raw_data, "<f4")).argmax())
    assert data.count(tensor.raw_data) == 1
    return data.index(tensor.raw_data) + 4 * place + 2


def neutral_byte(data):
    """Where the model file says by which program it was made."""
    name = onnx.load_from_string(data).producer_name.encode()
    assert name
    return data.index(name)


@pytest.mark.parametrize("find", [heaviest_weight, neutral_byte])
def test_a_byte_of_the_model_counts(case, find):
    data = case.marked.read_bytes()
    assert refusal(case, model=flip(data, find(data), 5)) == "model"


def test_a_changed_weight_is_another_circuit(case):
    data = case.marked.read_bytes()
    changed = flip(data, heaviest_weight(data), 5)
    digest = open_public_model(changed, case.public, POLICY).digest
    claim = adapted(case.claim, model_digest=digest)
    assert refusal(case, model=changed, claim=claim) == "circuit"
    refused_argument(case, model=changed)


def test_a_file_of_the_same_circuit_is_another_model(case):
    data = case.marked.read_bytes()
    changed = flip(data, neutral_byte(data))
    old, new = (open_public_model(model, case.public, POLICY) for model in (data, changed))
    assert old.circuit_digest == new.circuit_digest
    refused_argument(case, model=changed)


def test_a_claim_of_one_model_is_none_of_another(case):
    refused_argument(case, model=case.unmarked)


def test_the_claimant_does_not_choose_how_to_compile(case):
    public = open_public_model(case.marked, case.public, POLICY)
    images = case.public.opened.triggers.images.reshape(-1, *public.circuit.input_shape)
    circuit = compile_model(case.marked, images, settings=Settings(logit_bits=17)).circuit
    vk = case.public.verification_key
    least = parse_claim(case.claim)[0].threshold
    proof = ClaimProof(circuit, vk, least, case.key.embedded(), context=public.context)
    header = parse_claim(case.claim)[0]
    argument = prove(proof, proof.witness(), NON_INTERACTIVE)
    said = replace(header, circuit_digest=circuit_digest(circuit))
    own = encode_claim(said, proof.inner + argument)
    assert refusal(case, claim=own) == "circuit"
    refused_argument(case, claim=own)


# The threshold.


def test_the_threshold_counts(case, compiled_once):
    least = parse_claim(case.claim)[0].threshold
    vk = case.public.verification_key
    assert least == demand(POLICY, vk, len(vk.hidden_indices())).threshold
    assert refusal(case, claim=adapted(case.claim, threshold=least - 1)) == "threshold"
    assert refusal(case, policy=replace(POLICY, tolerance=Fraction(0))) == "threshold"
    # A verifier who accepts fewer hits, or demands more, needs another proof.
    fewer = {
        "claim": adapted(case.claim, threshold=least - 1),
        "policy": replace(POLICY, tolerance=0.5),
    }
    more = {"claim": adapted(case.claim, threshold=least + 1)}
    for changed in (fewer, more):
        refused_argument(case, **changed)
