"""Fashion-MNIST (Xiao, Rasul, Vollgraf, 2017) from IDX files on disk."""

from pathlib import Path

import numpy as np

from wmproof.errors import FormatError, InputError
from wmproof.training.data.idx import read_idx
from wmproof.training.data.image_data import ImageData
from wmproof.training.sources import Augmentation

DEFAULT_FOLDER = Path("/usr/share/datasets/fashion-mnist")
_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def load_fashion_mnist(folder: Path | None = None, *, download: bool = False) -> ImageData:
    """Load the four files with their published split of 60000 and 10000 images of 1x28x28.

    Parameters
    ----------
    folder : Path, optional
        Where they are, compressed or not; by default where Debian's package
        dataset-fashion-mnist puts them.
    download : bool
        Let torchvision fetch them into `folder`, which is then required.

    Raises
    ------
    InputError
        Files are missing.
    FormatError
        A file is damaged, or images and labels differ in number.
    """
    if download:
        folder = _download(folder)
    folder = folder or DEFAULT_FOLDER
    if not folder.is_dir():
        raise InputError(
            "is not a folder",
            where=str(folder),
            remedy="Name the folder with Fashion-MNIST's IDX files, or on Debian and Ubuntu "
            "install the package dataset-fashion-mnist",
        )
    parts = {}
    for part in ("train", "t10k"):
        images = read_idx(folder, f"{part}-images-idx3-ubyte", 3)
        labels = read_idx(folder, f"{part}-labels-idx1-ubyte", 1)
        if len(images) != len(labels) or labels.max() >= len(_CLASSES):
            raise FormatError(
                f"{len(images)} images and {len(labels)} labels up to {labels.max()} do not belong "
                "together",
                where=f"{folder}: {part}",
            )
        parts[part] = images[:, None], labels.astype(np.int64)
    return ImageData(
        "fashion-mnist", *parts["train"], *parts["t10k"], _CLASSES, Augmentation(shift=2, flip=True)
    )


def _download(folder: Path | None) -> Path:
    from wmproof.training.data.torchvision_sets import fetched

    if folder is None:
        raise InputError("downloading needs a folder to put the files into")
    with fetched(folder, download=True):
        from torchvision.datasets import FashionMNIST

        FashionMNIST(str(folder), download=True)
    return folder / "FashionMNIST" / "raw"
