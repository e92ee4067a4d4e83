"""Fine-pruning (Liu, Dolan-Gavitt and Garg, RAID 2018): drop dormant features, then fine-tune."""

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from wmproof.errors import InputError
from wmproof.training.attacks.pruning import check_share, finetune_pruned
from wmproof.training.attacks.registry import Attack, Row, Theft, Trial, impatient
from wmproof.training.evaluate import predict
from wmproof.training.layers import layers_in_order
from wmproof.training.normalization import Normalization, Normalized
from wmproof.training.recipe import Recipe
from wmproof.training.sources import read_all


def prune_dormant(
    model: nn.Module, share: float, dataset: Dataset[Any], *, normalization: Normalization
) -> nn.Module:
    """Cut off the features that clean images excite least.

    The features are the inputs of the output layer: for a ResNet-18 the channels of its last
    convolution, as in the paper, for others the units of the last hidden layer. A feature is cut
    off by zeros in the output layer's weights.

    Parameters
    ----------
    model : nn.Module
        Maps normalised images to logits and ends in a fully connected layer.
    share : float
        Of the features, rounded to whole ones, in [0, 1). At least one stays.
    dataset : Dataset
        Clean images.
    normalization : Normalization
        That of the network.

    Returns
    -------
    nn.Module
        A pruned copy, in evaluation mode.

    Raises
    ------
    InputError
        The share is out of range, or the network ends otherwise.
    """
    check_share(share)
    pruned = copy.deepcopy(model).cpu().eval()
    images, _ = read_all(dataset)
    channels, height, width = images.shape[1:]
    output = layers_in_order(pruned, (channels, height, width))[-1].module
    if not isinstance(output, nn.Linear):
        raise InputError("fine-pruning needs a network that ends in a fully connected layer")
    activity = _mean_inputs(pruned, output, images, normalization)
    count = min(round(share * len(activity)), len(activity) - 1)
    with torch.no_grad():
        output.weight[:, activity.argsort(stable=True)[:count]] = 0
    return pruned


def _mean_inputs(
    model: nn.Module, layer: nn.Linear, images: Tensor, normalization: Normalization
) -> Tensor:
    """Mean absolute input of a layer over all images, (features,)."""
    total = torch.zeros(layer.in_features, dtype=torch.float64)

    def add(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        total.add_(inputs[0].abs().double().flatten(0, -2).sum(dim=0))

    hook = layer.register_forward_pre_hook(add)
    pixels = images.dtype == torch.uint8
    predict(Normalized(model, normalization).eval() if pixels else model, images)
    hook.remove()
    return total / len(images)


def _try(theft: Theft) -> Iterator[Row]:
    share: float = theft.options["share"]
    pruned = prune_dormant(theft.model, share, theft.training, normalization=theft.normalization)
    result = finetune_pruned(
        pruned, theft.training, recipe=theft.recipe(), **theft.training_options()
    )
    yield theft.trained(f"{share:.0%} of features", result)


def _trial(share: float, owner: Recipe) -> Trial:
    return Trial(f"Fine-pruning {share}", {"share": share, "recipe": impatient(owner).fields()})


ATTACKS = (
    Attack(
        place=7,
        task="fine-prune",
        strengths={"smoke": [0.5], "desk": [0.5, 0.9], "robust": [0.9], "paper": [0.5, 0.9]},
        trial=_trial,
        run=_try,
        trains_on=True,
    ),
)
