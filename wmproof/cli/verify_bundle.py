"""`wmproof verify-bundle`."""

from pathlib import Path

import click

from wmproof._base.files import check_target, write_file
from wmproof.cli.evidence_output import evidence_fields, print_evidence, verdict_words
from wmproof.cli.options import FILE, class_names_option, force_option, json_option
from wmproof.cli.output import print_fields, print_json, print_verdict
from wmproof.cli.sheets import read_class_names
from wmproof.cli.trust_options import TrustFor, trust_options


@click.command("verify-bundle")
@click.argument("bundle", type=FILE, metavar="FILE.bundle")
@click.argument("model", type=FILE, metavar="[MODEL.onnx]", required=False)
@trust_options
@click.option("--html", type=FILE, metavar="OUT.html", help="Write a report for court or counsel.")
@class_names_option
@force_option
@json_option
def verify_bundle(
    bundle: Path,
    model: Path | None,
    trust_for: TrustFor,
    html: Path | None,
    class_names: Path | None,
    force: bool,
    as_json: bool,
) -> int:
    """Check an evidence bundle offline, and say what it shows and what it does not.

    Only the roots given here are trusted. A part for which none is given is not checked, and is
    listed as not shown.
    """
    from wmproof.publication.bundle.format import load_bundle
    from wmproof.publication.bundle.verifier import examine_bundle

    if html is not None:
        check_target(html, overwrite=force)
    parsed = load_bundle(bundle)
    vk = parsed.public_key.verification_key
    names = read_class_names(class_names, vk.classes)
    trust = trust_for(vk.image_shape)
    report = examine_bundle(parsed, trust, model)
    if html is not None:
        from wmproof.publication.bundle.report import draw_evidence
        from wmproof.report.key_sheet import public_key_sheet

        sheet = public_key_sheet(parsed.public_key, class_names=names, coincide=report.key.coincide)
        write_file(html, draw_evidence(report, trust, contact_sheet=sheet), overwrite=force)
    if as_json:
        print_json(evidence_fields(report))
        return 0 if report.holds else 1
    print_evidence(report, trust)
    if html is not None:
        print_fields({"report": html})
    print_verdict(report.verdict, verdict_words(report))
    return 0 if report.holds else 1
