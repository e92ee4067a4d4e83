"""Shared by the training tests: the digits, and small trigger sets from real keys."""

from pathlib import Path

import pytest
import torch
from needs import needs
from same_keys import same_keys

from wmproof.core.triggers import abstract
from wmproof.keys import MarkingKey
from wmproof.keys.keygen import pkeygen
from wmproof.training import Recipe
from wmproof.training.data import load
from wmproof.training.data.image_data import ImageData


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Small networks gain nothing from threads, and several test processes would fight."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def digits() -> ImageData:
    return load("digits")


@pytest.fixture(scope="session")
def small_key(digits) -> MarkingKey:
    """A public key with n = 16: 64 triggers, about half of them hidden."""
    with same_keys():
        return pkeygen(abstract(64, digits.shape), digits.classes, security=16)[0]


@pytest.fixture(scope="session")
def short() -> Recipe:
    return Recipe(
        epochs=12, batch_size=50, triggers_per_batch=8, learning_rate=0.05, schedule="cosine"
    )


@pytest.fixture
def tiny() -> Recipe:
    """Long enough to cross an epoch, short enough to run many times."""
    return Recipe(epochs=2, batch_size=100, triggers_per_batch=3, learning_rate=0.05)


@pytest.fixture(scope="session")
def fashion_folder() -> Path:
    folder = "/usr/share/datasets/fashion-mnist"
    needs(folder)
    return Path(folder)


@pytest.fixture
def pixel_loader(digits):
    """The digits as a vendor's own loader has them: floats (pixels / 255 - 0.5) / 0.25."""
    images = (torch.from_numpy(digits.train_images).float() / 255 - 0.5) / 0.25
    data = torch.utils.data.TensorDataset(images, torch.from_numpy(digits.train_labels))
    return torch.utils.data.DataLoader(data, batch_size=50, shuffle=True)
