"""A folder of the user's own images, one subfolder a class."""

from pathlib import Path
from typing import Any

import numpy as np

from wmproof._base.pictures import class_folders, pictures_in, read_picture
from wmproof.errors import InputError
from wmproof.training.data.image_data import ImageData
from wmproof.training.sources import Augmentation

_TEST_EVERY = 5


def load_folder(folder: Path, shape: tuple[int, int, int]) -> ImageData:
    """Load images and resize them.

    With subfolders `train` and `test`, each of which holds one subfolder a class, that is the
    split. Otherwise the subfolders are the classes, and of each class every fifth file in the
    order of the names is for testing.

    Parameters
    ----------
    folder : Path
        As above; `pictures.class_folders` has the order of the labels.
    shape : tuple[int, int, int]
        Channels (1 or 3), height and width to convert to.

    Raises
    ------
    InputError
        The folder has another structure, a file is not an image, or the channels are neither.
    """
    if shape[0] not in (1, 3):
        raise InputError(f"images of a folder have 1 or 3 channels, not {shape[0]}")
    if (folder / "train").is_dir() and (folder / "test").is_dir():
        names, training = _list(folder / "train")
        test_names, testing = _list(folder / "test")
        if names != test_names:
            raise InputError("train and test have different classes", where=str(folder))
    else:
        names, everything = _list(folder)
        training, testing = _split(everything)
    return ImageData(
        folder.name,
        *_read(training, shape),
        *_read(testing, shape),
        names,
        Augmentation(shift=shape[1] // 8),
    )


def _list(folder: Path) -> tuple[tuple[str, ...], list[tuple[Path, int]]]:
    classes = class_folders(folder) if folder.is_dir() else []
    if len(classes) < 2:
        raise InputError(
            "is not a folder with one subfolder of pictures for each of two classes or more",
            where=str(folder),
        )
    samples = [
        (path, label) for label, one in enumerate(classes) for path in _pictures_of_class(one)
    ]
    return tuple(one.name for one in classes), samples


def _pictures_of_class(folder: Path) -> list[Path]:
    found = pictures_in(folder)
    if not found:
        raise InputError("is a class without pictures", where=str(folder))
    return found


def _split(
    samples: list[tuple[Path, int]],
) -> tuple[list[tuple[Path, int]], list[tuple[Path, int]]]:
    training: list[tuple[Path, int]] = []
    testing: list[tuple[Path, int]] = []
    seen: dict[int, int] = {}
    for path, label in sorted(samples, key=lambda sample: (sample[1], sample[0])):
        seen[label] = seen.get(label, 0) + 1
        (testing if seen[label] % _TEST_EVERY == 0 else training).append((path, label))
    if not testing:
        raise InputError(f"has no class of {_TEST_EVERY} images, so none is left for testing")
    return training, testing


def _read(
    samples: list[tuple[Path, int]], shape: tuple[int, int, int]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    images = np.empty((len(samples), *shape), np.uint8)
    for place, (path, _) in enumerate(samples):
        images[place] = _read_image(path, shape)
    return images, np.array([label for _, label in samples], np.int64)


def _read_image(path: Path, shape: tuple[int, int, int]) -> np.ndarray[Any, Any]:
    channels, height, width = shape
    return read_picture(path, channels, fit=lambda picture: picture.resize((width, height)))
