"""Image data sets with fixed, public splits, as uint8 arrays in memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wmproof.errors import InputError

if TYPE_CHECKING:
    from wmproof.training.data.image_data import ImageData

DATASETS = ("digits", "fashion-mnist", "cifar10", "cifar100", "stl10", "folder")


def load(
    name: str,
    folder: Path | None = None,
    *,
    shape: tuple[int, int, int] | None = None,
    download: bool = False,
) -> ImageData:
    """Load a data set by its name.

    Parameters
    ----------
    name : str
        One of `DATASETS`.
    folder : Path, optional
        Where its files are. 'digits' needs none; 'fashion-mnist' has a default; for the others it
        is required.
    shape : tuple[int, int, int], optional
        For 'folder' only, where it is required: what the images are resized to.
    download : bool
        Let torchvision fetch what is missing. Nothing is fetched otherwise.

    Raises
    ------
    InputError
        The name is unknown, or files are missing or damaged.
    """
    if name == "digits":
        from wmproof.training.data.digits import load_digits

        return load_digits()
    if name == "fashion-mnist":
        from wmproof.training.data.fashion_mnist import load_fashion_mnist

        return load_fashion_mnist(folder, download=download)
    if name not in DATASETS:
        raise InputError(
            f"there is no data set {name!r}", remedy=f"Choose of {', '.join(DATASETS)}"
        )
    if folder is None:
        raise InputError(
            f"the data set {name!r} needs the folder that holds its files",
            remedy="Give it: --data-folder, or folder= in Python",
        )
    if name == "folder":
        if shape is None:
            raise InputError("a folder of images needs the shape to resize them to")
        from wmproof.training.data.folder import load_folder

        return load_folder(folder, shape)
    from wmproof.training.data.torchvision_sets import load_torchvision

    return load_torchvision(name, folder, download=download)
