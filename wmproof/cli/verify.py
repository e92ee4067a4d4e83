"""`wmproof verify`."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import click

from wmproof.cli.options import (
    FILE,
    ask_passphrase,
    json_option,
    passphrase_option,
    reference_option,
    signer_option,
    tolerance_option,
)
from wmproof.cli.output import checks_as_json, print_checks, print_fields, print_json, print_verdict
from wmproof.cli.suspects import Source, check_source, open_suspect, suspect_options
from wmproof.keys import load_batch_opening, load_marking_key, load_signer, load_verification_key
from wmproof.models import open_model
from wmproof.verification import DEFAULT_STRENGTH, VerificationReport, examine, examine_batch


@click.command()
@suspect_options
@click.option(
    "--verification-key",
    "--vk",
    "vk_path",
    required=True,
    type=FILE,
    metavar="KEY.vk|KEY.pvk",
    help="The key as it was published.",
)
@click.option(
    "--key",
    "mk_path",
    type=FILE,
    metavar="KEY.mk",
    help="The owner's marking key, for private verification.",
)
@click.option(
    "--opening",
    "opening_path",
    type=FILE,
    metavar="FILE",
    help="A revealed batch of a bounded key.",
)
@reference_option
@tolerance_option
@click.option(
    "--minimum-strength",
    type=click.FloatRange(0),
    default=DEFAULT_STRENGTH,
    show_default=True,
    metavar="BITS",
    help="Accept no claim that is worth less.",
)
@signer_option
@passphrase_option
@json_option
def verify(
    source: Source,
    vk_path: Path,
    mk_path: Path | None,
    opening_path: Path | None,
    reference: Path | None,
    tolerance: Fraction,
    minimum_strength: float,
    signer: str | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> int:
    """Verify that a model carries a key.

    Privately, by the marking key, which shows every embedded trigger to whoever runs this; or by a
    revealed batch of a bounded key. The model is a file, or one behind an endpoint that speaks the
    Open Inference Protocol (KServe v2): whoever runs that sees every picture it is asked about, so
    by default only revealed batches go there.
    """
    if (mk_path is None) == (opening_path is None):
        raise click.UsageError("give either --key or --opening")
    if signer and mk_path:
        raise click.UsageError("--signer goes with --opening")
    private = mk_path is not None
    check_source(source, private=private)
    vk = load_verification_key(vk_path)
    truth = open_model(reference, input_shape=vk.image_shape) if reference else None
    common: dict[str, Any] = {
        "reference": truth,
        "tolerance": tolerance,
        "minimum_strength": minimum_strength,
    }
    if opening_path is not None:
        opening = load_batch_opening(opening_path, vk)
        signed_by = load_signer(signer) if signer else None
        with open_suspect(source, vk, private=private) as suspect:
            report = examine_batch(opening, suspect.classifier, signer=signed_by, **common)
    else:
        key = load_marking_key(mk_path or "", ask_passphrase(passphrase_file))
        with open_suspect(source, vk, private=private) as suspect:
            report = examine(key, vk, suspect.classifier, **common)
    fields = _fields(report, suspect.fields, vk.digest)
    if as_json:
        print_json(fields)
    else:
        _print(report)
    return 0 if report.holds else 1


def _fields(
    report: VerificationReport, model: dict[str, str | None], digest: bytes
) -> dict[str, Any]:
    return {
        "holds": report.holds,
        **model,
        "verification_key_sha256": digest.hex(),
        "checks": checks_as_json(report.checks),
        "triggers": report.triggers,
        "hits": report.hits,
        "threshold": report.threshold,
        "wrong_triggers": report.wrong_triggers,
        "wrong_hits": report.wrong_hits,
        "wrong_threshold": report.wrong_threshold,
        "classes": report.classes,
        "tolerance": float(report.tolerance),
        "strength_bits": report.strength_bits,
        "hoeffding_bits": report.hoeffding_bits,
        "observed_bits": report.observed_bits,
    }


def _print(report: VerificationReport) -> None:
    print_checks(report.checks)
    print_fields(
        {
            "strength": f"{report.strength_bits:.1f} bits exact, {report.hoeffding_bits:.1f} by "
            f"Hoeffding, for {report.threshold} of {report.triggers} hits by chance 1/"
            f"{report.classes}",
            "observed": f"{report.hits} of {report.triggers} hits: "
            f"2^-{report.observed_bits:.1f} by chance",
        }
    )
    words = "the claim holds" if report.holds else "the claim does not hold"
    print_verdict(report.holds, words)
