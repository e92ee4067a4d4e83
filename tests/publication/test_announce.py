"""A model card and a signed manifest name a key; the programs that they are for read them."""

import base64
import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from json_output import parse_output
from own_process import wmproof

from wmproof.cli import specimen
from wmproof.errors import FormatError, InputError, VerificationError
from wmproof.publication.announce.card import Announcement, read_card, with_section
from wmproof.publication.announce.manifest import (
    hash_files,
    load_key,
    load_private_key,
    read_manifest,
    sign_manifest,
    verify_manifest,
)
from wmproof.publication.bundle.format import parse_bundle

KEY = hashlib.sha256(b"key").hexdigest()
MODEL = hashlib.sha256(b"model").hexdigest()
CARD = "---\nlicense: apache-2.0\ntags:\n- vision\n---\n\n# Digits\n\nA model.\n"


def run(*arguments, code=0, **options):
    done = wmproof(*arguments, **options)
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model's folder with the key beside it."""
    made = tmp_path_factory.mktemp("digits")
    (made / "model.onnx").write_bytes(specimen.read_specimen(specimen.MODEL))
    key = parse_bundle(specimen.read_specimen(specimen.EVIDENCE)).public_key
    (made / "key.pvk").write_bytes(key.to_bytes())
    (made / "README.md").write_text(CARD)
    (made / "data").mkdir()
    (made / "data" / "classes.txt").write_text("0 1 2\n")
    (made / "data-2").write_text("a name that sorts between a folder and its files\n")
    return made


@pytest.fixture(scope="module")
def pems(tmp_path_factory):
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    made = tmp_path_factory.mktemp("keys")
    for name, curve in (("a", ec.SECP256R1()), ("b", ec.SECP384R1())):
        key = ec.generate_private_key(curve)
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (made / f"{name}.pem").write_bytes(secret)
        spki = PublicFormat.SubjectPublicKeyInfo
        (made / f"{name}.pub").write_bytes(key.public_key().public_bytes(Encoding.PEM, spki))
    return made


@pytest.mark.parametrize("card", ["", CARD, "no newline at the end"])
@pytest.mark.parametrize("said", [Announcement(KEY), Announcement(KEY, MODEL)])
def test_a_card_says_what_was_written_and_keeps_the_rest(card, said):
    written = with_section(card, said)
    assert read_card(written) == said
    assert written.startswith(card)
    again = with_section(f"{written}\nMore.\n", Announcement(MODEL))
    assert read_card(again) == Announcement(MODEL)
    assert again.startswith(card)
    assert again.endswith("\nMore.\n")


def test_a_card_is_still_one_for_the_hub():
    hub = pytest.importorskip("huggingface_hub")
    card = hub.ModelCard(with_section(CARD, Announcement(KEY, MODEL)))
    assert card.data.license == "apache-2.0"
    assert read_card(card.text) == Announcement(KEY, MODEL)


SECTION = with_section("", Announcement(KEY))


@pytest.mark.parametrize(
    ("card", "what"),
    [
        (CARD, "says nothing"),
        (SECTION + SECTION, "several"),
        (SECTION.replace(KEY, KEY[:-1]), "64 hexadecimal"),
        (SECTION.replace(KEY, KEY.upper()), "64 hexadecimal"),
        (SECTION.replace('"version": 1', '"version": 2'), "does not know"),
        (SECTION.replace('"version"', '"note": "x", "version"'), "does not know"),
        (SECTION.replace('"version": 1', '"version": '), "is not JSON"),
        (SECTION.replace(f'"{KEY}"', "7"), "64 hexadecimal"),
        (SECTION.replace('"version": 1', '"version": true'), "does not know"),
        (SECTION.replace('{"', f'{{"public_key_sha256": "{MODEL}", "'), "a name is repeated"),
        (SECTION.replace('{"', '{"a": ' + "[" * 9**6 + ', "'), "nested too deeply"),
        (SECTION.replace(f"`{KEY}`", f"`{MODEL}`"), "another digest"),
    ],
)
def test_other_cards_are_refused(card, what):
    with pytest.raises(FormatError, match=what):
        read_card(card)


def test_a_digest_that_is_none_is_not_announced():
    with pytest.raises(InputError, match="64 hexadecimal"):
        Announcement("--> <script>")


