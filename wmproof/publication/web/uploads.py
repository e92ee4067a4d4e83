"""The files of a claim, as a form brings them, and how the judge says that they are read."""

from dataclasses import dataclass, field
from typing import Annotated, BinaryIO, Literal

from fastapi import File, Form, UploadFile

from wmproof.core.reading import Reading
from wmproof.core.triggers import parse_shape
from wmproof.errors import InputError

Part = Annotated[UploadFile, File()]
Parts = Annotated[list[UploadFile] | None, File()]
Word = Annotated[str, Form(max_length=200)]
_MOST_WEIGHTS, _MOST_PICTURES = 16, 256


@dataclass(frozen=True)
class ClaimUpload:
    """The files of a claim, without names on the disk, until the request is answered.

    `weights` are files that the model names, each with the name under which it came; `pictures`
    are the judge's own, on which proof and model must agree; `reading` is his word, too.
    """

    model: BinaryIO
    key: BinaryIO
    claim: BinaryIO
    weights: tuple[tuple[str, BinaryIO], ...] = ()
    pictures: tuple[BinaryIO, ...] = ()
    reading: Reading = field(default_factory=Reading)


async def claim_upload(
    model: Part,
    key: Part,
    claim: Part,
    weights: Parts = None,
    pictures: Parts = None,
    pixels: Annotated[Literal["raw", "unit"], Form()] = "raw",
    mean: Word = "",
    std: Word = "",
    colours: Annotated[Literal["rgb", "bgr"], Form()] = "rgb",
    layout: Annotated[Literal["", "NCHW", "NHWC", "NHW", "flat"], Form()] = "",
    shape: Word = "",
    output: Word = "",
) -> ClaimUpload:
    """Take the files; their sum is limited by `bodies.WholeBody`."""
    # A browser sends a part without a name where no file was chosen.
    named = [(part.filename, part.file) for part in weights or () if part.filename]
    if len(named) > _MOST_WEIGHTS or not all(name.isprintable() for name, _ in named):
        raise InputError(f"a model has at most {_MOST_WEIGHTS} files of weights with plain names")
    seen = tuple(part.file for part in pictures or () if part.filename)
    if len(seen) > _MOST_PICTURES:
        raise InputError(f"at most {_MOST_PICTURES} pictures are compared here")
    reading = Reading(
        pixels=pixels,
        mean=_numbers("mean", mean),
        std=_numbers("std", std),
        layout=layout or None,
        shape=parse_shape(shape) if shape else None,
        output=output or None,
        blue_first=colours == "bgr",
    )
    return ClaimUpload(model.file, key.file, claim.file, tuple(named), seen, reading)


def _numbers(name: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",")) if text.strip() else ()
    except ValueError:
        raise InputError(f"the {name} is not a list of numbers like 0.5,0.5,0.5") from None
