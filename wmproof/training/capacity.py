"""How many triggers a network carries before it pays for them in test accuracy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from torch import nn

from wmproof.core.strength import required_hits, strength_bits
from wmproof.errors import InputError
from wmproof.training.attacks.random_triggers import random_triggers
from wmproof.training.data.image_data import ImageData
from wmproof.training.embedding import mark, train
from wmproof.training.loop import TrainingResult
from wmproof.training.recipe import Recipe

COUNTS = (64, 128, 256, 512, 1024, 2048)
ONE_POINT = 0.01


@dataclass(frozen=True)
class CapacityRow:
    """One network, trained with so many triggers.

    Parameters
    ----------
    triggers : int
        0 for the network without a mark, which the others are compared with.
    per_batch : int
        k, which was raised where it takes that to show each trigger often enough; 0 without.
    exposures : float
        How often each trigger was shown, on average.
    test_accuracy, trigger_accuracy : float
        In [0, 1]; the latter is 0 without triggers.
    drop : float
        Test accuracy lost against the network without a mark.
    strength_bits : float
        Of the hits among the triggers; 0 without.
    """

    triggers: int
    per_batch: int
    exposures: float
    test_accuracy: float
    trigger_accuracy: float
    drop: float
    strength_bits: float

    @property
    def carried(self) -> bool:
        """Whether a claim at the default tolerance holds and less than a point is lost."""
        needed = required_hits(self.triggers)
        return round(self.trigger_accuracy * self.triggers) >= needed and self.drop < ONE_POINT


def measure_capacity(
    model: nn.Module,
    data: ImageData,
    *,
    recipe: Recipe,
    counts: Sequence[int] = COUNTS,
    exposures: int = 0,
    seed: int = 0,
    device: str = "auto",
) -> Iterator[CapacityRow]:
    """Train the network from scratch without triggers, then once with each number of them.

    The trigger sets are abstract pictures with random labels, drawn from the seed.

    Parameters
    ----------
    model : nn.Module
        Maps normalised images to logits; it is not changed.
    data : ImageData
        Its training and test images.
    recipe : Recipe
        Of every training; k is `triggers_per_batch` or more.
    counts : sequence of int
        Numbers of triggers, each at least 1.
    exposures : int
        How often each trigger is to be shown at least; k is raised for that. 0 keeps k.
    seed, device
        As `wmproof.training.embedding.train`.

    Yields
    ------
    CapacityRow
        As soon as it is measured: the one without triggers first.

    Raises
    ------
    InputError
        A count is below 1, or as `mark`.
    """
    if min(counts, default=1) < 1 or exposures < 0:
        raise InputError("triggers are counted from 1 and exposures from 0", where="capacity")
    training, test = data.training_set(), data.test_set()
    plain = train(model, training, recipe=recipe, test=test, seed=seed, device=device)
    baseline = _test_accuracy(plain)
    yield CapacityRow(0, 0, 0.0, baseline, 0.0, 0.0, 0.0)
    steps = recipe.epochs * math.ceil(len(training) / recipe.batch_size)
    for count in counts:
        k = max(recipe.triggers_per_batch, math.ceil(exposures * count / steps))
        result = mark(
            model,
            training,
            random_triggers(count, data.shape, data.classes, seed=seed),
            recipe=replace(recipe, triggers_per_batch=k),
            test=test,
            seed=seed,
            device=device,
        )
        accuracy, learned = _test_accuracy(result), result.history[-1].trigger_accuracy or 0.0
        yield CapacityRow(
            count,
            k,
            k * steps / count,
            accuracy,
            learned,
            baseline - accuracy,
            strength_bits(count, round(learned * count), data.classes),
        )


def capacity(rows: Sequence[CapacityRow]) -> int:
    """Give the most triggers that were carried before the first number that was not."""
    most = 0
    for row in sorted(rows, key=lambda row: row.triggers):
        if not row.carried:
            break
        most = row.triggers
    return most


def _test_accuracy(result: TrainingResult) -> float:
    return result.history[-1].test_accuracy or 0.0
