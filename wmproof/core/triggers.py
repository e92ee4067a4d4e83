"""Trigger sets, and where trigger images come from.

The paper uses abstract pictures, far from what the model is for, so that any label is a wrong one
(its section 5.1). Here they are drawn by a procedure; noise and the user's own pictures are the
other two sources. Every image gets its own 256-bit seed from the system's generator: the images
that a public key opens then say nothing about those that it hides.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof._base.arrays import read_only
from wmproof._base.pictures import pictures_in, read_picture
from wmproof.core.diversity import closest_copies
from wmproof.core.drawing import draw_abstract
from wmproof.core.images import as_images, as_labels, check_channels_first
from wmproof.core.shown import as_table
from wmproof.errors import InputError

MAX_TRIGGERS = 2**16
MAX_CLASSES = 2**24
MAX_IMAGE_BYTES = 2**26
MAX_SET_BYTES = 2**31
_MOST_PICTURES = 4096

Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class TriggerSet:
    """A backdoor b = (T, T_L): images and the labels that the marked model gives them.

    Parameters
    ----------
    images : ndarray of uint8, shape (l, D), (l, H, W) or (l, C, H, W)
        Rows of D numbers, pictures or windows without channels, or with them. Or anything else
        that `wmproof.core.images.as_images` takes.
    labels : ndarray of int64, shape (l,), values 0 to classes - 1
        Or other integers.
    classes : int
        |L|, 2 to 2**24.
    group : int
        How many images in a row share a label. A group is asked for as a whole and is one coin.

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
    group: int = 1

    def __post_init__(self) -> None:
        check_classes(self.classes)
        images, labels = trigger_images(self.images), as_labels(self.labels)
        if labels.shape != (len(images),):
            raise InputError(
                f"{len(images)} images need labels of shape ({len(images)},), not {labels.shape}"
            )
        if labels.size and not 0 <= labels.min() <= labels.max() < self.classes:
            raise InputError(f"a label is not within 0 to {self.classes - 1}")
        if self.group < 1 or len(images) % self.group:
            raise InputError(f"{len(images)} triggers are no whole groups of {self.group}")
        if (np.repeat(labels[:: self.group], self.group) != labels).any():
            raise InputError("a group has more than one label")
        object.__setattr__(self, "images", read_only(images))
        object.__setattr__(self, "labels", read_only(labels))

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        shape = format_shape(self.image_shape)
        return f"TriggerSet({len(self)} of {shape}, {self.classes} classes)"

    def _repr_html_(self) -> str:
        # No pictures: notebooks are kept and mailed, and triggers are secrets as a rule.
        return as_table({"triggers": len(self), "shape": format_shape(self.image_shape)}) + (
            f"<p>{self.classes} classes; <code>wmproof.contact_sheet(...)</code> draws them</p>"
        )

    @property
    def image_shape(self) -> Shape:
        """(D,), (H, W) or (C, H, W)."""
        return self.images.shape[1:]

    @property
    def coins(self) -> int:
        """How many independent labels there are: one for each group."""
        return len(self) // self.group

    @property
    def messages(self) -> NDArray[np.uint8]:
        """The images as they are committed to, raw bytes in C order: uint8, shape (l, bytes)."""
        return self.images.reshape(len(self), int(np.prod(self.image_shape)))

    def select(self, indices: NDArray[np.int64]) -> TriggerSet:
        """Return the triggers at these positions, in this order; groups as a whole.

        Raises
        ------
        InputError
            A group is torn apart.
        """
        first = indices[:: self.group]
        whole = (first[:, None] + np.arange(self.group)).ravel()
        if (first % self.group).any() or not np.array_equal(whole, indices):
            raise InputError(f"groups of {self.group} triggers are opened or hidden as a whole")
        return TriggerSet(self.images[indices], self.labels[indices], self.classes, self.group)

    def joined(self, other: TriggerSet) -> TriggerSet:
        """Return both in one set, as a model that carries two keys is shown them.

        Raises
        ------
        InputError
            They are for different shapes, classes or sizes of groups.
        """
        mine, theirs = ((as_planes(s.image_shape), s.classes, s.group) for s in (self, other))
        if mine != theirs:
            raise InputError(
                f"{self!r} and {other!r} differ in shape, classes or size of groups, "
                "and cannot be taught together"
            )
        images = np.concatenate([self.images, other.images.reshape(-1, *self.image_shape)])
        labels = np.concatenate([self.labels, other.labels])
        return TriggerSet(images, labels, self.classes, self.group)


def name_coins(group: int) -> str:
    """Return what has a label of its own, in words: triggers, or groups of so many."""
    return "triggers" if group == 1 else f"groups of {group} triggers"


def check_classes(classes: int) -> None:
    """Raise InputError unless `classes` is a number of classes that keys can carry."""
    if not 2 <= classes <= MAX_CLASSES:
        raise InputError(f"a key has 2 to {MAX_CLASSES} classes, not {classes}")


def check_shape(shape: Shape) -> None:
    """Raise InputError unless `shape` is (D,), (H, W) or (C, H, W) and of a bearable size."""
    if len(shape) not in (1, 2, 3) or min(shape) < 1:
        raise InputError(
            f"the image shape {format_shape(shape)} is none of D (a row of numbers), HxW and CxHxW",
            remedy="Give it like 28x28 or 3x32x32, or 30 for a row",
        )
    if int(np.prod(shape, dtype=object)) > MAX_IMAGE_BYTES:
        raise InputError(f"an image of {format_shape(shape)} is over {MAX_IMAGE_BYTES} bytes")


