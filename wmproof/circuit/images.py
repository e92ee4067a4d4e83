"""Public images for calibration and for the fidelity report, read in one fixed order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from wmproof.circuit.ir import Shape
from wmproof.errors import InputError
from wmproof.triggers import MAX_SET_BYTES

_SUFFIXES = frozenset({".png", ".bmp", ".ppm", ".pgm", ".tif", ".tiff", ".jpg", ".jpeg", ".webp"})
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Named images, with labels if they are known.

    Parameters
    ----------
    name : str
    images : uint8 array (N, C, H, W)
    labels : int64 array (N,), optional
    """

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64] | None = None


def read_images(path: Path, shape: Shape) -> ImageSet:
    """Read a folder of pictures, a folder of one folder a class, or an .npz file.

    A folder is read in the order of its paths; the order of the class folders' names gives the
    labels. An .npz file holds `images`, uint8 (N, C, H, W), and perhaps `labels`, integers (N,).
    Pictures must have the model's size already: scaling differs from program to program, and
    every machine must see the same pixels. For the same reason prefer PNG to JPEG.

    Raises
    ------
    InputError
        If nothing is there, a picture cannot be read, or a shape differs.
    """
    if path.suffix.lower() == ".npz":
        return _read_npz(path, shape)
    if not path.is_dir():
        raise InputError("is neither a folder of pictures nor an .npz file", where=str(path))
    folders = sorted(entry for entry in path.iterdir() if entry.is_dir())
    files = [_pictures(folder) for folder in folders] if folders else [_pictures(path)]
    if not any(files):
        raise InputError("has no pictures", where=str(path), remedy="Put PNG files there")
    images = np.stack([_read_picture(file, shape) for group in files for file in group])
    labels = None
    if folders:
        labels = np.repeat(np.arange(len(folders)), [len(group) for group in files])
    return ImageSet(path.name, images, labels)


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)


def _read_picture(path: Path, shape: Shape) -> NDArray[np.uint8]:
    from PIL import Image

    mode = _MODES.get(shape[0])
    if mode is None:
        raise InputError(
            f"pictures have 1, 3 or 4 channels and the model takes {shape[0]}",
            where=str(path),
            remedy="Give an .npz file",
        )
    try:
        with Image.open(path) as picture:
            size = (shape[0], picture.height, picture.width)
            # Nothing is decoded before: few bytes can stand for many pixels.
            pixels = np.asarray(picture.convert(mode), np.uint8) if size == shape else None
    except Exception as error:  # Pillow's decoders raise nearly anything on a broken file
        raise InputError(f"cannot be read as a picture ({error})", where=str(path)) from None
    if pixels is None:
        raise InputError(
            f"is {size}, the model takes {shape}",
            where=str(path),
            remedy="Resize the pictures once, and publish those",
        )
    return pixels.reshape(*pixels.shape[:2], -1).transpose(2, 0, 1)


def _read_npz(path: Path, shape: Shape) -> ImageSet:
    try:
        with ZipFile(path) as packed:
            size = sum(item.file_size for item in packed.infolist())
        if size > MAX_SET_BYTES:
            raise InputError(f"unpacks to {size} bytes; {MAX_SET_BYTES} are the most")
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            images = archive["images"]
            labels = archive.get("labels")
    except InputError as error:
        raise InputError(error.what, where=str(path)) from None
    except Exception as error:  # so do those of archives and arrays
        raise InputError(f"is not an .npz file with `images` ({error})", where=str(path)) from None
    if images.dtype != np.uint8 or images.shape[1:] != shape or not len(images):
        raise InputError(
            f"holds {images.dtype} {images.shape}, not uint8 (N, *{shape})", where=str(path)
        )
    if labels is not None and (labels.shape != (len(images),) or labels.dtype.kind not in "iu"):
        raise InputError(f"holds labels {labels.dtype} {labels.shape}", where=str(path))
    return ImageSet(path.stem, images, None if labels is None else labels.astype(np.int64))
