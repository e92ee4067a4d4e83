"""The weighted layers of a network in the order of their use, found by running it once."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from wmproof.errors import InputError

_NORMALISATIONS = (nn.BatchNorm1d, nn.BatchNorm2d)


@dataclass(frozen=True)
class Layer:
    """A convolution or fully connected layer and the batch normalisation that reads it."""

    name: str
    """As in `named_modules`."""
    module: nn.Conv2d | nn.Linear
    normalisation_name: str | None = None
    normalisation: nn.BatchNorm1d | nn.BatchNorm2d | None = None
    """nn.BatchNorm1d, nn.BatchNorm2d or None: None where the output goes elsewhere."""


def layers_in_order(model: nn.Module, shape: tuple[int, int, int]) -> list[Layer]:
    """Run one black image through the network and write down its layers as they are called.

    The last one is the output layer, if the network ends in a weighted layer.

    InputError if there is no convolution or fully connected layer, or the image does not fit.

    Parameters
    ----------
    model : nn.Module
        Maps float32 images (N, C, H, W) to logits; it is left as it was.
    shape : tuple[int, int, int]
        Channels, height and width of an image.
    """
    names = {module: name for name, module in model.named_modules()}
    called: dict[nn.Module, Layer] = {}
    outputs: list[tuple[nn.Module, Any]] = []

    def note(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if isinstance(module, nn.Conv2d | nn.Linear):
            called.setdefault(module, Layer(names[module], module))
            outputs.append((module, output))
        elif isinstance(module, _NORMALISATIONS):
            for source, produced in outputs:
                if inputs[0] is produced:
                    layer = called[source]
                    called[source] = Layer(layer.name, layer.module, names[module], module)

    hooks = [module.register_forward_hook(note) for module in names]
    was_training = model.training
    model.eval()
    try:
        example = torch.zeros((1, *shape), device=_device(model))
        with torch.inference_mode():
            model(example)
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"the network does not take images of {shape}: {str(error).splitlines()[0]}"
        ) from error
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    if not called:
        raise InputError("the network has no convolution and no fully connected layer")
    return list(called.values())


def _device(model: nn.Module) -> torch.device:
    parameter = next(model.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device
