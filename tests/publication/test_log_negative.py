"""Everything that a lying log, host, witness or prover can hand over, and the name of each lie."""

import pytest
import tampering
from hypothesis import given
from hypothesis import strategies as st
from log_support import LOG, OTHER_LOG, WITNESS, WITNESS_2, entry, overwrite, seeded_log
from own_process import python
from tampering import flip

from wmproof.errors import FormatError, InputError, VerificationError, WmproofError
from wmproof.publication.log.audit import audit
from wmproof.publication.log.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from wmproof.publication.log.merkle import EMPTY_ROOT
from wmproof.publication.log.note import Note, parse_note, parse_verifier_key
from wmproof.publication.log.reader import LogReader
from wmproof.publication.log.signing import cosign, sign_checkpoint
from wmproof.publication.log.tlog_proof import (
    InclusionProof,
    parse_consistency_proof,
    parse_inclusion_proof,
)
from wmproof.publication.log.verifier import verify_growth, verify_logged
from wmproof.publication.log.witness import Witness

KEY = LOG.verifier_key


def fails(check, function, *arguments, **named):
    with tampering.fails(check) as caught:
        function(*arguments, **named)
    return str(caught.value)


@pytest.fixture
def cosigned(log, tmp_path):
    """The log, with the cosignatures of two witnesses."""
    for n, signer in enumerate((WITNESS, WITNESS_2)):
        witness = Witness(tmp_path / f"w{n}", signer, clock=lambda: 1_800_000_000)
        request = LogReader(log.folder).consistency_request(0).to_bytes()
        log.add_cosignatures([witness.add_checkpoint(request, KEY)], [signer.verifier_key])
    return log


def test_a_verifier_loads_no_writer():
    code = (
        "import sys, wmproof.publication.log.verifier, wmproof.publication.log.entry\n"
        "print([n for n in sys.modules if n.startswith('wmproof.publication.log.')])"
    )
    shown = python(code).stdout
    for module in ("store", "journal", "signing", "witness", "tiles", "reader", "tile_writer"):
        assert f"wmproof.publication.log.{module}'" not in shown
    assert "verifier" in shown


def test_proof_for_another_index_size_entry_key_or_origin(cosigned):
    proof = LogReader(cosigned.folder).prove_inclusion(7)
    data = proof.to_bytes()
    witnesses = [WITNESS.verifier_key, WITNESS_2.verifier_key]
    report = verify_logged(data, entry(7), KEY, witnesses=witnesses)
    assert [c.timestamp for c in report.cosignatures] == [1_800_000_000] * 2
    fails("inclusion", verify_logged, data, entry(8), KEY)
    moved = InclusionProof(8, proof.path, proof.checkpoint).to_bytes()
    fails("inclusion", verify_logged, moved, entry(7), KEY)
    outside = InclusionProof(300, proof.path, proof.checkpoint).to_bytes()
    assert "index 300 is not in a log of size 300" in fails(
        "inclusion", verify_logged, outside, entry(7), KEY
    )
    for path in (proof.path[:-1], (*proof.path, bytes(32)), proof.path[::-1], ()):
        changed = InclusionProof(7, path, proof.checkpoint).to_bytes()
        fails("inclusion", verify_logged, changed, entry(7), KEY)
    smaller = sign_checkpoint(Checkpoint(KEY.name, 299, proof_root(cosigned)), LOG).to_bytes()
    fails(
        "inclusion",
        verify_logged,
        InclusionProof(7, proof.path[:-2], smaller).to_bytes(),
        entry(7),
        KEY,
    )
    fails("log-signature", verify_logged, data, entry(7), OTHER_LOG.verifier_key)
    assert "is a checkpoint of the log" in fails(
        "origin", verify_logged, data, entry(7), KEY, origin="example.com/other"
    )


def proof_root(log):
    return LogReader(log.folder).checkpoint.root


