"""`wmproof log init | append | checkpoint`."""

from pathlib import Path

import click

from wmproof._base.files import read_text
from wmproof.cli.log.options import (
    entry_of,
    log_signer,
    new_signer,
    note_key_option,
    witness_option,
)
from wmproof.cli.options import FILE, json_option, lock_timeout_option
from wmproof.cli.output import print_fields, print_json, print_named
from wmproof.keys import load_public_key
from wmproof.publication.log.entry import entry_digest, key_entry
from wmproof.publication.log.merkle import leaf_hash
from wmproof.publication.log.note import (
    NOTE_LIMIT,
    NoteSignature,
    SignatureKind,
    VerifierKey,
    parse_signature_line,
)
from wmproof.publication.log.published import publish_key
from wmproof.publication.log.reader import LogReader
from wmproof.publication.log.store import Log, create_log


@click.command()
@click.argument("folder", type=FILE, metavar="LOG")
@click.option(
    "--origin",
    required=True,
    metavar="NAME",
    help="The log's name for ever: best the address that it will have, without https://",
)
@note_key_option("Ed25519")
@json_option
def init(folder: Path, origin: str, sign_with: Path, as_json: bool) -> None:
    """Make an empty log in a folder.

    The private key is made if there is none at --sign-with. Tell everyone the public key.
    """
    if sign_with.exists():
        signer = log_signer(sign_with, origin)
    else:
        signer = new_signer(sign_with, origin, SignatureKind.ED25519)
    made = create_log(folder, signer)
    fields = {"log": str(folder), "origin": origin, "log_key": str(made.log_key)}
    print_named(fields | {"signing_key": str(sign_with)}, as_json)


@click.command()
@click.argument("folder", type=FILE, metavar="LOG")
@click.argument("keys", nargs=-1, required=True, metavar="KEY.pvk...")
@click.option("--publish", is_flag=True, help="Keep the keys themselves beside the log, too.")
@lock_timeout_option
@json_option
def append(
    folder: Path, keys: tuple[str, ...], publish: bool, lock_timeout: float, as_json: bool
) -> None:
    """Append keys (.pvk, .vk, or the digest of one), all or none.

    Only a digest of each is logged; with --publish, `wmproof log serve` shows the keys. When the
    command ends the entries are durable and have their place; `wmproof log checkpoint` then
    publishes them.
    """
    published = [load_public_key(key) for key in keys] if publish else []
    entries = [key_entry(key) for key in published] or [entry_of(key) for key in keys]
    log = Log(folder, lock_timeout=lock_timeout)
    for public_key in published:
        publish_key(folder, public_key)
    first = _places(log, entries)
    indices = log.append_all(entries)
    for index, entry in zip(indices, entries, strict=True):
        first.setdefault(entry, index)
    listed = [
        {
            "index": index,
            "key": key,
            "key_sha256": (entry_digest(entry) or b"").hex(),
            "first_index": first[entry],
        }
        for index, key, entry in zip(indices, keys, entries, strict=True)
    ]
    if as_json:
        print_json({"appended": listed})
    else:
        print_fields({str(item["index"]): f"{item['key']} {item['key_sha256']}" for item in listed})
    for item in listed:
        if item["first_index"] != item["index"]:
            click.echo(
                f"note: {item['key']} was in the log before, as entry {item['first_index']}. "
                "The earlier entry is the one that dates it; the later one means nothing more",
                err=True,
            )


def _places(log: Log, entries: list[bytes]) -> dict[bytes, int]:
    """Return where those of these entries that are in the log already were first."""
    first: dict[bytes, int] = {}
    wanted = {leaf_hash(entry): entry for entry in entries}
    for index, leaf in enumerate(LogReader(log.folder).leaf_hashes()):
        if leaf in wanted:
            first.setdefault(wanted[leaf], index)
    for index, entry in log.pending():
        if leaf_hash(entry) in wanted:
            first.setdefault(entry, index)
    return first


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
@lock_timeout_option
@json_option
def checkpoint(
    folder: Path,
    sign_with: Path | None,
    cosignatures: tuple[Path, ...],
    witnesses: tuple[VerifierKey, ...],
    lock_timeout: float,
    as_json: bool,
) -> None:
    """Sign and publish everything that was appended; or add witnesses' cosignatures."""
    log = Log(folder, lock_timeout=lock_timeout)
    if bool(sign_with) == bool(cosignatures):
        raise click.UsageError("give either --sign-with, or --add with --witness")
    if cosignatures:
        if not witnesses:
            raise click.UsageError("--add needs the witness's key: --witness")
        lines = [_cosignature(path) for path in cosignatures]
        signed = log.add_cosignatures(lines, witnesses)
    else:
        assert sign_with is not None  # noqa: S101 - see above
        signed = log.checkpoint(log_signer(sign_with, log.log_key.name))
    names = [line.name for line in signed.note.signatures]
    print_named(signed.checkpoint.to_dict() | {"signatures": names}, as_json)


def _cosignature(path: Path) -> NoteSignature:
    text = read_text(path, limit=NOTE_LIMIT)
    return parse_signature_line(text.removesuffix("\n"), str(path))
