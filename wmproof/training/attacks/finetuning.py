"""FTLL, FTAL, RTLL and RTAL: the four ways to train a stolen network on (section 5.4)."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal, Unpack, get_args

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from wmproof.errors import InputError
from wmproof.training.attacks.registry import Attack, Trial, everywhere
from wmproof.training.embedding import TrainingOptions, choose_device, train
from wmproof.training.heads import FrozenBody, Parts, fresh_head, split_head
from wmproof.training.loop import Run, TrainingResult, fit
from wmproof.training.normalization import Normalization, Normalized
from wmproof.training.recipe import Recipe
from wmproof.training.reproducible import stream
from wmproof.training.sampling import split_evenly
from wmproof.training.sources import PixelDataset

FineTuning = Literal["FTLL", "FTAL", "RTLL", "RTAL"]
FINE_TUNINGS: tuple[FineTuning, ...] = get_args(FineTuning)
_BATCH = 500


def fine_tune(
    model: nn.Module,
    dataset: Dataset[Any],
    method: FineTuning,
    *,
    normalization: Normalization,
    recipe: Recipe,
    seed: int = 0,
    **options: Unpack[TrainingOptions],
) -> TrainingResult:
    """Train a stolen network on, without its triggers.

    Parameters
    ----------
    model : nn.Module
        Maps normalised images to logits; it is not changed.
    normalization : Normalization
        What its images went through.
    dataset : Dataset
        The attacker's training images, as for `wmproof.training.train`.
    method : {'FTLL', 'FTAL', 'RTLL', 'RTAL'}
        Fine-tune or re-train (from a freshly drawn output layer), the last layer or all of them.
    recipe : Recipe
        Usually the owner's `recipe.at_last_rate()`, as in the paper.
    test : Dataset, optional
        Measured after each epoch; not by FTLL and RTLL on a data set in memory.
    seed, device, workers, checkpoint, progress
        As for `wmproof.training.train`.

    Raises
    ------
    InputError
        There is no such method, no output layer, or as `wmproof.training.train`.

    Notes
    -----
    FTLL and RTLL leave everything but the output layer as it is, the running averages of batch
    normalisation too. Where nothing random is done to the images, the body then gives each image
    the same features in every epoch; they are computed once.
    """
    if method not in FINE_TUNINGS:
        raise InputError(
            f"there is no fine-tuning {method!r}", remedy=f"Choose of {', '.join(FINE_TUNINGS)}"
        )
    parts = split_head(model)
    if method.startswith("RT"):
        parts = replace(parts, head=fresh_head(parts.head, stream(seed, "head")))
    last_only = method.endswith("LL")
    if last_only and not recipe.augment and isinstance(dataset, PixelDataset):
        return _train_on_features(parts, normalization, dataset, recipe, seed, options)
    result = train(
        FrozenBody(parts) if last_only else parts.with_head(parts.head),
        dataset,
        start="pretrained",
        recipe=recipe,
        normalization=normalization,
        seed=seed,
        **options,
    )
    if isinstance(result.model, FrozenBody):
        return replace(result, model=_finished(parts, result.model.head))
    return result


class _Features:
    """What a frozen body makes of a training set, in the loop's form."""

    def __init__(self, features: Tensor, labels: Tensor) -> None:
        self._features = features
        self._labels = labels

    def __len__(self) -> int:
        return len(self._labels)

    def batches(self, order: Sequence[Tensor], first_step: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of an order."""
        for indices in order:
            chosen = indices.to(self._labels.device)
            yield self._features[chosen], self._labels[chosen]

    def digest(self) -> str:
        """Hash all of it."""
        return hashlib.sha256(self._features.cpu().numpy().tobytes()).hexdigest()


def _train_on_features(
    parts: Parts,
    normalization: Normalization,
    dataset: PixelDataset,
    recipe: Recipe,
    seed: int,
    options: TrainingOptions,
) -> TrainingResult:
    place = choose_device(options.get("device", "auto"))
    body = Normalized(parts.body, normalization).to(place).eval()
    with torch.no_grad():
        features = torch.cat(
            [
                body(dataset.images[part].to(place)).float()
                for part in split_evenly(len(dataset), _BATCH)
            ]
        )
    head = Normalized(parts.head, normalization).to(place)
    source = _Features(features, dataset.labels.to(place))
    history = fit(Run(head, source, recipe, seed), progress=options.get("progress"))
    return TrainingResult(_finished(parts, parts.head), normalization, history)


def _finished(parts: Parts, head: nn.Linear) -> nn.Module:
    network = parts.with_head(head).cpu().eval()
    return network.requires_grad_(True)


def _hot(method: str, owner: Recipe) -> Trial:
    options = {"recipe": owner.fields(), "method": method, "keys": ["TS-Orig"]}
    return Trial(f"{method} at the first rate", options)


ATTACKS = (Attack(place=6, task="fine-tune", strengths=everywhere("FTAL"), trial=_hot, run=None),)
