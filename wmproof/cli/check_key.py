"""`wmproof check-key`."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import click

from wmproof._files import check_target, write_file
from wmproof.cli.claim_summary import forging_cost
from wmproof.cli.options import (
    FILE,
    force_option,
    json_option,
    reference_option,
    signer_option,
    tolerance_option,
)
from wmproof.cli.output import checks_as_json, print_checks, print_fields, print_json, print_verdict
from wmproof.cli.sheets import read_class_names
from wmproof.key_check import KeyReport, examine_public_key
from wmproof.keygen import DEFAULT_SECURITY
from wmproof.keys import load_public_key, load_signer
from wmproof.models import open_model
from wmproof.report.key_sheet import public_key_sheet
from wmproof.strength import hidden_at_least


@click.command("check-key")
@click.argument("key", type=FILE, metavar="KEY.pvk")
@reference_option
@click.option(
    "--contact-sheet",
    type=FILE,
    metavar="OUT.png",
    help="Draw the opened triggers with their labels: look at them.",
)
@click.option("--class-names", type=FILE, metavar="FILE", help="Names of the classes, one a line.")
@click.option(
    "--minimum-security",
    type=click.IntRange(0),
    default=DEFAULT_SECURITY,
    show_default=True,
    metavar="N",
    help="Refuse keys of fewer bits.",
)
@click.option(
    "--forgive",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    metavar="B",
    help="Opened secret labels that may be what the reference answers.",
)
@signer_option
@tolerance_option
@force_option
@json_option
def check_key(
    key: Path,
    reference: Path | None,
    contact_sheet: Path | None,
    class_names: Path | None,
    minimum_security: int,
    forgive: int,
    signer: str | None,
    tolerance: Fraction,
    force: bool,
    as_json: bool,
) -> int:
    """Check a public key, without any secret."""
    public = load_public_key(key)
    vk = public.verification_key
    names = read_class_names(class_names, vk.classes)
    if contact_sheet is not None:
        check_target(contact_sheet, overwrite=force)
    report = examine_public_key(
        public,
        reference=open_model(reference, input_shape=vk.image_shape) if reference else None,
        minimum_security=minimum_security,
        forgiven=forgive,
        signer=load_signer(signer) if signer else None,
        tolerance=tolerance,
    )
    if contact_sheet is not None:
        sheet = public_key_sheet(public, class_names=names, coincide=report.coincide)
        write_file(contact_sheet, sheet, overwrite=force)
    if as_json:
        print_json({"holds": report.holds, "digest": public.digest.hex(), **_fields(report)})
    else:
        _print(report, contact_sheet)
    return 0 if report.holds else 1


def _fields(report: KeyReport) -> dict[str, Any]:
    soundness = report.soundness
    return {
        "checks": checks_as_json(report.checks),
        "security": report.security,
        "triggers": soundness.triggers,
        "hidden": soundness.hidden,
        "hidden_at_least": hidden_at_least(soundness.triggers, report.security),
        "bad_opened": soundness.bad_opened,
        "bad_at_most": soundness.bad_at_most,
        "hidden_bad_at_most": soundness.hidden_bad_at_most,
        "hidden_good_at_least": soundness.hidden_good_at_least,
        "soundness_bits": soundness.bits,
        "tolerance": float(report.tolerance),
        "threshold": report.threshold,
        "good_hits_at_least": report.good_hits_at_least,
        "strength_bits": report.strength_bits,
        "forging_bits": report.forging_bits,
        "hoeffding_bits": report.hoeffding_bits,
    }


def _print(report: KeyReport, contact_sheet: Path | None) -> None:
    soundness = report.soundness
    print_checks(report.checks)
    sheet = {} if contact_sheet is None else {"look at": contact_sheet}
    print_fields(
        {
            "triggers": f"{soundness.triggers}, of which {soundness.hidden} stay hidden",
            "soundness": f"except with probability 2^-{soundness.bits} a key tried, at most "
            f"{soundness.hidden_bad_at_most} hidden ones are bad and at least "
            f"{soundness.hidden_good_at_least} are true backdoor elements",
            "claims": f"{report.threshold} hits of {soundness.hidden} (tolerance "
            f"{float(report.tolerance):g}): {report.strength_bits:.1f} bits exact, "
            f"{report.hoeffding_bits:.1f} by Hoeffding; {report.good_hits_at_least} or more of "
            "the hits are on true elements",
            "forging": forging_cost(report.forging_bits),
            **sheet,
        }
    )
    words = "the key is sound" if report.holds else "the key is not to be accepted"
    print_verdict(report.holds, words)
