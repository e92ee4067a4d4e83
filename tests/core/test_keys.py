import struct
from dataclasses import replace

import numpy as np
import pytest
from core_support import CHEAP, PASSPHRASE
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from wmproof.commitment import Scheme
from wmproof.core.policy import Policy
from wmproof.core.triggers import noise
from wmproof.errors import (
    FormatError,
    InputError,
    PassphraseError,
    VerificationError,
    WmproofError,
)
from wmproof.keys import (
    LabelMode,
    decrypt_marking_key,
    encrypt_marking_key,
    load_batch_opening,
    load_marking_key,
    load_public_key,
    load_signer,
    load_signing_key,
    load_verification_key,
    new_seed,
    parse_batch_opening,
    parse_marking_key_header,
    parse_public_key,
    parse_verification_key,
    save_marking_key,
    save_published,
    signer_of,
)
from wmproof.keys.check import check_public_key
from wmproof.keys.keygen import keygen, keygen_bounded, pkeygen
from wmproof.keys.marking_key import parse_secret_bytes

shapes = st.sampled_from([(2, 3), (4, 4), (1, 3, 3), (3, 2, 2), (5, 1, 2)])
modes = st.sampled_from(LabelMode)


def public_pair(n=2, shape=(4, 4), signed=False, mode=LabelMode.DERIVED, scheme=Scheme.SHA256):
    """Plain commitments by default: short randomness, so every byte of a file can be tried."""
    seed = new_seed() if signed else None
    options = {"label_mode": mode, "scheme": scheme, "signing_seed": seed}
    return pkeygen(noise(4 * n, shape), 10, security=n, **options)


@given(shapes, modes, st.integers(1, 9), st.booleans(), st.integers(2, 300))
@settings(max_examples=40)
def test_every_key_has_one_encoding(shape, mode, n, signed, classes):
    seed = new_seed() if signed else None
    options = {"label_mode": mode, "signing_seed": seed}
    secret, public = pkeygen(noise(4 * n, shape), classes, security=n, **options)
    data = public.to_bytes()
    again = parse_public_key(data)
    assert again.to_bytes() == data
    assert again.digest == public.digest
    assert again.verification_key == public.verification_key
    assert again.verification_key.image_shape == shape
    body = secret.to_secret_bytes()
    assert parse_secret_bytes(body).to_secret_bytes() == body
    vk = public.verification_key.to_bytes()
    assert parse_verification_key(vk).to_bytes() == vk


@given(st.integers(1, 4), st.integers(1, 5), st.booleans())
@settings(max_examples=20)
def test_openings_of_batches_have_one_encoding(batches, size, signed):
    secret, vk = keygen_bounded(noise(batches * size, (4, 4)), 10, batches=batches)
    for number in range(1, batches + 1):
        secret = secret.after_reveal()
        opening = secret.batch_opening(number)
        opening = opening.signed(new_seed()) if signed else opening
        again = parse_batch_opening(opening.to_bytes(), vk)
        assert again.to_bytes() == opening.to_bytes()
        assert again.batch == number


@pytest.mark.parametrize("signed", [False, True])
def test_every_cut_and_every_tail_is_refused(signed):
    secret, public = public_pair(1, signed=signed)
    whole = public.to_bytes()
    vk = public.verification_key.to_bytes()
    body = secret.to_secret_bytes()
    for data, parse in (
        (whole, parse_public_key),
        (vk, parse_verification_key),
        (body, parse_secret_bytes),
    ):
        for length in range(len(data)):
            with pytest.raises(FormatError):
                parse(data[:length])
        with pytest.raises(FormatError):
            parse(data + b"\0")


def refused(data: bytes) -> bool:
    try:
        check_public_key(parse_public_key(data), LAX)
    except WmproofError:
        return True
    return False


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("mode", LabelMode)
def test_a_changed_byte_anywhere_in_a_public_key_is_refused(signed, mode):
    # 48 triggers: a change that leaves the challenge as it was has probability 2**-48.
    _, public = public_pair(12, (1, 8), signed=signed, mode=mode)
    data = public.to_bytes()
    assert not refused(data)
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1 << position % 8
        assert refused(bytes(changed)), position


