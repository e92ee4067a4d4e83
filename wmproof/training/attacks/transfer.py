"""Transfer learning: a stolen network taught another task (section 5.5, tables 2 and 4)."""

from dataclasses import dataclass
from typing import Any, Unpack

from torch import nn
from torch.utils.data import Dataset

from wmproof.training.embedding import TrainingOptions, train
from wmproof.training.heads import Parts, fresh_head, split_head
from wmproof.training.loop import TrainingResult
from wmproof.training.normalization import Normalization
from wmproof.training.recipe import Recipe
from wmproof.training.reproducible import stream


@dataclass(frozen=True)
class Transferred:
    """A network for another task, and what verification reads in it."""

    result: TrainingResult
    """The network of the target task."""
    parts: Parts
    """Its body, and the output layer of the source task that the owner kept."""

    @property
    def verified(self) -> nn.Module:
        """The new body under the original output layer, as section 5.5 verifies it."""
        return self.parts.with_head(self.parts.head).eval()


def transfer(
    model: nn.Module,
    dataset: Dataset[Any],
    classes: int,
    *,
    normalization: Normalization,
    recipe: Recipe,
    seed: int = 0,
    **options: Unpack[TrainingOptions],
) -> Transferred:
    """Re-train all layers (RTAL) on another data set, with an output layer for its classes.

    Parameters
    ----------
    model : nn.Module
        Maps normalised images to logits of the source task; it is not changed.
    normalization : Normalization
        What its images went through; those of the target go through it too.
    dataset : Dataset
        The target's training images, of the shape that the network takes.
    classes : int
        Classes of the target.
    recipe : Recipe
        In the paper 20 epochs at the owner's last learning rate.
    seed, options
        As for `wmproof.training.train`; `test` is of the target.

    Raises
    ------
    InputError
        There is no output layer, or as `wmproof.training.train`.
    """
    source = split_head(model)
    result = train(
        source.with_head(fresh_head(source.head, stream(seed, "head"), classes)),
        dataset,
        start="pretrained",
        recipe=recipe,
        normalization=normalization,
        seed=seed,
        **options,
    )
    return Transferred(result, Parts(split_head(result.model).body, source.head, source.place))
