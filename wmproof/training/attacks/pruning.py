"""Pruning: the smallest weights or filters of a marked network are set to zero."""

import copy
from collections.abc import Iterator
from typing import Any, Unpack

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.utils.data import Dataset

from wmproof.errors import InputError
from wmproof.training.attacks.registry import Attack, Row, Theft, Trial
from wmproof.training.embedding import TrainingOptions, train
from wmproof.training.layers import Layer, layers_in_order
from wmproof.training.loop import TrainingResult
from wmproof.training.normalization import Normalization
from wmproof.training.recipe import Recipe

_PRUNED = (nn.Conv2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d)


def prune_magnitude(model: nn.Module, share: float) -> nn.Module:
    """Set the smallest weights to zero, compared over the whole network (Han et al., 2015).

    Parameters
    ----------
    model : nn.Module
        Its convolutions and fully connected layers are pruned; biases and normalisations stay.
    share : float
        Of all weights, in [0, 1).

    Returns
    -------
    nn.Module
        A pruned copy, in evaluation mode, with round(share * weights) zeros (or more, where the
        network had more before).

    Raises
    ------
    InputError
        The share is out of range, or there is nothing to prune.
    """
    check_share(share)
    pruned = copy.deepcopy(model).eval()
    weights = [m.weight for m in pruned.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    if not weights:
        raise InputError("the network has no convolution and no fully connected layer")
    # By hand: torch.nn.utils.prune does not take the channels-last weights that training leaves.
    sizes = torch.cat([weight.detach().abs().flatten() for weight in weights])
    kept = torch.ones_like(sizes)
    kept[sizes.argsort(stable=True)[: round(share * len(sizes))]] = 0
    with torch.no_grad():
        for weight, part in zip(
            weights, torch.split(kept, [w.numel() for w in weights]), strict=True
        ):
            weight.mul_(part.view(weight.shape))
    return pruned


def prune_filters(model: nn.Module, share: float, shape: tuple[int, int, int]) -> nn.Module:
    """Remove the filters with the smallest L1 norms of every layer (Li et al., ICLR 2017).

    The output layer stays whole. Of a removed filter everything is zero, the normalisation behind
    it included, so that its channel is zero for every image. At least one filter a layer stays.

    Parameters
    ----------
    model : nn.Module
        Units of fully connected layers count as filters.
    share : float
        Of the filters of each layer, rounded to whole filters, in [0, 1).
    shape : tuple[int, int, int]
        Channels, height and width of an image, to follow the network's layers.

    Returns
    -------
    nn.Module
        A pruned copy of the same shapes, in evaluation mode.

    Raises
    ------
    InputError
        The share is out of range, or the network has no hidden layer.
    """
    check_share(share)
    pruned = copy.deepcopy(model).eval()
    *hidden, _ = layers_in_order(pruned, shape)
    if not hidden:
        raise InputError("the network has no hidden layer to prune")
    for layer in hidden:
        norms = layer.module.weight.detach().abs().flatten(1).sum(dim=1)
        count = min(round(share * len(norms)), len(norms) - 1)
        _remove_filters(layer, norms.argsort(stable=True)[:count])
    return pruned


def finetune_pruned(
    model: nn.Module,
    dataset: Dataset[Any],
    *,
    normalization: Normalization,
    recipe: Recipe,
    seed: int = 0,
    **options: Unpack[TrainingOptions],
) -> TrainingResult:
    """Train a pruned network further while every weight that is zero stays zero.

    Parameters
    ----------
    model : nn.Module
        What a pruning returned.
    dataset : Dataset
        The attacker's training set.
    normalization : Normalization
        That of the network.
    recipe, seed, options
        As `wmproof.training.embedding.train`.

    Raises
    ------
    InputError
        As `train`.
    """
    held = copy.deepcopy(model)
    for module, name, mask in _zeros(held):
        parametrize.register_parametrization(module, name, _Mask(mask))
    result = train(
        held,
        dataset,
        start="pretrained",
        recipe=recipe,
        normalization=normalization,
        seed=seed,
        **options,
    )
    for module in list(result.model.modules()):
        for name in list(getattr(module, "parametrizations", ())):
            parametrize.remove_parametrizations(module, name)
    return TrainingResult(result.model, result.normalization, result.history)


def check_share(share: float) -> None:
    """Raise InputError unless `share` is in [0, 1)."""
    if not 0 <= share < 1:
        raise InputError(f"must be at least 0 and below 1, not {share}", where="share")


def _remove_filters(layer: Layer, filters: Tensor) -> None:
    followed = layer.normalisation
    tensors = [layer.module.weight, layer.module.bias]
    if followed is not None:
        tensors += [followed.weight, followed.bias, followed.running_mean]
    with torch.no_grad():
        for tensor in tensors:
            if tensor is not None:
                tensor[filters] = 0


def _zeros(model: nn.Module) -> list[tuple[nn.Module, str, Tensor]]:
    """Find the parameters with zeros in them, and mask what is not zero."""
    return [
        (module, name, (parameter != 0).to(parameter.dtype))
        for module in model.modules()
        if isinstance(module, _PRUNED)
        for name, parameter in module.named_parameters(recurse=False)
        if bool((parameter == 0).any())
    ]


class _Mask(nn.Module):
    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, parameter: Tensor) -> Tensor:
        return parameter * self.mask


def _try_magnitude(theft: Theft) -> Iterator[Row]:
    for share in theft.options["shares"]:
        yield theft.measured(f"{share:.0%}", prune_magnitude(theft.model, share))


def _try_filters(theft: Theft) -> Iterator[Row]:
    for share in theft.options["shares"]:
        yield theft.measured(f"{share:.0%}", prune_filters(theft.model, share, theft.shape))


_TENTHS = [tenth / 10 for tenth in range(1, 10)]
ATTACKS = (
    Attack(
        place=1,
        task="prune",
        strengths={"smoke": [[0.5, 0.9]], "desk": [_TENTHS], "paper": [_TENTHS]},
        trial=lambda shares, owner: Trial("Pruning", {"shares": shares}),
        run=_try_magnitude,
    ),
    Attack(
        place=2,
        task="prune-filters",
        strengths={"smoke": [[0.5]], "desk": [_TENTHS], "paper": [_TENTHS]},
        trial=lambda shares, owner: Trial("Filter pruning", {"shares": shares}),
        run=_try_filters,
    ),
)
