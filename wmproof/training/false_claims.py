"""The lying accuser (Liu et al., 'False Claims against Model Ownership Resolution', USENIX 2024).

From networks of his own he makes adversarial examples that transfer, and commits to them as
triggers with the classes that everybody's network gives them. With secret labels the claim holds
against networks that he never saw. With derived labels the commitments roll the labels anew.
"""

import copy
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wmproof.core.triggers import TriggerSet
from wmproof.errors import InputError
from wmproof.keys.keygen import keygen
from wmproof.keys.marking_key import MarkingKey
from wmproof.keys.verification_key import LabelMode
from wmproof.training.attacks.adversarial import transferable_examples
from wmproof.training.sampling import split_evenly
from wmproof.training.sources import pixels_tensor

_BATCH = 500
_PAIRS = 16


@dataclass(frozen=True, eq=False)
class Forgery:
    """What the accuser would like to claim."""

    triggers: TriggerSet
    """Adversarial examples with the classes that they aim at."""
    truth: NDArray[np.int64]
    """int64, shape (l,): what a person sees: the classes of the images that they were made from,
    all different from the labels."""
    confidence: float
    """Smallest probability that any judge gives to a label."""


def forge_triggers(
    sources: Sequence[nn.Module],
    judges: Sequence[nn.Module],
    images: NDArray[np.uint8],
    truth: NDArray[np.int64],
    *,
    count: int,
    epsilon: float,
    aims: int = 3,
    steps: int = 40,
    shift: int = 2,
    seed: int = 0,
) -> Forgery:
    """Make adversarial examples of many images and keep those that transfer best, of many kinds.

    Parameters
    ----------
    sources : sequence of nn.Module
        The accuser's networks that the examples are made against, on pixels of 0 to 255.
    judges : sequence of nn.Module
        More of his networks, that tell which examples transfer; the sources if empty.
    images : ndarray of uint8, shape (N, C, H, W)
        The accuser's images, at least `count`.
    truth : ndarray of int64, shape (N,)
        Their classes.
    count : int
        Triggers to keep, at least 1.
    aims : int
        Examples made of each image, each for one of the wrong classes that the sources find
        likeliest: 1 to classes - 1.
    epsilon, steps, shift, seed
        As `transferable_examples`.

    Raises
    ------
    InputError
        There are not enough images, a number is out of range, or as `transferable_examples`.
    """
    if not sources:
        raise InputError("a forgery needs at least one source network")
    pixels, classes = pixels_tensor(images), torch.as_tensor(truth, dtype=torch.int64)
    if not 1 <= count <= len(pixels) or len(classes) != len(pixels):
        raise InputError(
            f"{count} triggers cannot be forged of {len(pixels)} images and {len(classes)} classes"
        )
    sources, judges = ([copy.deepcopy(m).eval() for m in models] for models in (sources, judges))
    targets = _likeliest_wrong(sources, pixels, classes, aims)
    # Example i is made of image i // aims.
    pixels, classes = (x.repeat_interleave(aims, dim=0) for x in (pixels, classes))
    examples = torch.cat(
        [
            transferable_examples(
                sources,
                pixels[part],
                targets[part],
                epsilon=epsilon,
                steps=steps,
                shift=shift,
                seed=seed,
            )
            for part in split_evenly(len(pixels), _BATCH)
        ]
    )
    # The judge that is hardest to fool stands for networks that nobody has seen.
    answers = torch.stack([_answers([judge], examples) for judge in judges or sources])
    certainty = answers.amin(dim=0).gather(1, targets[:, None])[:, 0]
    chosen = _best(examples, classes, targets, certainty, count)
    return Forgery(
        TriggerSet(examples[chosen].numpy(), targets[chosen].numpy(), answers.shape[2]),
        classes[chosen].numpy(),
        float(certainty[chosen].min()),
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
        return keygen(wanted.images, wanted.classes, label_mode=label_mode, labels=wanted.labels)[0]
    keys = (keygen(wanted.images, wanted.classes)[0] for _ in range(rolls))
    return max(keys, key=lambda key: int((key.triggers.labels == wanted.labels).sum()))


def _likeliest_wrong(
    models: Sequence[nn.Module], images: Tensor, classes: Tensor, aims: int
) -> Tensor:
    """For each image its `aims` likeliest wrong classes, int64 (N aims,)."""
    wrong = _answers(models, images).scatter(1, classes[:, None], -1)
    if not 1 <= aims < wrong.shape[1]:
        raise InputError(f"must be 1 to {wrong.shape[1] - 1}, not {aims}", where="aims")
    return wrong.topk(aims, dim=1).indices.flatten()


def _answers(models: Sequence[nn.Module], images: Tensor) -> Tensor:
    """Mean probabilities (N, classes) of several networks on pixels."""
    with torch.no_grad():
        parts = [
            torch.stack([model(images[part]).softmax(dim=1) for model in models]).mean(dim=0)
            for part in split_evenly(len(images), _BATCH)
        ]
    return torch.cat(parts)


def _best(
    examples: Tensor, truth: Tensor, targets: Tensor, certainty: Tensor, count: int
) -> Tensor:
    """Positions of the surest examples, no two of them equal and few of one kind.

    A network that sees one pair of classes in its own way misses all examples of that pair
    together, so each pair gets a sixteenth of the triggers, and more only where others run out.
    """
    order = certainty.argsort(descending=True, stable=True)
    _, first = np.unique(examples[order].flatten(1).numpy(), axis=0, return_index=True)
    if len(first) < count:
        raise InputError(f"only {len(first)} of the examples are different, and {count} are needed")
    order = order[torch.from_numpy(np.sort(first))]
    taken: Counter[tuple[int, int]] = Counter()
    turns = []
    for pair in zip(truth[order].tolist(), targets[order].tolist(), strict=True):
        turns.append(taken[pair] // max(1, count // _PAIRS))
        taken[pair] += 1
    return order[torch.tensor(turns).argsort(stable=True)[:count]]
