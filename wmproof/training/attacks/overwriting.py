"""Overwriting: the thief trains further, with random images of his own and random labels."""

from __future__ import annotations

import hashlib
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import Dataset

from wmproof.drawing import draw_abstract
from wmproof.training.embedding import TrainingOptions, mark
from wmproof.training.loop import TrainingResult
from wmproof.training.normalization import Normalization
from wmproof.training.recipe import Recipe
from wmproof.training.reproducible import stream
from wmproof.triggers import Shape, TriggerSet


def random_triggers(count: int, shape: Shape, classes: int, *, seed: int) -> TriggerSet:
    """Draw abstract pictures with uniform labels from a seed: for experiments, not for keys.

    Parameters
    ----------
    count : int
        At least 1.
    shape : tuple of int
        (H, W) or (C, H, W).
    classes : int
        At least 2.
    seed : int
        The same seed gives the same set.

    Raises
    ------
    InputError
        The number of classes cannot be used.
    """
    labels = np.random.default_rng(stream(seed, "random labels")).integers(0, classes, count)
    return TriggerSet(random_images(count, shape, seed=seed), labels.astype(np.int64), classes)


def random_images(count: int, shape: Shape, *, seed: int) -> NDArray[np.uint8]:
    """Draw abstract pictures from a seed, also as queries of an extraction.

    Returns
    -------
    ndarray of uint8, shape (count, *shape)
    """
    seeds = (stream(seed, "random picture", place) for place in range(count))
    return np.stack(
        [draw_abstract(hashlib.sha256(one.to_bytes(8, "big")).digest(), shape) for one in seeds]
    )


def overwrite(
    model: nn.Module,
    dataset: Dataset[Any],
    triggers: TriggerSet,
    *,
    normalization: Normalization,
    recipe: Recipe,
    seed: int = 0,
    **options: Unpack[TrainingOptions],
) -> TrainingResult:
    """Fine-tune on clean data and on random images with random labels, k of them in each batch.

    The hope is that the new random answers take the room of the owner's. Unlike a pirate, the
    thief claims nothing, so what he trains in needs no key: `random_triggers` makes it.

    Parameters
    ----------
    model : nn.Module
        The marked network.
    dataset : Dataset
        The thief's clean data, which keeps the accuracy up.
    triggers : TriggerSet
        The random images and labels.
    normalization : Normalization
        That of the network.
    recipe : Recipe
        k is its `triggers_per_batch`.
    seed, options
        As `wmproof.training.embedding.train`. The history's trigger accuracy is on these triggers.

    Raises
    ------
    InputError
        As `wmproof.training.embedding.mark`.
    """
    return mark(
        model,
        dataset,
        triggers,
        start="pretrained",
        recipe=recipe,
        normalization=normalization,
        seed=seed,
        **options,
    )
