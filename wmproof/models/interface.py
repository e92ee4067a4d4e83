"""How pictures enter a model: layout, shape and batch of its input."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof.core.reading import Reading
from wmproof.core.triggers import MAX_SET_BYTES, Shape, as_planes, check_shape, format_shape
from wmproof.errors import InputError

_COLOURS = (1, 3)  # channels by which the layout of a picture shows


@dataclass(frozen=True)
class Interface:
    """What one input takes."""

    layout: str
    """As in `Reading`."""
    shape: Shape
    """(C, H, W) of one picture."""
    batch: int | None
    """Pictures in a call, None if any number."""

    @property
    def picture_shape(self) -> Shape:
        """(C, H, W), or (H, W) where the model takes pictures without channels."""
        return self.shape[1:] if self.layout == "NHW" else self.shape

    @property
    def sizes(self) -> Shape:
        """The input's own sizes after the batch."""
        return _sizes(self.layout, self.shape)

    def arrange(self, pictures: NDArray[Any]) -> NDArray[Any]:
        """Lay out pictures (n, C, H, W), or (n, H, W), as the input takes them."""
        planes = pictures.reshape(len(pictures), *self.shape)
        if self.layout == "NHWC":
            planes = planes.transpose(0, 2, 3, 1)
        return np.ascontiguousarray(planes).reshape(len(pictures), *self.sizes)

    def feed(self, pictures: NDArray[np.uint8], reading: Reading, dtype: Any) -> NDArray[Any]:
        """Prepare bytes (n, C, H, W), or (n, H, W), and lay them out as the input takes them.

        Raw ones go in as they are, others by one operation in float32.
        """
        planes: NDArray[Any] = pictures.reshape(len(pictures), *self.shape)
        if reading.blue_first:
            planes = planes[:, ::-1]
        if reading.mean or reading.std:
            gain, offset = (line[:, None, None] for line in reading.line(self.shape[0]))
            planes = (planes * gain + offset).astype(np.float32)
        elif not reading.plain:
            planes = planes.astype(np.float32) / np.float32(255)
        return self.arrange(planes.astype(dtype))

    def check(self, reading: Reading, dtype: Any, where: str) -> None:
        """Refuse a reading that cannot be meant for an input of this type.

        InputError if the input takes bytes, which are always raw, there is not one mean a
        channel, or there are no three colours of which blue could be first.
        """
        if dtype is np.uint8 and not reading.plain:
            raise InputError("takes uint8 pixels, which are always raw", where=where)
        if reading.blue_first and self.shape[0] != 3:
            raise InputError(
                f"takes {self.shape[0]} channels, and blue can be first of three",
                where=where,
                remedy="Leave out --blue-first",
            )
        reading.line(self.shape[0])


def fill_batch(images: NDArray[np.uint8], batch: int | None) -> NDArray[np.uint8]:
    """Add black images up to a fixed batch."""
    missing = (batch or len(images)) - len(images)
    filler = np.zeros((missing, *images.shape[1:]), dtype=np.uint8)
    return images if not missing else np.concatenate([images, filler])


def refused_element(kind: str, where: str) -> InputError:
    """The error of a model that takes another type than uint8 and floats."""
    tokens = kind.lower().removeprefix("tensor(").startswith(("int", "uint", "string"))
    if tokens:
        return InputError(
            f"takes {kind}, as classifiers of tokens do, and not uint8 or float pixels: triggers "
            "are bytes that stand for measurements, and tokens are none",
            where=where,
            remedy="If they are pixels or measurements, export the model with uint8 or float32",
        )
    return InputError(
        f"takes {kind}, not uint8 or float pixels",
        where=where,
        remedy="Export it with its preparation of the pixels inside, and in float32",
    )


