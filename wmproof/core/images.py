"""Pictures as they come, arrays, tensors or lists of PIL images, as one kind of array."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wmproof.errors import InputError

_COLOURS = (1, 3, 4)
_MOST_COLOURS = 4


def as_images(images: Any) -> NDArray[np.uint8]:
    """Return pictures as an array of pixels, uint8; the given one where it is an array already.

    InputError if the pixels are no bytes (a cast would turn 0.0 to 1.0 into black), the pictures
    differ in shape, or their channels are last.

    Parameters
    ----------
    images : ndarray or torch.Tensor of uint8, or sequence of those or of PIL images
        Shape (n, H, W) or (n, C, H, W). Of a sequence all items have one shape; a PIL image is grey
        (mode L), RGB or RGBA.
    """
    if isinstance(images, (list, tuple)):
        images = _stacked(
            [_from_pil(item) if _is_pil(item) else _as_array(item) for item in images]
        )
    elif _is_pil(images):
        raise InputError("one picture is not a list of pictures", remedy="Put it into a list")
    array = _as_array(images)
    if array.dtype != np.uint8:
        raise InputError(
            f"images are arrays of uint8 pixels, 0 to 255, and not of {array.dtype}",
            remedy="Multiply pixels of 0 to 1 by 255, round them and make them uint8",
        )
    if array.ndim == 4:
        check_channels_first(array.shape[1:])
    return array


def as_labels(labels: Any) -> NDArray[np.int64]:
    """Return labels as int64: an array, a tensor or a list of integers.

    InputError if they are no integers.
    """
    array = _as_array(labels)
    if array.dtype.kind not in "iu" and array.size:
        raise InputError(f"labels are whole numbers, and not of {array.dtype}")
    return array if array.dtype == np.int64 else array.astype(np.int64)


def check_channels_first(shape: tuple[int, ...]) -> None:
    """Raise InputError where the shape of an image can only be meant as (H, W, C)."""
    if len(shape) == 3 and shape[2] in _COLOURS and min(shape[:2]) > _MOST_COLOURS:
        height, width, channels = shape
        raise InputError(
            f"pictures of {height}x{width}x{channels} have their channels last, and would be taken "
            f"for {height} channels",
            remedy=f"Put channels first, {channels}x{height}x{width}: of an array by "
            "images.transpose(0, 3, 1, 2), of a model by a Transpose at its beginning",
        )


def _is_pil(item: object) -> bool:
    return hasattr(item, "getbands") and hasattr(item, "convert")


def _from_pil(picture: Any) -> NDArray[np.uint8]:
    bands = len(picture.getbands())
    if picture.mode not in ("L", "RGB", "RGBA"):
        raise InputError(
            f"a picture has the mode {picture.mode}, not L, RGB or RGBA",
            remedy='Convert it: picture.convert("RGB")',
        )
    array: NDArray[np.uint8] = np.asarray(picture)
    return array if bands == 1 else array.transpose(2, 0, 1)


def _stacked(items: list[NDArray[Any]]) -> NDArray[Any]:
    if not items:
        raise InputError("there are no pictures")
    shapes = {item.shape for item in items}
    if len(shapes) > 1:
        first, second = sorted(shapes)[:2]
        raise InputError(
            f"the pictures differ in shape, such as {first} and {second}",
            remedy="Bring all of them to one size and mode",
        )
    return np.stack(items)


def _as_array(value: ArrayLike) -> NDArray[Any]:
    if isinstance(value, np.ndarray):
        return value
    detach = getattr(value, "detach", None)
    try:
        return np.asarray(value if detach is None else detach().cpu().numpy())
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{type(value).__name__} is no array of numbers ({error})") from error
