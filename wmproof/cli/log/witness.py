"""`wmproof log witness`."""

from __future__ import annotations

from pathlib import Path

import click

from wmproof._files import read_file, write_file
from wmproof.cli.log.options import log_key_option, new_note_signer, note_key_option
from wmproof.cli.options import FILE, force_option, json_option
from wmproof.cli.output import print_fields, print_json
from wmproof.publication.log.note import SignatureKind, VerifierKey
from wmproof.publication.log.reader import LogReader
from wmproof.publication.log.tlog_proof import PROOF_LIMIT
from wmproof.publication.log.witness import Witness


@click.command()
@click.argument("request", type=FILE, metavar="LOG|REQUEST")
@click.option("--name", required=True, metavar="NAME", help="The witness's name for ever.")
@note_key_option
@click.option(
    "--state",
    type=FILE,
    required=True,
    metavar="FOLDER",
    help="Where the witness remembers what it cosigned. Never lose it.",
)
@log_key_option(required=True)
@click.option("-o", "--out", type=FILE, required=True, metavar="FILE", help="The cosignature.")
@force_option
@json_option
def witness(
    request: Path,
    name: str,
    sign_with: Path,
    state: Path,
    log_key: VerifierKey,
    origin: str | None,
    out: Path,
    force: bool,
    as_json: bool,
) -> None:
    """Cosign a log's checkpoint, if the log only grew since the last one that was cosigned.

    Reads the log's folder, or a request made by `wmproof log prove-consistency`. The private key
    is made if there is none at --sign-with.
    """
    signer = new_note_signer(sign_with, name, SignatureKind.COSIGNATURE)
    keeper = Witness(state, signer)
    if request.is_dir():
        last = keeper.last(log_key, origin=origin)
        log = LogReader(request, log_key, origin=origin)
        if last is None:
            proof = log.consistency_request(0)
        else:
            proof = log.prove_consistency(last.checkpoint)
        data = proof.to_bytes()
    else:
        data = read_file(request, limit=PROOF_LIMIT)
    line = keeper.add_checkpoint(data, log_key, origin=origin)
    write_file(out, line.line().encode(), overwrite=force)
    last = keeper.last(log_key, origin=origin)
    assert last is not None  # noqa: S101 - it was just written
    fields = {
        "cosigned": str(last.checkpoint),
        "cosignature": str(out),
        "witness_key": str(signer.verifier_key),
    }
    if as_json:
        print_json(fields)
    else:
        print_fields({key.replace("_", " "): value for key, value in fields.items()})
