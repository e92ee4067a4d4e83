"""`wmproof keygen`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from wmproof._files import SECRET_MODE, check_target, write_files
from wmproof.cli.options import (
    FILE,
    SHAPE,
    ask_passphrase,
    force_option,
    json_option,
    passphrase_option,
    read_signing_key,
    reference_option,
    signing_options,
)
from wmproof.cli.output import console, print_fields, print_json
from wmproof.cli.sheets import read_class_names
from wmproof.key_check import examine_public_key
from wmproof.keygen import DEFAULT_SECURITY, keygen_bounded, pkeygen
from wmproof.keygen import keygen as private_keygen
from wmproof.keys import (
    KdfCost,
    KeyKind,
    LabelMode,
    MarkingKey,
    PublicKey,
    VerificationKey,
    encrypt_marking_key,
    new_seed,
)
from wmproof.models import Classifier, open_model
from wmproof.report.key_sheet import public_key_sheet
from wmproof.triggers import Shape, abstract, format_shape, from_folder, noise

_TARGET_NAMES = {"marking_key": "keep secret", "published": "publish", "contact_sheet": "look at"}
_DEFAULT_TRIGGERS = {KeyKind.PRIVATE: 256, KeyKind.BOUNDED: 64}


@click.command()
@click.option(
    "-o",
    "--out",
    required=True,
    type=FILE,
    metavar="NAME",
    help="Writes NAME.mk (secret), NAME.pvk or NAME.vk (to publish), and NAME.png.",
)
@click.option(
    "--kind",
    type=click.Choice([kind.name.lower() for kind in KeyKind]),
    default="public",
    show_default=True,
    help="public: anyone can check it and claims are proved in zero knowledge. "
    "private: verified by showing the triggers. bounded: verified by revealing batches.",
)
@click.option("--classes", type=click.IntRange(2), help="Number of classes of the model.")
@click.option("--shape", type=SHAPE, help="Shape of an image: 28x28 or 3x32x32.")
@reference_option
@click.option(
    "--source",
    type=click.Choice(["abstract", "noise"]),
    default="abstract",
    show_default=True,
    help="How trigger images are drawn.",
)
@click.option("--images", type=FILE, metavar="DIR", help="Take the triggers from these pictures.")
@click.option(
    "--labels",
    type=click.Choice([mode.name.lower() for mode in LabelMode]),
    default="derived",
    show_default=True,
    help="derived: coins that fall after all images are fixed. secret: the owner's.",
)
@click.option(
    "--security",
    type=click.IntRange(1),
    metavar="N",
    help=f"Bits n of a public key, which has 4 n triggers.  [default: {DEFAULT_SECURITY}]",
)
@click.option(
    "--triggers",
    type=click.IntRange(1),
    metavar="L",
    help="Triggers of a private key, or of each batch.  [default: 256, or 64]",
)
@click.option(
    "--batches", type=click.IntRange(1), metavar="B", help="Batches of a bounded key.  [default: 8]"
)
@click.option("--sign", is_flag=True, help="Sign with a new Ed25519 key, kept in the marking key.")
@signing_options
@click.option(
    "--class-names",
    type=FILE,
    metavar="FILE",
    help="Names of the classes for the contact sheet, one a line.",
)
@click.option(
    "--kdf",
    type=click.Choice([cost.name.lower() for cost in KdfCost]),
    default="moderate",
    show_default=True,
    help="Cost of each guess of the passphrase.",
)
@passphrase_option
@force_option
@json_option
def keygen(
    out: Path,
    kind: str,
    classes: int | None,
    shape: Shape | None,
    reference: Path | None,
    source: str,
    images: Path | None,
    labels: str,
    security: int | None,
    triggers: int | None,
    batches: int | None,
    sign: bool,
    sign_with: Path | None,
    class_names: Path | None,
    kdf: str,
    passphrase_file: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Make a key: secret triggers and public commitments.

    Publish the .pvk or .vk file before the model. Keep the .mk file and its passphrase: without
    them nothing can be claimed.
    """
    key_kind = KeyKind[kind.upper()]
    count, batch_count = _sizes(key_kind, security, triggers, batches)
    targets = _targets(out, key_kind)
    for target in targets.values():
        check_target(target, overwrite=force)
    if sign and sign_with:
        raise click.UsageError("--sign makes a new signing key and --sign-with uses yours: choose")
    if sign_with and key_kind is not KeyKind.PUBLIC:
        raise click.UsageError("a verification key is not signed; use --sign-with at reveal")
    model = open_model(reference, input_shape=shape) if reference else None
    shape, classes = _subject(shape, classes, model)
    names = read_class_names(class_names, classes)
    external_seed = read_signing_key(sign_with)
    passphrase = ask_passphrase(passphrase_file, confirm=True)
    made = _make(
        _draw(source, images, count, shape),
        classes,
        key_kind,
        batch_count,
        labels,
        model,
        new_seed() if sign else None,
    )
    key, published = made
    if external_seed is not None and isinstance(published, PublicKey):
        published = published.signed(external_seed)
    files = {
        targets["marking_key"]: encrypt_marking_key(key, passphrase, cost=KdfCost[kdf.upper()]),
        targets["published"]: published.to_bytes(),
    }
    if isinstance(published, PublicKey):
        files[targets["contact_sheet"]] = public_key_sheet(published, class_names=names)
    write_files(files, overwrite=force, modes={targets["marking_key"]: SECRET_MODE})
    fields = _describe(key, published, model)
    if as_json:
        print_json({"files": {name: str(path) for name, path in targets.items()}, **fields})
    else:
        _print(fields, targets)


