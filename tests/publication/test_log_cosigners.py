"""Signature lines of strangers, and witnesses with ML-DSA-44."""

import base64
import hashlib
import struct
import subprocess
import sys
from dataclasses import replace
from functools import partial

import own_process
import pytest
from log_support import LOG, WITNESS, entry, seeded_log
from tampering import flip

from wmproof.errors import FormatError, InputError, VerificationError
from wmproof.publication.log import ml_dsa
from wmproof.publication.log.checkpoint import Checkpoint, open_checkpoint
from wmproof.publication.log.cosignature import cosigned_message, verify_cosignatures
from wmproof.publication.log.note import (
    Note,
    SignatureKind,
    VerifierKey,
    parse_note,
    parse_verifier_key,
)
from wmproof.publication.log.reader import LogReader
from wmproof.publication.log.signing import NoteSigner, cosign, sign_checkpoint
from wmproof.publication.log.verifier import verify_logged
from wmproof.publication.log.witness import Witness

# NIST, ACVP-Server, ML-DSA-keyGen-FIPS204, ML-DSA-44, test 1: the seed, and how its key begins.
# C2SP's text has no vector of a cosignature with ML-DSA-44.
NIST_SEED = bytes.fromhex("D71361C000F9A7BC99DFB425BCB6BB27C32C36AB444FF3708B2D93B4E66D5B5B")
NIST_PUBLIC = bytes.fromhex(
    "B845FA2881407A59183071629B08223128116014FB58FF6BB4C8C9FE19CF5B0B"
    "D77B16648A344FFE486BC3E3CB5FAB9ABC4CC2F1C34901692BEC5D290D815A6C"
)
WITNESS_PQ = NoteSigner("witness.example/pq", SignatureKind.ML_DSA_COSIGNATURE, NIST_SEED)
KEY_PQ = WITNESS_PQ.verifier_key
HEAD = Checkpoint(LOG.name, 3, bytes(range(32)))
NOTE = sign_checkpoint(HEAD, LOG)


def with_lines(*lines):
    return NOTE.to_bytes() + "".join(f"{line}\n" for line in lines).encode()


@pytest.mark.parametrize(
    "line",
    [
        "— stranger AAAAAAB=",  # not canonical base64
        "— stranger AAAAAAA=",
        f"— stranger {base64.b64encode(bytes(5000)).decode()}",
        "— \u200b\x9b AAAAAAA=",  # a name that nobody would show
        f"— {LOG.name} AAAAAAB=",  # the log's name with another key
        f"— {LOG.name} {base64.b64encode(bytes(72)).decode()}",
    ],
)
def test_a_line_of_a_stranger_is_ignored_whatever_its_form(line):
    data = with_lines(line)
    assert open_checkpoint(data, LOG.verifier_key).checkpoint == HEAD
    assert parse_note(data).to_bytes() == data


@pytest.mark.parametrize(
    "line",
    [
        *("stranger AAAAAAA=", "— stranger", "— stranger ", "— stranger AAAA", "— a AAAAAAA"),
        *("— stranger AAAAA!A=", "—stranger AAAAAAA=", "— a+b AAAAAAA=", "—  AAAAAAA=", ""),
        *("— a AAAA=AAA", "— a AAAAAAA==", "— a AAAAAAAA====", "— a b AAAAAAA="),
    ],
)
def test_a_line_that_is_no_signature_line_is_malformed(line):
    with pytest.raises(FormatError):
        parse_note(with_lines(line))


def test_a_known_key_must_spell_its_signature_canonically():
    data = NOTE.to_bytes()
    end = data.index(b"=\n", data.index("—".encode()))
    changed = data[: end - 1] + bytes([data[end - 1] + 1]) + data[end:]
    assert parse_note(changed).to_bytes() == changed
    with pytest.raises(FormatError, match="not in canonical base64"):
        open_checkpoint(changed, LOG.verifier_key)


