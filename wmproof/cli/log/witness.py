"""`wmproof log witness`."""

from pathlib import Path

import click

from wmproof._base.files import read_file, write_files
from wmproof.cli.log.options import log_key_option, new_signer, note_key_option, witness_signer
from wmproof.cli.options import FILE, force_option, json_option, lock_timeout_option
from wmproof.cli.output import print_named
from wmproof.publication.log.note import SignatureKind, VerifierKey
from wmproof.publication.log.reader import LogReader
from wmproof.publication.log.tlog_proof import PROOF_LIMIT
from wmproof.publication.log.witness import Witness

_KINDS = {"ed25519": SignatureKind.COSIGNATURE, "ml-dsa-44": SignatureKind.ML_DSA_COSIGNATURE}


@click.command()
@click.argument("request", type=FILE, metavar="LOG|REQUEST")
@click.option("--name", required=True, metavar="NAME", help="The witness's name for ever.")
@note_key_option("Ed25519 or ML-DSA-44")
@click.option(
    "--algorithm",
    type=click.Choice(tuple(_KINDS)),
    default="ed25519",
    help="Of the private key, if one is made. ML-DSA-44 withstands quantum computers.",
)
@click.option(
    "--state",
    type=FILE,
    required=True,
    metavar="FOLDER",
    help="Where the witness remembers what it cosigned. Never lose it.",
)
@log_key_option(required=True)
@click.option("-o", "--out", type=FILE, required=True, metavar="FILE", help="The cosignature.")
@click.option(
    "--vkey-out", type=FILE, metavar="FILE", help="Write the witness's public key there, too."
)
@lock_timeout_option
@force_option
@json_option
def witness(
    request: Path,
    name: str,
    sign_with: Path,
    algorithm: str,
    state: Path,
    log_key: VerifierKey,
    origin: str | None,
    out: Path,
    vkey_out: Path | None,
    lock_timeout: float,
    force: bool,
    as_json: bool,
) -> None:
    """Cosign a log's checkpoint, if the log only grew since the last one that was cosigned.

    Reads the log's folder, or a request made by `wmproof log prove-consistency`. The private key
    is made if there is none at --sign-with.
    """
    if sign_with.exists():
        signer = witness_signer(sign_with, name)
    else:
        signer = new_signer(sign_with, name, _KINDS[algorithm])
    keeper = Witness(state, signer, lock_timeout=lock_timeout)
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
    files = {out: line.line().encode()}
    if vkey_out is not None:
        files[vkey_out] = f"{signer.verifier_key}\n".encode()
    write_files(files, overwrite=force)
    last = keeper.last(log_key, origin=origin)
    assert last is not None  # noqa: S101 - it was just written
    fields = {
        "cosigned": str(last.checkpoint),
        "cosignature": str(out),
        "witness_key": str(signer.verifier_key),
    }
    print_named(fields, as_json)