def test_cosignatures_that_are_missing_foreign_or_wrong(cosigned):
    reader = LogReader(cosigned.folder)
    data = reader.prove_inclusion(0).to_bytes()
    known = [WITNESS.verifier_key, WITNESS_2.verifier_key]
    stranger = parse_verifier_key(str(WITNESS.verifier_key))
    assert stranger in known
    single = Note(reader.signed.note.text, reader.signed.note.signatures[:2]).to_bytes()
    lacking = InclusionProof(0, reader.prove_inclusion(0).path, single).to_bytes()
    said = fails("quorum", verify_logged, lacking, entry(0), KEY, witnesses=known)
    assert "1 of the 2 known witnesses have cosigned, and 2 must" in said
    assert len(verify_logged(lacking, entry(0), KEY, witnesses=known, quorum=1).cosignatures) == 1
    twice = [WITNESS.verifier_key, WITNESS.verifier_key]
    assert len(verify_logged(data, entry(0), KEY, witnesses=twice).cosignatures) == 1
    with pytest.raises(InputError, match="3 of 2 witnesses"):
        verify_logged(data, entry(0), KEY, witnesses=known, quorum=3)
    with pytest.raises(InputError, match="not a witness's"):
        verify_logged(data, entry(0), KEY, witnesses=[KEY])
    with pytest.raises(InputError, match="is a witness's and not a log's"):
        verify_logged(data, entry(0), WITNESS.verifier_key)
    other = cosign("another text\n", WITNESS, 5)
    forged = Note(reader.signed.note.text, (*reader.signed.note.signatures, other)).to_bytes()
    bad = InclusionProof(0, reader.prove_inclusion(0).path, forged).to_bytes()
    assert "witness.example/w1" in fails(
        "cosignature", verify_logged, bad, entry(0), KEY, witnesses=known
    )
    fails("cosignature", cosigned.add_cosignatures, [other], known)
    with pytest.raises(InputError, match="no cosignature is by"):
        cosigned.add_cosignatures([cosign(reader.signed.note.text, WITNESS, 9)], known[1:])


def test_a_cosignature_is_replaced_by_a_later_one(cosigned):
    text = LogReader(cosigned.folder).signed.note.text
    cosigned.add_cosignatures([cosign(text, WITNESS, 1_900_000_000)], [WITNESS.verifier_key])
    signed = LogReader(cosigned.folder).signed
    assert [s.name for s in signed.note.signatures] == [LOG.name, WITNESS_2.name, WITNESS.name]


def test_a_log_that_is_rolled_back_or_forked_is_caught_by_name(tmp_path, log):
    """Against whoever holds an old checkpoint, and against a witness."""
    held = LogReader(log.folder).signed
    small = seeded_log(tmp_path / "small", 200)
    forked = seeded_log(tmp_path / "forked", 310, branch=" of the fork", fork=290)
    small.checkpoint(LOG)
    forked.checkpoint(LOG)
    witness = Witness(tmp_path / "w", WITNESS, clock=lambda: 1_800_000_000)
    witness.add_checkpoint(LogReader(log.folder).consistency_request(0).to_bytes(), KEY)
    kept = witness.last(KEY)
    for folder, check, word in (
        (small.folder, "rollback", "was rolled back"),
        (forked.folder, "fork", "only grew"),
    ):
        reader = LogReader(folder)
        both = (str(held.checkpoint), str(reader.checkpoint), word)
        for said in (
            fails(check, reader.prove_consistency, held.checkpoint),
            *(
                fails(check, function, *arguments)
                for function, arguments in attempts(reader, held, witness)
            ),
        ):
            assert all(part in said for part in both)
        assert witness.last(KEY) == kept
    same_size = seeded_log(tmp_path / "same", 300, branch=" of the fork", fork=299)
    same_size.checkpoint(LOG)
    request = LogReader(same_size.folder).consistency_request(300).to_bytes()
    assert "the roots differ" in fails("fork", witness.add_checkpoint, request, KEY)


def attempts(reader, held, witness):
    if reader.size < 300:
        empty = reader.consistency_request(0).to_bytes()
        smaller = empty.replace(b"old 0", b"old 300")
        return [(verify_growth, (smaller, held, KEY)), (witness.add_checkpoint, (empty, KEY))]
    request = reader.consistency_request(300).to_bytes()
    return [(verify_growth, (request, held, KEY)), (witness.add_checkpoint, (request, KEY))]


