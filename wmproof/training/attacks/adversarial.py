"""Adversarial examples, and fine-tuning on them.

All perturbations are bounded in every pixel (the L-infinity norm), in pixel units of 0 to 255.
"""

import copy
import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from wmproof.errors import InputError
from wmproof.training.attacks.registry import Attack, Row, Theft, Trial, impatient, train_on
from wmproof.training.normalization import Normalization, Normalized
from wmproof.training.recipe import Recipe
from wmproof.training.sampling import augment

Loss = Callable[[Tensor, int], Tensor]


def transferable_examples(
    models: Sequence[nn.Module],
    images: Tensor,
    targets: Tensor,
    *,
    epsilon: float,
    steps: int = 40,
    momentum: float = 1.0,
    shift: int = 2,
    seed: int = 0,
) -> Tensor:
    """Make images that networks unlike the sources put into the targets, too.

    The iterative method with momentum against fused logits (Dong et al., CVPR 2018), with diverse
    inputs (Xie et al., CVPR 2019; here by shifts, as small images bear no resizing) and the logit
    loss, which does not saturate (Zhao, Liu and Larson, NeurIPS 2021).

    Parameters
    ----------
    models : sequence of nn.Module
        The sources: map pixels of 0 to 255 (N, C, H, W) to logits.
    images : Tensor
        uint8 (N, C, H, W).
    targets : Tensor
        int64 (N,).
    epsilon : float
        Largest change of a pixel, above 0.
    steps : int
        Of 2.5 epsilon / steps each, at least 1.
    momentum : float
        What is kept of the direction, at least 0.
    shift : int
        Largest random move of the images in each step.
    seed : int
        Of the moves.

    Returns
    -------
    Tensor
        uint8 (N, C, H, W).

    Raises
    ------
    InputError
        There is no source, or a number is out of range.
    """
    if not models:
        raise InputError("transferable examples need at least one source network")
    sources = [copy.deepcopy(model).eval() for model in models]

    def loss(pixels: Tensor, step: int) -> Tensor:
        moved = augment(pixels, shift, flip=False, seed=seed, step=step)
        fused = torch.stack([_unit(source(moved)) for source in sources]).sum(dim=0)
        return fused.gather(1, targets[:, None]).sum()

    found = perturb(loss, images.float(), epsilon=epsilon, steps=steps, momentum=momentum)
    return _rounded(found, images, epsilon)


class AdversarialTraining:
    """Half the loss on the batch and half on its adversarial examples, made anew in each step.

    A thief trains on by it until small changes of an image change no answer, and hopes that the
    triggers are forgotten.

    Parameters
    ----------
    normalization : Normalization
        That of the network.
    epsilon : float
        Largest change of a pixel, above 0.
    steps : int
        1 for FGSM, more for PGD.

    Raises
    ------
    InputError
        A number is out of range.
    """

    def __init__(self, normalization: Normalization, epsilon: float, steps: int) -> None:
        _check(epsilon, steps)
        self._normalization = normalization
        self._epsilon = epsilon
        self._steps = steps

    def __call__(self, network: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
        """Give the mean over the batch."""
        normalized = Normalized(network, self._normalization).to(inputs.device)
        pixels = inputs / normalized.scale + normalized.mean
        # The loop has seeded the global generator for this step.
        offset = self._epsilon * (2 * torch.rand_like(pixels) - 1) if self._steps > 1 else None
        loss = _against(network, labels, self._normalization)
        found = perturb(loss, pixels, epsilon=self._epsilon, steps=self._steps, start=offset)
        network.train()
        logits = network(torch.cat([inputs, normalized.normalize(found)]))
        return cross_entropy(logits, torch.cat([labels, labels]))

    def digest(self) -> str:
        """Name the perturbation."""
        return f"adversarial {self._normalization} {self._epsilon} {self._steps}"


def perturb(
    loss: Loss,
    pixels: Tensor,
    *,
    epsilon: float,
    steps: int,
    momentum: float = 0.0,
    start: Tensor | None = None,
) -> Tensor:
    """Climb a loss by signs of its gradient, within epsilon of the pixels and 0 to 255.

    Parameters
    ----------
    loss : callable
        Takes float32 pixels (N, C, H, W) and the number of the step; the sum over the images.
    pixels : Tensor
        float32 (N, C, H, W).
    epsilon, steps, momentum
        As `transferable_examples`; a single step is epsilon long.
    start : Tensor, optional
        Added to the pixels first.

    Returns
    -------
    Tensor
        float32, without gradient.
    """
    _check(epsilon, steps)
    low, high = (pixels - epsilon).clamp(0, 255), (pixels + epsilon).clamp(0, 255)
    length = epsilon if steps == 1 else 2.5 * epsilon / steps
    found = pixels if start is None else (pixels + start).clamp(low, high)
    direction = torch.zeros_like(pixels)
    for step in range(steps):
        found = found.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(found, step), found)
        size = gradient.abs().mean(dim=(1, 2, 3), keepdim=True).clamp(min=1e-30)
        direction = momentum * direction + gradient / size
        found = (found.detach() + length * direction.sign()).clamp(low, high)
    return found.detach()


def _against(model: nn.Module, labels: Tensor, normalization: Normalization) -> Loss:
    """Loss of pixels for a network that is put into evaluation mode."""
    normalized = Normalized(model, normalization).to(labels.device).eval()

    def loss(pixels: Tensor, step: int) -> Tensor:
        return cross_entropy(normalized(pixels), labels, reduction="sum")

    return loss


def _unit(logits: Tensor) -> Tensor:
    """Bring logits (N, classes) to one length, so that no source drowns the others."""
    centred = logits - logits.mean(dim=1, keepdim=True)
    length = torch.linalg.vector_norm(centred.detach(), dim=1, keepdim=True)
    unit: Tensor = centred / length.clamp(min=1e-30)
    return unit


def _rounded(found: Tensor, images: Tensor, epsilon: float) -> Tensor:
    """Round to whole pixels without leaving the bound."""
    whole = math.floor(epsilon)
    change = (found.round() - images.float()).clamp(-whole, whole)
    return (images.float() + change).to(torch.uint8)


def _check(epsilon: float, steps: int) -> None:
    if not (math.isfinite(epsilon) and epsilon > 0):
        raise InputError(f"must be above 0, not {epsilon}", where="epsilon")
    if steps < 1:
        raise InputError(f"must be at least 1, not {steps}", where="steps")


def _try(theft: Theft) -> Iterator[Row]:
    epsilon: float = theft.options["epsilon"]
    result = train_on(theft, AdversarialTraining(theft.normalization, epsilon, steps=1))
    # One pass for the perturbation, one for each of the image and its adversarial example.
    yield theft.trained(f"epsilon {epsilon:g}", result, passes=3)


def _trial(epsilon: float, owner: Recipe) -> Trial:
    options = {"epsilon": epsilon, "recipe": impatient(owner).fields()}
    return Trial(f"Adversarial fine-tuning {epsilon}", options)


ATTACKS = (
    Attack(
        place=8,
        task="adversarial",
        strengths={"smoke": [16.0], "desk": [16.0], "robust": [16.0], "paper": [8.0]},
        trial=_trial,
        run=_try,
        trains_on=True,
    ),
)