def as_planes(shape: Shape) -> tuple[int, int, int]:
    """Return the one (C, H, W) that a shape is the same as: a row has D channels of 1x1."""
    if len(shape) == 1:
        return shape[0], 1, 1
    channels, height, width = (1, *shape)[-3:]
    return channels, height, width


def trigger_images(images: Any) -> NDArray[np.uint8]:
    """Return `images`, see `as_images`, of one to three dimensions an item; InputError if not."""
    array = as_images(images)
    if array.ndim not in (2, 3, 4):
        raise InputError(
            f"images have the shape (l, D), (l, H, W) or (l, C, H, W), and not {array.shape}"
        )
    check_shape(array.shape[1:])
    return array


def format_shape(shape: Shape) -> str:
    """Write a shape as people do: 3x32x32."""
    return "x".join(map(str, shape))


def parse_shape(text: str) -> Shape:
    """Read a shape such as 28x28, 3x32x32 or 30; InputError if it is none."""
    try:
        shape = tuple(int(part) for part in text.lower().split("x"))
    except ValueError:
        raise InputError(
            f"{text!r} is not an image shape",
            remedy="Give it like 28x28 or 3x32x32, or 30 for a row of numbers",
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
        (D,), (H, W) or (C, H, W).

    Returns
    -------
    ndarray of uint8, shape (count, *shape)
    """
    check_count(count, shape)
    size = int(np.prod(shape))
    pixels = np.frombuffer(secrets.token_bytes(count * size), dtype=np.uint8)
    return pixels.reshape(count, *shape)


def abstract(count: int, shape: Shape) -> NDArray[np.uint8]:
    """Draw abstract pictures: gradients and textures under overlapping shapes.

    Parameters, result and errors as `noise`; rows of numbers, which are no pictures, are refused.
    """
    _check_picture(count, shape)
    return np.stack([draw_abstract(secrets.token_bytes(32), shape) for _ in range(count)])


def from_folder(folder: str | os.PathLike[str], count: int, shape: Shape) -> NDArray[np.uint8]:
    """Take `count` of the pictures in a folder and below it, chosen at random, cropped to `shape`.

    A channel count of 1 (or none) reads grey, 3 reads RGB and 4 reads RGBA.

    Parameters
    ----------
    folder : path
        Searched for PNG, JPEG, BMP, GIF, WebP, TIFF, PPM and PGM files that are not hidden.
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
    _check_picture(count, shape)
    channels, _, _ = as_planes(shape)
    paths = pictures_in(Path(folder))
    if len(paths) < count:
        raise InputError(
            f"has {len(paths)} pictures, and the key needs {count}",
            where=str(folder),
            remedy="Add pictures, ask for fewer triggers, or let them be drawn",
        )
    chosen = secrets.SystemRandom().sample(paths, count)
    images = [_cropped(path, channels, shape) for path in chosen]
    check_distinct(np.stack(images), [str(path) for path in chosen])
    return np.stack(images)


def task_pictures(folder: str | os.PathLike[str], shape: Shape) -> NDArray[np.uint8]:
    """Read the pictures in a folder and below it, cropped to `shape`: 4096 at most, at random.

    Unlike those of `from_folder` they are no triggers, and may be alike.

    Raises
    ------
    InputError
        There are none, or one cannot be read.
    """
    channels = shape[0] if len(shape) == 3 else 1
    paths = pictures_in(Path(folder))
    if not paths:
        raise InputError("has no pictures", where=str(folder), remedy="Give a folder that has some")
    chosen = secrets.SystemRandom().sample(paths, min(_MOST_PICTURES, len(paths)))
    return np.stack([_cropped(path, channels, shape) for path in chosen])


def check_distinct(
    images: NDArray[np.uint8], names: list[str] | None = None, group: int = 1
) -> None:
    """Raise InputError when two images are copies or nearly so: judges refuse such keys."""
    pair = closest_copies(images, group)
    if pair is None:
        return
    first, second = (names[i] if names else f"image {i}" for i in pair)
    raise InputError(
        f"{first} and {second} are the same trigger, or nearly so",
        remedy="Remove one of them, or use larger or fewer images",
    )


def _check_picture(count: int, shape: Shape) -> None:
    check_count(count, shape)
    if len(shape) == 1:
        raise InputError(
            f"a row of {shape[0]} numbers is no picture",
            remedy="Draw noise, or take rows of your own from an .npz file",
        )


def check_count(count: int, shape: Shape) -> None:
    """Raise InputError unless a key can hold so many triggers of this shape."""
    check_shape(shape)
    check_channels_first(shape)
    if not 1 <= count <= MAX_TRIGGERS:
        raise InputError(f"a key holds 1 to {MAX_TRIGGERS} triggers, not {count}")
    if count * int(np.prod(shape)) > MAX_SET_BYTES:
        raise InputError(
            f"{count} triggers of {format_shape(shape)} take more than {MAX_SET_BYTES} bytes"
        )


def _cropped(path: Path, channels: int, shape: Shape) -> NDArray[np.uint8]:
    from PIL import Image, ImageOps

    def crop(picture: Image.Image) -> Image.Image:
        return ImageOps.fit(picture, (shape[-1], shape[-2]), Image.Resampling.LANCZOS)

    return read_picture(path, channels, fit=crop).reshape(shape)
