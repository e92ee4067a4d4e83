"""`wmproof verify`."""

from pathlib import Path

import click

from wmproof.cli.options import FILE, ask_passphrase, json_option, passphrase_option
from wmproof.cli.output import print_checks, print_fields, print_json, print_verdict
from wmproof.cli.policy_options import CLAIM, PolicyFor, policy_options
from wmproof.cli.suspects import Source, check_source, open_suspect, suspect_options
from wmproof.core.checks import Outcome
from wmproof.keys import load_batch_opening, load_marking_key, load_verification_key
from wmproof.verification import VerificationReport, examine, examine_batch


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
@policy_options(*CLAIM)
@passphrase_option
@json_option
def verify(
    source: Source,
    vk_path: Path,
    mk_path: Path | None,
    opening_path: Path | None,
    policy_for: PolicyFor,
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
    private = mk_path is not None
    check_source(source, private=private)
    vk = load_verification_key(vk_path)
    policy = policy_for(vk.image_shape)
    if policy.signer and private:
        raise click.UsageError("--signer goes with --opening")
    if opening_path is not None:
        opening = load_batch_opening(opening_path, vk)
        with open_suspect(source, vk, private=private) as suspect:
            report = examine_batch(opening, suspect.classifier, policy)
    else:
        key = load_marking_key(mk_path or "", ask_passphrase(passphrase_file))
        with open_suspect(source, vk, private=private) as suspect:
            report = examine(key, vk, suspect.classifier, policy)
    if as_json:
        print_json(
            {**suspect.fields, "verification_key_sha256": vk.digest.hex()} | report.to_dict()
        )
    else:
        _print(report, suspect.fields)
    return 0 if report.holds else 1


def _print(report: VerificationReport, model: dict[str, str | None]) -> None:
    print_checks(report.checks)
    print_fields({name.replace("_", " "): value for name, value in model.items() if value})
    if report.observed_bits is not None:
        bits = int(report.observed_bits)
        worth = f"{bits} bits, a chance of 1 in 2^{bits}"
        print_fields({"observed": f"{report.hits} of {report.triggers} hits are worth {worth}"})
    reason = next((item.what for item in report.checks if item.outcome is Outcome.FAILED), "")
    if report.holds:
        print_verdict(True, "the claim holds")
    else:
        print_verdict(False, f"the claim does not hold: {reason}")
