"""`wmproof announce`: name a public key in a model card and in a signed manifest."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wmproof._base.files import check_target, read_file, read_text, write_file
from wmproof.cli.lazy import Commands, LazyGroup
from wmproof.cli.options import FILE, SIGNING_VARIABLE, force_option, json_option, public_key_option
from wmproof.cli.output import print_fields, print_json, print_verdict
from wmproof.errors import InputError, VerificationError
from wmproof.keys import load_public_key

if TYPE_CHECKING:
    from wmproof.publication.announce.card import Announcement

_COMMANDS: Commands = {
    "card": ("announce", "Write or read the section of a model card."),
    "manifest": ("announce", "Sign the files of a model, with the key's digest."),
    "verify-manifest": ("announce", "Verify such a manifest, and read it."),
}


@click.group(cls=LazyGroup, lazy=_COMMANDS)
def announce() -> None:
    """Say where a model is found that it is yours: in its card, and in its manifest.

    Both carry the digest of the public key. They prove nothing by themselves.
    """


_model_option = click.option(
    "--model", type=FILE, metavar="MODEL.onnx", help="Name the file that claims are about, too."
)


@click.command()
@click.argument("file", type=FILE, metavar="CARD.md")
@click.option(
    "--public-key",
    "pvk_path",
    type=FILE,
    metavar="KEY.pvk",
    help="Write the section about this key; without it, read the one that is there.",
)
@_model_option
@json_option
def card(file: Path, pvk_path: Path | None, model: Path | None, as_json: bool) -> None:
    """Put a section about the key into a Hugging Face model card, or read it.

    The rest of the card stays as it is; an earlier section is replaced. Reading verifies nothing:
    compare the digest with that of the key that you have.
    """
    from wmproof.publication.announce.card import CARD_LIMIT, read_card, with_section

    if pvk_path is None and model is not None:
        raise click.UsageError("--model goes with --public-key")
    if pvk_path is not None and file.exists() and not file.is_file():
        raise InputError(
            "cannot be read and then written again",
            where=str(file),
            remedy="Give the card's own file",
        )
    text = read_text(file, limit=CARD_LIMIT) if pvk_path is None or file.exists() else ""
    if pvk_path is None:
        said = read_card(text, str(file))
    else:
        said = _said(pvk_path, model)
        write_file(file, with_section(text, said, str(file)).encode(), overwrite=True)
    _show(said, as_json=as_json)


@click.command()
@click.argument("folder", type=FILE, metavar="FOLDER")
@public_key_option
@_model_option
@click.option(
    "--sign-with", required=True, type=FILE, metavar="EC.pem", help="An ECDSA private key in PEM."
)
@click.option(
    "-o", "--out", type=FILE, metavar="FILE", help="The manifest.  [default: FOLDER/model.sig]"
)
@force_option
@json_option
def manifest(
    folder: Path,
    pvk_path: Path,
    model: Path | None,
    sign_with: Path,
    out: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Sign the digests of all files in FOLDER, as OpenSSF's model-signing does.

    Its own program verifies the result, and ignores what is said of the watermark. The key's
    passphrase, if it has one, is taken from WMPROOF_SIGNING_PASSPHRASE.
    """
    from wmproof.publication.announce.manifest import load_private_key, sign_manifest

    target = folder / "model.sig" if out is None else out
    check_target(target, overwrite=force)
    passphrase = os.environ.get(SIGNING_VARIABLE)
    key = load_private_key(sign_with, passphrase.encode() if passphrase else None)
    said = _said(pvk_path, model)
    inside = target.resolve().is_relative_to(folder.resolve())
    ignored = (target.resolve().relative_to(folder.resolve()).as_posix(),) if inside else ()
    write_file(target, sign_manifest(folder, said, key, ignored=ignored), overwrite=force)
    _show(said, {"file": str(target)}, as_json=as_json)


@click.command("verify-manifest")
@click.argument("file", type=FILE, metavar="MODEL.sig")
@click.argument("folder", type=FILE, metavar="[FOLDER]", required=False)
@click.option(
    "--signed-by",
    required=True,
    type=FILE,
    metavar="EC.pub",
    help="The signer's public key in PEM.",
)
@click.option(
    "--public-key", "pvk_path", type=FILE, metavar="KEY.pvk", help="It must name this key."
)
@json_option
def verify_manifest(
    file: Path, folder: Path | None, signed_by: Path, pvk_path: Path | None, as_json: bool
) -> None:
    """Verify the signature of a manifest and, with FOLDER, every file in it."""
    from wmproof.publication.announce import manifest as formats

    data = read_file(file, limit=formats.MANIFEST_LIMIT)
    found = formats.verify_manifest(data, folder, formats.load_key(signed_by), str(file))
    said = found.said
    if said is None:
        raise VerificationError("key", "the manifest says nothing of a watermark", where=str(file))
    if pvk_path is not None and said.public_key_sha256 != load_public_key(pvk_path).digest.hex():
        raise VerificationError("key", "the manifest names another key", where=str(file))
    fields: dict[str, object] = {
        "holds": True,
        "files": len(found.files),
        "files_compared": folder is not None,
    }
    _show(said, fields, as_json=as_json)
    if not as_json:
        print_verdict(True, "the manifest is signed by this key")


def _said(pvk_path: Path, model: Path | None) -> Announcement:
    from wmproof.models.file import read_model_file
    from wmproof.publication.announce.card import Announcement

    key = load_public_key(pvk_path).digest.hex()
    if model is None:
        return Announcement(key)
    return Announcement(key, read_model_file(model).digest.hex())


def _show(said: Announcement, more: dict[str, object] | None = None, *, as_json: bool) -> None:
    fields = {
        "public_key_sha256": said.public_key_sha256,
        "model_sha256": said.model_sha256,
        **(more or {}),
    }
    if as_json:
        print_json(fields)
    else:
        print_fields({name: value for name, value in fields.items() if value is not None})
