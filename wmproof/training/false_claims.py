"""The lying accuser (Liu et al., 'False Claims against Model Ownership Resolution', USENIX 2024).

From networks of his own he makes adversarial examples that transfer, and commits to them as
triggers with the classes that everybody's network gives them. With secret labels the claim holds
against networks that he never saw. With derived labels the commitments roll the labels anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wmproof.errors import InputError
from wmproof.keygen import keygen
from wmproof.keys.marking_key import MarkingKey
from wmproof.keys.verification_key import LabelMode
from wmproof.training.attacks.adversarial import transferable_examples
from wmproof.training.sampling import split_evenly
from wmproof.training.sources import pixels_tensor
from wmproof.triggers import TriggerSet

_BATCH = 500


@dataclass(frozen=True, eq=False)
class Forgery:
    """What the accuser would like to claim.

    Parameters
    ----------
    triggers : TriggerSet
        Adversarial examples with the classes that they aim at.
    truth : ndarray of int64, shape (l,)
        What a person sees: the classes of the images that they were made from, all different from
        the labels.
    confidence : float
        Smallest probability that the judges, averaged, give to a label.
    """

    triggers: TriggerSet
    truth: NDArray[np.int64]
    confidence: float


def forge_triggers(
    sources: Sequence[nn.Module],
    judges: Sequence[nn.Module],
    images: NDArray[np.uint8],
    truth: NDArray[np.int64],
    *,
    count: int,
    epsilon: float,
    steps: int = 40,
    shift: int = 1,
    seed: int = 0,
) -> Forgery:
    """Make adversarial examples of many images and keep those that transfer best.

    Parameters
    ----------
    sources : sequence of nn.Module
        The accuser's networks that the examples are made against, on pixels of 0 to 255.
    judges : sequence of nn.Module
        More of his networks, that tell which examples transfer; the sources if empty.
    images : ndarray of uint8, shape (N, C, H, W)
        The accuser's images, at least `count`.
    truth : ndarray of int64, shape (N,)
        Their classes. Each image aims at the wrong class that the sources find likeliest.
    count : int
        Triggers to keep, at least 1.
    epsilon, steps, shift, seed
        As `transferable_examples`.

    Returns
    -------
    Forgery

    Raises
    ------
    InputError
        There are not enough images, or as `transferable_examples`.
    """
    pixels, classes = pixels_tensor(images), torch.as_tensor(truth, dtype=torch.int64)
    if not 1 <= count <= len(pixels) or len(classes) != len(pixels):
        raise InputError(
            f"{count} triggers cannot be forged of {len(pixels)} images and {len(classes)} classes"
        )
    for model in [*sources, *judges]:
        model.eval()
    examples, targets, certainty = [], [], []
    for part in split_evenly(len(pixels), _BATCH):
        wrong = _answers(sources, pixels[part]).scatter(1, classes[part, None], -1)
        aims = wrong.argmax(dim=1)
        found = transferable_examples(
            sources, pixels[part], aims, epsilon=epsilon, steps=steps, shift=shift, seed=seed
        )
        examples.append(found)
        targets.append(aims)
        certainty.append(_answers(judges or sources, found).gather(1, aims[:, None])[:, 0])
    chosen = _best(torch.cat(examples), torch.cat(certainty), count)
    labels = torch.cat(targets)[chosen].numpy()
    return Forgery(
        TriggerSet(torch.cat(examples)[chosen].numpy(), labels, wrong.shape[1]),
        classes[chosen].numpy(),
        float(torch.cat(certainty)[chosen].min()),
    )


def accuse(forgery: Forgery, label_mode: LabelMode, *, rolls: int = 1) -> MarkingKey:
    """Make a key of forged triggers, by the package's own KeyGen.

    Parameters
    ----------
    forgery : Forgery
    label_mode : LabelMode
        SECRET commits to the labels that were aimed at. DERIVED has to take what the commitments
        give.
    rolls : int
        Keys that are made with derived labels, to keep the one with the most labels that were
        aimed at: what an accuser with time would do. At least 1.

    Returns
    -------
    MarkingKey
        With its `verification_key`.

    Raises
    ------
    InputError
        There are no rolls, or two examples are equal.
    """
    if rolls < 1:
        raise InputError(f"must be at least 1, not {rolls}", where="rolls")
    wanted = forgery.triggers
    if label_mode is LabelMode.SECRET:
        return keygen(
            wanted.images, wanted.classes, label_mode=label_mode, labels=wanted.labels
        )[0]
    keys = (keygen(wanted.images, wanted.classes)[0] for _ in range(rolls))
    return max(keys, key=lambda key: int((key.triggers.labels == wanted.labels).sum()))


def _answers(models: Sequence[nn.Module], images: Tensor) -> Tensor:
    """Mean probabilities (N, classes) of several networks on pixels."""
    with torch.no_grad():
        return torch.stack([model(images).softmax(dim=1) for model in models]).mean(dim=0)


def _best(images: Tensor, certainty: Tensor, count: int) -> Tensor:
    """Positions of the surest examples, no two of them equal."""
    order = certainty.argsort(descending=True, stable=True)
    _, first = np.unique(images[order].flatten(1).numpy(), axis=0, return_index=True)
    if len(first) < count:
        raise InputError(f"of the examples only {len(first)} are different, {count} are needed")
    return order[torch.from_numpy(np.sort(first)[:count])]
