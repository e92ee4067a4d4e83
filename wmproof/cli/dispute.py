"""`wmproof dispute`."""

from __future__ import annotations

from pathlib import Path

import click

from wmproof.cli.evidence_output import evidence_fields, load_bundle, print_evidence
from wmproof.cli.options import FILE, json_option
from wmproof.cli.output import print_fields, print_json, print_verdict
from wmproof.cli.trust_options import TrustFor, trust_options
from wmproof.errors import InputError
from wmproof.triggers import format_shape


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

    first, second = load_bundle(a), load_bundle(b)
    shapes = [bundle.public_key.verification_key.image_shape for bundle in (first, second)]
    if shapes[0] != shapes[1]:
        raise InputError(
            f"the keys are for images of {format_shape(shapes[0])} and {format_shape(shapes[1])}, "
            "so they cannot be about one model"
        )
    result = settle(first, second, model, trust_for(shapes[0]))
    if as_json:
        print_json(
            {
                "decided": result.prevails is not None,
                "prevails": result.prevails,
                "published_first": result.precedence.first,
                "why": result.precedence.why,
                "conclusion": result.conclusion,
                "a": evidence_fields(result.a),
                "b": evidence_fields(result.b),
            }
        )
        return 0 if result.prevails else 1
    for name, path, report in (("A", a, result.a), ("B", b, result.b)):
        print_fields({f"{name}:": path})
        print_evidence(report)
        print_verdict(report.holds, f"{name} holds" if report.holds else f"{name} does not hold")
        print_fields({"": ""})
    print_fields(
        {"published first": result.precedence.first or "not told", "why": result.precedence.why}
    )
    print_verdict(result.prevails is not None, result.conclusion)
    return 0 if result.prevails else 1
