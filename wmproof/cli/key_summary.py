"""What is said of a new key: for people, and for programs."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from wmproof.cli.claim_summary import strength_words
from wmproof.cli.output import console, print_fields
from wmproof.core.policy import DEFAULT_SECURITY, Policy
from wmproof.core.triggers import format_shape
from wmproof.keys import KeyKind, MarkingKey, PublicKey, VerificationKey
from wmproof.keys.check import examine_public_key
from wmproof.models import Classifier

_TARGET_NAMES = {"marking_key": "keep secret", "published": "publish", "contact_sheet": "look at"}


def describe_key(
    key: MarkingKey, published: PublicKey | VerificationKey, reference: Classifier | None
) -> dict[str, Any]:
    """Return what is said of a new key, as `json.dumps` takes it."""
    fields: dict[str, Any] = {
        "kind": key.kind.name.lower(),
        "labels": key.label_mode.name.lower(),
        "commitment": key.verification_key.scheme.label,
        "key_id": key.key_id.hex(),
        "verification_key_sha256": key.verification_key.digest.hex(),
        "shape": format_shape(key.image_shape),
        "classes": key.classes,
        "triggers": len(key),
        "embedded": len(key.to_embed()),
        "group": key.verification_key.group,
    }
    if isinstance(published, PublicKey):
        report = examine_public_key(published, Policy(reference=reference))
        fields |= {
            "public_key_sha256": published.digest.hex(),
            "security": report.security,
            "hidden": report.soundness.hidden,
            "hidden_bad_at_most": report.soundness.hidden_bad_at_most,
            "threshold": report.threshold,
            "strength_bits": report.strength_bits,
            "signer": published.signature.signer.hex() if published.signature else None,
            "expected": _expected(published),
        }
    if key.kind is KeyKind.BOUNDED:
        fields |= {"batches": key.verification_key.batches}
    return fields


def _expected(key: PublicKey) -> list[dict[str, Any]] | None:
    """What claims will cost; None where the prover is not installed."""
    try:
        from wmproof.pverify.expected import expect
    except ModuleNotFoundError:
        return None
    return [asdict(item) for item in expect(key)]


def _cost_words(expected: list[dict[str, Any]] | None) -> str:
    """How much a claim takes, for each network that stands for others."""
    if expected is None:
        return "need the extra prove, which then also says here what they cost"
    said = [
        f"{item['network']} ({item['lookups']} activations): about {item['seconds']:.0f} s, "
        f"{item['memory_bytes'] / 1e9:.1f} GB of memory, "
        f"a file of {item['claim_bytes'] / 1e6:.1f} MB"
        for item in expected
    ]
    said = ["; ".join(said)] if said else []
    return ". ".join([*said, "prove plans for your model, and takes less memory if it must"])


def print_key(fields: dict[str, Any], targets: dict[str, Path]) -> None:
    """Print it for people, with the files that were written."""
    shown: dict[str, object] = {
        "key": f"{fields['kind']}, {fields['labels']} labels, id {fields['key_id'][:16]}",
        "digest": fields.get("public_key_sha256", fields["verification_key_sha256"]),
        "triggers": f"{fields['triggers']} of {fields['shape']}, {fields['classes']} classes, "
        f"{fields['embedded']} to embed"
        + (f", in groups of {fields['group']}" if fields["group"] > 1 else ""),
    }
    security = fields.get("security")
    if security is not None:
        good = fields["hidden"] - fields["hidden_bad_at_most"]
        shown["soundness"] = (
            f"more than {security} bad elements pass with probability 2^-{security + 1}, so "
            f"at least {good} of the {fields['hidden']} hidden ones are true backdoor elements"
        )
        shown["claims"] = (
            f"need {fields['threshold']} of {fields['hidden']} hits: "
            + strength_words(fields["strength_bits"])
        )
    if "read_with" in fields:
        shown["floats"] = f"judge models that take them with {fields['read_with']}"
    if fields["kind"] == "public":
        shown["expected cost"] = _cost_words(fields["expected"])
        both = "; one model carries both (mark --key A.mk --key B.mk)"
        shown["services"] = (
            "a claim is about a file. For a model behind a service make a bounded key, too: "
            "--kind bounded" + (both if fields["group"] == 1 else "")
        )
    print_fields(shown | {_TARGET_NAMES[name]: path for name, path in targets.items()})
    if fields["labels"] == "secret":
        _warn(
            "Labels that the owner chose prove nothing by themselves: judges refuse this key "
            "unless they say --accept-chosen-labels."
        )
    if security is not None and security < DEFAULT_SECURITY:
        _warn(
            f"n = {security}: about 2^{security + 1} tries forge such a key. Verifiers refuse it "
            "unless they ask for less."
        )


def _warn(warning: str) -> None:
    from rich.text import Text

    target = console()
    target.print(Text(warning, "yellow"), soft_wrap=not target.is_terminal)
