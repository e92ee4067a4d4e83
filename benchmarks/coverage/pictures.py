"""Parts of real pictures that packages carry, and noise."""

import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_images

Pictures = NDArray[np.uint8]
NAMES = (
    *("astronaut", "brick", "camera", "chelsea", "coffee", "coins", "grass", "gravel"),
    *("hubble_deep_field", "immunohistochemistry", "moon", "retina", "rocket"),
)
"""Of scikit-image, all in its wheel; scikit-learn's two come on top."""
SOURCES = len(NAMES) + 2


def whole() -> list[NDArray[np.uint8]]:
    """The pictures, each (H, W) or (H, W, 3)."""
    return [np.asarray(getattr(skimage.data, name)()) for name in NAMES] + list(
        load_sample_images().images
    )


def crops(count: int, size: int, seed: int) -> tuple[Pictures, NDArray[np.int64]]:
    """Square parts of real pictures, (count, 3, size, size), and the numbers of the pictures."""
    random = np.random.default_rng(seed)
    sources = whole()
    labels = random.integers(0, len(sources), count)
    found = []
    for label in labels:
        source = Image.fromarray(sources[label]).convert("RGB")
        side = int(min(source.size) * random.uniform(0.2, 1))
        left, top = (int(random.integers(0, length - side + 1)) for length in source.size)
        part = source.crop((left, top, left + side, top + side))
        found.append(np.asarray(part.resize((size, size), Image.Resampling.BILINEAR)))
    return np.stack(found).transpose(0, 3, 1, 2).copy(), labels


def noise(count: int, size: int, seed: int) -> Pictures:
    """Independent uniform bytes, (count, 3, size, size)."""
    return np.random.default_rng(seed).integers(0, 256, (count, 3, size, size), dtype=np.uint8)