def find_interface(
    declared: Sequence[int | None], reading: Reading, known: Shape | None, where: str
) -> Interface:
    """Return how pictures enter, where only one way can be meant.

    InputError if no layout fits, more than one does, or the shape stays open.

    Parameters
    ----------
    declared : sequence of int or None
        The input's sizes, None where open; the batch is first.
    reading : Reading
        May say layout and shape.
    known : tuple of int, optional
        Shape of the pictures that are to go in, where no reading says it.
    where : str
        Names the input in errors.
    """
    if not declared:
        raise InputError("takes an input without dimensions, and no pictures", where=where)
    batch, *own = declared
    wanted = reading.shape or known
    layouts = [reading.layout] if reading.layout else list(_RANKS.get(len(own), ()))
    if not layouts or _rank(layouts[0]) != len(own):
        raise InputError(
            f"takes an input of {len(declared)} dimensions, {_words(declared)}; pictures are "
            "(N, C, H, W), (N, H, W, C), (N, H, W) or flat",
            where=where,
        )
    found = {layout: _shape(layout, own, wanted) for layout in layouts}
    fitting = {layout: shape for layout, shape in found.items() if shape is not None}
    if wanted is None and len(fitting) > 1:
        likely = {k: s for k, s in fitting.items() if s[0] in _COLOURS}
        fitting = likely or fitting
    if not fitting:
        raise _unfitting(declared, wanted, where)
    # Of a row, the order is no question: each of its numbers is a channel.
    flat = fitting.get("flat", (1,))
    flat_colours = not reading.layout and flat[0] != 1 and flat[1:] != (1, 1)
    if len(fitting) > 1 or flat_colours:
        raise InputError(
            f"takes {_words(declared)}, in which pictures may lie in more than one way",
            where=where,
            remedy=f"Say --layout {' or --layout '.join(fitting)} (channels first)",
        )
    layout, shape = next(iter(fitting.items()))
    check_shape(shape)
    if batch is not None and batch * math.prod(shape) > MAX_SET_BYTES:
        raise InputError(f"takes {batch} images at once, which is too much", where=where)
    return Interface(layout, shape, batch)


_RANKS = {3: ("NCHW", "NHWC"), 2: ("NHW",), 1: ("flat",)}


def _rank(layout: str) -> int:
    return next(rank for rank, layouts in _RANKS.items() if layout in layouts)


def _sizes(layout: str, shape: Shape) -> Shape:
    channels, height, width = shape
    sizes = {
        "NCHW": (channels, height, width),
        "NHWC": (height, width, channels),
        "NHW": (height, width),
        "flat": (channels * height * width,),
    }
    return sizes[layout]


def _shape(layout: str, own: Sequence[int | None], wanted: Shape | None) -> Shape | None:
    """(C, H, W) in a layout: the picture that is wanted if it fits, else what the file says."""
    if wanted is not None:
        shape = as_planes(wanted)
        fits = layout != "NHW" or shape[0] == 1
        pairs = zip(own, _sizes(layout, shape), strict=True)
        return shape if fits and all(size in (None, want) for size, want in pairs) else None
    if layout == "flat" or any(size is None or size < 1 for size in own):
        return None
    sizes = tuple(size for size in own if size is not None)
    return {"NCHW": sizes, "NHWC": (*sizes[2:], *sizes[:2]), "NHW": (1, *sizes)}[layout]


def _unfitting(declared: Sequence[int | None], wanted: Shape | None, where: str) -> InputError:
    words = _words(declared)
    if wanted is not None:
        return InputError(
            f"takes images of {words}, and these are {format_shape(wanted)}",
            where=where,
            remedy="Use a model and pictures of one shape (channels first)",
        )
    return InputError(
        f"leaves the shape of its images open: it takes {words}",
        where=where,
        remedy="Say --shape, for example --shape 3x224x224, or export the model with a fixed one",
    )


def _words(declared: Sequence[int | None]) -> str:
    first, *rest = ("any" if size is None else str(size) for size in declared)
    return f"({', '.join(['N' if first == 'any' else first, *rest])})"
