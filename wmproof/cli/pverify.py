"""`wmproof pverify`."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import click

from wmproof._files import read_file
from wmproof.cli.options import (
    FILE,
    json_option,
    minimum_security_option,
    pixels_option,
    public_key_option,
    reference_option,
    signer_option,
    tolerance_option,
)
from wmproof.cli.output import print_json, print_verdict
from wmproof.key_check import check_public_key
from wmproof.keys import load_public_key, load_signer
from wmproof.models import open_model


@click.command()
@click.argument("model", type=FILE, metavar="MODEL.onnx")
@public_key_option
@click.option("--proof", "claim_path", type=FILE, metavar="CLAIM.proof", help="The claim file.")
@click.option("--connect", metavar="HOST:PORT", help="Ask a prover that listens, instead.")
@tolerance_option
@minimum_security_option
@reference_option
@signer_option
@pixels_option
@json_option
def pverify(
    model: Path,
    pvk_path: Path,
    claim_path: Path | None,
    connect: str | None,
    tolerance: Fraction,
    minimum_security: int,
    reference: Path | None,
    signer: str | None,
    pixels: str,
    as_json: bool,
) -> int:
    """Verify a zero-knowledge claim about a model, with nothing but public files.

    The opened half of the key is checked, and the model is compiled anew: nothing that the prover
    says is believed.
    """
    from wmproof.cli.claim_summary import print_claim
    from wmproof.pverify.claim_file import FILE_LIMIT, parse_claim
    from wmproof.pverify.session import connected, verify_session
    from wmproof.pverify.verifier import verify_claim

    if (claim_path is None) == (connect is None):
        raise click.UsageError("give either --proof or --connect")
    key = load_public_key(pvk_path)
    truth = (
        open_model(reference, input_shape=key.verification_key.image_shape) if reference else None
    )
    signed_by = load_signer(signer) if signer else None
    common: dict[str, Any] = {
        "tolerance": tolerance,
        "minimum_security": minimum_security,
        "pixels": pixels,
    }
    if claim_path is not None:
        claim = read_file(claim_path, limit=FILE_LIMIT)
        parse_claim(claim, str(claim_path))  # so that its errors name the file
        report = verify_claim(model, key, claim, reference=truth, signer=signed_by, **common)
    else:
        check_public_key(key, reference=truth, signer=signed_by, minimum_security=minimum_security)
        with connected(connect or "") as stream:
            report = verify_session(stream, model, key, **common)
    if as_json:
        print_json(report.fields())
        return 0
    print_claim(report)
    print_verdict(True, "the claim holds")
    return 0
