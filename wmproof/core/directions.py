"""Keyed directions: a family of pictures for each label, along which natural images vary.

A single picture far from the task is never queried, so a thief who copies a model by its answers
never copies what it says there. Natural images do vary along any direction of their own principal
components. So a secret direction with a label leaves a trace in every answer, and whoever learns
from the answers learns it too.

A picture of a group is drawn, not taken: a point of a normal distribution with the mean and the
leading principal components of the owner's images, moved along the group's direction. No image of
the owner is in a key. What a key shows all the same is said in docs/robustness.md.
"""

import math
import secrets
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wmproof.core.triggers import MAX_SET_BYTES, MAX_TRIGGERS, trigger_images
from wmproof.errors import InputError

COMPONENTS = 64
SHIFT = 6.0
GROUP = 16
_MEASURED = 4096  # images from which the components are computed


@dataclass(frozen=True, eq=False)
class Whitening:
    """The leading principal components of a set of images, each scaled to unit variance."""

    mean: NDArray[np.float64]
    """ndarray of float64, shape (pixels,)."""
    axes: NDArray[np.float64]
    """float64, shape (components, pixels): orthonormal rows."""
    deviations: NDArray[np.float64]
    """float64, shape (components,): standard deviation along each axis, in pixel units of 0 to 255,
    above 0."""

    def points(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return whitened coordinates, (n, components), of images (n, ...)."""
        flat = images.reshape(len(images), -1) - self.mean
        coordinates: NDArray[np.float64] = flat @ self.axes.T / self.deviations
        return coordinates

    def pictures(self, points: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Return the images, (n, *shape), that are nearest to whitened coordinates."""
        flat = self.mean + (points * self.deviations) @ self.axes
        return np.clip(np.rint(flat), 0, 255).astype(np.uint8).reshape(len(points), *shape)


def whitening(images: NDArray[np.uint8], components: int = COMPONENTS) -> Whitening:
    """Compute the leading principal components of images.

    InputError if the images do not vary.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, H, W) or (n, C, H, W)
        At least two; of more than 4,096 an even sample is used.
    components : int
        Fewer are given where the images do not vary in so many ways.
    """
    images = trigger_images(images)
    chosen = images[:: max(1, -(-len(images) // _MEASURED))]
    flat = chosen.reshape(len(chosen), -1).astype(np.float64)
    mean = flat.mean(axis=0) if len(flat) else np.zeros(flat.shape[1])
    _, values, axes = np.linalg.svd(flat - mean, full_matrices=False)
    deviations = values / math.sqrt(max(1, len(flat)))
    kept = min(components, int((deviations > 1e-6 * (1 + deviations.max(initial=0))).sum()))
    if kept < 2 or deviations[0] <= 0:
        raise InputError(
            f"{len(images)} images do not vary enough for directions",
            remedy="Give a few hundred different images of the task",
        )
    return Whitening(mean, axes[:kept], deviations[:kept])


def directions(
    images: NDArray[np.uint8], count: int, *, group: int = GROUP, shift: float = SHIFT
) -> NDArray[np.uint8]:
    """Draw groups of pictures, each moved along a secret direction of its own.

    Every group has its own 256-bit seed from the system's generator, so that the groups that a
    public key opens say nothing about the directions of those that it hides. Returns uint8 (count *
    group, H, W) or (count * group, C, H, W).

    InputError if the images do not vary, or a number is out of range.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, H, W) or (n, C, H, W)
        Of the task; only their mean and principal components go into the pictures.
    count : int
        Groups.
    group : int
        Pictures in each.
    shift : float
        How far they are moved, in standard deviations of the images along the direction.
    """
    images = trigger_images(images)
    size = count * group
    if count < 1 or group < 1 or size > MAX_TRIGGERS or not (math.isfinite(shift) and shift > 0):
        raise InputError(f"{count} groups of {group} pictures, moved by {shift}, cannot be drawn")
    if size * math.prod(images.shape[1:]) > MAX_SET_BYTES:
        raise InputError(f"{size} triggers take more than {MAX_SET_BYTES} bytes")
    white = whitening(images)
    drawn = []
    for _ in range(count):
        generator = np.random.default_rng(int.from_bytes(secrets.token_bytes(32), "big"))
        way = generator.normal(size=len(white.deviations))
        way /= np.linalg.norm(way)
        points = generator.normal(size=(group, len(way))) + shift * way
        drawn.append(white.pictures(points, images.shape[1:]))
    return np.concatenate(drawn)


def directions_of(groups: NDArray[np.uint8], group: int, white: Whitening) -> NDArray[np.float64]:
    """Read the directions off the pictures: unit vectors of whitened coordinates.

    Parameters
    ----------
    groups : ndarray of uint8, shape (count * group, ...)
    white : Whitening
        Of the task's images; another sample of them gives nearly the same directions.

    Returns
    -------
    ndarray of float64, shape (count, components)
    """
    means = white.points(groups).reshape(-1, group, len(white.deviations)).mean(axis=1)
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    ways: NDArray[np.float64] = means / np.where(lengths > 0, lengths, 1)
    return ways
