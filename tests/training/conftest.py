"""Shared by the training tests: the digits, and small trigger sets from real keys."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from wmproof.keygen import pkeygen
from wmproof.keys import MarkingKey
from wmproof.training import Recipe
from wmproof.training.data import load
from wmproof.training.data.image_data import ImageData
from wmproof.triggers import abstract


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
    folder = Path("/usr/share/datasets/fashion-mnist")
    if not folder.is_dir():
        pytest.skip("the package dataset-fashion-mnist is not installed")
    return folder
