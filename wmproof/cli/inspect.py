"""`wmproof inspect`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from wmproof._base.files import make_folder, read_file, write_files
from wmproof.cli import inspect_evidence, inspect_files
from wmproof.cli.options import FILE, force_option, json_option
from wmproof.cli.output import as_text, print_fields, print_json
from wmproof.errors import FormatError
from wmproof.models.onnx_checks import MODEL_LIMIT

_MAGICS: dict[bytes, Callable[[bytes, str], dict[str, Any]]] = {
    **inspect_files.MAGICS,
    **inspect_evidence.MAGICS,
}
_SUFFIXES: dict[str, Callable[[bytes, str], dict[str, Any]]] = {
    ".onnx": inspect_files.describe_model,
    ".tsr": inspect_evidence.describe_token,
}


@click.command()
@click.argument("file", type=FILE)
@click.option(
    "--extract",
    "folder",
    type=FILE,
    metavar="DIR",
    help="Write the parts of an evidence bundle there, each as the file that it was.",
)
@force_option
@json_option
def inspect(file: Path, folder: Path | None, force: bool, as_json: bool) -> None:
    """Say what a file is and what is in it. Nothing is verified, and no secret is needed."""
    data = read_file(file, limit=MODEL_LIMIT)
    fields = _describe(data, str(file))
    if folder is not None:
        fields["extracted"] = _extract(data, str(file), folder, force=force)
    if as_json:
        print_json(fields)
    else:
        print_fields({name.replace("_", " "): as_text(value) for name, value in fields.items()})


def _extract(data: bytes, where: str, folder: Path, *, force: bool) -> list[str]:
    from wmproof.publication.bundle.format import parse_bundle

    parts = {folder / name: part for name, part in parse_bundle(data, where).files().items()}
    make_folder(folder)
    write_files(parts, overwrite=force)
    return [str(path) for path in parts]


def _describe(data: bytes, where: str) -> dict[str, Any]:
    for magic, describe in _MAGICS.items():
        if data.startswith(magic):
            return describe(data, where)
    if describe_named := _SUFFIXES.get(Path(where).suffix.lower()):
        return describe_named(data, where)
    if inspect_evidence.is_der_sequence(data):
        return inspect_evidence.describe_token(data, where)
    raise FormatError(
        "is none of the files that wmproof reads",
        where=where,
        remedy="It knows marking keys, verification keys, public keys, openings, circuits, claims, "
        "transcripts, inclusion proofs, RFC 3161 timestamps, OpenTimestamps files, bundles, and "
        "models whose names end in .onnx",
    )
