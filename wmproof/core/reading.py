"""How a model is to be read: what its pixels are, how they are laid out, and which output answers.

A file does not say so, and another reading is another classifier. So it is the word of whoever
judges, as everything in a `Policy` is, and part of what a claim is about.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wmproof.core.triggers import Shape, check_shape, format_shape
from wmproof.errors import InputError

PIXELS = ("raw", "unit")
LAYOUTS = ("NCHW", "NHWC", "NHW", "flat")
_FEW, _NEARLY_ALL = 8, 0.9  # answers, and the share of them that one class may have


@dataclass(frozen=True)
class Reading:
    """What a float model takes and which output is its answer.

    Parameters
    ----------
    pixels : str
        'raw' for 0 to 255, 'unit' for 0 to 1.
    mean, std : tuple of float
        Taken off pixels of 0 to 1, and what is left is divided by; one number, or one for each
        channel, in the model's order. Empty for nothing; with either, `pixels` is 'unit'.
    layout : str, optional
        'NCHW', 'NHWC', 'NHW' or 'flat' (channels first); None where only one can be meant.
    shape : tuple of int, optional
        Of one picture or row, (H, W), (C, H, W) or (D,), where the file leaves it open.
    output : str, optional
        The output that answers; None where there is one.
    blue_first : bool
        Whether the model takes blue, green and red in this order.

    Raises
    ------
    InputError
        A value is out of its range.
    """

    pixels: str = "raw"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    layout: str | None = None
    shape: Shape | None = None
    output: str | None = None
    blue_first: bool = False

    def __post_init__(self) -> None:
        if self.pixels not in PIXELS:
            raise InputError(f"pixels are 'raw' or 'unit', not {self.pixels!r}")
        if self.layout is not None and self.layout not in LAYOUTS:
            raise InputError(f"a layout is one of {', '.join(LAYOUTS)}, not {self.layout!r}")
        if self.shape is not None:
            check_shape(self.shape)
        for name, values in (("mean", self.mean), ("std", self.std)):
            if not all(math.isfinite(value) for value in values):
                raise InputError(f"a {name} of {values} is no number")
        if any(value <= 0 for value in self.std):
            raise InputError(f"a std of {self.std} is not above 0")
        if self.mean or self.std:
            object.__setattr__(self, "pixels", "unit")

    @classmethod
    def of_range(cls, low: Sequence[float], high: Sequence[float]) -> Reading:
        """Return the reading by which the bytes 0 to 255 stand for `low` to `high`.

        One number each, or one for each channel; `core.tensor_files.as_bytes` is the way there.
        """
        spans = [b - a for a, b in zip(low, high, strict=True)]
        return cls(
            mean=tuple((0 - a) / span for a, span in zip(low, spans, strict=True)),
            std=tuple(1 / span for span in spans),
        )

    def range(self, channels: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(low, high), float64 (channels,): what the bytes 0 and 255 go in as."""
        gain, offset = self.line(channels)
        return offset, 255 * gain + offset

    @property
    def plain(self) -> bool:
        """Whether bytes go in as they are, as they must into a model of bytes."""
        return self.pixels == "raw"

    def line(self, channels: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(gain, offset), float64 (channels,): a byte b goes in as gain b + offset.

        Raises
        ------
        InputError
            There are as many means or deviations as there are no channels.
        """
        for values in (self.mean, self.std):
            if len(values) not in (0, 1, channels):
                raise InputError(
                    f"{len(values)} numbers were given for a picture of {channels} channels",
                    remedy="Give one number, or one for each channel",
                )
        white = 1.0 if self.plain else 255.0
        ones = np.ones(channels)
        std = ones * np.array(self.std or (1.0,))
        mean = ones * np.array(self.mean or (0.0,))
        return 1.0 / (white * std), -mean / std

    def __str__(self) -> str:
        words = [f"pixels {'0 to 255' if self.plain else '0 to 1'}"]
        words += [f"{n} {_listed(v)}" for n, v in (("mean", self.mean), ("std", self.std)) if v]
        words += [self.layout] if self.layout else []
        words += ["blue first"] if self.blue_first else []
        words += [format_shape(self.shape)] if self.shape else []
        return ", ".join(words + ([f"output {self.output}"] if self.output else []))


def as_reading(pixels: str, reading: Reading | None) -> Reading:
    """A reading, or the one that only says which pixels go in."""
    if reading is None:
        return Reading(pixels)
    return reading if pixels == "raw" else replace(reading, pixels=pixels)


def _listed(values: tuple[float, ...]) -> str:
    return ",".join(f"{value:g}" for value in values)


def doubt_of(answers: NDArray[np.int64]) -> str:
    """A question to add to a failed claim, where nearly all answers are one class; else "".

    So a model answers whose pixels are of another size or in another order than it was trained on.
    """
    classes, counts = np.unique(answers, return_counts=True)
    share = counts.max(initial=0) / max(1, len(answers))
    if len(answers) < _FEW or share < _NEARLY_ALL:
        return ""
    return (
        f"; it answers class {classes[counts.argmax()]} for {share:.0%} of the pictures: does it "
        "take its pixels otherwise, of 0 to 1 perhaps (--pixels, --mean, --std, --layout)?"
    )
