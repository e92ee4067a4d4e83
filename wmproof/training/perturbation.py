"""Weight perturbation: teach the triggers to a whole neighbourhood of the weights.

A thief who trains on moves the weights a little; what is embedded at one point only is lost on the
way. So the loss on the triggers is also taken at other weights near by: at random ones, or at
those that are worst for them (Gan et al., *Towards Robust Model Watermark via Reducing Parametric
Vulnerability*, ICCV 2023; the size relative to each tensor's norm is that of Wu, Xia and Wang,
NeurIPS 2020).
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from wmproof.training.recipe import Perturbation


def perturbed_loss(
    network: nn.Module, inputs: Tensor, labels: Tensor, k: int, perturbation: Perturbation
) -> Tensor:
    """Give the loss on a batch's triggers at perturbed weights, to be added to that of the batch.

    In a loop of one's own that is one line more beside `with_triggers`: ``loss = loss +
    perturbed_loss(network, images, labels, k, Perturbation())``. Returns a scalar:
    `perturbation.weight` times the mean cross entropy. Its gradient is taken at the perturbed
    weights, with the perturbation held fixed.

    The whole batch is shown, so that batch normalisation sees what it sees in the step itself: the
    triggers alone have other statistics, and running averages lag behind. Weights, running averages
    and modes are left as they are.

    Parameters
    ----------
    network : nn.Module
        In training mode; maps inputs to logits, or to an object with `.logits`.
    inputs : Tensor
        A batch as the network takes it, (n + k, ...), on its device, the triggers at its end.
    labels : Tensor
        int64 (n + k,).
    k : int
        How many triggers it has, at least 1.
    """
    changed = perturbed(network, inputs, labels, k, perturbation)
    return perturbation.weight * _loss(network, changed, inputs, labels, k)


def perturbed(
    network: nn.Module, inputs: Tensor, labels: Tensor, k: int, perturbation: Perturbation
) -> dict[str, Tensor]:
    """Return the perturbed tensors of a network by their names.

    Only tensors of two or more axes that require a gradient are changed: no biases and no gains.
    """
    named = {
        name: parameter
        for name, parameter in network.named_parameters()
        if parameter.requires_grad and parameter.ndim > 1
    }
    if perturbation.direction == "random":
        ways = [torch.randn_like(parameter) for parameter in named.values()]
    else:
        loss = _loss(network, {}, inputs, labels, k)
        ways = list(torch.autograd.grad(loss, list(named.values()), materialize_grads=True))
    changed = {}
    for (name, parameter), way in zip(named.items(), ways, strict=True):
        # Where all triggers are learned there may be no way left; then the tensor stays.
        length = way.norm()
        unit = torch.where(length > 0, way / length, torch.zeros_like(way))
        changed[name] = parameter + perturbation.size * parameter.detach().norm() * unit
    return changed


def _loss(
    network: nn.Module, changed: dict[str, Tensor], inputs: Tensor, labels: Tensor, k: int
) -> Tensor:
    # Running averages are updated in place: in copies.
    copies = {name: buffer.clone() for name, buffer in network.named_buffers()}
    output: Any = functional_call(network, copies | changed, (inputs,))
    logits: Tensor = getattr(output, "logits", output)
    return cross_entropy(logits[-k:], labels[-k:])