def test_the_keys_of_ml_dsa_44():
    assert KEY_PQ.public[:64] == NIST_PUBLIC
    assert len(KEY_PQ.public) == 1312
    hashed = KEY_PQ.name.encode() + b"\n\x06" + KEY_PQ.public
    assert KEY_PQ.key_id == hashlib.sha256(hashed).digest()[:4]
    assert parse_verifier_key(str(KEY_PQ)) == KEY_PQ
    for kind, length in ((4, 1312), (6, 32), (6, 1313), (1, 1312)):
        with pytest.raises(InputError, match="public key has"):
            VerifierKey("a", SignatureKind(kind), bytes(length))
    with pytest.raises(InputError, match="at most 255 bytes"):
        VerifierKey("n" * 256, SignatureKind.ML_DSA_COSIGNATURE, KEY_PQ.public)
    for kind in (2, 3, 5, 7, 255):
        data = bytes([kind]) + KEY_PQ.public
        key_id = hashlib.sha256(b"a\n" + data).digest()[:4].hex()
        with pytest.raises(FormatError, match="no key of a kind that is known"):
            parse_verifier_key(f"a+{key_id}+{base64.b64encode(data).decode()}")


def test_what_a_cosignature_of_ml_dsa_44_signs():
    """The structure of tlog-cosignature, written a second time."""
    name, origin = KEY_PQ.name.encode(), LOG.name.encode()
    expected = struct.pack(
        f">12sB{len(name)}sQB{len(origin)}sQQ32s",
        *(b"subtree/v1\n\0", len(name), name, 1_700_000_000),
        *(len(origin), origin, 0, 3, HEAD.root),
    )
    assert cosigned_message(KEY_PQ, HEAD.text, 1_700_000_000) == expected
    further = replace(HEAD, extensions=("more",))
    assert cosigned_message(KEY_PQ, further.text, 1_700_000_000) == expected
    line = cosign(HEAD.text, WITNESS_PQ, 1_700_000_000)
    assert line.value[:8] == (1_700_000_000).to_bytes(8, "big")
    assert len(line.value) == 8 + 2420
    assert ml_dsa.verifies(KEY_PQ.public, expected, line.value[8:])


def test_a_witness_with_ml_dsa_44_beside_one_with_ed25519(tmp_path):
    log = seeded_log(tmp_path / "log", 5)
    log.checkpoint(LOG)
    known = []
    for signer, time in ((WITNESS, 1_700_000_000), (WITNESS_PQ, 1_600_000_000)):
        witness = Witness(tmp_path / signer.name.replace("/", "-"), signer, clock=lambda t=time: t)
        request = LogReader(log.folder).consistency_request(0).to_bytes()
        log.add_cosignatures(
            [witness.add_checkpoint(request, LOG.verifier_key)], [signer.verifier_key]
        )
        known.append(signer.verifier_key)
        assert witness.last(LOG.verifier_key).checkpoint.size == 5
    proof = LogReader(log.folder).prove_inclusion(2).to_bytes()
    report = verify_logged(proof, entry(2), LOG.verifier_key, witnesses=known)
    assert [c.witness for c in report.cosignatures] == known[::-1]
    assert [c.timestamp for c in report.cosignatures] == [1_600_000_000, 1_700_000_000]


def rejected(text, line, key=KEY_PQ):
    with pytest.raises(VerificationError, match="does not fit the checkpoint"):
        verify_cosignatures(Note(text, (line,)), [key])


def test_a_cosignature_of_ml_dsa_44_fits_one_witness_log_tree_and_time():
    line = cosign(HEAD.text, WITNESS_PQ, 1_700_000_000)
    (found,) = verify_cosignatures(Note(HEAD.text, (line,)), [KEY_PQ])
    assert found.timestamp == 1_700_000_000
    for other in (
        replace(HEAD, origin="example.com/other"),
        replace(HEAD, size=4),
        replace(HEAD, root=bytes(32)),
    ):
        rejected(other.text, line)
    for position in (0, 7, 8, 100, len(line.value) - 1):
        rejected(HEAD.text, replace(line, value=flip(line.value, position)))
    for value in (b"", line.value[:7], line.value[:-1], line.value + b"\0", bytes(2428)):
        rejected(HEAD.text, replace(line, value=value))
    renamed = replace(KEY_PQ, name="witness.example/other")
    rejected(HEAD.text, replace(line, name=renamed.name, key_id=renamed.key_id), renamed)
    assert verify_cosignatures(Note(HEAD.text, (line,)), [renamed]) == ()
    rejected("no checkpoint\n", line)
    long = replace(HEAD, origin="o" * 256)
    rejected(long.text, line)
    with pytest.raises(InputError, match="1 to 255 bytes"):
        cosign(long.text, WITNESS_PQ, 5)


