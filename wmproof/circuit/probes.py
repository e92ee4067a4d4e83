"""Probe pictures: public images that the compiler draws itself, so that calibration sees variety.

Noise triggers alone would leave ordinary pictures, and hidden triggers that are pictures, without
any room in the circuit's tables. Probes are flat, striped, checked, graded, cloudy and noisy
pictures, and shapes on such grounds. They take nothing but integers: SHAKE-256 of a label and a
counter for chance, integer arithmetic for geometry; so they are the same bytes on every machine.
"""

from __future__ import annotations

import hashlib
import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from wmproof.circuit.ir import Shape

_DOMAIN = b"wmproof/probe/v1"
_UNIT = 256  # a field runs from 0 to this
_SIDE = 1024  # the longer side of a picture in units of the geometry

_Field: TypeAlias = NDArray[np.int64]


def draw_probes(count: int, shape: Shape) -> NDArray[np.uint8]:
    """Draw the first `count` probe pictures.

    Parameters
    ----------
    count : int
        0 or more. Picture k does not depend on it.
    shape : tuple of int
        (C, H, W).

    Returns
    -------
    ndarray of uint8, shape (count, C, H, W)
    """
    pictures = np.empty((count, *shape), np.uint8)
    for index in range(count):
        pictures[index] = _draw(index, shape)
    return pictures


class _Chance:
    """Numbers from SHAKE-256 of the domain, the shape, the picture's number and a counter."""

    def __init__(self, index: int, shape: Shape) -> None:
        numbers = (*shape, index)
        self._seed = _DOMAIN + b"".join(n.to_bytes(8, "little") for n in numbers)
        self._counter = 0

    def octets(self, count: int) -> _Field:
        """`count` bytes as int64."""
        block = self._seed + self._counter.to_bytes(8, "little")
        self._counter += 1
        return np.frombuffer(hashlib.shake_256(block).digest(count), np.uint8).astype(np.int64)

    def between(self, low: int, high: int) -> int:
        """A number from `low` to `high`, both included."""
        word = int.from_bytes(self.octets(8).astype(np.uint8).tobytes(), "little")
        return low + word % (high - low + 1)


def _draw(index: int, shape: Shape) -> NDArray[np.uint8]:
    chance = _Chance(index, shape)
    channels, height, width = shape
    kind, turn = index % 8, index // 8
    if kind == 0:
        colour = _colour(chance, channels) if turn > 1 else np.full((channels, 1, 1), 255 * turn)
        picture = np.broadcast_to(colour, shape)
    elif kind == 1:
        picture = chance.octets(math.prod(shape)).reshape(shape)
    elif kind == 2:
        picture = _blend(*_contrast(chance, channels), _checks(chance, height, width))
    elif kind == 3:
        picture = _fill(chance, shape, _gradient(chance, height, width))
    elif kind == 4:
        picture = _fill(chance, shape, _clouds(chance, height, width))
    else:
        grounds = {5: _dark, 6: _clouds, 7: _gradient}
        picture = _fill(chance, shape, grounds[kind](chance, height, width))
        if kind == 5:
            picture = picture // 8
        for _ in range(chance.between(1, 5)):
            mask = _shape(chance, height, width)
            fill = _fill(chance, shape, _gradient(chance, height, width))
            picture = _blend(picture, fill, mask)
    if kind > 5:
        picture = picture + chance.octets(math.prod(shape)).reshape(shape) % 17 - 8
    return np.asarray(np.clip(picture, 0, 255), np.uint8)


def _blend(low: _Field, high: _Field, field: _Field) -> _Field:
    return low + (high - low) * field // _UNIT


def _fill(chance: _Chance, shape: Shape, field: _Field) -> _Field:
    """A field (H, W) between two colours."""
    return _blend(_colour(chance, shape[0]), _colour(chance, shape[0]), field)


def _colour(chance: _Chance, channels: int) -> _Field:
    """Any colour, one picture in three grey."""
    colour = chance.octets(channels)
    if chance.between(0, 2) == 0:
        colour = np.full_like(colour, colour[0])
    return colour.reshape(channels, 1, 1)


