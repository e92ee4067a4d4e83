"""Copying a marked network by its answers: soft ones on good data, hard ones on foreign images."""

import copy
import hashlib
import math
from collections.abc import Iterator
from typing import Any, Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div, log_softmax, softmax
from torch.utils.data import Dataset

from wmproof.errors import InputError
from wmproof.models.base import Classifier, fit_images
from wmproof.models.torch_module import TorchClassifier
from wmproof.training.attacks.random_triggers import random_images
from wmproof.training.attacks.registry import Attack, Row, Theft, Trial, everywhere
from wmproof.training.embedding import TrainingOptions, choose_device, train
from wmproof.training.loop import TrainingResult
from wmproof.training.normalization import Normalization, Normalized
from wmproof.training.recipe import Recipe
from wmproof.training.sources import Augmentation, PixelDataset, pixels_tensor


class Distillation:
    """The loss of Hinton, Vinyals and Dean (2015), equation 1 and section 2.

    Parameters
    ----------
    teacher : nn.Module
        In evaluation mode, on the device of the training.
    temperature : float
        Above 0.
    weight : float
        Of the teacher's soft answers, in [0, 1]; the rest is for the labels.
    """

    def __init__(self, teacher: nn.Module, temperature: float, weight: float) -> None:
        if not (math.isfinite(temperature) and temperature > 0):
            raise InputError(f"must be above 0, not {temperature}", where="temperature")
        if not 0 <= weight <= 1:
            raise InputError(f"must be in [0, 1], not {weight}", where="weight")
        self._teacher = teacher
        self._temperature = temperature
        self._weight = weight

    def __call__(self, network: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
        """Give the mean over the batch."""
        with torch.no_grad():
            soft = softmax(self._teacher(inputs) / self._temperature, dim=1)
        logits = network(inputs)
        answers = log_softmax(logits / self._temperature, dim=1)
        # Gradients of soft answers shrink with the square of the temperature.
        imitation = kl_div(answers, soft, reduction="batchmean") * self._temperature**2
        return self._weight * imitation + (1 - self._weight) * cross_entropy(logits, labels)

    def digest(self) -> str:
        """Hash the teacher's weights."""
        digest = hashlib.sha256(repr((self._temperature, self._weight)).encode())
        for name, tensor in self._teacher.state_dict().items():
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return f"distillation {digest.hexdigest()}"


def distill(
    teacher: nn.Module,
    student: nn.Module,
    dataset: Dataset[Any],
    *,
    normalization: Normalization,
    recipe: Recipe,
    temperature: float = 4.0,
    weight: float = 0.9,
    seed: int = 0,
    **options: Unpack[TrainingOptions],
) -> TrainingResult:
    """Train a fresh student on the teacher's soft answers: the thief has the weights and data.

    Parameters
    ----------
    teacher : nn.Module
        The marked network, on normalised images.
    student : nn.Module
        Any architecture for the same images and classes; its weights are drawn from `seed`.
    dataset : Dataset
        The thief's training set. The triggers are not in it.
    normalization : Normalization
        That of the teacher; the student gets the same.
    temperature, weight : float
        As `Distillation`.
    recipe, seed, options
        As `wmproof.training.embedding.train`.

    Raises
    ------
    InputError
        A number is out of range, teacher and student do not fit, or as `train`.
    """
    device = choose_device(options.get("device", "auto"))
    frozen = copy.deepcopy(teacher).to(device).eval()
    return train(
        student,
        dataset,
        normalization=normalization,
        recipe=recipe,
        seed=seed,
        objective=Distillation(frozen, temperature, weight),
        **options,
    )


def extract(
    victim: Classifier,
    student: nn.Module,
    queries: NDArray[np.uint8],
    *,
    recipe: Recipe,
    normalization: Normalization | None = None,
    augmentation: Augmentation | None = None,
    seed: int = 0,
    **options: Unpack[TrainingOptions],
) -> TrainingResult:
    """Train a fresh student on a black box's classes of the thief's own images.

    Knockoff nets (Orekondy et al., CVPR 2019) with hard labels: no data of the owner, no weights.

    Parameters
    ----------
    victim : Classifier
        Is asked once about each image; images without an answer are dropped.
    student : nn.Module
        Any architecture for the same images and classes; its weights are drawn from `seed`.
    queries : ndarray of uint8, shape (N, C, H, W)
        From whatever distribution the thief has.
    normalization : Normalization, optional
        Of the student; measured on the queries if absent.
    augmentation : Augmentation, optional
        Of the queries while training.
    recipe, seed, options
        As `wmproof.training.embedding.train`.

    Raises
    ------
    InputError
        The queries do not fit the victim, none is answered, or as `train`.
    """
    images = pixels_tensor(queries).numpy()
    answers = np.asarray(victim.classify(fit_images(images, victim.input_shape)))
    answered = answers >= 0
    if not answered.any():
        raise InputError("the victim answers none of the queries")
    return train(
        student,
        PixelDataset(images[answered], answers[answered], augmentation),
        normalization=normalization,
        recipe=recipe,
        seed=seed,
        **options,
    )


def _try_soft_answers(theft: Theft) -> Iterator[Row]:
    result = distill(
        theft.model,
        theft.fresh(),
        theft.training,
        recipe=theft.recipe(),
        **theft.training_options(),
    )
    yield theft.trained("soft answers", result)


def _try_hard_answers(theft: Theft) -> Iterator[Row]:
    queries = theft.pixels()
    if theft.options["queries"] == "pictures":
        queries = random_images(len(queries), theft.shape, seed=theft.seed + 2)
    victim = Normalized(theft.model, theft.normalization).eval()
    result = extract(
        TorchClassifier(victim, theft.shape, theft.classes),
        theft.fresh(),
        queries,
        recipe=theft.recipe(),
        **theft.training_options(),
    )
    yield theft.trained(f"{len(queries)} queries", result)


def _extraction(queries: str, owner: Recipe) -> Trial:
    return Trial(f"Extraction by {queries}", {"recipe": owner.fields(), "queries": queries})


ATTACKS = (
    Attack(
        place=10,
        task="distill",
        strengths=everywhere(None),
        trial=lambda _, owner: Trial("Distillation", {"recipe": owner.fields()}),
        run=_try_soft_answers,
    ),
    Attack(
        place=11,
        task="extract",
        strengths=everywhere("task", "pictures") | {"robust": ["task"]},
        trial=_extraction,
        run=_try_hard_answers,
    ),
)
