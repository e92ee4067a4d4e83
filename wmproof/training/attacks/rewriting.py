"""Weights rewritten so that the float network stays, hoping that its integer circuit does not."""

import copy
from collections.abc import Iterator

import torch
from torch import nn

from wmproof.training.attacks.quantization import circuit_classifier
from wmproof.training.attacks.registry import Attack, Row, Theft, Trial
from wmproof.training.layers import layers_in_order
from wmproof.training.reproducible import stream


def rescale(model: nn.Module, shape: tuple[int, int, int], *, seed: int) -> nn.Module:
    """Multiply each filter that a batch normalisation follows by a power of two from 1 to 64.

    The normalisation's averages are multiplied with it, so that the network computes what it did,
    up to the small constant that is added to variances.

    Parameters
    ----------
    model : nn.Module
        Maps normalised images to logits; it is not changed.
    shape : tuple of int
        (C, H, W) of an image.
    seed : int
        Of the factors.
    """
    changed = copy.deepcopy(model).cpu().eval()
    generator = torch.Generator().manual_seed(stream(seed, "rescale"))
    with torch.no_grad():
        for layer in layers_in_order(changed, shape):
            followed, module = layer.normalisation, layer.module
            if followed is None or followed.running_mean is None or followed.running_var is None:
                continue
            factor = 2.0 ** torch.randint(0, 7, (len(module.weight),), generator=generator)
            module.weight.mul_(factor.reshape(-1, *[1] * (module.weight.ndim - 1)))
            if module.bias is not None:
                module.bias.mul_(factor)
            followed.running_mean.mul_(factor)
            followed.running_var.mul_(factor**2)
    return changed


def _try(theft: Theft) -> Iterator[Row]:
    changed = rescale(theft.model, theft.shape, seed=theft.seed)
    yield theft.measured("floats", changed)
    circuit = circuit_classifier(changed, theft.pixels()[:64], normalization=theft.normalization)
    row = theft.answered(circuit, theft.options["images"])
    yield row | {"label": f"integer circuit, {row['label']}"}


ATTACKS = (
    Attack(
        place=4,
        task="rescale",
        strengths={"desk": [300], "paper": [1000]},
        trial=lambda images, owner: Trial("Rescaled filters", {"images": images}),
        run=_try,
    ),
)
