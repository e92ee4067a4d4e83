"""Options of the log's commands, and what they give."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from wmproof._files import read_file
from wmproof.cli.options import FILE, read_signing_key, signing_passphrase
from wmproof.errors import InputError
from wmproof.keys import load_public_key, new_seed, public_key, save_signing_key, verification_key
from wmproof.keys.files import FILE_LIMIT, load_verification_key
from wmproof.publication.log.entry import digest_entry, key_entry
from wmproof.publication.log.note import SignatureKind, VerifierKey, parse_verifier_key
from wmproof.publication.log.signing import NoteSigner

_VKEY_LIMIT = 4096
_Command = TypeVar("_Command", bound=Callable[..., Any])


class _VerifierKeyType(click.ParamType[VerifierKey]):
    name = "vkey"

    def convert(self, value: Any, param: Any, ctx: Any) -> VerifierKey:
        if isinstance(value, VerifierKey):
            return value
        text = str(value)
        try:
            if text.count("+") < 2 or Path(text).is_file():
                text = read_file(text, limit=_VKEY_LIMIT).decode(errors="replace")
            return parse_verifier_key(text.removesuffix("\n"), str(value))
        except InputError as error:
            self.fail(str(error), param, ctx)


VKEY = _VerifierKeyType()


def log_key_option(*, required: bool) -> Callable[[_Command], _Command]:
    """Add --log-key and --origin."""

    def add(command: _Command) -> _Command:
        command = click.option(
            "--origin", metavar="NAME", help="The log's origin, if it is not its key's name."
        )(command)
        own = "" if required else "  [default: LOG/log.vkey, for the log's owner]"
        return click.option(
            "--log-key",
            type=VKEY,
            required=required,
            metavar="VKEY",
            help=f"The log's public key as you trust it, or a file of it.{own}",
        )(command)

    return add


def witness_option(command: _Command) -> _Command:
    """Add --witness."""
    return click.option(
        "--witness",
        "witnesses",
        type=VKEY,
        multiple=True,
        metavar="VKEY",
        help="The public key of a witness that you trust, or a file of it; may be repeated.",
    )(command)


def note_key_option(command: _Command) -> _Command:
    """Add --sign-with, required."""
    return click.option(
        "--sign-with",
        type=FILE,
        required=True,
        metavar="KEY.pem",
        help="Ed25519 private key (PEM or OpenSSH); "
        "its passphrase comes from $WMPROOF_SIGNING_PASSPHRASE or by asking.",
    )(command)


def note_signer(path: Path, name: str, kind: SignatureKind) -> NoteSigner:
    """Read the private key of a log or a witness."""
    seed = read_signing_key(path)
    assert seed is not None  # noqa: S101 - the option is required
    return NoteSigner(name, kind, seed)


def new_note_signer(path: Path, name: str, kind: SignatureKind) -> NoteSigner:
    """Read the private key of a log or a witness, or make it where there is none."""
    if path.exists():
        return note_signer(path, name, kind)
    signer = NoteSigner(name, kind, new_seed())
    _ = signer.verifier_key  # a bad name is found before the file is made
    save_signing_key(path, signer.seed, signing_passphrase())
    return signer


def entry_of(text: str) -> bytes:
    """Return the entry of a key given as a file or as the 64 hexadecimal digits of its digest."""
    if len(text) == 64 and set(text.lower()) <= set("0123456789abcdef"):
        return digest_entry(bytes.fromhex(text))
    data = read_file(text, limit=FILE_LIMIT)
    if data.startswith(public_key.MAGIC):
        return key_entry(load_public_key(text))
    if data.startswith(verification_key.MAGIC):
        return key_entry(load_verification_key(text))
    raise InputError(
        "is neither a public key nor a verification key nor a digest",
        where=text,
        remedy="Log the .pvk or .vk file that keygen wrote",
    )
