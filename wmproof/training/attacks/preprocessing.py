"""Noise, blur and JPEG between the image and the network: the thief changes no weight."""

import hashlib
import io
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from wmproof.errors import InputError
from wmproof.training.attacks.registry import Attack, Row, Theft, Trial
from wmproof.training.normalization import Normalization, Normalized

Pixels = NDArray[np.uint8]
Transform = Callable[[Pixels], Pixels]


def noise(images: Pixels, sigma: float, *, seed: int = 0) -> Pixels:
    """Add Gaussian noise; the same image and seed get the same noise in any batch.

    Parameters
    ----------
    images : ndarray of uint8, shape (N, ...)
    sigma : float
        Standard deviation in pixel units of 0 to 255, at least 0.
    seed : int
        Of the noise.

    Returns
    -------
    ndarray of uint8, of the same shape
    """
    _check_strength(sigma, "sigma")
    noisy = np.empty(images.shape, np.uint8)
    for place, image in enumerate(images):
        digest = hashlib.sha256(f"{seed}/".encode() + image.tobytes()).digest()
        draws = np.random.default_rng(int.from_bytes(digest, "big")).normal(size=image.shape)
        noisy[place] = np.clip(np.rint(image + sigma * draws), 0, 255)
    return noisy


def blur(images: Pixels, sigma: float) -> Pixels:
    """Blur by a Gaussian.

    Parameters
    ----------
    images : ndarray of uint8, shape (N, H, W) or (N, C, H, W)
    sigma : float
        Standard deviation in pixels, at least 0.

    Returns
    -------
    ndarray of uint8, of the same shape
    """
    _check_strength(sigma, "sigma")
    widths = (0.0,) * (images.ndim - 2) + (sigma, sigma)
    blurred = gaussian_filter(images.astype(np.float32), widths, mode="nearest")
    return np.clip(np.rint(blurred), 0, 255).astype(np.uint8)


def jpeg(images: Pixels, quality: int) -> Pixels:
    """Compress each image as JPEG and decompress it.

    Parameters
    ----------
    images : ndarray of uint8, shape (N, H, W) or (N, C, H, W)
        Grey, or RGB with C = 3.
    quality : int
        1 to 95.

    Returns
    -------
    ndarray of uint8, of the same shape

    Raises
    ------
    InputError
        JPEG has no such images, or the quality is out of range.
    """
    if not 1 <= quality <= 95:
        raise InputError(f"must be 1 to 95, not {quality}", where="quality")
    channels = images.shape[1] if images.ndim == 4 else 1
    if channels not in (1, 3):
        raise InputError(f"JPEG takes images of 1 or 3 channels, not of {channels}")
    pictures = images.reshape(len(images), channels, *images.shape[-2:]).transpose(0, 2, 3, 1)
    decoded = [_through_jpeg(picture, quality) for picture in pictures]
    stacked = np.array(decoded, np.uint8).reshape(pictures.shape)
    return stacked.transpose(0, 3, 1, 2).reshape(images.shape)


class Preprocessed(nn.Module):
    """A network on normalised images that changes their pixels first.

    Parameters
    ----------
    network : nn.Module
        Maps normalised images (N, C, H, W) to logits; it is used and not copied.
    normalization : Normalization
        That of the network.
    transform : callable
        uint8 (N, C, H, W) to the same, for instance `lambda images: jpeg(images, 50)`.
    """

    def __init__(
        self, network: nn.Module, normalization: Normalization, transform: Transform
    ) -> None:
        super().__init__()
        self.inner = Normalized(network, normalization)
        self._transform = transform

    def forward(self, inputs: Tensor) -> Tensor:
        """Map normalised images (N, C, H, W) to logits of the changed ones; no gradients."""
        pixels = torch.round(inputs.detach() / self.inner.scale + self.inner.mean).clamp(0, 255)
        changed = self._transform(np.ascontiguousarray(pixels.cpu().numpy().astype(np.uint8)))
        logits: Tensor = self.inner(torch.from_numpy(changed).to(inputs.device))
        return logits


def _through_jpeg(picture: Pixels, quality: int) -> Pixels:
    """Encode and decode one picture (H, W, 1 or 3)."""
    buffer = io.BytesIO()
    flat = picture[:, :, 0] if picture.shape[2] == 1 else picture
    Image.fromarray(np.ascontiguousarray(flat)).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as image:
        return np.asarray(image, np.uint8)


def _check_strength(value: float, name: str) -> None:
    if not (np.isfinite(value) and value >= 0):
        raise InputError(f"must be at least 0, not {value}", where=name)


def _try(theft: Theft) -> Iterator[Row]:
    for kind, strength in theft.options["transforms"]:
        changed = Preprocessed(theft.model, theft.normalization, _transform(kind, strength))
        yield theft.measured(f"{kind} {strength:g}", changed)


def _transform(kind: str, strength: float) -> Transform:
    transforms: dict[str, Transform] = {
        "noise": lambda images: noise(images, strength),
        "blur": lambda images: blur(images, strength),
        "jpeg": lambda images: jpeg(images, round(strength)),
    }
    return transforms[kind]


ATTACKS = (
    Attack(
        place=5,
        task="preprocess",
        strengths={
            "smoke": [[["noise", 32], ["blur", 0.5], ["jpeg", 50]]],
            "desk": [
                [
                    ["noise", 16],
                    ["noise", 48],
                    ["blur", 0.5],
                    ["blur", 1.0],
                    ["jpeg", 75],
                    ["jpeg", 25],
                ]
            ],
            "paper": [[["noise", 16], ["noise", 48], ["blur", 1.0], ["jpeg", 75], ["jpeg", 25]]],
        },
        trial=lambda transforms, owner: Trial("Pre-processing", {"transforms": transforms}),
        run=_try,
    ),
)
