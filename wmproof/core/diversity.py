"""Whether triggers and labels are as different as chance makes them.

The strength of a claim counts hits as independent coins. Copies of one picture are hit together or
not at all, and labels that crowd in a few classes fit a model that answers just those.
"""

import math

import numpy as np
from numpy.typing import NDArray

from wmproof.core.strength import log2_tail

NEAR = 8.0
"""Root mean square of the difference of pixels, of 255, below which two pictures are copies.

The closest two of 512 abstract pictures of 4x4 pixels, the smallest in use, were 11 apart."""
_LEAST_PIXELS = 16  # of fewer, honest pictures come as close; only equal ones are copies then
_BLOCK = 256
_COMPARED = 4096


def closest_copies(images: NDArray[np.uint8], group: int = 1) -> tuple[int, int] | None:
    """Return the first two images that are copies or nearly so, or None.

    Equal images are found among all, near ones among the first 4096 if they have at least 16
    pixels. Of groups the mean pictures must not be near: pictures of one group may be, as they are
    one coin.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, ...)
    group : int
        How many images in a row share a label; divides n.
    """
    flat = images.reshape(len(images), math.prod(images.shape[1:]))
    seen: dict[bytes, int] = {}
    for index, image in enumerate(flat):
        first = seen.setdefault(image.tobytes(), index)
        if first != index:
            return first, index
    if flat.shape[1] < _LEAST_PIXELS or len(flat) <= group:
        return None
    compared = flat[: _COMPARED * group].reshape(-1, group, flat.shape[1])
    pair = _near(compared.mean(axis=1, dtype=np.float32))
    return None if pair is None else (pair[0] * group, pair[1] * group)


def _near(pixels: NDArray[np.float32]) -> tuple[int, int] | None:
    """Distances by |a|^2 + |b|^2 - 2 a.b; takes the mean off its argument, for precision."""
    pixels -= pixels.mean(axis=0)
    norms = np.einsum("ij,ij->i", pixels, pixels)
    limit = np.float32(NEAR**2 * pixels.shape[1])
    for start in range(0, len(pixels), _BLOCK):
        rows = slice(start, start + _BLOCK)
        squares = norms[rows, None] + norms[None] - 2 * (pixels[rows] @ pixels.T)
        later = np.arange(len(pixels))[None] > np.arange(len(pixels))[rows, None]
        found = np.argwhere(later & (squares < limit))
        if len(found):
            return start + int(found[0, 0]), int(found[0, 1])
    return None


def crowding_bits(labels: NDArray[np.int64], classes: int) -> float:
    """Return -log2 of a bound on the chance that fair labels crowd in few classes as these do.

    For each j, the j most frequent labels hold c_j of the n. Of fair labels some j classes hold so
    many with probability at most C(classes, j) Pr[Bin(n, j / classes) >= c_j]; there are
    classes - 1 values of j. Unlike chi-square's, this tail is valid for any n.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
    classes : int
        At least 2.
    """
    if not len(labels):
        return 0.0
    held = np.cumsum(np.sort(np.bincount(labels))[::-1])
    most = min(classes - 1, int(np.searchsorted(held, len(labels))) + 1)
    bits = 0.0
    for j in range(1, most + 1):
        sets = math.lgamma(classes + 1) - math.lgamma(j + 1) - math.lgamma(classes - j + 1)
        tail = log2_tail(len(labels), int(held[j - 1]), j / classes)
        bits = max(bits, -tail - sets / math.log(2) - math.log2(classes - 1))
    return bits
