"""Removal attacks as the experiments try them: the file of an attack ends with its entries.

An attack is one file in this folder. Its functions are for everybody; its tuple `ATTACKS` says
how the experiments try it: how strongly in each preset, under which name, and what is measured.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import Dataset

from wmproof.models.base import Classifier
from wmproof.training.embedding import train
from wmproof.training.loop import TrainingResult
from wmproof.training.normalization import Normalization
from wmproof.training.objective import Objective
from wmproof.training.recipe import Recipe

Row = dict[str, Any]


class Theft(Protocol):
    """A stolen network, what the thief has to work on it, and who measures what is left.

    The data, the normalisation and the training options are the owner's: the paper's strong thief.
    """

    model: nn.Module
    """Maps normalised images to logits; attacks leave it as it is."""
    options: Mapping[str, Any]
    """Of the trial, as JSON knows them."""
    training: Dataset[Any]
    shape: tuple[int, int, int]
    classes: int
    normalization: Normalization
    seed: int

    def recipe(self) -> Recipe:
        """Read the recipe in the trial's options."""

    def fresh(self) -> nn.Module:
        """Build an untrained network of the same architecture."""

    def training_options(self) -> dict[str, Any]:
        """Return the keyword arguments of every training."""

    def pixels(self) -> NDArray[np.uint8]:
        """Return the thief's images, (N, C, H, W), or raise InputError if they are too many."""

    def measured(self, label: str, model: nn.Module) -> Row:
        """Measure a network on the test set and the triggers; it cost no training."""

    def trained(self, label: str, result: TrainingResult, *, passes: int = 1) -> Row:
        """Measure a trained network; each of its epochs took so many passes over the images."""

    def answered(self, classifier: Classifier, images: int) -> Row:
        """Measure what is not a network, on at most so many test images and the triggers."""


class Trial(NamedTuple):
    """One strength of an attack: the unit's name and options."""

    name: str
    options: dict[str, Any]


@dataclass(frozen=True)
class Attack:
    """How the experiments try an attack."""

    place: int
    """Its place in tables: attacks without training first, equal places by the file's name."""
    task: str
    """The name under which finished units know it."""
    strengths: Mapping[str, Sequence[Any]]
    """What is tried in each preset, one trial for each."""
    trial: Callable[[Any, Recipe], Trial]
    """Takes a strength and the owner's recipe."""
    run: Callable[[Theft], Iterable[Row]] | None
    """Yields a row for each network that it makes; None where a task of the paper does the work."""
    trains_on: bool = False
    """Whether it changes the stolen weights by training, which item 7 tries on each kind of
    mark."""

    def trials(self, preset: str | None, owner: Recipe) -> Iterator[Trial]:
        """Give the trials of a preset; there are none in a preset that names no strengths."""
        for strength in self.strengths.get(preset or "", ()):
            yield self.trial(strength, owner)


@cache
def attacks() -> tuple[Attack, ...]:
    """Collect the entries of all files of this folder, in the order of their places."""
    package = __name__.rpartition(".")[0]
    folder = importlib.import_module(package).__path__
    names = sorted(module.name for module in pkgutil.iter_modules(folder))
    modules = [importlib.import_module(f"{package}.{name}") for name in names]
    found = [attack for module in modules for attack in getattr(module, "ATTACKS", ())]
    return tuple(sorted(found, key=lambda attack: attack.place))


def everywhere(*strengths: Any) -> dict[str, Sequence[Any]]:
    """Try the same strengths in every preset."""
    return dict.fromkeys(("smoke", "desk", "robust", "paper"), strengths)


def train_on(theft: Theft, objective: Objective) -> TrainingResult:
    """Train the stolen network on by another loss."""
    return train(
        theft.model,
        theft.training,
        start="pretrained",
        recipe=theft.recipe(),
        objective=objective,
        **theft.training_options(),
    )


def impatient(owner: Recipe) -> Recipe:
    """Return the recipe of a less patient thief: half the epochs at a fifth of the rate."""
    return replace(
        owner,
        epochs=-(-owner.epochs // 2),
        learning_rate=owner.learning_rate / 5,
        perturbation=None,
        tilt=None,
    )
