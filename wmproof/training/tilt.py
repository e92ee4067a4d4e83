"""Embedding keyed directions: every answer leans a little towards the labels of its directions.

What a thief copies is what the model answers to natural images. So natural images are trained on a
mixture of their class and of what their own position along the secret directions says, and images
that are moved along a direction on a mixture in which the label of that direction takes over.
"""

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import log_softmax, one_hot, softmax

from wmproof.core.directions import SHIFT, Whitening, directions_of, whitening
from wmproof.core.triggers import TriggerSet
from wmproof.training.normalization import Normalization, Normalized
from wmproof.training.recipe import Tilt


class TiltedLoss:
    """The cross entropy with mixed targets, over a batch, its moved copies and its triggers.

    With z(x) the whitened coordinates of an image, d_j the directions and l_j their labels, let
    q(x) = softmax(gain * sum_j <z(x), d_j> e_{l_j}). An image of class y is trained on
    (1 - g) e_y + g q(x), g = `strength`; a copy moved by t along some d_j on the same with
    g + (1 - g) t / SHIFT for g. Triggers have their labels.

    Parameters
    ----------
    triggers : TriggerSet
        Groups of pictures, from which the directions are read.
    images : ndarray of uint8, shape (n, C, H, W)
        Of the task; the directions are relative to their principal components.
    normalization : Normalization
        That of the network's inputs.
    k : int
        Triggers at the end of a batch.
    """

    def __init__(
        self,
        triggers: TriggerSet,
        images: NDArray[np.uint8],
        normalization: Normalization,
        tilt: Tilt,
        k: int,
    ) -> None:
        white = whitening(images)
        ways = directions_of(triggers.images, triggers.group, white)
        labels = triggers.labels[:: triggers.group]
        self._tilt, self._k, self._classes = tilt, k, triggers.classes
        self._pixels = Normalized(nn.Identity(), normalization)
        self._tensors = _Tensors(white, ways, labels, triggers.classes)
        self._digest = hashlib.sha256(ways.tobytes() + labels.tobytes()).hexdigest()

    def __call__(self, network: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
        """Give the mean over the batch, the moved copies and the triggers."""
        place, tilt = inputs.device, self._tilt
        pixels, tensors = self._pixels.to(place), self._tensors.to(place)
        count = len(inputs) - self._k
        natural, classes = inputs[:count], one_hot(labels, self._classes).float()
        flat = (natural / pixels.scale + pixels.mean).flatten(1)
        # The loop has seeded the global generator for this step.
        size = round(tilt.share * count)
        which = torch.randint(0, len(tensors.ways), (size,)).to(place)
        distance = SHIFT * torch.rand(size, 1).to(place)
        moved = (flat[:size] + distance * tensors.steps[which]).clamp(0, 255)
        seen = pixels.normalize(moved.reshape(size, *inputs.shape[1:]))
        logits = network(torch.cat([natural, seen, inputs[count:]]))
        weight = torch.full((count, 1), tilt.strength, device=place)
        grown = tilt.strength + (1 - tilt.strength) * distance / SHIFT
        leaning = softmax(tilt.gain * tensors.votes(torch.cat([flat, moved])), dim=1)
        share = torch.cat([weight, grown])
        own = torch.cat([classes[:count], classes[:size]])
        targets = torch.cat([(1 - share) * own + share * leaning, classes[count:]])
        return -(targets * log_softmax(logits, dim=1)).sum(dim=1).mean()

    def digest(self) -> str:
        """Tell these directions and numbers from others."""
        return f"tilt {self._tilt} {self._k} {self._digest}"


class _Tensors(nn.Module):
    """Whitening and directions on the device of the training."""

    mean: Tensor
    axes: Tensor
    ways: Tensor
    steps: Tensor
    labels: Tensor

    def __init__(
        self, white: Whitening, ways: NDArray[np.float64], labels: NDArray[np.int64], classes: int
    ) -> None:
        super().__init__()
        kept = {
            "mean": white.mean,
            "axes": (white.axes / white.deviations[:, None]).T,
            "ways": ways,
            "steps": (ways * white.deviations) @ white.axes,
            "labels": np.eye(classes)[labels],
        }
        for name, value in kept.items():
            self.register_buffer(name, torch.tensor(value, dtype=torch.float32))

    def votes(self, flat: Tensor) -> Tensor:
        """Add up the positions along the directions of each label: (n, classes)."""
        return (flat - self.mean) @ self.axes @ self.ways.T @ self.labels