@pytest.mark.parametrize("mode", LabelMode)
def test_a_changed_byte_of_two_layer_commitments_is_refused(mode):
    _, public = public_pair(12, (1, 8), mode=mode, scheme=Scheme.SHA256_SIS)
    data = public.to_bytes()
    assert not refused(data)
    for position in np.linspace(0, len(data) - 1, 40).astype(int):
        changed = bytearray(data)
        changed[position] ^= 1 << position % 8
        assert refused(bytes(changed)), position


def test_a_new_public_key_has_two_layer_commitments_and_others_plain_ones():
    images = noise(8, (4, 4))
    assert pkeygen(images, 10, security=2)[1].verification_key.scheme is Scheme.SHA256_SIS
    assert keygen(images, 10)[1].scheme is Scheme.SHA256
    assert keygen_bounded(images, 10, batches=2)[1].scheme is Scheme.SHA256


def test_randomness_has_the_length_of_the_scheme():
    _, public = public_pair(2)
    other = replace(public.verification_key, scheme=Scheme.SHA256_SIS)
    with pytest.raises(InputError, match="64 bytes, not 1272"):
        replace(public, verification_key=other)


LAX = Policy(security=0, strength=0, accept_chosen_labels=True)

HEADER = [
    ("magic", 0, 8),
    ("version", 8, 2),
    ("kind", 10, 1),
    ("label mode", 11, 1),
    ("key id", 12, 32),
    ("classes", 44, 4),
    ("triggers", 48, 4),
    ("batches", 52, 4),
    ("channels", 56, 4),
    ("height", 60, 4),
    ("width", 64, 4),
    ("scheme", 68, 1),
    ("group", 69, 4),
]


@pytest.mark.parametrize(("name", "start", "width"), HEADER, ids=[field[0] for field in HEADER])
@pytest.mark.parametrize("fill", [0x00, 0xFF])
def test_extreme_header_fields_are_refused_before_anything_is_allocated(name, start, width, fill):
    _, vk = keygen_bounded(noise(8, (3, 2, 2)), 10, batches=2)
    changed = bytearray(vk.to_bytes())
    changed[start : start + width] = bytes([fill]) * width
    if name == "key id":
        assert parse_verification_key(bytes(changed)) != vk
    elif name == "channels" and fill == 0:
        assert parse_verification_key(bytes(changed)).image_shape == (2, 2)
    else:
        with pytest.raises(FormatError):
            parse_verification_key(bytes(changed))


@given(st.binary(max_size=400))
def test_foreign_bytes_are_refused(data):
    for parse in (
        parse_public_key,
        parse_verification_key,
        parse_secret_bytes,
        parse_marking_key_header,
    ):
        with pytest.raises(FormatError):
            parse(data)


def test_a_label_that_is_no_class_is_refused():
    _, public = public_pair(12)  # of 48 coins, one in 2**48 keys would open nothing
    vk, opened = public.verification_key, public.opened
    data = bytearray(public.to_bytes())
    start = 10 + len(vk.to_bytes()) + opened.triggers.messages.size
    data[start : start + 4] = struct.pack(">I", 10)
    with pytest.raises(FormatError, match="label"):
        parse_public_key(bytes(data))


def test_numbers_that_no_key_has_are_refused():
    bounded, vk = keygen_bounded(noise(8, (4, 4)), 10, batches=2)
    secret = bounded.to_secret_bytes()  # ends in the number of revealed batches and a flag
    for place, value, words in ((-1, 2, "signing key flag"), (-2, 9, "is inconsistent")):
        changed = bytearray(secret)
        changed[place] = value
        with pytest.raises(FormatError, match=words):
            parse_secret_bytes(bytes(changed))
    opening = bounded.after_reveal().batch_opening(1).to_bytes()
    for number in (0, 3, 2**32 - 1):
        changed = opening.replace(vk.digest + b"\0\0\0\1", vk.digest + number.to_bytes(4, "big"), 1)
        assert changed != opening
        with pytest.raises(FormatError, match="no batch"):
            parse_batch_opening(changed, vk)


def test_marking_keys_survive_the_disk(tmp_path):
    secret, _ = public_pair(4, signed=True)
    path = tmp_path / "a.mk"
    save_marking_key(path, secret, PASSPHRASE, cost=CHEAP)
    assert path.stat().st_mode & 0o777 == 0o600
    again = load_marking_key(path, PASSPHRASE)
    assert again.to_secret_bytes() == secret.to_secret_bytes()
    assert np.array_equal(again.to_embed().images, secret.to_embed().images)


