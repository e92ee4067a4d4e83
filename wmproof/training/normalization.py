"""Pixels to network inputs: the one place where uint8 images become floating point."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wmproof.errors import InputError


@dataclass(frozen=True)
class Normalization:
    """Per-channel mean and standard deviation, in pixel units of 0 to 255.

    Parameters
    ----------
    mean, std : tuple[float, ...]
        One value a channel; each standard deviation is above 0.

    Raises
    ------
    InputError
        The lengths differ, or a standard deviation is not above 0.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std) or not self.mean:
            raise InputError(f"has {len(self.mean)} means and {len(self.std)} deviations")
        if not min(self.std) > 0:
            raise InputError(f"needs standard deviations above 0, not {min(self.std)}")

    @classmethod
    def of_unit_range(cls, mean: tuple[float, ...], std: tuple[float, ...]) -> Normalization:
        """Convert the usual figures for images scaled to [0, 1], as in `transforms.Normalize`."""
        return cls(tuple(255 * m for m in mean), tuple(255 * s for s in std))

    def scales(self) -> tuple[float, ...]:
        """Reciprocals of the deviations: the exported graph multiplies."""
        return tuple(1 / s for s in self.std)


class Normalized(nn.Module):
    """A network with its normalisation in front: uint8 pixels in, logits out.

    Parameters
    ----------
    network : nn.Module
        Maps float32 images (N, C, H, W) to logits (N, classes).
    normalization : Normalization
        One mean and deviation a channel.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, network: nn.Module, normalization: Normalization) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", _per_channel(normalization.mean))
        self.register_buffer("scale", _per_channel(normalization.scales()))

    def normalize(self, images: Tensor) -> Tensor:
        """Map pixels of 0 to 255, uint8 or float32 (N, C, H, W), to float32 inputs."""
        return (images.to(torch.float32) - self.mean) * self.scale

    def forward(self, images: Tensor) -> Tensor:
        """Map pixels of 0 to 255 (N, C, H, W) to logits (N, classes)."""
        logits: Tensor = self.network(self.normalize(images))
        return logits


def _per_channel(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).reshape(1, -1, 1, 1)
