"""`wmproof bundle`."""

from pathlib import Path

import click

from wmproof._base.files import check_target, read_file, write_file
from wmproof.cli.options import FILE, force_option, json_option, public_key_option
from wmproof.cli.output import print_fields, print_json
from wmproof.cli.reading_options import READING
from wmproof.keys import load_public_key

_STAMP_LIMIT = 2**20


@click.command()
@click.argument("model", type=FILE, metavar="MODEL.onnx")
@public_key_option
@click.option("--proof", "claim_path", type=FILE, metavar="CLAIM.proof", help="The claim.")
@click.option(
    "--log-proof",
    "log_proofs",
    type=FILE,
    multiple=True,
    metavar="FILE.tlog-proof",
    help="That the key is in a log, with checkpoint and cosignatures; may be repeated.",
)
@click.option(
    "--timestamp",
    "timestamps",
    type=FILE,
    multiple=True,
    metavar="FILE",
    help="An RFC 3161 token or an OpenTimestamps file of the key, the model, the claim or the "
    "log's checkpoint; may be repeated.",
)
@READING["pixels"]
@click.option("-o", "--out", required=True, type=FILE, metavar="FILE.bundle", help="The bundle.")
@force_option
@json_option
def bundle(
    model: Path,
    pvk_path: Path,
    claim_path: Path | None,
    log_proofs: tuple[Path, ...],
    timestamps: tuple[Path, ...],
    pixels: str,
    out: Path,
    force: bool,
    as_json: bool,
) -> None:
    """Pack the evidence about a key and a model into one file.

    Of the model only its digest goes in. Nothing is verified but that the parts belong together:
    verify-bundle does the rest, with the verifier's own trust.
    """
    from wmproof.models.file import read_model_file
    from wmproof.publication.bundle.format import Pixels
    from wmproof.publication.bundle.pack import make_bundle
    from wmproof.publication.log.tlog_proof import PROOF_LIMIT
    from wmproof.pverify.claim_file import FILE_LIMIT

    check_target(out, overwrite=force)
    made = make_bundle(
        load_public_key(pvk_path),
        read_model_file(model).digest,
        pixels=Pixels[pixels.upper()],
        claim=(str(claim_path), read_file(claim_path, limit=FILE_LIMIT)) if claim_path else None,
        inclusion_proofs=[(str(p), read_file(p, limit=PROOF_LIMIT)) for p in log_proofs],
        timestamps=[(str(p), read_file(p, limit=_STAMP_LIMIT)) for p in timestamps],
    )
    write_file(out, made.to_bytes(), overwrite=force)
    parts = [part.name for part in made.parts]
    if as_json:
        print_json({"bundle_sha256": made.digest.hex(), "parts": parts, "file": str(out)})
    else:
        print_fields({"packed": ", ".join(parts), "bundle SHA-256": made.digest.hex(), "file": out})