def test_a_witness_and_its_clock_and_its_folder(tmp_path, log):
    times = iter([100, 99, 101, 0])
    witness = Witness(tmp_path / "w", WITNESS, clock=lambda: next(times))
    first = LogReader(log.folder).consistency_request(0).to_bytes()
    again = LogReader(log.folder).consistency_request(300).to_bytes()
    witness.add_checkpoint(first, KEY)
    fails("clock", witness.add_checkpoint, again, KEY)
    assert witness.add_checkpoint(again, KEY) in witness.last(KEY).note.signatures
    fails("proof", witness.add_checkpoint, first, KEY)
    fails("log-signature", witness.add_checkpoint, again, OTHER_LOG.verifier_key)
    (kept,) = (tmp_path / "w").rglob("checkpoint")
    bare = LogReader(log.folder).checkpoint_bytes
    overwrite(kept, bare)
    assert "was not cosigned by this witness" in fails("cosignature", witness.last, KEY)
    with pytest.raises(InputError, match="the clock says 0"):
        Witness(tmp_path / "w2", WITNESS, clock=lambda: 0).add_checkpoint(first, KEY)


@pytest.mark.parametrize("path", ["tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1"])
def test_tiles_that_are_cut_or_changed(log, path):
    tile = log.folder / path
    data = tile.read_bytes()
    for part in (data[:-1], data[:31], b"", data + b"\0"):
        overwrite(tile, part)
        with pytest.raises((FormatError, InputError), match=r"tile of|longer than|bytes, not"):
            audit(LogReader(log.folder))
    overwrite(tile, flip(data, len(data) - 1))
    reader = LogReader(log.folder)
    with pytest.raises(VerificationError) as caught:
        audit(reader)
    assert caught.value.check in ("tiles", "entries")
    overwrite(tile, data)
    audit(LogReader(log.folder))
    tile.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        audit(LogReader(log.folder))


def test_a_changed_tile_gives_no_proof(log):
    tile = log.folder / "tile/0/000"
    overwrite(tile, flip(tile.read_bytes(), 40))
    for index in (0, 1, 255):
        assert "the tiles do not fit the checkpoint of size 300" in fails(
            "tiles", LogReader(log.folder).prove_inclusion, index
        )


def test_bundles_that_are_cut_or_changed(log):
    bundle = log.folder / "tile/entries/000"
    data = bundle.read_bytes()
    for part in (data[:-1], b"", data + b"\0", data[:1]):
        overwrite(bundle, part)
        with pytest.raises(FormatError, match=r"cut short|after its end"):
            list(LogReader(log.folder).entries())
    overwrite(bundle, flip(data, 5))
    assert "entry 0 has another hash" in fails(
        "entries", lambda: list(LogReader(log.folder).entries())
    )


def test_a_checkpoint_of_another_key_or_text(log):
    path = log.folder / "checkpoint"
    data = path.read_bytes()
    reader = LogReader(log.folder)
    fails("log-signature", LogReader, log.folder, OTHER_LOG.verifier_key)
    overwrite(path, data.replace(b"\n300\n", b"\n301\n"))
    assert "does not fit the text" in fails("log-signature", LogReader, log.folder)
    other = Checkpoint("example.com/other", reader.size, reader.checkpoint.root)
    overwrite(path, sign_checkpoint(other, LOG).to_bytes())
    fails("origin", LogReader, log.folder)
    LogReader(log.folder, origin="example.com/other")


GOOD = sign_checkpoint(Checkpoint(LOG.name, 3, bytes(32)), LOG).to_bytes()


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d[:-1],
        lambda d: d + b"\n",
        lambda d: d.replace(b"\n", b"\r\n"),
        lambda d: d.replace(b"\n\n", b"\n"),
        lambda d: d.replace("—".encode(), b"-"),
        lambda d: d.replace(b"=\n", b"\n"),
        lambda d: d[: d.index("—".encode())],
        lambda d: d + b"\xff\n",
        lambda d: d.replace(b"log\n3", b"log\n\x003"),
        lambda d: d.replace(b"example.com/log ", b"example.com+log "),
        lambda d: d.replace(b"example.com/log ", "example.com/\u00a0log ".encode()),
        lambda d: d + "— a AAAAAA==\n".encode(),
        lambda d: d + "— a AAAAAAA\n".encode(),
        lambda d: d + 101 * "— a AAAAAAA=\n".encode(),
        lambda d: d + bytes(2**20),
    ],
)
def test_notes_that_are_not_canonical(change):
    assert parse_note(GOOD).to_bytes() == GOOD
    changed = change(GOOD)
    assert changed != GOOD
    with pytest.raises(FormatError):
        parse_note(changed)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "o\n3\n",
        "o\n03\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "o\n-3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "o\n+3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "o\n\uff13\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "o\n9223372036854775808\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "o\n3\nAAAA\n",
        "o\n3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=\n",
        "\n3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "o\n3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "o\n3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n",
        "o\n0\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
    ],
)
def test_texts_that_are_no_checkpoint(text):
    with pytest.raises(FormatError):
        parse_checkpoint(text)


