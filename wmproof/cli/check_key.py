"""`wmproof check-key`."""

from pathlib import Path

import click

from wmproof._base.files import check_target, write_file
from wmproof.cli.claim_summary import fingerprint_rows, forging_cost, strength_words
from wmproof.cli.options import FILE, class_names_option, force_option, json_option
from wmproof.cli.output import print_checks, print_fields, print_json, print_rows, print_verdict
from wmproof.cli.policy_options import PUBLIC_KEY, PolicyFor, policy_options
from wmproof.cli.sheets import read_class_names
from wmproof.core.triggers import name_coins
from wmproof.keys import load_public_key
from wmproof.keys.check import KeyReport, examine_public_key
from wmproof.report.key_sheet import public_key_sheet


@click.command("check-key")
@click.argument("key", type=FILE, metavar="KEY.pvk")
@click.option(
    "--contact-sheet",
    type=FILE,
    metavar="OUT.png",
    help="Draw the opened triggers with their labels: look at them.",
)
@class_names_option
@policy_options(*PUBLIC_KEY)
@force_option
@json_option
def check_key(
    key: Path,
    contact_sheet: Path | None,
    class_names: Path | None,
    policy_for: PolicyFor,
    force: bool,
    as_json: bool,
) -> int:
    """Check a public key, without any secret."""
    public = load_public_key(key)
    vk = public.verification_key
    names = read_class_names(class_names, vk.classes)
    if contact_sheet is not None:
        check_target(contact_sheet, overwrite=force)
    report = examine_public_key(public, policy_for(vk.image_shape))
    if contact_sheet is not None:
        sheet = public_key_sheet(public, class_names=names, coincide=report.coincide)
        write_file(contact_sheet, sheet, overwrite=force)
    if as_json:
        print_json({"public_key_sha256": public.digest.hex(), **report.to_dict()})
    else:
        _print(report, public.digest, vk.group, contact_sheet)
    return 0 if report.holds else 1


def _print(report: KeyReport, digest: bytes, group: int, contact_sheet: Path | None) -> None:
    print_rows(fingerprint_rows("key file", digest))
    print_checks(report.checks)
    if report.holds:
        print_fields(_sound(report, group))
    if contact_sheet is not None:
        print_fields({"look at": contact_sheet})
    words = "the key is sound" if report.holds else "the key is not to be accepted"
    print_verdict(report.holds, words)


def _sound(report: KeyReport, group: int) -> dict[str, object]:
    """What follows only if the key is sound."""
    soundness = report.soundness
    return {
        name_coins(group): f"{soundness.triggers}, of which {soundness.hidden} stay hidden",
        "soundness": f"except with probability 2^-{soundness.bits} a key tried, at most "
        f"{soundness.hidden_bad_at_most} hidden ones are bad and at least "
        f"{soundness.hidden_good_at_least} are true backdoor elements",
        "claims": f"need {report.threshold} of {soundness.hidden} hits: "
        + strength_words(report.strength_bits),
        "forging": forging_cost(report.forging_bits),
    }
