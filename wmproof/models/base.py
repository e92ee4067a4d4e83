"""Asking a classifier about images and triggers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof._base.arguments import require_type
from wmproof.core.classifier import Classifier, LogitsClassifier, ScoredClassifier
from wmproof.core.triggers import Shape, TriggerSet, as_planes, format_shape
from wmproof.errors import InputError
from wmproof.models.ending import undone

NO_ANSWER = -1

__all__ = [
    "NO_ANSWER",
    "Classifier",
    "ScoredClassifier",
    "best_class",
    "classify_triggers",
    "fit_images",
    "strictly_largest",
    "trigger_hits",
]


def fit_images(images: NDArray[np.uint8], input_shape: Shape) -> NDArray[np.uint8]:
    """Give images the shape that a model takes.

    HxW and 1xHxW are the same picture, and a row of D numbers is Dx1x1; anything else must agree.

    Raises
    ------
    InputError
        The shapes differ.
    """
    if as_planes(images.shape[1:]) != as_planes(input_shape):
        raise InputError(
            f"the model takes images of {format_shape(input_shape)} and these are "
            f"{format_shape(images.shape[1:])}",
            remedy="Use a model and a key of one shape (channels first)",
        )
    return images.reshape(len(images), *input_shape)


def classify_triggers(model: Classifier, triggers: TriggerSet) -> NDArray[np.int64]:
    """Ask a model about triggers: Classify(t_i, M) of the paper's section 3.

    Returns
    -------
    ndarray of int64, shape (l,)

    Raises
    ------
    InputError
        The model is for another image shape or another number of classes, or it answers nonsense.
    """
    _check_model(model, triggers)
    return _classes(model.classify(fit_images(triggers.images, model.input_shape)), triggers)


def _check_model(model: Classifier, triggers: TriggerSet) -> None:
    require_type(
        model,
        Classifier,
        "the model",
        remedy="Open a file with open_model; wrap others in TorchClassifier or FunctionClassifier",
    )
    if model.classes is not None and model.classes != triggers.classes:
        raise InputError(
            f"the model knows {model.classes} classes and the key is for {triggers.classes}",
            remedy="Use the model that the key was made for",
        )


def _classes(answers: NDArray[Any], triggers: TriggerSet) -> NDArray[np.int64]:
    answers = np.asarray(answers)
    if answers.shape != (len(triggers),) or answers.dtype.kind not in "iu":
        raise InputError(
            f"the model answered with {answers.dtype} {answers.shape} "
            f"and not with one class for each of {len(triggers)} images"
        )
    return answers.astype(np.int64)


def trigger_hits(model: Classifier, triggers: TriggerSet) -> NDArray[np.bool_]:
    """Tell which labels a model answers, one for each group of triggers.

    A single trigger is hit by the model's answer. A group is hit if the logits of its pictures,
    added up, are largest for its label, and larger than for every other class: at a tie it is
    missed. Logits are what a model's scores were before its last Softmax or the like, see
    `models.ending`: the same sums that a claim in zero knowledge is about. A model that gives no
    scores is asked for its answers, and they are counted.

    Returns
    -------
    ndarray of bool, shape (triggers.coins,)

    Raises
    ------
    InputError
        As `classify_triggers`.
    """
    if triggers.group == 1:
        single: NDArray[np.bool_] = classify_triggers(model, triggers) == triggers.labels
        return single
    _check_model(model, triggers)
    labels = triggers.labels[:: triggers.group]
    values = _added(model, fit_images(triggers.images, model.input_shape))
    if values.ndim == 1:
        answers = _classes(values, triggers).reshape(-1, triggers.group)
        return np.array(
            [_most_frequent(*one) for one in zip(answers, labels, strict=True)], dtype=bool
        )
    if values.shape != (len(triggers), triggers.classes):
        raise InputError(
            f"the model answered with scores of shape {values.shape} and not with one for each of "
            f"{len(triggers)} images and {triggers.classes} classes"
        )
    sums = values.astype(np.float64).reshape(triggers.coins, triggers.group, -1).sum(axis=1)
    return strictly_largest(sums, labels)


def _added(model: Classifier, images: NDArray[np.uint8]) -> NDArray[Any]:
    """What is added up over a group: logits, or classes where there are no scores."""
    if isinstance(model, LogitsClassifier):
        return model.logits(images)
    scores = model.scores(images) if isinstance(model, ScoredClassifier) else None
    return (
        np.asarray(model.classify(images)) if scores is None else undone(scores.astype(np.float64))
    )


def strictly_largest(sums: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell where the label's sum is larger than all others; never where one is not finite.

    Parameters
    ----------
    sums : ndarray of float64, shape (n, classes)
    labels : ndarray of int64, shape (n,)
    """
    rows = np.arange(len(labels))
    own, others = sums[rows, labels], sums.copy()
    others[rows, labels] = -np.inf
    largest: NDArray[np.bool_] = own > others.max(axis=1)
    largest &= np.isfinite(sums).all(axis=1)
    return largest


def _most_frequent(answers: NDArray[np.int64], label: np.int64) -> bool:
    others = answers[(answers != label) & (answers != NO_ANSWER)]
    most = np.unique(others, return_counts=True)[1].max(initial=0)
    return int((answers == label).sum()) > int(most)


def best_class(scores: NDArray[Any]) -> NDArray[np.int64]:
    """Turn scores (n, classes) into answers: the highest, the lowest index at a tie, -1 for NaN."""
    answers: NDArray[np.int64] = scores.argmax(axis=1).astype(np.int64)
    answers[np.isnan(scores).any(axis=1)] = NO_ANSWER
    return answers
