"""A second trigger set in a network that has one already: piracy (section 5.5), overwriting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Unpack

from torch import nn
from torch.utils.data import Dataset

from wmproof.training.attacks.random_triggers import random_triggers
from wmproof.training.attacks.registry import Attack, Row, Theft, Trial, impatient
from wmproof.training.embedding import TrainingOptions, mark
from wmproof.training.loop import TrainingResult
from wmproof.training.normalization import Normalization
from wmproof.training.recipe import Recipe

if TYPE_CHECKING:
    from wmproof.core.triggers import TriggerSet


def embed_another(
    model: nn.Module,
    dataset: Dataset[Any],
    triggers: TriggerSet,
    *,
    normalization: Normalization,
    recipe: Recipe,
    seed: int = 0,
    **options: Unpack[TrainingOptions],
) -> TrainingResult:
    """Embed the pirate's triggers as an owner embeds them into a trained network (PreTrained).

    A thief who claims nothing, and only hopes that new random answers take the room of the owner's,
    does the same with `random_triggers`.

    Parameters
    ----------
    model : nn.Module
        Maps normalised images to logits and carries another trigger set; it is not changed.
    normalization : Normalization
        What its images went through.
    dataset : Dataset
        The pirate's training images.
    triggers : TriggerSet
        TS-New. TS-Orig is unknown to the pirate and not shown.
    recipe : Recipe
        The owner's own: the paper gives both sets the same number of epochs.
    seed, options
        As for `wmproof.training.mark`.

    Raises
    ------
    InputError
        As `wmproof.training.mark`.
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


def _try(theft: Theft) -> Iterator[Row]:
    count: int = theft.options["triggers"]
    result = embed_another(
        theft.model,
        theft.training,
        random_triggers(count, theft.shape, theft.classes, seed=theft.seed + 1),
        recipe=theft.recipe(),
        **theft.training_options(),
    )
    yield theft.trained(f"{count} random triggers", result)


def _trial(count: int, owner: Recipe) -> Trial:
    return Trial("Overwriting", {"triggers": count, "recipe": impatient(owner).fields()})


ATTACKS = (
    Attack(
        place=9,
        task="overwrite",
        strengths={"smoke": [32], "desk": [256], "robust": [256], "paper": [100]},
        trial=_trial,
        run=_try,
        trains_on=True,
    ),
)