def _contrast(chance: _Chance, channels: int) -> tuple[_Field, _Field]:
    """A colour of zeros and 255s, and its complement."""
    colour = chance.octets(channels).reshape(channels, 1, 1) % 2 * 255
    return colour, 255 - colour


def _grid(height: int, width: int) -> tuple[_Field, _Field]:
    """Coordinates (y, x) of the pixels' centres, 0 in the middle, `_SIDE` for the longer side."""
    longer = max(height, width)
    y = (2 * np.arange(height, dtype=np.int64) + 1 - height) * _SIDE // (2 * longer)
    x = (2 * np.arange(width, dtype=np.int64) + 1 - width) * _SIDE // (2 * longer)
    return y[:, None], x[None, :]


def _turned(chance: _Chance, height: int, width: int) -> tuple[_Field, _Field]:
    """Coordinates around a random place along a random direction and across it."""
    y, x = _grid(height, width)
    p, q = chance.between(-16, 16), chance.between(1, 16)
    norm = math.isqrt(256 * (p * p + q * q))
    dy, dx = y - chance.between(-350, 350), x - chance.between(-350, 350)
    return (p * dx + q * dy) * 16 // norm, (p * dy - q * dx) * 16 // norm


def _dark(chance: _Chance, height: int, width: int) -> _Field:
    return np.zeros((height, width), np.int64)


def _gradient(chance: _Chance, height: int, width: int) -> _Field:
    """A ramp, or a wave of ramps up and down."""
    u, _ = _turned(chance, height, width)
    period = chance.between(80, 2 * _SIDE)
    phase = (u + chance.between(0, period)) % period
    return np.minimum(phase, period - phase) * 2 * _UNIT // period


def _checks(chance: _Chance, height: int, width: int) -> _Field:
    """Stripes or checks of 1 to 8 pixels."""
    rows, columns = np.arange(height)[:, None], np.arange(width)[None, :]
    size = 1 << chance.between(0, 3)
    pattern = columns // size if chance.between(0, 1) else rows // size + columns // size
    return np.broadcast_to(pattern % 2 * _UNIT, (height, width))


def _clouds(chance: _Chance, height: int, width: int) -> _Field:
    """Smooth noise of five scales, each half as strong as the one twice its size."""
    total = np.zeros((height, width), np.int64)
    y, x = (part + _SIDE // 2 for part in _grid(height, width))
    for octave in range(1, 6):
        cell = _SIDE >> octave
        knots = chance.octets((2**octave + 2) ** 2).reshape(2**octave + 2, -1)
        (j, s), (i, t) = np.divmod(y, cell), np.divmod(x, cell)
        upper = knots[j, i] * (cell - t) + knots[j, i + 1] * t
        lower = knots[j + 1, i] * (cell - t) + knots[j + 1, i + 1] * t
        total += (upper * (cell - s) + lower * s) // (cell * cell) - 128 >> octave - 1
    return np.clip(total + _UNIT // 2, 0, _UNIT)


def _shape(chance: _Chance, height: int, width: int) -> _Field:
    """How far each pixel is covered by an ellipse, a box, a ring or a stroke."""
    u, v = _turned(chance, height, width)
    a, b = chance.between(60, 400), chance.between(60, 400)
    kind = chance.between(0, 3)
    if kind == 0:
        inside = (_UNIT - (u * u * _UNIT // (a * a) + v * v * _UNIT // (b * b))) * 8
    elif kind == 1:
        inside = np.minimum(a - abs(u), b - abs(v)) * 8
    elif kind == 2:
        square = u * u + v * v
        inside = (_UNIT // 2 - abs(square * _UNIT // (a * a) - _UNIT)) * 8
    else:
        inside = np.minimum(a + 100 - abs(u), b // 6 + 10 - abs(v)) * 8
    return np.asarray(np.clip(inside, 0, _UNIT))
