"""Triggers and pictures from `.npz` files: bytes, or floats of a stated range."""

import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from wmproof.core.triggers import (
    MAX_SET_BYTES,
    Shape,
    as_planes,
    check_count,
    check_distinct,
    check_shape,
    format_shape,
)
from wmproof.errors import InputError

Range = tuple[Sequence[float], Sequence[float]]
_MOST_DIMENSIONS = 3


def is_npz(path: Path) -> bool:
    """Whether a path is of such a file, by its name."""
    return path.suffix.lower() == ".npz"


def read_tensors(path: Path) -> tuple[NDArray[Any], NDArray[np.int64] | None]:
    """Read `images`, numbers (N, ...) of one to three dimensions an item, and perhaps `labels`.

    InputError if it is no such file, or unpacks to more than 2**31 bytes.
    """
    where = str(path)
    try:
        with ZipFile(path) as packed:
            size = sum(item.file_size for item in packed.infolist())
        if size > MAX_SET_BYTES:
            raise InputError(f"unpacks to {size} bytes; {MAX_SET_BYTES} are the most", where=where)
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            images = archive["images"]
            labels = archive.get("labels")
    except InputError:
        raise
    except Exception as error:  # so do those of archives and arrays
        raise InputError(f"is not an .npz file with `images` ({error})", where=where) from None
    for name, member in (("images", images), ("labels", labels)):
        # NumPy returns a member that is no array as the bytes that it found.
        if not isinstance(member, np.ndarray) and not (name == "labels" and member is None):
            raise InputError(f"holds `{name}` that is no NumPy array", where=where)
    if labels is not None and (labels.shape != images.shape[:1] or labels.dtype.kind not in "iu"):
        found = f"holds labels of type {labels.dtype} and shape {labels.shape}"
        raise InputError(f"{found}, and not one whole number an item", where=where)
    return images, None if labels is None else labels.astype(np.int64)


def as_bytes(values: NDArray[Any], low_high: Range | None, where: str) -> NDArray[np.uint8]:
    """Return tensors as the bytes that stand for them: b = round(255 (x - low) / (high - low)).

    A half is rounded up. `core.reading.Reading.of_range` is the way back, which models are asked
    with: the byte b stands for low + (high - low) b / 255.

    InputError if they are neither bytes nor floats, floats come without a range, or one is outside
    it by half a step or more.

    Parameters
    ----------
    values : ndarray, shape (N, ...)
        uint8, which stays as it is, or floats.
    low_high : pair of sequences of float, optional
        The range of floats: one number each, or one for each channel, which for a row of numbers
        (N, D) is each of the D.
    where : str
        Names the values in errors.
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind != "f":
        raise InputError(
            f"holds {values.dtype} numbers, such as those of tokens: a trigger is made of bytes, "
            "or of floats in a stated range",
            where=where,
            remedy="Make numbers of 0 to 255 uint8, and measurements floats; classifiers of "
            "tokens cannot be marked in this way",
        )
    if low_high is None:
        raise InputError(
            f"holds {values.dtype} numbers, whose range is not known",
            where=where,
            remedy="Say it with --low and --high, or make them uint8",
        )
    channels, *sides = as_planes(values.shape[1:])
    planes = values.reshape(len(values), channels, *sides).astype(np.float64)
    low, high = (_each(numbers, channels, where)[:, None, None] for numbers in low_high)
    with np.errstate(all="ignore"):  # what overflows is no range, or outside it
        spans = high - low
        if not ((low < high) & np.isfinite(spans) & np.isfinite(1 / spans)).all():
            raise InputError("a range begins below its end and has a finite length", where=where)
        steps = np.floor(255 * ((planes - low) / spans) + 0.5)
    outside = ~((steps >= 0) & (steps <= 255))  # NaN is outside, too
    if outside.any():
        item, channel, *_ = (int(i) for i in np.argwhere(outside)[0])
        raise InputError(
            f"has {int(outside.sum())} numbers outside their range, such as "
            f"{planes[outside][0]:g} in channel {channel} of item {item}",
            where=where,
            remedy="State a range that holds all of them",
        )
    return steps.astype(np.uint8).reshape(values.shape)


def _each(numbers: Sequence[float], channels: int, where: str) -> NDArray[np.float64]:
    if len(numbers) not in (1, channels):
        raise InputError(
            f"has items of {channels} channels, and a range of {len(numbers)} numbers",
            where=where,
            remedy="Give one number, or one for each channel (of a row: for each number)",
        )
    return np.broadcast_to(np.asarray(numbers, np.float64), (channels,))


def from_npz(
    path: str | os.PathLike[str],
    count: int,
    shape: Shape | None = None,
    low_high: Range | None = None,
) -> NDArray[np.uint8]:
    """Take `count` of the items of an `.npz` file, chosen at random, as triggers.

    Returns uint8 (count, ...).

    InputError if the file has too few items, or items of another shape or type, or two are equal as
    bytes.

    Parameters
    ----------
    path : path
        Holds `images`: rows (N, D), pictures or windows (N, H, W), or (N, C, H, W).
    count : int
        l, 1 to 2**16.
    shape : tuple of int, optional
        That the items must have.
    low_high : pair of sequences of float, optional
        The range of floats, as in `as_bytes`.
    """
    where = str(path)
    items, _ = read_tensors(Path(path))
    own = items.shape[1:]
    if not 1 <= len(own) <= _MOST_DIMENSIONS or (shape is not None and own != shape):
        wanted = "1 to 3 dimensions" if shape is None else f"the shape {format_shape(shape)}"
        raise InputError(f"holds items of {list(own)}, not of {wanted}", where=where)
    check_shape(own)
    check_count(count, own)
    if len(items) < count:
        raise InputError(
            f"has {len(items)} items, and the key needs {count}",
            where=where,
            remedy="Add items, or ask for fewer triggers",
        )
    chosen = secrets.SystemRandom().sample(range(len(items)), count)
    triggers = as_bytes(items[chosen], low_high, where)
    check_distinct(triggers, [f"item {index}" for index in chosen])
    return triggers
