"""`wmproof log verify`."""

from pathlib import Path
from typing import Any

import click

from wmproof._base.files import read_file
from wmproof.cli.log.options import entry_of, log_key_option, quorum_option, witness_option
from wmproof.cli.options import FILE, json_option
from wmproof.cli.output import print_fields, print_json, print_verdict
from wmproof.publication.log.checkpoint import Checkpoint, open_checkpoint
from wmproof.publication.log.cosignature import Cosignature
from wmproof.publication.log.note import NOTE_LIMIT, VerifierKey
from wmproof.publication.log.tlog_proof import PROOF_LIMIT
from wmproof.publication.log.verifier import require_quorum, verify_growth, verify_logged


@click.command()
@click.argument("proof", required=False, type=FILE, metavar="[PROOF]")
@click.option("--key", metavar="KEY.pvk", help="PROOF is to show that this key is in the log.")
@click.option(
    "--since",
    type=FILE,
    metavar="CHECKPOINT",
    help="PROOF is to show that the log only grew since this checkpoint.",
)
@click.option("--folder", type=FILE, metavar="LOG", help="Check every entry and tile of a log.")
@log_key_option(required=True)
@witness_option
@quorum_option
@json_option
def verify(
    proof: Path | None,
    key: str | None,
    since: Path | None,
    folder: Path | None,
    log_key: VerifierKey,
    origin: str | None,
    witnesses: tuple[VerifierKey, ...],
    quorum: int | None,
    as_json: bool,
) -> None:
    """Verify a proof with --key or --since, or a whole log with --folder.

    Believes only the keys given: of the log, and of its witnesses.
    """
    if [key, since, folder].count(None) != 2 or (proof is None) != (folder is not None):
        raise click.UsageError("give PROOF with --key or --since, or --folder alone")
    if folder is not None:
        fields = _verify_folder(folder, log_key, origin, witnesses, quorum)
        said = "every entry and tile fits the checkpoint"
    elif key is not None and proof is not None:
        report = verify_logged(
            read_file(proof, limit=PROOF_LIMIT),
            entry_of(key),
            log_key,
            origin=origin,
            witnesses=witnesses,
            quorum=quorum,
            where=str(proof),
        )
        fields = report.to_dict()
        said = "the key is in the log"
    else:
        assert since is not None and proof is not None  # noqa: S101, PT018 - see above
        held = read_file(since, limit=NOTE_LIMIT)
        old = open_checkpoint(held, log_key, origin=origin, where=str(since))
        data = read_file(proof, limit=PROOF_LIMIT)
        new = verify_growth(data, old, log_key, origin=origin, where=str(proof))
        cosignatures = require_quorum(new, witnesses, quorum, str(proof))
        fields = {"from": old.checkpoint.size, **_fields(new.checkpoint, cosignatures)}
        said = "the log only grew"
    if as_json:
        print_json({"holds": True, **fields})
        return
    witnessed = [f"{c['witness']} at {c['time']}" for c in fields.pop("cosignatures")]
    print_fields(fields | {"cosigned by": ", ".join(witnessed) or "no witness that was named"})
    print_verdict(True, said)


def _verify_folder(
    folder: Path,
    log_key: VerifierKey,
    origin: str | None,
    witnesses: tuple[VerifierKey, ...],
    quorum: int | None,
) -> dict[str, Any]:
    from wmproof.publication.log.audit import audit
    from wmproof.publication.log.reader import LogReader

    log = LogReader(folder, log_key, origin=origin)
    audit(log)
    cosignatures = require_quorum(log.signed, witnesses, quorum, str(folder))
    return _fields(log.checkpoint, cosignatures)


def _fields(checkpoint: Checkpoint, cosignatures: tuple[Cosignature, ...]) -> dict[str, Any]:
    return checkpoint.to_dict() | {"cosignatures": [item.to_dict() for item in cosignatures]}
