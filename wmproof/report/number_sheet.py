"""Triggers that are no pictures, as rows of numbers for the human eye."""

import numpy as np
from numpy.typing import NDArray

from wmproof.core.triggers import Shape, as_planes

SHOWN = 16
"""Numbers of an item that are written out; of the others there are statistics."""
HEADS = ("trigger", "label", "least", "mean", "largest", "deviation", "values")
_COLOURS = 4


def is_picture(shape: Shape) -> bool:
    """Whether an eye can see something in items of this shape: one to four planes of pixels."""
    channels, height, width = as_planes(shape)
    return channels <= _COLOURS and min(height, width) > 1


def rows(
    items: NDArray[np.uint8], labels: list[str], indices: NDArray[np.int64]
) -> list[tuple[str, ...]]:
    """Return the cells of each trigger's line: `HEADS`, then its first bytes.

    `values` is how many different bytes it has, `deviation` that of all its bytes.

    Parameters
    ----------
    items : ndarray of uint8, shape (n, ...)
    labels : list of str
        n of them.
    indices : ndarray of int64, shape (n,)
        Positions in the key.
    """
    lines: list[tuple[str, ...]] = []
    for item, label, index in zip(items, labels, indices, strict=True):
        flat = item.reshape(-1)
        first = " ".join(f"{value:3d}" for value in flat[:SHOWN])
        lines.append(
            (
                f"#{index}",
                label,
                str(flat.min()),
                f"{flat.mean():.1f}",
                str(flat.max()),
                f"{flat.std():.1f}",
                str(len(np.unique(flat))),
                first + (" ..." if flat.size > SHOWN else ""),
            )
        )
    return lines
