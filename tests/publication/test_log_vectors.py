"""Vectors that others published: every byte of ours is theirs."""

import base64

import pytest
from log_support import VECTORS, tree_hash

from wmproof.errors import VerificationError
from wmproof.publication.log.checkpoint import open_checkpoint
from wmproof.publication.log.cosignature import verify_cosignatures
from wmproof.publication.log.merkle import (
    EMPTY_ROOT,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from wmproof.publication.log.note import (
    Note,
    SignatureKind,
    VerifierKey,
    parse_note,
    parse_verifier_key,
    verify_note,
)
from wmproof.publication.log.reader import LogReader
from wmproof.publication.log.signing import NoteSigner
from wmproof.publication.log.store import create_log
from wmproof.publication.log.witness import Witness

MERKLE = VECTORS["merkle_tree"]


def decoded(case, *names):
    return [base64.b64decode(case[name] or "") for name in names]


def path(case):
    return [base64.b64decode(node) for node in case["proof"] or []]


def test_roots_of_the_reference_tree(tmp_path):
    signer = NoteSigner("reference", SignatureKind.ED25519, bytes(32))
    log = create_log(tmp_path / "log", signer)
    leaves = [bytes.fromhex(leaf) for leaf in MERKLE["leaves"]]
    assert bytes.fromhex(MERKLE["roots"][0]) == EMPTY_ROOT
    for size, root in enumerate(MERKLE["roots"][1:], 1):
        log.append(leaves[size - 1])
        assert log.checkpoint(signer).checkpoint.root.hex() == root
        assert tree_hash(leaves[:size]).hex() == root


@pytest.mark.parametrize("case", VECTORS["inclusion"], ids=lambda case: case["name"])
def test_inclusion(case):
    leaf, root = decoded(case, "leafHash", "root")
    arguments = leaf, case["leafIdx"], case["treeSize"], root, path(case)
    if not case["wantErr"]:
        verify_inclusion(*arguments)
        return
    with pytest.raises(VerificationError, match=r"inclusion|index|root|path"):
        verify_inclusion(*arguments)


@pytest.mark.parametrize("case", VECTORS["consistency"], ids=lambda case: case["name"])
def test_consistency(case):
    old, new = decoded(case, "root1", "root2")
    arguments = case["size1"], old, case["size2"], new, path(case)
    # A proof from the empty log is useless, they say; a witness's first request is one.
    first = case["size1"] == 0 and old == EMPTY_ROOT and not case["proof"]
    if not case["wantErr"] or (first and case["size2"]):
        verify_consistency(*arguments)
        return
    with pytest.raises(VerificationError, match="is not proved to continue"):
        verify_consistency(*arguments)


@pytest.mark.parametrize("case", VECTORS["notes"], ids=lambda case: case["source"])
def test_notes(case):
    data = case["note"].encode()
    note = parse_note(data)
    assert note.to_bytes() == data
    if case["vkey"]:
        key = parse_verifier_key(case["vkey"])
        assert str(key) == case["vkey"]
        verify_note(note, key)
    if "seed" in case:
        name = case.get("name") or key.name
        signer = NoteSigner(name, SignatureKind.ED25519, bytes.fromhex(case["seed"]))
        assert not case["vkey"] or str(signer.verifier_key) == case["vkey"]
        again = Note(note.text, (signer.signature(note.text.encode()),))
        assert again.to_bytes() == data


@pytest.mark.parametrize("case", VECTORS["checkpoints"], ids=lambda case: case["source"])
def test_checkpoints(case):
    key = parse_verifier_key(case["vkey"])
    signed = open_checkpoint(case["note"].encode(), key, origin=case["origin"])
    assert signed.checkpoint.size == case["size"]
    assert signed.checkpoint.text == signed.note.text
    with pytest.raises(VerificationError, match="is a checkpoint of the log"):
        open_checkpoint(case["note"].encode(), key)


def test_a_checkpoint_that_a_public_witness_cosigned():
    case = VECTORS["cosigned"]
    witness = parse_verifier_key(case["witness_key"])
    signed = open_checkpoint(case["note"].encode(), parse_verifier_key(case["log_key"]))
    (cosignature,) = verify_cosignatures(signed.note, [witness])
    assert cosignature.witness == witness
    assert cosignature.timestamp == 1791066002
    shifted = Note(signed.note.text.replace("9266", "9267"), signed.note.signatures)
    with pytest.raises(VerificationError, match="cosignature of witness"):
        verify_cosignatures(shifted, [witness])


def test_another_implementations_log_is_written_again_byte_by_byte(tmp_path):
    case = VECTORS["tessera"]
    signer = NoteSigner(case["origin"], SignatureKind.ED25519, bytes.fromhex(case["seed"]))
    assert str(signer.verifier_key) == case["vkey"]
    log = create_log(tmp_path / "log", signer)
    for size, checkpoint in case["checkpoints"].items():
        log.append_all([text.encode() for text in case["entries"][log.end : int(size)]])
        assert log.checkpoint(signer).note.to_bytes().decode() == checkpoint
        assert (log.folder / "checkpoint").read_text() == checkpoint
    tile = (log.folder / "tile/0/000.p/7").read_bytes()
    bundle = (log.folder / "tile/entries/000.p/7").read_bytes()
    assert (tile.hex(), bundle.hex()) == (case["tile"], case["bundle"])
    entries = [text.encode() for text in case["entries"]]
    assert list(LogReader(log.folder).entries()) == entries
    assert tile[:32] == leaf_hash(entries[0])


def test_requests_that_another_witness_answers(tmp_path):
    case = VECTORS["witnessed"]
    key = VerifierKey(case["name"], SignatureKind.ED25519, bytes.fromhex(case["log_key_hex"]))
    signer = NoteSigner("example.com/witness", SignatureKind.COSIGNATURE, bytes(32))
    witness = Witness(tmp_path, signer, clock=lambda: 1_700_000_000)
    first, second, third = (request.encode() for request in case["requests"])
    with pytest.raises(VerificationError, match="last cosigned size is 0"):
        witness.add_checkpoint(second, key)
    for request in (first, second, third):
        line = witness.add_checkpoint(request, key)
        last = witness.last(key)
        assert line in last.note.signatures
    assert last.checkpoint.size == 5
    with pytest.raises(VerificationError, match=r"rolled back: .*size 5 .*size 3"):
        witness.add_checkpoint(second, key)