def test_nothing_secret_is_readable_in_the_file_or_in_representations(tmp_path):
    secret, _ = public_pair(4, (8, 8), signed=True)
    data = encrypt_marking_key(secret, PASSPHRASE, cost=CHEAP)
    for image in secret.triggers.images:
        assert image.tobytes()[:16] not in data
    assert secret.signing_seed not in data
    for text in (repr(secret), str(secret), repr(secret.opened), repr(secret.triggers)):
        assert len(text) < 200
        assert "array" not in text
        assert secret.signing_seed.hex() not in text


def test_the_same_key_is_never_encrypted_twice_alike():
    secret, _ = public_pair(1)
    assert encrypt_marking_key(secret, "p", cost=CHEAP) != encrypt_marking_key(
        secret, "p", cost=CHEAP
    )


@pytest.mark.parametrize("attempt", ["wrong", "", PASSPHRASE + " ", PASSPHRASE.upper()])
def test_a_wrong_passphrase_is_told_apart_from_damage(attempt):
    secret, _ = public_pair(1)
    data = encrypt_marking_key(secret, PASSPHRASE, cost=CHEAP)
    with pytest.raises(PassphraseError):
        decrypt_marking_key(data, attempt)


def test_an_empty_passphrase_is_refused():
    secret, _ = public_pair(1)
    with pytest.raises(PassphraseError, match="empty"):
        encrypt_marking_key(secret, "", cost=CHEAP)


def test_a_passphrase_of_other_bytes_is_not_shown():
    secret, _ = public_pair(1)
    with pytest.raises(PassphraseError, match="not UTF-8") as caught:
        encrypt_marking_key(secret, "s3cret\udcff", cost=CHEAP)
    assert "s3cret" not in repr(caught.value) + str(caught.value.__cause__)


def test_composed_and_decomposed_passphrases_are_the_same():
    secret, _ = public_pair(1)
    data = encrypt_marking_key(secret, "caf\u00e9", cost=CHEAP)
    assert decrypt_marking_key(data, "cafe\u0301").key_id == secret.key_id


MK_FIELDS = {
    "magic": 3,
    "version": 9,
    "cost": 10,
    "salt": 15,
    "nonce": 30,
    "digest": 60,
    "check": 90,
    "tag of the box": 115,
    "first byte": 131,
    "last byte": -1,
}


@pytest.mark.parametrize("field", MK_FIELDS)
def test_a_changed_byte_in_a_marking_key_is_refused(field):
    secret, _ = public_pair(1)
    data = bytearray(encrypt_marking_key(secret, PASSPHRASE, cost=CHEAP))
    data[MK_FIELDS[field]] ^= 1 if field != "cost" else 3
    with pytest.raises((FormatError, PassphraseError)):
        decrypt_marking_key(bytes(data), PASSPHRASE)


@pytest.mark.parametrize("length", [0, 5, 50, 100, 114, 115, 120, -1])
def test_a_cut_marking_key_is_refused(length):
    secret, _ = public_pair(1)
    data = encrypt_marking_key(secret, PASSPHRASE, cost=CHEAP)
    with pytest.raises(FormatError):
        decrypt_marking_key(data[:length], PASSPHRASE)


def test_the_hidden_half_is_not_in_the_public_key():
    secret, public = public_pair(8, (8, 8))
    data = public.to_bytes()
    embedded = secret.embedded()
    assert len(embedded) + len(public.opened) == len(secret)
    for image, r in zip(embedded.triggers.images, embedded.trigger_randomness, strict=True):
        assert image.tobytes() not in data
        assert r.tobytes() not in data
    for image in public.opened.triggers.images:
        assert image.tobytes() in data


def test_what_is_embedded_depends_on_the_kind():
    private, _ = keygen(noise(8, (4, 4)), 10)
    bounded, _ = keygen_bounded(noise(8, (4, 4)), 10, batches=2)
    public, pvk = public_pair(2)
    assert len(private.to_embed()) == len(bounded.to_embed()) == 8
    hidden = pvk.verification_key.hidden_indices()
    assert np.array_equal(public.to_embed().images, public.triggers.images[hidden])


def test_signatures_name_their_signer(tmp_path):
    seed = new_seed()
    _, public = pkeygen(noise(8, (4, 4)), 10, security=2, signing_seed=seed)
    public.check_signature()
    public.check_signature(signer_of(seed))
    with pytest.raises(VerificationError, match="another key"):
        public.check_signature(signer_of(new_seed()))
    _, unsigned = public_pair(2)
    unsigned.check_signature()
    with pytest.raises(VerificationError, match="not signed"):
        unsigned.check_signature(signer_of(seed))