def _sizes(
    kind: KeyKind, security: int | None, triggers: int | None, batches: int | None
) -> tuple[int, int]:
    """Return the number of triggers and of batches, refusing options of another kind of key."""
    if security is not None and kind is not KeyKind.PUBLIC:
        raise click.UsageError("--security is for public keys; use --triggers")
    if triggers is not None and kind is KeyKind.PUBLIC:
        raise click.UsageError("a public key has 4 n triggers; use --security")
    if batches is not None and kind is not KeyKind.BOUNDED:
        raise click.UsageError("--batches is for bounded keys")
    if kind is KeyKind.PUBLIC:
        return 4 * (security or DEFAULT_SECURITY), 1
    count = triggers or _DEFAULT_TRIGGERS[kind]
    if kind is KeyKind.PRIVATE:
        return count, 1
    return count * (batches or 8), batches or 8


def _targets(out: Path, kind: KeyKind) -> dict[str, Path]:
    if not out.name:
        raise click.UsageError(f"--out wants a name for the files, and '{out}' is a folder")

    def named(suffix: str) -> Path:
        return out.with_name(out.name + suffix)

    if kind is KeyKind.PUBLIC:
        return {
            "marking_key": named(".mk"),
            "published": named(".pvk"),
            "contact_sheet": named(".png"),
        }
    return {"marking_key": named(".mk"), "published": named(".vk")}


def _subject(
    shape: Shape | None, classes: int | None, model: Classifier | None
) -> tuple[Shape, int]:
    """Take what was not said from the reference model."""
    if model is not None:
        shape, classes = shape or model.input_shape, classes or model.classes
    if shape is None or classes is None:
        raise click.UsageError("give --shape and --classes, or a --reference that has them")
    return shape, classes


def _draw(source: str, folder: Path | None, count: int, shape: Shape) -> NDArray[np.uint8]:
    if folder is not None:
        return from_folder(folder, count, shape)
    return {"abstract": abstract, "noise": noise}[source](count, shape)


def _make(
    images: NDArray[np.uint8],
    classes: int,
    kind: KeyKind,
    batches: int,
    labels: str,
    reference: Classifier | None,
    signing_seed: bytes | None,
) -> tuple[MarkingKey, PublicKey | VerificationKey]:
    mode = LabelMode[labels.upper()]
    if kind is KeyKind.PUBLIC:
        return pkeygen(
            images,
            classes,
            security=len(images) // 4,
            label_mode=mode,
            reference=reference,
            signing_seed=signing_seed,
        )
    if kind is KeyKind.BOUNDED:
        return keygen_bounded(
            images,
            classes,
            batches=batches,
            label_mode=mode,
            reference=reference,
            signing_seed=signing_seed,
        )
    return private_keygen(
        images, classes, label_mode=mode, reference=reference, signing_seed=signing_seed
    )


def _describe(
    key: MarkingKey, published: PublicKey | VerificationKey, reference: Classifier | None
) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "kind": key.kind.name.lower(),
        "labels": key.label_mode.name.lower(),
        "key_id": key.key_id.hex(),
        "digest": published.digest.hex(),
        "shape": format_shape(key.image_shape),
        "classes": key.classes,
        "triggers": len(key),
        "embedded": len(key.to_embed()),
    }
    if isinstance(published, PublicKey):
        report = examine_public_key(published, reference=reference, minimum_security=0)
        fields |= {
            "security": report.security,
            "hidden": report.soundness.hidden,
            "hidden_bad_at_most": report.soundness.hidden_bad_at_most,
            "threshold": report.threshold,
            "strength_bits": report.strength_bits,
            "signer": published.signature.signer.hex() if published.signature else None,
        }
    if key.kind is KeyKind.BOUNDED:
        fields |= {"batches": key.verification_key.batches}
    return fields


def _print(fields: dict[str, Any], targets: dict[str, Path]) -> None:
    from rich.text import Text

    shown: dict[str, object] = {
        "key": f"{fields['kind']}, {fields['labels']} labels, id {fields['key_id'][:16]}",
        "digest": fields["digest"],
        "triggers": f"{fields['triggers']} of {fields['shape']}, {fields['classes']} classes, "
        f"{fields['embedded']} to embed",
    }
    security = fields.get("security")
    if security is not None:
        good = fields["hidden"] - fields["hidden_bad_at_most"]
        shown["soundness"] = (
            f"more than {security} bad elements pass with probability 2^-{security + 1}, so "
            f"at least {good} of the {fields['hidden']} hidden ones are true backdoor elements"
        )
        shown["claims"] = (
            f"{fields['threshold']} hits of {fields['hidden']} are worth "
            f"{fields['strength_bits']:.1f} bits"
        )
    print_fields(shown | {_TARGET_NAMES[name]: path for name, path in targets.items()})
    if security is not None and security < DEFAULT_SECURITY:
        warning = (
            f"n = {security}: about 2^{security + 1} tries forge such a key. Verifiers refuse it "
            "unless they ask for less."
        )
        target = console()
        target.print(Text(warning, "yellow"), soft_wrap=not target.is_terminal)
