"""`wmproof dispute`."""

from pathlib import Path

import click

from wmproof.cli.evidence_output import evidence_fields, print_evidence, verdict_words
from wmproof.cli.options import FILE, json_option
from wmproof.cli.output import print_fields, print_json, print_verdict
from wmproof.cli.trust_options import TrustFor, trust_options
from wmproof.core.checks import Verdict
from wmproof.core.triggers import as_planes, format_shape
from wmproof.errors import InputError


@click.command()
@click.argument("a", type=FILE, metavar="A.bundle")
@click.argument("b", type=FILE, metavar="B.bundle")
@click.argument("model", type=FILE, metavar="MODEL.onnx")
@trust_options
@json_option
def dispute(a: Path, b: Path, model: Path, trust_for: TrustFor, as_json: bool) -> int:
    """Say whose key was published first, and what each of two bundles on one model proves.

    Exit code 0 if the evidence decides between them, 1 if it does not.
    """
    from wmproof.publication.bundle.dispute import settle
    from wmproof.publication.bundle.format import load_bundle

    first, second = load_bundle(a), load_bundle(b)
    shapes = [bundle.public_key.verification_key.image_shape for bundle in (first, second)]
    if as_planes(shapes[0]) != as_planes(shapes[1]):
        raise InputError(
            f"the keys are for images of {format_shape(shapes[0])} and {format_shape(shapes[1])}, "
            "so they cannot be about one model"
        )
    trust = trust_for(shapes[0])
    result = settle(first, second, model, trust)
    if as_json:
        sides = {"a": evidence_fields(result.a), "b": evidence_fields(result.b)}
        print_json(result.to_dict() | sides)
        return 0 if result.prevails else 1
    for name, path, report in (("A", a, result.a), ("B", b, result.b)):
        print_fields({f"{name}:": path})
        print_evidence(report, trust)
        print_verdict(report.verdict, f"{name}: {verdict_words(report)}")
        print_fields({"": ""})
    print_fields(
        {"published first": result.precedence.first or "not told", "why": result.precedence.why}
    )
    print_verdict(Verdict.HOLDS if result.prevails else Verdict.INCOMPLETE, result.conclusion)
    return 0 if result.prevails else 1
