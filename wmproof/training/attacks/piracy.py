"""Ownership piracy: a second trigger set in a network that has one already (section 5.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn
from torch.utils.data import Dataset

from wmproof.training.embedding import mark
from wmproof.training.loop import Progress, TrainingResult
from wmproof.training.normalization import Normalization
from wmproof.training.recipe import Recipe

if TYPE_CHECKING:
    from wmproof.triggers import TriggerSet


def embed_another(
    model: nn.Module,
    normalization: Normalization,
    dataset: Dataset[Any],
    triggers: TriggerSet,
    *,
    recipe: Recipe,
    test: Dataset[Any] | None = None,
    seed: int = 0,
    device: str = "auto",
    workers: int = 0,
    checkpoint: str | None = None,
    progress: Progress | None = None,
) -> TrainingResult:
    """Embed the pirate's triggers as an owner embeds them into a trained network (PreTrained).

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
    test, seed, device, workers, checkpoint, progress
        As for `wmproof.training.mark`.

    Returns
    -------
    TrainingResult

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
        test=test,
        normalization=normalization,
        seed=seed,
        device=device,
        workers=workers,
        checkpoint=checkpoint,
        progress=progress,
    )
