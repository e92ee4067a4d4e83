"""Options of the log's commands, and what they give."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from wmproof._base.files import read_file, read_text
from wmproof.cli.options import (
    FILE,
    SIGNING_VARIABLE,
    read_private_key,
    read_signing_key,
    signing_passphrase,
)
from wmproof.errors import InputError
from wmproof.keys import new_seed, public_key, save_signing_key, verification_key
from wmproof.keys.files import FILE_LIMIT
from wmproof.keys.signature import ed25519_seed, save_private_key
from wmproof.publication.log import ml_dsa
from wmproof.publication.log.entry import digest_entry, key_entry
from wmproof.publication.log.note import VKEY_LIMIT, SignatureKind, VerifierKey, parse_verifier_key
from wmproof.publication.log.signing import NoteSigner

_Command = TypeVar("_Command", bound=Callable[..., Any])


class _VerifierKeyType(click.ParamType[VerifierKey]):
    name = "vkey"

    def convert(self, value: Any, param: Any, ctx: Any) -> VerifierKey:
        if isinstance(value, VerifierKey):
            return value
        text = str(value)
        try:
            # os.path: a key of ML-DSA-44 is longer than the name of any file, which is no error.
            if text.count("+") < 2 or os.path.isfile(text):  # noqa: PTH113
                text = read_text(text, limit=VKEY_LIMIT)
            return parse_verifier_key(text.removesuffix("\n"), str(value))
        except InputError as error:
            self.fail(str(error), param, ctx)


VKEY = _VerifierKeyType()


def log_key_option(*, required: bool) -> Callable[[_Command], _Command]:
    """Add --log-key and --origin."""
    own = "" if required else "  [default: LOG/log.vkey, for the log's owner]"
    key = click.option(
        "--log-key",
        type=VKEY,
        required=required,
        metavar="VKEY",
        help=f"The log's public key as you trust it, or a file of it.{own}",
    )
    origin = click.option(
        "--origin", metavar="NAME", help="The log's origin, if it is not its key's name."
    )
    return lambda command: key(origin(command))


witness_option = click.option(
    "--witness",
    "witnesses",
    type=VKEY,
    multiple=True,
    metavar="VKEY",
    help="The public key of a witness that you trust, or a file of it; may be repeated.",
)
quorum_option = click.option(
    "--quorum",
    type=click.IntRange(0),
    metavar="N",
    help="How many of the witnesses must have cosigned.  [default: all]",
)


def note_key_option(algorithms: str) -> Callable[[_Command], _Command]:
    """Add --sign-with, required."""
    return click.option(
        "--sign-with",
        type=FILE,
        required=True,
        metavar="KEY.pem",
        help=f"{algorithms} private key (PEM); "
        f"its passphrase comes from ${SIGNING_VARIABLE} or by asking.",
    )


def log_signer(path: Path, name: str) -> NoteSigner:
    """Read the private key of a log."""
    seed = read_signing_key(path)
    assert seed is not None  # noqa: S101 - the option is required
    return NoteSigner(name, SignatureKind.ED25519, seed)


def witness_signer(path: Path, name: str) -> NoteSigner:
    """Read the private key of a witness, of either algorithm."""
    key = read_private_key(path)
    seed = ml_dsa.seed_of(key)
    if seed is not None:
        return NoteSigner(name, SignatureKind.ML_DSA_COSIGNATURE, seed)
    return NoteSigner(name, SignatureKind.COSIGNATURE, ed25519_seed(key, str(path)))


def new_signer(path: Path, name: str, kind: SignatureKind) -> NoteSigner:
    """Make the private key of a log or a witness."""
    signer = NoteSigner(name, kind, new_seed())
    _ = signer.verifier_key  # a bad name is found before the file is made
    passphrase = signing_passphrase()
    if kind is SignatureKind.ML_DSA_COSIGNATURE:
        save_private_key(path, ml_dsa.private_key(signer.seed), passphrase)
    else:
        save_signing_key(path, signer.seed, passphrase)
    return signer


def entry_of(text: str) -> bytes:
    """Return the entry of a key given as a file or as the 64 hexadecimal digits of its digest."""
    if len(text) == 64 and set(text.lower()) <= set("0123456789abcdef"):
        return digest_entry(bytes.fromhex(text))
    data = read_file(text, limit=FILE_LIMIT)
    if data.startswith(public_key.MAGIC):
        return key_entry(public_key.parse_public_key(data, text))
    if data.startswith(verification_key.MAGIC):
        return key_entry(verification_key.parse_verification_key(data, text))
    raise InputError(
        "is neither a public key nor a verification key nor a digest",
        where=text,
        remedy="Log the .pvk or .vk file that keygen wrote",
    )
