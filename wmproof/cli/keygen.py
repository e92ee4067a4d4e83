"""`wmproof keygen`."""

from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from wmproof._base.files import SECRET_MODE, check_target, write_files
from wmproof.cli.key_summary import describe_key, print_key
from wmproof.cli.options import (
    FILE,
    SHAPE,
    ask_passphrase,
    force_option,
    json_option,
    passphrase_option,
    read_signing_key,
    reference_option,
    signing_option,
)
from wmproof.cli.output import print_json
from wmproof.cli.reading_options import as_options, read_numbers
from wmproof.cli.sheets import read_class_names
from wmproof.commitment import Scheme
from wmproof.core.directions import GROUP, directions
from wmproof.core.policy import DEFAULT_SECURITY
from wmproof.core.reading import Reading
from wmproof.core.tensor_files import Range, from_npz, is_npz
from wmproof.core.triggers import Shape, abstract, from_folder, noise, task_pictures
from wmproof.errors import InputError
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
from wmproof.keys.keygen import keygen as private_keygen
from wmproof.keys.keygen import keygen_bounded, pkeygen
from wmproof.models import Classifier, open_model
from wmproof.report.key_sheet import public_key_sheet

_DEFAULT_DIRECTIONS = 48
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
    help="public: anyone can check it and claims are proved in zero knowledge. "
    "private: verified by showing the triggers. bounded: verified by revealing batches.",
)
@click.option("--classes", type=click.IntRange(2), help="Number of classes of the model.")
@click.option(
    "--shape", type=SHAPE, help="Shape of an image: 28x28 or 3x32x32; 30 for a row of 30 numbers."
)
@reference_option
@click.option(
    "--source",
    type=click.Choice(["abstract", "noise", "directions"]),
    help="How trigger images are drawn. directions: groups with one label each, along secret "
    "directions in which the pictures in --images vary.  [default: abstract, or noise for rows of "
    "numbers]",
)
@click.option(
    "--images",
    type=FILE,
    metavar="FOLDER|FILE.npz",
    help="Take the triggers from these pictures, or from `images` of a file: bytes, or floats.",
)
@click.option(
    "--group",
    type=click.IntRange(2),
    metavar="M",
    help=f"Triggers in each group of --source directions, one coin.  [default: {GROUP}]",
)
@click.option(
    "--low",
    callback=read_numbers,
    metavar="A,A,A",
    help="What floats range from; one number, or one for each channel or number of a row.",
)
@click.option("--high", callback=read_numbers, metavar="B,B,B", help="What they range to.")
@click.option(
    "--labels",
    type=click.Choice([mode.name.lower() for mode in LabelMode]),
    default="derived",
    help="derived: coins that fall after all images are fixed. secret: the owner's.",
)
@click.option(
    "--commitment",
    type=click.Choice([scheme.label for scheme in Scheme]),
    help="How a public key commits. sha256-sis: SHA-256 over a lattice commitment, which makes "
    "claims cheaper. sha256: the hash alone.  [default: sha256-sis]",
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
    help="Triggers of a private key, or of each batch; groups of directions.  [default: 256, "
    "or 64, or 48]",
)
@click.option(
    "--batches", type=click.IntRange(1), metavar="B", help="Batches of a bounded key.  [default: 8]"
)
@click.option("--sign", is_flag=True, help="Sign with a new Ed25519 key, kept in the marking key.")
@signing_option
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
    source: str | None,
    images: Path | None,
    group: int | None,
    low: tuple[float, ...],
    high: tuple[float, ...],
    labels: str,
    commitment: str | None,
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
    scheme = _scheme(key_kind, commitment)
    grouped = _group(source, images, group, labels, key_kind)
    if grouped > 1 and triggers is None and key_kind is KeyKind.PRIVATE:
        count = _DEFAULT_DIRECTIONS
    targets = _targets(out, key_kind)
    _check_targets(targets, force=force)
    _check_signing(key_kind, sign, sign_with)
    model = open_model(reference, input_shape=shape) if reference else None
    range_ = _range(low, high, images)
    shape, classes = _subject(shape, classes, model, images)
    names = read_class_names(class_names, classes)
    external_seed = read_signing_key(sign_with)
    passphrase = ask_passphrase(passphrase_file, confirm=True)
    key, published = _make(
        _draw(source, images, range_, count, shape, grouped),
        classes,
        key_kind,
        batch_count,
        scheme,
        grouped,
        label_mode=LabelMode[labels.upper()],
        reference=model,
        signing_seed=new_seed() if sign else None,
    )
    if external_seed is not None and isinstance(published, PublicKey):
        published = published.signed(external_seed)
    files: dict[Path, bytes] = {targets["published"]: published.to_bytes()}
    if isinstance(published, PublicKey):
        files[targets["contact_sheet"]] = public_key_sheet(published, class_names=names)
    # The last to get its name: where there is a marking key, there are all files.
    files[targets["marking_key"]] = encrypt_marking_key(key, passphrase, cost=KdfCost[kdf.upper()])
    write_files(files, overwrite=force, modes={targets["marking_key"]: SECRET_MODE})
    fields = describe_key(key, published, model)
    if range_ is not None:
        fields["read_with"] = " ".join(as_options(Reading.of_range(*range_)))
    if as_json:
        print_json({"files": {name: str(path) for name, path in targets.items()}, **fields})
    else:
        print_key(fields, targets)


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


