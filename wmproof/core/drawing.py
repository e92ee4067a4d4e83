"""Abstract pictures drawn by a procedure: gradients and textures under overlapping shapes."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

_Field = NDArray[np.float32]


def draw_abstract(seed: bytes, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Draw the abstract picture of a seed; the same seed gives the same picture.

    Parameters
    ----------
    seed : bytes
        32 bytes.
    shape : tuple of int
        (H, W) or (C, H, W).
    """
    rng = np.random.default_rng(int.from_bytes(seed, "big"))
    height, width = shape[-2:]
    channels = shape[0] if len(shape) == 3 else 1
    scale = max(height, width)
    y, x = np.meshgrid(_centred(height, scale), _centred(width, scale), indexing="ij")
    canvas = _blend(_colour(rng, channels), _colour(rng, channels), _ground(rng, x, y))
    soft = np.float32(0.7 / scale)
    for _ in range(rng.integers(3, 7)):
        mask = _SHAPES[rng.integers(len(_SHAPES))](rng, x, y, soft)
        fill = _blend(_colour(rng, channels), _colour(rng, channels), _ground(rng, x, y))
        canvas += (fill - canvas) * mask * np.float32(rng.uniform(0.7, 1.0))
    canvas += rng.normal(0, 4, canvas.shape).astype(np.float32)
    return np.clip(np.rint(canvas), 0, 255).astype(np.uint8).reshape(shape)


def _centred(size: int, scale: int) -> _Field:
    return ((np.arange(size) + 0.5 - size / 2) / scale).astype(np.float32)


def _colour(rng: np.random.Generator, channels: int) -> _Field:
    return rng.uniform(0, 255, (channels, 1, 1)).astype(np.float32)


def _blend(low: _Field, high: _Field, weight: _Field) -> _Field:
    return low + (high - low) * weight


def _rotated(rng: np.random.Generator, x: _Field, y: _Field) -> tuple[_Field, _Field]:
    """Move the origin to a random place and turn the axes by a random angle."""
    angle = rng.uniform(0, 2 * np.pi)
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    dx, dy = x - np.float32(rng.uniform(-0.4, 0.4)), y - np.float32(rng.uniform(-0.4, 0.4))
    return c * dx + s * dy, c * dy - s * dx


def _ground(rng: np.random.Generator, x: _Field, y: _Field) -> _Field:
    """Return a field of values in 0 to 1: a linear or radial gradient, stripes, or marble."""
    u, v = _rotated(rng, x, y)
    kind = rng.integers(4)
    if kind == 0:
        return _unit(u + np.float32(0.5))
    if kind == 1:
        return _unit(np.hypot(u, v) * np.float32(1.4))
    phase = u * np.float32(rng.uniform(6, 28))
    if kind == 3:
        phase += np.float32(rng.uniform(1, 3)) * np.sin(v * np.float32(rng.uniform(4, 14)))
    return _unit(np.float32(0.5) + np.float32(0.5) * np.sin(phase))


def _unit(values: _Field) -> _Field:
    clipped: _Field = np.clip(values, 0, 1)
    return clipped


def _inside(distance: _Field, soft: np.float32) -> _Field:
    """Turn a signed distance (positive inside) into coverage with an edge one pixel wide."""
    return _unit(distance / soft + np.float32(0.5))


def _ellipse(rng: np.random.Generator, x: _Field, y: _Field, soft: np.float32) -> _Field:
    u, v = _rotated(rng, x, y)
    a, b = (np.float32(rng.uniform(0.1, 0.4)) for _ in range(2))
    return _inside((1 - np.hypot(u / a, v / b)) * min(a, b), soft)


def _ring(rng: np.random.Generator, x: _Field, y: _Field, soft: np.float32) -> _Field:
    u, v = _rotated(rng, x, y)
    radius, half = np.float32(rng.uniform(0.12, 0.4)), np.float32(rng.uniform(0.02, 0.07))
    return _inside(half - np.abs(np.hypot(u, v) - radius), soft)


def _polygon(rng: np.random.Generator, x: _Field, y: _Field, soft: np.float32) -> _Field:
    """Intersect 3 to 6 half-planes around a centre: always convex, never empty."""
    u, v = _rotated(rng, x, y)
    sides = rng.integers(3, 7)
    distance: _Field = np.full_like(u, np.inf)
    for angle in (np.arange(sides) + rng.uniform(-0.3, 0.3, sides)) * (2 * np.pi / sides):
        reach = np.float32(rng.uniform(0.1, 0.3))
        edge = reach - u * np.float32(np.cos(angle)) - v * np.float32(np.sin(angle))
        distance = np.minimum(distance, edge)
    return _inside(distance, soft)


def _stripes(rng: np.random.Generator, x: _Field, y: _Field, soft: np.float32) -> _Field:
    u, v = _rotated(rng, x, y)
    frequency = np.float32(rng.uniform(8, 26))
    bars = _inside(np.sin(u * frequency) / frequency, soft)
    return bars * _inside(np.float32(rng.uniform(0.1, 0.35)) - np.abs(v), soft)


def _checks(rng: np.random.Generator, x: _Field, y: _Field, soft: np.float32) -> _Field:
    u, v = _rotated(rng, x, y)
    frequency = np.float32(rng.uniform(8, 22))
    cells = _inside(np.sin(u * frequency) * np.sin(v * frequency) / frequency, soft)
    return cells * _inside(np.float32(rng.uniform(0.15, 0.4)) - np.hypot(u, v), soft)


_SHAPES: tuple[Callable[[np.random.Generator, _Field, _Field, np.float32], _Field], ...] = (
    _ellipse,
    _ring,
    _polygon,
    _stripes,
    _checks,
)
