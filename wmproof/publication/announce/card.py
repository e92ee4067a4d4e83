"""A section of a Hugging Face model card (README.md) that names the public key of a watermark."""

import json
import re
from dataclasses import dataclass
from typing import Any

from wmproof._base.strict_json import parse_json
from wmproof.errors import FormatError, InputError

CARD_LIMIT = 2**22
_BEGIN, _END = "<!-- wmproof {} -->", "<!-- end of wmproof -->"
_SECTION = re.compile(r"<!-- wmproof (\{[^\n]*\}) -->\n(.*?)<!-- end of wmproof -->\n?", re.DOTALL)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SHOWN_DIGEST = re.compile(r"(?<![0-9a-fA-F])[0-9a-fA-F]{64}(?![0-9a-fA-F])")
VERSION = 1


@dataclass(frozen=True)
class Announcement:
    """What a card or a manifest says of a watermark; the word of whoever wrote it."""

    public_key_sha256: str
    """Of the file `.pvk`, 64 hexadecimal digits."""
    model_sha256: str | None = None
    """Of the ONNX file that claims are about."""

    def __post_init__(self) -> None:
        for name, value in (("key", self.public_key_sha256), ("model", self.model_sha256)):
            if value is not None and not (isinstance(value, str) and _DIGEST.fullmatch(value)):
                raise InputError(f"the digest of the {name} is not 64 hexadecimal digits")

    def to_dict(self) -> dict[str, Any]:
        """Return what is written, as `json.dumps` takes it."""
        fields = {"version": VERSION, "public_key_sha256": self.public_key_sha256}
        return fields | ({"model_sha256": self.model_sha256} if self.model_sha256 else {})


def read_announcement(fields: Any, where: str) -> Announcement:
    """Parse what `Announcement.to_dict` wrote; FormatError if it is anything else."""
    names = {"version", "public_key_sha256", "model_sha256"}
    known = isinstance(fields, dict) and not fields.keys() - names
    if not known or type(fields.get("version")) is not int or fields["version"] != VERSION:
        raise FormatError(
            "says something about a watermark that this version of wmproof does not know",
            where=where,
            remedy="Write it again, or use the version of wmproof that wrote it",
        )
    try:
        return Announcement(fields.get("public_key_sha256", ""), fields.get("model_sha256"))
    except InputError as error:
        raise FormatError(error.what, where=where) from error


def with_section(card: str, said: Announcement, where: str = "model card") -> str:
    """Return a card with the section at its end, or in the place of the one that it has.

    FormatError if it has several.
    """
    begin = _BEGIN.format(json.dumps(said.to_dict(), sort_keys=True))
    section = f"{begin}\n{_words(said)}{_END}\n"
    found = _SECTION.findall(card)
    if len(found) > 1:
        raise _several(where)
    if found:
        return _SECTION.sub(lambda _: section, card)
    head = card if not card or card.endswith("\n") else f"{card}\n"
    return f"{head}\n{section}" if head else section


def read_card(card: str, where: str = "model card") -> Announcement:
    """Return what a card says; nothing is verified.

    FormatError if it has no section of this kind, or several, or one that says something else,
    or shows its readers another digest.
    """
    found = _SECTION.findall(card)
    if not found:
        raise FormatError(
            "says nothing about a watermark",
            where=where,
            remedy="wmproof announce card CARD.md --public-key KEY.pvk writes it",
        )
    if len(found) > 1:
        raise _several(where)
    ((text, words),) = found
    try:
        fields = parse_json(text)
    except ValueError as error:
        raise FormatError(
            f"has a section about a watermark that is not JSON ({error})", where=where
        ) from error
    said = read_announcement(fields, where)
    if set(_SHOWN_DIGEST.findall(words)) - {said.public_key_sha256, said.model_sha256}:
        raise FormatError(
            "shows its readers another digest than it tells programs",
            where=where,
            remedy="wmproof announce card CARD.md --public-key KEY.pvk writes it anew",
        )
    return said


def _several(where: str) -> FormatError:
    return FormatError(
        "has several sections about a watermark", where=where, remedy="Remove all but one"
    )


def _words(said: Announcement) -> str:
    rows = [("public key", said.public_key_sha256)]
    if said.model_sha256:
        rows.append(("model file", said.model_sha256))
    table = "".join(f"| {name} | `{digest}` |\n" for name, digest in rows)
    return (
        "## Ownership\n\n"
        "This model carries a watermark. Its public key has this digest, and so has the entry of\n"
        "that key in whatever log or timestamp it was published by:\n\n"
        f"| | SHA-256 |\n| --- | --- |\n{table}\n"
        "With the key's file anybody can check it, and a claim about a copy of the model:\n\n"
        "```\npip install wmproof\nwmproof check-key KEY.pvk\n"
        "wmproof pverify MODEL.onnx --public-key KEY.pvk --proof CLAIM.proof\n```\n"
    )
