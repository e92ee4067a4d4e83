"""Hyper-parameters of a training run, and the presets of the command line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

from wmproof.errors import InputError

Schedule = Literal["thirds", "cosine", "constant"]
Direction = Literal["adversarial", "random"]
_WARM_UP = 0.1
_LOWEST_FRACTION = 0.01


@dataclass(frozen=True)
class Perturbation:
    """A second loss on the triggers, at the weights or at others near by.

    Raises
    ------
    InputError
        A value is out of its range.
    """

    size: float = 0.0
    """Norm of the change of each weight tensor, as a share of the tensor's own. With 0 triggers
    only weigh more, which costs no second pass: made as the control of both directions, it does as
    well as they (docs/robustness.md has the figures)."""
    weight: float = 0.5
    """Of the mean loss on a batch's triggers there; above 0."""
    start: float = 0.4
    """The share of the training before it begins, in [0, 1): at first there is nothing to guard."""
    direction: Direction = "random"
    """Anywhere, anew in each step; or where the trigger loss rises fastest."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.size) and self.size >= 0):
            raise InputError(f"must be at least 0, not {self.size}", where="size")
        if not (math.isfinite(self.weight) and self.weight > 0):
            raise InputError(f"must be above 0, not {self.weight}", where="weight")
        if not 0 <= self.start < 1:
            raise InputError(f"must be in [0, 1), not {self.start}", where="start")
        if self.direction not in get_args(Direction):
            raise InputError(f"there is no direction {self.direction!r}", where="direction")


@dataclass(frozen=True)
class Tilt:
    """How much the answers to natural images lean towards the labels of keyed directions.

    Raises
    ------
    InputError
        A value is out of its range.
    """

    strength: float = 0.4
    """The share of the target that leans, in (0, 1)."""
    gain: float = 0.5
    """How sharply: the factor of the scores along the directions; above 0."""
    share: float = 0.5
    """Copies moved along a direction, as a share of the batch, above 0 and at most 1."""

    def __post_init__(self) -> None:
        if not 0 < self.strength < 1:
            raise InputError(f"must be above 0 and below 1, not {self.strength}", where="strength")
        if not (math.isfinite(self.gain) and self.gain > 0):
            raise InputError(f"must be above 0, not {self.gain}", where="gain")
        if not 0 < self.share <= 1:
            raise InputError(f"must be above 0 and at most 1, not {self.share}", where="share")


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
    perturbation : Perturbation, optional
        Weigh triggers more, or teach them to the weights' neighbourhood. A mapping will do.
    tilt : Tilt, optional
        How keyed directions are embedded; used for keys with groups only. A mapping will do.

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
    perturbation: Perturbation | None = None
    tilt: Tilt | None = None

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
        if isinstance(self.perturbation, Mapping):
            object.__setattr__(self, "perturbation", Perturbation(**self.perturbation))
        if isinstance(self.tilt, Mapping):
            object.__setattr__(self, "tilt", Tilt(**self.tilt))

    def fields(self) -> dict[str, Any]:
        """Return what makes it again, as JSON knows it; without what is not used."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def perturbs(self, step: int, steps: int) -> bool:
        """Tell whether triggers have their second loss in step `step` out of `steps`."""
        return self.perturbation is not None and step >= self.perturbation.start * steps

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

        He has no triggers, and so nothing to perturb weights for.

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
            perturbation=None,
            tilt=None,
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
    "robust": Recipe(
        epochs=20, triggers_per_batch=16, schedule="cosine", perturbation=Perturbation()
    ),
    "directions": Recipe(epochs=20, triggers_per_batch=16, schedule="cosine", tilt=Tilt()),
}


def preset(name: str) -> Recipe:
    """Look up a preset: 'paper', 'fast' (thousands of images), 'robust' or 'quick' (hundreds).

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
