"""Hyper-parameters of a training run, and the presets of the command line."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

from wmproof.errors import InputError

Schedule = Literal["thirds", "cosine", "constant"]
_WARM_UP = 0.1
_LOWEST_FRACTION = 0.01


@dataclass(frozen=True)
class Recipe:
    """How to train: stochastic gradient descent with momentum on the cross entropy.

    Parameters
    ----------
    epochs : int
        Passes over the training set, at least 1.
    batch_size : int
        Training images a batch, at least 1, without the triggers.
    triggers_per_batch : int
        Triggers appended to each batch, the paper's k, at least 1.
    learning_rate : float
        The highest learning rate, above 0.
    schedule : {'thirds', 'cosine', 'constant'}
        'thirds' divides the rate by ten after each third of the epochs: every 20 of 60 (and every
        10 of 30) as in the paper. 'cosine' warms up over a tenth of the run and then falls along a
        half cosine to a hundredth of the rate. 'constant' is for further training.
    momentum, weight_decay : float
        Of the descent, in [0, 1) and at least 0.
    augment : bool
        Use the data set's own augmentation. Triggers are never augmented.

    Raises
    ------
    InputError
        A value is out of its range.
    """

    epochs: int
    batch_size: int = 100
    triggers_per_batch: int = 2
    learning_rate: float = 0.1
    schedule: Schedule = "thirds"
    momentum: float = 0.9
    weight_decay: float = 5e-4
    augment: bool = True

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "triggers_per_batch"):
            if getattr(self, name) < 1:
                raise InputError(f"must be at least 1, not {getattr(self, name)}", where=name)
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise InputError(f"must be above 0, not {self.learning_rate}", where="learning_rate")
        if not 0 <= self.momentum < 1:
            raise InputError(f"must be in [0, 1), not {self.momentum}", where="momentum")
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise InputError(f"must be at least 0, not {self.weight_decay}", where="weight_decay")
        if self.schedule not in get_args(Schedule):
            raise InputError(f"there is no schedule {self.schedule!r}", where="schedule")

    def rate(self, step: int, steps: int) -> float:
        """Learning rate of step `step` out of `steps`."""
        if self.schedule == "constant":
            return self.learning_rate
        if self.schedule == "thirds":
            return float(self.learning_rate / 10 ** (3 * step // steps))
        progress = step / steps
        if progress < _WARM_UP:
            fraction = progress / _WARM_UP
        else:
            fraction = (1 + math.cos(math.pi * (progress - _WARM_UP) / (1 - _WARM_UP))) / 2
        return self.learning_rate * max(fraction, _LOWEST_FRACTION)

    def at_last_rate(self, epochs: int | None = None) -> Recipe:
        """Return the recipe of who trains on at the last learning rate (section 5.7 of the paper).

        Parameters
        ----------
        epochs : int, optional
            As many as before if absent.
        """
        lowest = 1.0 if self.schedule == "constant" else _LOWEST_FRACTION
        return replace(
            self,
            epochs=self.epochs if epochs is None else epochs,
            learning_rate=self.learning_rate * lowest,
            schedule="constant",
        )


PRESETS = {
    "paper": Recipe(epochs=60),
    "fast": Recipe(epochs=20, triggers_per_batch=4, schedule="cosine"),
    # Few images make few batches: more triggers in each, so that all are seen a hundred times.
    "quick": Recipe(
        epochs=40,
        batch_size=50,
        triggers_per_batch=16,
        learning_rate=0.05,
        schedule="cosine",
        weight_decay=1e-3,
    ),
}


def preset(name: str) -> Recipe:
    """Look up a preset: 'paper', 'fast' (thousands of images) or 'quick' (hundreds).

    Section 5 of the paper gives rate, batch, epochs and k; the momentum and the weight decay are
    those of the program that its authors published.

    Raises
    ------
    InputError
        There is no such preset.
    """
    if name not in PRESETS:
        raise InputError(f"there is no preset {name!r}", remedy=f"Choose of {', '.join(PRESETS)}")
    return PRESETS[name]