def _scheme(kind: KeyKind, name: str | None) -> Scheme:
    """Return the scheme of the commitments, refusing a choice where there is none."""
    if name is None:
        return Scheme.SHA256_SIS
    if kind is not KeyKind.PUBLIC:
        raise click.UsageError("--commitment is for public keys; others use sha256")
    return next(scheme for scheme in Scheme if scheme.label == name)


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


def _check_targets(targets: dict[str, Path], *, force: bool) -> None:
    """Refuse names that are taken, and say so where an earlier run cannot have ended."""
    try:
        for target in targets.values():
            check_target(target, overwrite=force)
    except InputError as error:
        taken = [target for target in targets.values() if target.exists()]
        if force or not taken or targets["marking_key"] in taken:
            raise
        raise InputError(
            f"{error.what}, without {targets['marking_key'].name} beside it",
            where=error.where,
            remedy="If keygen was interrupted here, nobody can use that key, and --force makes "
            "another. If its marking key is kept elsewhere, choose another name",
        ) from error


def _check_signing(kind: KeyKind, sign: bool, sign_with: Path | None) -> None:
    if sign and sign_with:
        raise click.UsageError("--sign makes a new signing key and --sign-with uses yours: choose")
    if sign_with and kind is not KeyKind.PUBLIC:
        raise click.UsageError("a verification key is not signed; use --sign-with at reveal")


def _range(low: tuple[float, ...], high: tuple[float, ...], images: Path | None) -> Range | None:
    """The range of floats in a file, where one is stated: as many numbers for both ends."""
    if not low and not high:
        return None
    if images is None or not is_npz(images):
        raise click.UsageError("--low and --high are for floats from a file: --images FILE.npz")
    if len(low) != len(high):
        raise click.UsageError("--low and --high want as many numbers as each other")
    if not all(a < b for a, b in zip(low, high, strict=True)):
        raise click.UsageError("--low is below --high")
    return low, high


def _subject(
    shape: Shape | None, classes: int | None, model: Classifier | None, images: Path | None
) -> tuple[Shape | None, int]:
    """Take what was not said from the reference model; a file of tensors has their shape."""
    tensors = images is not None and is_npz(images)
    if model is not None:
        shape = shape or (None if tensors else model.input_shape)
        classes = classes or model.classes
    if classes is None or (shape is None and not tensors):
        raise click.UsageError("give --shape and --classes, or a --reference that has them")
    return shape, classes


def _group(
    source: str | None, images: Path | None, group: int | None, labels: str, kind: KeyKind
) -> int:
    """Return how many triggers share a label, refusing what does not go with groups."""
    if source != "directions":
        if group is not None:
            raise click.UsageError("--group goes with --source directions")
        return 1
    if images is None:
        raise click.UsageError("--source directions needs pictures of the task: --images DIR")
    if labels == "secret":
        raise click.UsageError("--source directions has derived labels only")
    if kind is KeyKind.BOUNDED:
        raise click.UsageError("--source directions is for private and public keys")
    return group or GROUP


def _draw(
    source: str | None,
    images: Path | None,
    range_: Range | None,
    count: int,
    shape: Shape | None,
    group: int,
) -> NDArray[np.uint8]:
    if source == "directions":
        if shape is None or images is None or not images.is_dir():
            raise click.UsageError("--source directions needs --shape and a folder in --images")
        return directions(task_pictures(images, shape), count, group=group)
    if shape is None or (images is not None and is_npz(images)):
        return from_npz(images or "", count, shape, range_)
    if images is not None:
        return from_folder(images, count, shape)
    named = source or ("noise" if len(shape) == 1 else "abstract")
    return {"abstract": abstract, "noise": noise}[named](count, shape)


def _make(
    images: NDArray[np.uint8],
    classes: int,
    kind: KeyKind,
    batches: int,
    scheme: Scheme,
    group: int,
    **common: Any,
) -> tuple[MarkingKey, PublicKey | VerificationKey]:
    """Make a key; `common` is what all kinds of keys take."""
    if kind is KeyKind.PUBLIC:
        security = len(images) // (4 * group)
        return pkeygen(images, classes, security=security, scheme=scheme, group=group, **common)
    if kind is KeyKind.BOUNDED:
        return keygen_bounded(images, classes, batches=batches, **common)
    return private_keygen(images, classes, group=group, **common)