def test_keys_of_an_unknown_kind_are_named(tmp_path):
    """The library has an error of its own for them."""
    kind = bytes.fromhex("06072a8648ce3d0201")
    key = ec.generate_private_key(ec.SECP256R1())
    secret = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for marks, data, load in (
        ("PRIVATE", secret, load_private_key),
        ("PUBLIC", public, load_key),
    ):
        assert kind in data
        coded = base64.encodebytes(data.replace(kind, kind[:-1] + b"\x63")).decode()
        path = tmp_path / f"{marks}.pem"
        path.write_text(f"-----BEGIN {marks} KEY-----\n{coded}-----END {marks} KEY-----\n")
        with pytest.raises(FormatError, match="is no"):
            load(path)


def test_the_commands_write_and_read(folder, pems, tmp_path):
    pvk = folder / "key.pvk"
    digest = hashlib.sha256(pvk.read_bytes()).hexdigest()
    card = tmp_path / "README.md"
    card.write_text(CARD)
    run("announce", "card", card, "--public-key", pvk, "--model", folder / "model.onnx")
    said = parse_output(run("announce", "card", card, "--json").stdout)
    model = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    assert (said["public_key_sha256"], said["model_sha256"]) == (digest, model)
    signature = tmp_path / "model.sig"
    run(
        *("announce", "manifest", folder, "--public-key", pvk),
        *("--sign-with", pems / "a.pem", "-o", signature),
    )
    found = run(
        *("announce", "verify-manifest", signature, folder, "--signed-by", pems / "a.pub"),
        *("--public-key", pvk, "--json"),
    )
    assert parse_output(found.stdout)["public_key_sha256"] == digest
    run("announce", "verify-manifest", signature, "--signed-by", pems / "b.pub", code=1)


@pytest.fixture
def signed(folder, pems):
    return sign_manifest(folder, Announcement(KEY), load_private_key(pems / "a.pem"), ignored=())


def test_every_change_is_noticed(folder, pems, signed, tmp_path):
    key = load_key(pems / "a.pub")
    assert verify_manifest(signed, folder, key).said == Announcement(KEY)
    with pytest.raises(VerificationError, match="not signed by this key"):
        verify_manifest(signed, folder, load_key(pems / "b.pub"))
    bundle = json.loads(signed)
    payload = base64.b64decode(bundle["dsseEnvelope"]["payload"])
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(
        payload.replace(KEY.encode(), MODEL.encode())
    ).decode()
    assert read_manifest(json.dumps(bundle).encode()).said == Announcement(MODEL)
    with pytest.raises(VerificationError, match="not signed by this key"):
        verify_manifest(json.dumps(bundle).encode(), folder, key)
    (folder / "more.bin").write_bytes(b"")
    try:
        with pytest.raises(VerificationError, match=r"more\.bin"):
            verify_manifest(signed, folder, key)
    finally:
        (folder / "more.bin").unlink()
    link = tmp_path / "linked"
    link.mkdir()
    (link / "out").symlink_to(folder)
    with pytest.raises(InputError, match="symbolic link"):
        hash_files(link, ())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"dsseEnvelope": {"payload": "", "signatures": []}}',
        b"[" * 9**6,
        b'{"dsseEnvelope": {}, "dsseEnvelope": {}}',
    ],
)
def test_what_is_no_manifest_is_refused(data):
    with pytest.raises(FormatError, match="no signed manifest"):
        read_manifest(data)


@pytest.mark.parametrize("curve", ["a", "b"])
def test_the_other_program_verifies_ours_and_we_read_its(folder, pems, curve, tmp_path):
    signing = pytest.importorskip("model_signing").signing
    from model_signing import verifying

    ours = tmp_path / "ours.sig"
    key = load_private_key(pems / f"{curve}.pem")
    ours.write_bytes(sign_manifest(folder, Announcement(KEY), key, ignored=()))
    check = verifying.Config().use_elliptic_key_verifier(public_key=pems / f"{curve}.pub")
    check.verify(folder, ours)
    theirs = tmp_path / "theirs.sig"
    signing.Config().use_elliptic_key_signer(private_key=pems / f"{curve}.pem").sign(folder, theirs)
    found = verify_manifest(theirs.read_bytes(), folder, load_key(pems / f"{curve}.pub"))
    assert found.said is None
    assert found.files == read_manifest(ours.read_bytes()).files
