"""Public images for calibration and for the fidelity report, read in one fixed order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wmproof._base.pictures import class_folders, pictures_in, read_picture
from wmproof.circuit.ir import Shape
from wmproof.circuit.limits import batch_of
from wmproof.core.reading import Reading
from wmproof.core.tensor_files import as_bytes, is_npz, read_tensors
from wmproof.core.triggers import as_planes
from wmproof.errors import InputError


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Named images, with labels if they are known.

    Parameters
    ----------
    images : uint8 array (N, C, H, W)
    labels : int64 array (N,), optional
    """

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64] | None = None


def read_images(path: Path, shape: Shape, reading: Reading | None = None) -> ImageSet:
    """Read a folder of pictures, a folder of one folder a class, or an .npz file.

    A folder is read in the order of its paths, and labels follow `pictures.class_folders`. An .npz
    file holds `images`, uint8 (N, C, H, W), or (N, D) where the model takes rows, and perhaps
    `labels`, integers (N,). With a reading other than raw they may be floats, as the model takes
    them (blue first, if it does), which become the bytes nearest to them, red first. Pictures must
    have the model's size already: scaling differs from program to program, and every machine must
    see the same pixels. For the same reason prefer PNG to JPEG.

    InputError if nothing is there, a picture cannot be read, or a shape differs.
    """
    if is_npz(path):
        return _read_npz(path, shape, reading)
    if not path.is_dir():
        raise InputError("is neither a folder of pictures nor an .npz file", where=str(path))
    folders = class_folders(path)
    files = [pictures_in(folder) for folder in folders or [path]]
    if not any(files):
        raise InputError("has no pictures", where=str(path), remedy="Put PNG files there")
    if shape[0] not in (1, 3, 4):
        raise InputError(
            f"pictures have 1, 3 or 4 channels and the model takes {shape[0]}",
            where=str(path),
            remedy="Give an .npz file",
        )
    everything = [file for group in files for file in group]
    images = np.stack(
        [read_picture(file, shape[0], size=(shape[1], shape[2])) for file in everything]
    )
    labels = None
    if folders:
        labels = np.repeat(np.arange(len(folders)), [len(group) for group in files])
    return ImageSet(path.name, images, labels)


def _read_npz(path: Path, shape: Shape, reading: Reading | None) -> ImageSet:
    items, labels = read_tensors(path)
    where, plain = str(path), reading is None or reading.plain
    fits = 1 <= items.ndim - 1 <= len(shape) and as_planes(items.shape[1:]) == shape
    if not fits or not len(items) or (plain and items.dtype != np.uint8):
        raise InputError(
            f"holds {items.dtype} {items.shape}, not uint8 {batch_of(shape)}", where=where
        )
    low_high = None
    if reading is not None:
        low, high = reading.range(shape[0])
        low_high = low.tolist(), high.tolist()
    images = as_bytes(items, low_high, where).reshape(-1, *shape)
    if reading is not None and reading.blue_first and items.dtype != np.uint8:
        images = np.ascontiguousarray(images[:, ::-1])  # bytes are in a picture's own order
    return ImageSet(path.stem, images, labels)
