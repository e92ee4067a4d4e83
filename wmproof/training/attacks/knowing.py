"""Thieves who know the method and have no key: they train against what it must look like."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax, one_hot

from wmproof.core.directions import GROUP, directions, whitening
from wmproof.core.triggers import TriggerSet
from wmproof.training.attacks.registry import Attack, Row, Theft, Trial, impatient, train_on
from wmproof.training.embedding import mark
from wmproof.training.normalization import Normalization, Normalized
from wmproof.training.recipe import Recipe, Tilt
from wmproof.training.reproducible import stream


class Unlearning:
    """The cross entropy, with noise that is to mean nothing and blends that mean both classes.

    Pictures far from the task are where single triggers live: uniform noise is trained towards
    equal answers for all classes, and blends of two images towards a blend of their labels (mixup,
    Zhang et al., ICLR 2018), which flattens whatever lies between and beyond the classes.
    """

    def __init__(self, normalization: Normalization) -> None:
        self._pixels = Normalized(nn.Identity(), normalization)

    def __call__(self, network: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
        """Give the sum of the three means."""
        pixels = self._pixels.to(inputs.device)
        # The loop has seeded the global generator for this step.
        noise = pixels.normalize(255 * torch.rand(inputs.shape).to(inputs.device))
        share = torch.rand(len(inputs), 1).to(inputs.device)
        other = torch.randperm(len(inputs)).to(inputs.device)
        spread = share.reshape(-1, *[1] * (inputs.ndim - 1))
        blends = spread * inputs + (1 - spread) * inputs[other]
        logits = network(torch.cat([inputs, noise, blends]))
        natural, far, between = log_softmax(logits, dim=1).chunk(3)
        classes = one_hot(labels, logits.shape[1]).float()
        mixed = share * classes + (1 - share) * classes[other]
        both = -(mixed * between).sum(dim=1).mean()
        return -(classes * natural).sum(dim=1).mean() - far.mean() + both

    def digest(self) -> str:
        """Name it."""
        return "unlearning"


class Levelling:
    """The cross entropy on images moved at random along the task's principal components.

    Whoever knows of keyed directions, and not which, asks for one answer wherever the image is
    moved.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, C, H, W)
        The thief's, from which the components are computed.
    normalization : Normalization
        That of the network.
    deviations : float
        How far, in standard deviations along each component.
    """

    def __init__(
        self, images: NDArray[np.uint8], normalization: Normalization, deviations: float
    ) -> None:
        white = whitening(images)
        self._steps = torch.tensor(white.axes * white.deviations[:, None], dtype=torch.float32)
        self._steps *= deviations
        self._pixels = Normalized(nn.Identity(), normalization)

    def __call__(self, network: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
        """Give the mean over images and moved images."""
        pixels, steps = self._pixels.to(inputs.device), self._steps.to(inputs.device)
        flat = (inputs / pixels.scale + pixels.mean).flatten(1)
        moved = flat + torch.randn(len(inputs), len(steps)).to(inputs.device) @ steps
        seen = pixels.normalize(moved.clamp(0, 255).reshape(inputs.shape))
        return cross_entropy(network(torch.cat([inputs, seen])), torch.cat([labels, labels]))

    def digest(self) -> str:
        """Tell these components from others."""
        return f"levelling {hashlib.sha256(self._steps.numpy().tobytes()).hexdigest()}"


def random_directions(
    images: NDArray[np.uint8], count: int, classes: int, *, seed: int
) -> TriggerSet:
    """Draw directions with random labels, of which nobody has a key: a thief's own tilts.

    Their pictures come from the system's generator and differ in every run; labels are the seed's.
    """
    labels = np.random.default_rng(stream(seed, "tilts")).integers(0, classes, count)
    return TriggerSet(directions(images, count), np.repeat(labels, GROUP), classes, GROUP)


def _try_unlearning(theft: Theft) -> Iterator[Row]:
    yield theft.trained("noise and blends", train_on(theft, Unlearning(theft.normalization)))


def _try_levelling(theft: Theft) -> Iterator[Row]:
    deviations: float = theft.options["deviations"]
    objective = Levelling(theft.pixels(), theft.normalization, deviations)
    yield theft.trained(f"by {deviations:g} deviations", train_on(theft, objective))


def _try_tilts(theft: Theft) -> Iterator[Row]:
    count: int = theft.options["directions"]
    result = mark(
        theft.model,
        theft.training,
        random_directions(theft.pixels(), count, theft.classes, seed=theft.seed + 3),
        start="pretrained",
        recipe=theft.recipe(),
        **theft.training_options(),
    )
    yield theft.trained(f"{count} directions of his own", result)


def _tilting(count: int, owner: Recipe) -> Trial:
    recipe = replace(impatient(owner), tilt=Tilt())
    return Trial("Tilts of his own", {"directions": count, "recipe": recipe.fields()})


def _levelling(deviations: float, owner: Recipe) -> Trial:
    options = {"deviations": deviations, "recipe": impatient(owner).fields()}
    return Trial("Levelling", options)


ATTACKS = (
    Attack(
        place=13,
        task="unlearn",
        strengths={"desk": [None], "robust": [None], "paper": [None]},
        trial=lambda _, owner: Trial("Unlearning", {"recipe": impatient(owner).fields()}),
        run=_try_unlearning,
        trains_on=True,
    ),
    Attack(
        place=14,
        task="level",
        strengths={"desk": [0.5], "robust": [0.5], "paper": [0.5]},
        trial=_levelling,
        run=_try_levelling,
        trains_on=True,
    ),
    Attack(
        place=15,
        task="tilt-over",
        strengths={"desk": [40], "robust": [40], "paper": [40]},
        trial=_tilting,
        run=_try_tilts,
        trains_on=True,
    ),
)
