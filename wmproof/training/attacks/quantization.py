"""Int8 quantisation after training, simulated as usual, and the package's own integer circuit."""

import copy
from collections.abc import Iterator
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from wmproof.circuit.compile import compile_model
from wmproof.circuit.evaluate import classify
from wmproof.errors import InputError
from wmproof.models.function import FunctionClassifier
from wmproof.training.attacks.registry import Attack, Row, Theft, Trial, everywhere
from wmproof.training.evaluate import predict
from wmproof.training.export import to_onnx
from wmproof.training.layers import Layer, layers_in_order
from wmproof.training.normalization import Normalization, Normalized
from wmproof.training.sources import pixels_tensor

Granularity = Literal["tensor", "channel"]


def quantize_int8(
    model: nn.Module,
    calibration: NDArray[np.uint8],
    *,
    normalization: Normalization,
    granularity: Granularity = "channel",
) -> nn.Module:
    """Quantise weights and activations to 8 bits (Jacob et al., CVPR 2018).

    Batch normalisations are folded first. Weights are symmetric integers of -127 to 127; the inputs
    of every layer are integers of 0 to 255 whose scale and zero point come from the smallest and
    largest value seen on the calibration images. Sums, biases and logits stay exact, as in an
    accumulator of 32 bits.

    Parameters
    ----------
    model : nn.Module
        Maps normalised images to logits.
    calibration : ndarray of uint8, shape (N, C, H, W)
        Public images, at least one.
    normalization : Normalization
        That of the network.
    granularity : {'tensor', 'channel'}
        One scale for all weights of a layer, or one for each of its outputs.

    Returns
    -------
    nn.Module
        A quantised copy on normalised images, in evaluation mode, in simulated arithmetic.

    Raises
    ------
    InputError
        The granularity is unknown, or the images do not fit the network.
    """
    if granularity not in get_args(Granularity):
        raise InputError(f"there is no granularity {granularity!r}", where="granularity")
    images = pixels_tensor(calibration)
    if not len(images):
        raise InputError("there are no calibration images", remedy="Give at least one")
    channels, height, width = images.shape[1:]
    quantized = copy.deepcopy(model).cpu().eval()
    for layer in layers_in_order(quantized, (channels, height, width)):
        _replace(quantized, layer.name, _Int8Layer(_fold(quantized, layer), granularity))
    # In observing mode the layers note what they see.
    predict(Normalized(quantized, normalization).eval(), images)
    for module in quantized.modules():
        if isinstance(module, _Int8Layer):
            module.freeze()
    return quantized


def circuit_classifier(
    model: nn.Module, calibration: NDArray[np.uint8], *, normalization: Normalization
) -> FunctionClassifier:
    """Compile a network to its integer circuit and answer by that: exact 8-bit arithmetic.

    Parameters
    ----------
    model : nn.Module
        Maps normalised images to logits.
    calibration : ndarray of uint8, shape (N, C, H, W)
        Public images.
    normalization : Normalization
        That of the network.

    Returns
    -------
    FunctionClassifier
        Takes uint8 images (n, C, H, W).

    Raises
    ------
    InputError
        The network cannot be exported or compiled; when asked: an image leaves the circuit's
        range.
    """
    channels, height, width = pixels_tensor(calibration).shape[1:]
    shape = (channels, height, width)
    exported = to_onnx(model, normalization, shape)
    circuit = compile_model(exported, calibration).circuit
    return FunctionClassifier(lambda images: classify(circuit, images), shape, circuit.classes)


class _Int8Layer(nn.Module):
    """A layer with 8-bit weights that observes its inputs until frozen, and rounds them then."""

    scale: Tensor
    zero_point: Tensor

    def __init__(self, layer: nn.Conv2d | nn.Linear, granularity: Granularity) -> None:
        super().__init__()
        self.layer = layer
        self.register_buffer("scale", torch.zeros(()))
        self.register_buffer("zero_point", torch.zeros((), dtype=torch.int32))
        # Zero is always exactly representable: padding is zero.
        self._low = self._high = 0.0
        with torch.no_grad():
            layer.weight.copy_(_rounded_weight(layer.weight, granularity))

    def freeze(self) -> None:
        """Choose the scale and the zero point of what was seen."""
        scale = max(self._high - self._low, 1e-12) / 255
        self.scale.fill_(scale)
        self.zero_point.fill_(round(-self._low / scale))

    def forward(self, inputs: Tensor) -> Tensor:
        if self.scale == 0:
            self._low = min(self._low, float(inputs.min()))
            self._high = max(self._high, float(inputs.max()))
        else:
            inputs = torch.fake_quantize_per_tensor_affine(
                inputs, self.scale, self.zero_point, 0, 255
            )
        output: Tensor = self.layer(inputs)
        return output


def _rounded_weight(weight: Tensor, granularity: Granularity) -> Tensor:
    largest = weight.abs().flatten(1).amax(dim=1)
    if granularity == "tensor":
        largest = largest.max().expand_as(largest)
    scales = (largest.clamp(min=1e-12) / 127).contiguous()
    zeros = torch.zeros(len(scales), dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(weight, scales, zeros, 0, -127, 127)


def _fold(model: nn.Module, layer: Layer) -> nn.Conv2d | nn.Linear:
    normalisation: Any = layer.normalisation
    if normalisation is None or layer.normalisation_name is None:
        return layer.module
    _replace(model, layer.normalisation_name, nn.Identity())
    folded: nn.Conv2d | nn.Linear
    if isinstance(layer.module, nn.Conv2d):
        folded = fuse_conv_bn_eval(layer.module, normalisation)
    else:
        folded = fuse_linear_bn_eval(layer.module, normalisation)
    return folded


def _replace(model: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, module)


_CALIBRATION = 64


def _try_int8(theft: Theft) -> Iterator[Row]:
    images = theft.pixels()[:_CALIBRATION]
    for one in theft.options["granularities"]:
        quantized = quantize_int8(
            theft.model, images, normalization=theft.normalization, granularity=one
        )
        yield theft.measured(f"by {one}", quantized)


def _try_circuit(theft: Theft) -> Iterator[Row]:
    images = theft.pixels()[:_CALIBRATION]
    circuit = circuit_classifier(theft.model, images, normalization=theft.normalization)
    yield theft.answered(circuit, theft.options["images"])


ATTACKS = (
    Attack(
        place=3,
        task="quantize",
        strengths=everywhere(["tensor", "channel"]),
        trial=lambda granularities, owner: Trial("Int8", {"granularities": granularities}),
        run=_try_int8,
    ),
    Attack(
        place=4,
        task="circuit",
        strengths={"smoke": [50], "desk": [300], "paper": [1000]},
        trial=lambda images, owner: Trial("Integer circuit", {"images": images}),
        run=_try_circuit,
    ),
)
