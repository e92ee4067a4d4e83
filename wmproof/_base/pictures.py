"""The one reader of pictures and class folders: all commands see the same pixels and labels."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from wmproof.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
)
# What they stand for. Pillow goes by the content, and would start a program for PostScript.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_ORIENTATION = 0x0112  # of the EXIF block; from 5 on height and width are exchanged
_SIDEWAYS = 5


def pictures_in(folder: Path) -> list[Path]:
    """List the pictures in a folder and below it, in the order of their paths.

    Whatever is hidden, or lies in a hidden folder such as `.ipynb_checkpoints`, is none.

    InputError if the folder is none, or cannot be read.
    """
    if not folder.is_dir():
        raise InputError("is not a folder of pictures", where=str(folder))
    try:
        return sorted(
            path
            for path in folder.rglob("*")
            if path.suffix.lower() in SUFFIXES
            and not any(part.startswith(".") for part in path.relative_to(folder).parts)
            and path.is_file()
        )
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(folder)) from error


def class_folders(folder: Path) -> list[Path]:
    """List the subfolders that are classes, in the order of the labels; hidden ones are none.

    Where all names are numbers that order is theirs, so that 10 comes after 2; else it is that of
    the names as text.

    InputError if the folder cannot be read.
    """
    try:
        found = [path for path in folder.iterdir() if path.is_dir()]
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(folder)) from error
    found = sorted(path for path in found if not path.name.startswith("."))
    if all(path.name.isascii() and path.name.isdecimal() for path in found):
        found.sort(key=lambda path: int(path.name))
    return found


def read_picture(
    source: Path | BinaryIO,
    channels: int,
    *,
    size: tuple[int, int] | None = None,
    fit: Callable[[Image], Image] | None = None,
) -> NDArray[np.uint8]:
    """Read a picture as people see it: turned as its EXIF block says, 16-bit grey in its own range.

    Returns uint8 (channels, height, width).

    InputError if it is no picture, or one of another size, or has more than 8 bits in a way that
    has no one conversion; or there is no picture of so many channels.

    Parameters
    ----------
    source : Path or file
    channels : int
        1 reads grey, 3 RGB and 4 RGBA.
    size : tuple of int, optional
        Height and width that it must have; nothing is decoded where it has others.
    fit : callable, optional
        Brings the picture to a size, after it was turned and converted.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    mode, where = _MODES.get(channels), str(source) if isinstance(source, Path) else "a picture"
    if mode is None:
        raise InputError(f"pictures have 1, 3 or 4 channels, not {channels}", where=where)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(source, formats=FORMATS) as picture:
                _check_size(picture, size, where)
                upright = ImageOps.exif_transpose(_eight_bits(picture, where)).convert(mode)
                fitted = fit(upright) if fit else upright
                pixels = np.asarray(fitted, dtype=np.uint8)
    except InputError:
        raise
    except UnidentifiedImageError as error:
        known = ", ".join(FORMATS)
        raise InputError(
            f"is not a picture that can be read (none of {known})", where=where
        ) from error
    except Exception as error:  # Pillow's decoders raise nearly anything on a broken file
        raise InputError(f"is not a picture that can be read ({error})", where=where) from error
    return np.ascontiguousarray(pixels.reshape(*pixels.shape[:2], channels).transpose(2, 0, 1))


def _check_size(picture: Image, size: tuple[int, int] | None, where: str) -> None:
    """Few bytes can stand for many pixels, so this comes before they are decoded."""
    if size is None:
        return
    height, width = picture.height, picture.width
    if picture.getexif().get(_ORIENTATION, 1) >= _SIDEWAYS:
        height, width = width, height
    if (height, width) != size:
        raise InputError(
            f"is {height}x{width}, the model takes {size[0]}x{size[1]}",
            where=where,
            remedy="Resize the pictures once, and publish those",
        )


def _eight_bits(picture: Image, where: str) -> Image:
    """Pillow would cut 16-bit grey off at 255, which makes nearly all of it white."""
    from PIL import Image

    grey16 = picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format == "PNG")
    if grey16:
        high = np.asarray(picture).astype(np.uint16) >> 8
        narrow = Image.fromarray(high.astype(np.uint8))
        narrow.info, exif = picture.info, picture.getexif()
        if exif:
            narrow.getexif().update(exif)
        return narrow
    if picture.mode in ("I", "F"):
        raise InputError(
            f"has pixels of 32 bits (mode {picture.mode}), whose range is not known",
            where=where,
            remedy="Convert it to 8 bits, or to a 16-bit PNG file",
        )
    return picture
