"""`wmproof log prove-inclusion | prove-consistency`."""

from pathlib import Path

import click

from wmproof._base.files import read_file, write_file
from wmproof.cli.log.options import entry_of, log_key_option
from wmproof.cli.options import FILE, force_option, json_option
from wmproof.cli.output import print_fields, print_json
from wmproof.errors import InputError
from wmproof.publication.log.checkpoint import open_checkpoint
from wmproof.publication.log.note import NOTE_LIMIT, VerifierKey
from wmproof.publication.log.reader import LogReader


@click.command("prove-inclusion")
@click.argument("folder", type=FILE, metavar="LOG")
@click.argument("key", metavar="KEY.pvk")
@click.option(
    "-o", "--out", type=FILE, metavar="FILE", help="Default: KEY.pvk.tlog-proof beside the key."
)
@log_key_option(required=False)
@force_option
@json_option
def prove_inclusion(
    folder: Path,
    key: str,
    out: Path | None,
    log_key: VerifierKey | None,
    origin: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Prove that a key (.pvk, .vk, or the digest of one) is in the log, at its first place.

    The proof holds the present checkpoint with its cosignatures; nothing else is needed to
    verify it but the public keys of the log and its witnesses.
    """
    entry = entry_of(key)
    log = LogReader(folder, log_key, origin=origin)
    index = log.find(entry)
    if index is None:
        raise InputError(
            f"is not among the {log.size} published entries of {folder}",
            where=key,
            remedy="Append it, and sign a checkpoint after that",
        )
    proof = log.prove_inclusion(index)
    target = Path(f"{key}.tlog-proof") if out is None else out
    write_file(target, proof.to_bytes(), overwrite=force)
    fields = {"index": index, **log.checkpoint.to_dict(), "proof": str(target)}
    print_json(fields) if as_json else print_fields(fields)


@click.command("prove-consistency")
@click.argument("folder", type=FILE, metavar="LOG")
@click.option(
    "--since", type=FILE, metavar="CHECKPOINT", help="The old checkpoint, which is verified too."
)
@click.option(
    "--since-size", type=click.IntRange(0), metavar="N", help="Or only its size, for a witness."
)
@click.option("-o", "--out", type=FILE, required=True, metavar="FILE", help="The proof.")
@log_key_option(required=False)
@force_option
@json_option
def prove_consistency(
    folder: Path,
    since: Path | None,
    since_size: int | None,
    out: Path,
    log_key: VerifierKey | None,
    origin: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Prove that the log only grew since an old checkpoint.

    The file is also the request that a witness answers.
    """
    if (since is None) == (since_size is None):
        raise click.UsageError("give either --since or --since-size")
    log = LogReader(folder, log_key, origin=origin)
    if since is not None:
        data = read_file(since, limit=NOTE_LIMIT)
        old = open_checkpoint(data, log.log_key, origin=origin, where=str(since))
        proof = log.prove_consistency(old.checkpoint)
    else:
        proof = log.consistency_request(since_size or 0)
    write_file(out, proof.to_bytes(), overwrite=force)
    fields = {"from": proof.old_size, **log.checkpoint.to_dict(), "proof": str(out)}
    print_json(fields) if as_json else print_fields(fields)
