"""Trigger sets, and where trigger images come from.

The paper uses abstract pictures, far from what the model is for, so that any label is a wrong one
(section 5.1). Here they are drawn by a procedure; noise and the user's own pictures are the other
two sources. Every image gets its own 256-bit seed from the system's generator: the images that a
public key opens then say nothing about those that it hides.
"""

from __future__ import annotations

import os
import secrets
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wmproof._arguments import require_type
from wmproof._arrays import read_only
from wmproof.drawing import draw_abstract
from wmproof.errors import InputError

MAX_TRIGGERS = 2**16
MAX_CLASSES = 2**24
MAX_IMAGE_BYTES = 2**26
MAX_SET_BYTES = 2**31

Shape = tuple[int, ...]
_PICTURE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm"}


@dataclass(frozen=True, eq=False)
class TriggerSet:
    """A backdoor b = (T, T_L): images and the labels that the marked model gives them.

    Parameters
    ----------
    images : ndarray of uint8, shape (l, H, W) or (l, C, H, W)
    labels : ndarray of int64, shape (l,), values 0 to classes - 1
    classes : int
        |L|, 2 to 2**24.

    Raises
    ------
    InputError
        A shape, a type or a value is not as above.

    Notes
    -----
    Both arrays are made C-contiguous and read-only. The representation shows none of their values.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: int

    def __post_init__(self) -> None:
        check_classes(self.classes)
        check_images(self.images)
        labels = self.labels
        require_type(labels, np.ndarray, "the array of labels")
        if labels.dtype != np.int64 or labels.shape != (len(self.images),):
            raise InputError(
                f"{len(self.images)} images need labels of type int64 and shape "
                f"({len(self.images)},), not {labels.dtype} {labels.shape}"
            )
        if labels.size and not 0 <= labels.min() <= labels.max() < self.classes:
            raise InputError(f"a label is not within 0 to {self.classes - 1}")
        object.__setattr__(self, "images", read_only(self.images))
        object.__setattr__(self, "labels", read_only(labels))

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        shape = format_shape(self.image_shape)
        return f"TriggerSet({len(self)} of {shape}, {self.classes} classes)"

    @property
    def image_shape(self) -> Shape:
        """(H, W) or (C, H, W)."""
        return self.images.shape[1:]

    @property
    def messages(self) -> NDArray[np.uint8]:
        """The images as they are committed to, raw bytes in C order: uint8, shape (l, bytes)."""
        return self.images.reshape(len(self), int(np.prod(self.image_shape)))

    def select(self, indices: NDArray[np.int64]) -> TriggerSet:
        """Return the triggers at these positions, in this order."""
        return TriggerSet(self.images[indices], self.labels[indices], self.classes)


def check_classes(classes: int) -> None:
    """Raise InputError unless `classes` is a number of classes that keys can carry."""
    if not 2 <= classes <= MAX_CLASSES:
        raise InputError(f"{classes} classes; a key needs 2 to {MAX_CLASSES}")


def check_shape(shape: Shape) -> None:
    """Raise InputError unless `shape` is (H, W) or (C, H, W) and of a bearable size."""
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise InputError(
            f"the image shape {format_shape(shape)} is neither HxW nor CxHxW",
            remedy="Give it like 28x28 or 3x32x32",
        )
    if int(np.prod(shape, dtype=object)) > MAX_IMAGE_BYTES:
        raise InputError(f"an image of {format_shape(shape)} is over {MAX_IMAGE_BYTES} bytes")


def check_images(images: NDArray[np.uint8]) -> None:
    """Raise InputError unless `images` is uint8 of shape (l, H, W) or (l, C, H, W)."""
    require_type(images, np.ndarray, "the array of images")
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise InputError(
            f"images must be uint8 of shape (l, H, W) or (l, C, H, W), "
            f"not {images.dtype} {images.shape}"
        )
    check_shape(images.shape[1:])


def format_shape(shape: Shape) -> str:
    """Write a shape as people do: 3x32x32."""
    return "x".join(map(str, shape))


def parse_shape(text: str) -> Shape:
    """Read a shape such as 28x28 or 3x32x32.

    Raises
    ------
    InputError
        The text is not such a shape.
    """
    try:
        shape = tuple(int(part) for part in text.lower().split("x"))
    except ValueError:
        raise InputError(
            f"{text!r} is not an image shape", remedy="Give it like 28x28 or 3x32x32"
        ) from None
    check_shape(shape)
    return shape


def noise(count: int, shape: Shape) -> NDArray[np.uint8]:
    """Draw images of independent uniform pixels from the system's cryptographic generator.

    Parameters
    ----------
    count : int
        l, 1 to 2**16.
    shape : tuple of int
        (H, W) or (C, H, W).

    Returns
    -------
    ndarray of uint8, shape (count, *shape)
    """
    _check_count(count, shape)
    size = int(np.prod(shape))
    pixels = np.frombuffer(secrets.token_bytes(count * size), dtype=np.uint8)
    return pixels.reshape(count, *shape)


def abstract(count: int, shape: Shape) -> NDArray[np.uint8]:
    """Draw abstract pictures: gradients and textures under overlapping shapes.

    Parameters and result as `noise`.
    """
    _check_count(count, shape)
    return np.stack([draw_abstract(secrets.token_bytes(32), shape) for _ in range(count)])


def from_folder(folder: str | os.PathLike[str], count: int, shape: Shape) -> NDArray[np.uint8]:
    """Take `count` of the pictures in a folder and below it, chosen at random, cropped to `shape`.

    A channel count of 1 (or none) reads grey, 3 reads RGB and 4 reads RGBA.

    Parameters
    ----------
    folder : path
        Searched for PNG, JPEG, BMP, GIF, WebP, TIFF and PPM files.
    count, shape
        As `noise`.

    Returns
    -------
    ndarray of uint8, shape (count, *shape)

    Raises
    ------
    InputError
        The folder has too few pictures, one cannot be read, or two are equal at this size.
    """
    _check_count(count, shape)
    channels = shape[0] if len(shape) == 3 else 1
    mode = {1: "L", 3: "RGB", 4: "RGBA"}.get(channels)
    if mode is None:
        raise InputError(
            f"pictures have 1, 3 or 4 channels, not {channels}", where=format_shape(shape)
        )
    paths = _pictures_in(Path(folder))
    if len(paths) < count:
        raise InputError(
            f"has {len(paths)} pictures, and the key needs {count}",
            where=str(folder),
            remedy="Add pictures, ask for fewer triggers, or let them be drawn",
        )
    chosen = secrets.SystemRandom().sample(paths, count)
    images = [_read_picture(path, mode, shape) for path in chosen]
    check_distinct(np.stack(images), [str(path) for path in chosen])
    return np.stack(images)


def check_distinct(images: NDArray[np.uint8], names: list[str] | None = None) -> None:
    """Raise InputError when two images are equal: one image cannot carry two labels."""
    seen: dict[bytes, int] = {}
    for index, image in enumerate(images):
        first = seen.setdefault(image.tobytes(), index)
        if first != index:
            pair = (names[first], names[index]) if names else (f"image {first}", f"image {index}")
            raise InputError(
                f"{pair[0]} and {pair[1]} are the same trigger",
                remedy="Remove one of them, or use larger or fewer images",
            )


def _check_count(count: int, shape: Shape) -> None:
    check_shape(shape)
    if not 1 <= count <= MAX_TRIGGERS:
        raise InputError(f"{count} triggers; a key holds 1 to {MAX_TRIGGERS}")
    if count * int(np.prod(shape)) > MAX_SET_BYTES:
        raise InputError(
            f"{count} triggers of {format_shape(shape)} are over {MAX_SET_BYTES} bytes"
        )


def _pictures_in(folder: Path) -> list[Path]:
    try:
        if not folder.is_dir():
            raise InputError("is not a folder of pictures", where=str(folder))
        return sorted(
            path
            for path in folder.rglob("*")
            if path.suffix.lower() in _PICTURE_SUFFIXES and path.is_file()
        )
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(folder)) from error


def _read_picture(path: Path, mode: str, shape: Shape) -> NDArray[np.uint8]:
    from PIL import Image, ImageOps

    height, width = shape[-2:]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as picture:
                upright = ImageOps.exif_transpose(picture).convert(mode)
                fitted = ImageOps.fit(upright, (width, height), Image.Resampling.LANCZOS)
    except Exception as error:  # Pillow's decoders raise nearly anything on a broken file
        raise InputError(f"is not a picture that can be read ({error})", where=str(path)) from error
    pixels = np.asarray(fitted, dtype=np.uint8)
    if pixels.ndim == 3:
        pixels = pixels.transpose(2, 0, 1)
    return np.ascontiguousarray(pixels.reshape(shape))