def test_a_signature_cannot_be_moved_to_another_key():
    _, a = public_pair(2, signed=True)
    _, b = public_pair(2, signed=True)
    forged = type(b)(b.verification_key, b.opened, a.signature)
    with pytest.raises(VerificationError, match="does not fit"):
        forged.check_signature()


@pytest.mark.parametrize(
    ("form", "secret"), [("PKCS8", None), ("PKCS8", b"hush"), ("OpenSSH", None)]
)
def test_signing_keys_of_other_tools_are_read(tmp_path, form, secret):
    key = Ed25519PrivateKey.generate()
    lock = serialization.BestAvailableEncryption(secret) if secret else serialization.NoEncryption()
    data = key.private_bytes(
        serialization.Encoding.PEM, getattr(serialization.PrivateFormat, form), lock
    )
    path = tmp_path / "key"
    path.write_bytes(data)
    assert load_signing_key(path, secret) == key.private_bytes_raw()
    assert load_signing_key(path, secret or b"not needed") == key.private_bytes_raw()
    if secret:
        for wrong in (None, b"wrong"):
            with pytest.raises(PassphraseError):
                load_signing_key(path, wrong)


def test_signers_are_read(tmp_path):
    key = Ed25519PrivateKey.generate().public_key()
    raw = key.public_bytes_raw()
    pem = key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    ssh = key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    (tmp_path / "pem").write_bytes(pem)
    (tmp_path / "ssh").write_bytes(ssh)
    assert load_signer(raw.hex()) == raw
    assert load_signer(str(tmp_path / "pem")) == raw
    assert load_signer(str(tmp_path / "ssh")) == raw


def test_other_kinds_of_keys_do_not_sign(tmp_path):
    key = X25519PrivateKey.generate()
    (tmp_path / "x").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    (tmp_path / "junk").write_bytes(b"junk")
    for name in ("x", "junk"):
        with pytest.raises(FormatError):
            load_signing_key(tmp_path / name)
    with pytest.raises(InputError):
        load_signer(str(tmp_path / "junk"))


def test_files_of_another_kind_are_named(tmp_path):
    secret, public = public_pair(1)
    bounded, vk = keygen_bounded(noise(4, (4, 4)), 10, batches=2)
    save_marking_key(tmp_path / "a.mk", secret, PASSPHRASE, cost=CHEAP)
    save_published(tmp_path / "a.pvk", public)
    save_published(tmp_path / "b.vk", vk)
    save_published(tmp_path / "b.opening", bounded.after_reveal().batch_opening(1))
    assert load_verification_key(tmp_path / "a.pvk") == public.verification_key
    assert load_batch_opening(tmp_path / "b.opening", vk).batch == 1
    with pytest.raises(FormatError, match="secret"):
        load_public_key(tmp_path / "a.mk")
    with pytest.raises(FormatError, match="secret"):
        load_verification_key(tmp_path / "a.mk")
    with pytest.raises(FormatError, match="without an opened half"):
        load_public_key(tmp_path / "b.vk")
    with pytest.raises(FormatError):
        load_marking_key(tmp_path / "a.pvk", PASSPHRASE)
    with pytest.raises(FormatError):
        load_verification_key(tmp_path / "b.opening")
    with pytest.raises(FormatError):
        load_batch_opening(tmp_path / "a.pvk", vk)
    _, other = keygen_bounded(noise(4, (4, 4)), 10, batches=2)
    with pytest.raises(VerificationError, match="another verification key"):
        load_batch_opening(tmp_path / "b.opening", other)


def test_keys_refuse_images_that_cannot_be_used():
    twins = np.zeros((8, 4, 4), np.uint8)
    with pytest.raises(InputError, match="same trigger"):
        keygen(twins, 10)
    with pytest.raises(InputError, match="at least one"):
        keygen(np.zeros((0, 4, 4), np.uint8), 10)
    with pytest.raises(InputError, match="needs 512"):
        pkeygen(noise(8, (4, 4)), 10)
    with pytest.raises(InputError, match="divide"):
        keygen_bounded(noise(8, (4, 4)), 10, batches=3)
    with pytest.raises(InputError, match="classes"):
        keygen(noise(8, (4, 4)), 1)