def test_a_cosignature_without_a_time_says_nothing_of_when():
    """The specification lets a cosigner say 0; it must not date an entry to 1970."""
    message = cosigned_message(KEY_PQ, HEAD.text, 0)
    line = WITNESS_PQ.signature(message, bytes(8))
    assert verify_cosignatures(Note(HEAD.text, (line,)), [KEY_PQ]) == ()
    dated = cosign(HEAD.text, WITNESS_PQ, 7)
    (found,) = verify_cosignatures(Note(HEAD.text, (line, dated)), [KEY_PQ])
    assert found.timestamp == 7
    rejected(HEAD.text, replace(line, value=flip(line.value, 9)))


@pytest.mark.parametrize("missing", ["module", "algorithm"])
def test_where_the_library_lacks_ml_dsa_44_it_is_named(monkeypatch, missing):
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import mldsa

    line, vkey = cosign(HEAD.text, WITNESS_PQ, 5), str(KEY_PQ)
    if missing == "module":
        monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.mldsa", None)
    else:

        def refuse(*_):
            raise UnsupportedAlgorithm("not here")

        monkeypatch.setattr(mldsa.MLDSA44PublicKey, "from_public_bytes", refuse)
        monkeypatch.setattr(mldsa.MLDSA44PrivateKey, "from_seed_bytes", refuse)
    key = parse_verifier_key(vkey)
    for use in (
        lambda: verify_cosignatures(Note(HEAD.text, (line,)), [key]),
        lambda: cosign(HEAD.text, WITNESS_PQ, 5),
    ):
        with pytest.raises(InputError, match="has no ML-DSA-44"):
            use()
    ed25519 = cosign(HEAD.text, WITNESS, 5)
    assert verify_cosignatures(Note(HEAD.text, (line, ed25519)), [WITNESS.verifier_key])


wmproof = partial(own_process.wmproof, "log", stdin=subprocess.DEVNULL)


def test_the_commands_with_ml_dsa_44_and_with_files_that_an_editor_touched(tmp_path):
    assert not wmproof(
        "init", "log", "--origin", "example.com/b", "--sign-with", "l.pem", cwd=tmp_path
    ).returncode
    vkey = (tmp_path / "log/log.vkey").read_text()
    touched = "\ufeff" + vkey.replace("\n", "\r\n")
    (tmp_path / "touched.vkey").write_text(touched, newline="")
    made = wmproof(
        *("witness", "log", "--name", "w", "--sign-with", "w.pem", "--algorithm", "ml-dsa-44"),
        *("--state", "w", "--log-key", "touched.vkey", "-o", "w.cosignature"),
        cwd=tmp_path,
    )
    assert not made.returncode, made.stderr
    assert (tmp_path / "w.pem").stat().st_mode & 0o777 == 0o600
    key = next(word for word in made.stdout.split() if word.startswith("w+"))
    line = (tmp_path / "w.cosignature").read_text()
    (tmp_path / "mailed").write_text("\ufeff" + line.replace("\n", "\r\n"), newline="")
    (tmp_path / "w.pem").write_text("\ufeff" + (tmp_path / "w.pem").read_text(), newline="\r\n")
    added = wmproof("checkpoint", "log", "--add", "mailed", "--witness", key, cwd=tmp_path)
    assert not added.returncode, added.stderr
    checked = wmproof(
        "verify", "--folder", "log", "--log-key", vkey.strip(), "--witness", key, cwd=tmp_path
    )
    assert not checked.returncode, checked.stderr
    again = wmproof(
        *("witness", "log", "--name", "w", "--sign-with", "w.pem", "--state", "w"),
        *("--log-key", "touched.vkey", "-o", "again"),
        cwd=tmp_path,
    )
    assert key in again.stdout.split(), again.stderr
    checkpoint = tmp_path / "log/checkpoint"
    whole = checkpoint.read_bytes()
    for change, said in (
        (lambda d: d.replace(b"\n", b"\r\n"), "line ends of Windows"),
        (lambda d: b"\xef\xbb\xbf" + d, "byte order mark"),
    ):
        checkpoint.write_bytes(change(whole))
        refused = wmproof("verify", "--folder", "log", "--log-key", vkey.strip(), cwd=tmp_path)
        assert refused.returncode
        assert said in " ".join(refused.stderr.split())
    (tmp_path / "utf16.vkey").write_text(vkey, encoding="utf-16")
    refused = wmproof("verify", "--folder", "log", "--log-key", "utf16.vkey", cwd=tmp_path)
    assert "UTF-16" in refused.stderr