def test_extension_lines_are_kept():
    made = Checkpoint("o", 0, EMPTY_ROOT, ("more", "and more"))
    assert parse_checkpoint(made.text) == made


def test_every_mangled_verifier_key_is_refused():
    text = str(KEY)
    assert parse_verifier_key(text) == KEY
    mangled = {text[i:j] for i in range(len(text)) for j in range(i + 1, len(text) + 1)} - {text}
    mangled |= {text[:i] + chr(ord(c) + 1) + text[i + 1 :] for i, c in enumerate(text)}
    for part in mangled:
        with pytest.raises(FormatError):
            parse_verifier_key(part)


@pytest.mark.parametrize("character", [" ", "+", "\n", "\x9b", "\u202e", "\u2028", "\udc80", "\0"])
def test_names_of_keys_that_a_terminal_would_obey(character):
    with pytest.raises(FormatError):
        parse_verifier_key(str(KEY).replace(KEY.name, f"a{character}b"))


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.replace(b"@v1", b"@v2"),
        lambda d: d.replace(b"index 7", b"index 07"),
        lambda d: d.replace(b"index 7", b"index  7"),
        lambda d: d.replace(b"index 7", b"extra AAB=\nindex 7"),
        lambda d: d.replace(b"index 7\n", b""),
        lambda d: d.replace(b"index 7", b"index 7\nindex 7"),
        lambda d: d.replace(b"index 7", b"index 7\nAAAA"),
        lambda d: d.replace(b"index 7", b"index 7" + 64 * (b"\n" + 43 * b"A" + b"=")),
        lambda d: d.replace(b"\n\n", b"\n"),
        lambda d: d[: d.index(b"\n\n")],
        lambda d: d[: d.index(b"\n\n") + 2],
        lambda d: b"\xff" + d,
        lambda d: d.replace(b"\nindex", b"\r\nindex"),
        lambda d: d + bytes(2**21),
    ],
)
def test_proofs_that_are_not_canonical(log, change):
    data = LogReader(log.folder).prove_inclusion(7, extra=b"context").to_bytes()
    parsed = parse_inclusion_proof(data)
    assert parsed.to_bytes() == data
    assert parsed.extra == b"context"
    plain = LogReader(log.folder).prove_inclusion(7).to_bytes()
    with pytest.raises(FormatError):
        parse_inclusion_proof(change(plain))


@given(st.binary(max_size=300))
def test_arbitrary_bytes_have_one_kind_of_error(data):
    for parse in (parse_note, parse_inclusion_proof, parse_consistency_proof):
        with pytest.raises(FormatError):
            parse(data)
    with pytest.raises(WmproofError):
        open_checkpoint(data, KEY)
    with pytest.raises(WmproofError):
        verify_logged(b"c2sp.org/tlog-proof@v1\nindex 0\n\n"[: len(data)] + data, entry(0), KEY)


def test_every_changed_byte_of_a_proof_is_noticed(cosigned):
    """Of all that is authenticated: a bit anywhere in it makes the proof fail, by name."""
    data = LogReader(cosigned.folder).prove_inclusion(7).to_bytes()
    witnesses = [WITNESS.verifier_key, WITNESS_2.verifier_key]
    for position in range(len(data)):
        with pytest.raises(WmproofError):
            verify_logged(flip(data, position), entry(7), KEY, witnesses=witnesses)
