"""`wmproof log init | append | checkpoint`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from wmproof._files import read_file
from wmproof.cli.log.options import (
    entry_of,
    new_note_signer,
    note_key_option,
    note_signer,
    witness_option,
)
from wmproof.cli.options import FILE, json_option
from wmproof.cli.output import print_fields, print_json
from wmproof.errors import InputError
from wmproof.keys import load_public_key
from wmproof.publication.log.checkpoint import Checkpoint
from wmproof.publication.log.entry import entry_digest
from wmproof.publication.log.note import (
    NOTE_LIMIT,
    NoteSignature,
    SignatureKind,
    VerifierKey,
    encode_base64,
    parse_signature_line,
)
from wmproof.publication.log.published import publish_key
from wmproof.publication.log.store import Log, create_log


@click.command()
@click.argument("folder", type=FILE, metavar="LOG")
@click.option(
    "--origin",
    required=True,
    metavar="NAME",
    help="The log's name for ever: best the address that it will have, without https://",
)
@note_key_option
@json_option
def init(folder: Path, origin: str, sign_with: Path, as_json: bool) -> None:
    """Make an empty log in a folder.

    The private key is made if there is none at --sign-with. Tell everyone the public key.
    """
    signer = new_note_signer(sign_with, origin, SignatureKind.ED25519)
    made = create_log(folder, signer)
    fields = {"log": str(folder), "origin": origin, "log_key": str(made.log_key)}
    _show(fields | {"signing_key": str(sign_with)}, as_json)


@click.command()
@click.argument("folder", type=FILE, metavar="LOG")
@click.argument("keys", nargs=-1, required=True, metavar="KEY.pvk...")
@click.option("--publish", is_flag=True, help="Keep the keys themselves beside the log, too.")
@json_option
def append(folder: Path, keys: tuple[str, ...], publish: bool, as_json: bool) -> None:
    """Append keys (.pvk, .vk, or the digest of one), all or none.

    Only a digest of each is logged; with --publish, `wmproof log serve` shows the keys. When the
    command ends the entries are durable and have their place; `wmproof log checkpoint` then
    publishes them.
    """
    entries = [entry_of(key) for key in keys]
    log = Log(folder)
    if publish:
        for public_key in [load_public_key(key) for key in keys]:
            publish_key(folder, public_key)
    indices = log.append_all(entries)
    listed = [
        {"index": index, "key": key, "digest": (entry_digest(entry) or b"").hex()}
        for index, key, entry in zip(indices, keys, entries, strict=True)
    ]
    if as_json:
        print_json({"appended": listed})
    else:
        print_fields({str(item["index"]): f"{item['key']}  {item['digest']}" for item in listed})


@click.command()
@click.argument("folder", type=FILE, metavar="LOG")
@click.option(
    "--sign-with",
    type=FILE,
    metavar="KEY.pem",
    help="The log's private key; its passphrase comes from $WMPROOF_SIGNING_PASSPHRASE or by "
    "asking.",
)
@click.option(
    "--add",
    "cosignatures",
    type=FILE,
    multiple=True,
    metavar="FILE",
    help="Add a witness's cosignature of the present checkpoint; may be repeated.",
)
@witness_option
@json_option
def checkpoint(
    folder: Path,
    sign_with: Path | None,
    cosignatures: tuple[Path, ...],
    witnesses: tuple[VerifierKey, ...],
    as_json: bool,
) -> None:
    """Sign and publish everything that was appended; or add witnesses' cosignatures."""
    log = Log(folder)
    if bool(sign_with) == bool(cosignatures):
        raise click.UsageError("give either --sign-with, or --add with --witness")
    if cosignatures:
        if not witnesses:
            raise click.UsageError("--add needs the witness's key: --witness")
        lines = [_cosignature(path) for path in cosignatures]
        signed = log.add_cosignatures(lines, witnesses)
    else:
        assert sign_with is not None  # noqa: S101 - see above
        signed = log.checkpoint(note_signer(sign_with, log.log_key.name, SignatureKind.ED25519))
    names = [line.name for line in signed.note.signatures]
    _show(checkpoint_fields(signed.checkpoint) | {"signatures": names}, as_json)


def checkpoint_fields(item: Checkpoint) -> dict[str, Any]:
    """Return a checkpoint as JSON knows it."""
    return {"origin": item.origin, "size": item.size, "root": encode_base64(item.root)}


def _cosignature(path: Path) -> NoteSignature:
    try:
        text = read_file(path, limit=NOTE_LIMIT).decode()
    except UnicodeDecodeError:
        raise InputError("is not UTF-8 text", where=str(path)) from None
    return parse_signature_line(text.removesuffix("\n"), str(path))


def _show(fields: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(fields)
        return
    print_fields(
        {
            name.replace("_", " "): ", ".join(value) if isinstance(value, list) else value
            for name, value in fields.items()
        }
    )
