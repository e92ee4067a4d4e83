"""`wmproof pverify`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wmproof._base.files import read_file
from wmproof._base.progress import progress_bars
from wmproof.cli.failures import describe
from wmproof.cli.options import FILE, json_option, public_key_option
from wmproof.cli.output import print_json
from wmproof.cli.policy_options import CIRCUIT, PUBLIC_KEY, PolicyFor, policy_options
from wmproof.core.checks import Verdict
from wmproof.keys import PublicKey, load_public_key
from wmproof.keys.check import check_public_key

if TYPE_CHECKING:
    from wmproof.core.policy import Policy
    from wmproof.models.file import ModelFile
    from wmproof.pverify.report import ClaimReport
    from wmproof.pverify.statement import Progress


@click.command()
@click.argument("model", type=FILE, metavar="MODEL.onnx")
@public_key_option
@click.option("--proof", "claim_path", type=FILE, metavar="CLAIM.proof", help="The claim file.")
@click.option("--connect", metavar="HOST:PORT", help="Ask a prover that listens, instead.")
@policy_options(*PUBLIC_KEY, *CIRCUIT)
@json_option
def pverify(
    model: Path,
    pvk_path: Path,
    claim_path: Path | None,
    connect: str | None,
    policy_for: PolicyFor,
    as_json: bool,
) -> int:
    """Verify a zero-knowledge claim about a model, with nothing but public files.

    The opened half of the key is checked, and the model is compiled anew: nothing that the prover
    says is believed.
    """
    from wmproof.cli.claim_summary import print_claim_verdict, verdict_fields
    from wmproof.models.file import read_model_file
    from wmproof.pverify.verdict import judge_claim
    from wmproof.pverify.verifier import verify_claim

    if (claim_path is None) == (connect is None):
        raise click.UsageError("give either --proof or --connect")
    key = load_public_key(pvk_path)
    policy = policy_for(key.verification_key.image_shape)
    file = read_model_file(model)
    with progress_bars(quiet=as_json) as progress:
        if claim_path is not None:
            claim = _read_claim(claim_path)
            found = judge_claim(file, lambda: verify_claim(file, key, claim, policy, progress))
        else:
            check = partial(_ask, connect or "", file, key, policy, progress)
            found = judge_claim(file, check)
    if as_json:
        fields = {"holds": found.verdict is Verdict.HOLDS, **verdict_fields(found, policy)}
        if found.report is not None:
            fields = found.report.to_dict() | fields
        elif found.error is not None:
            fields["error"] = describe(found.error)
        print_json(fields)
    else:
        print_claim_verdict(found, policy)
    return 0 if found.verdict is Verdict.HOLDS else 1


def _read_claim(path: Path) -> bytes:
    from wmproof.pverify.claim_file import FILE_LIMIT, parse_claim

    claim = read_file(path, limit=FILE_LIMIT)
    parse_claim(claim, str(path))  # so that its errors name the file
    return claim


def _ask(
    address: str, model: ModelFile, key: PublicKey, policy: Policy, progress: Progress
) -> ClaimReport:
    """Check a claim over a connection; a bad key is found before anybody is asked."""
    from wmproof.pverify.session import connected, verify_session

    check_public_key(key, policy)
    with connected(address) as stream:
        return verify_session(stream, model, key, policy, progress)
