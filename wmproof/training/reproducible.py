"""Randomness as a function of the seed and the step, and the switches that keep it so.

Nothing random is carried from one step to the next: orders, augmentations and dropout masks are
drawn from streams named by what they are for. A run that is resumed at a step therefore continues
exactly as the uninterrupted one, with no generator's state in the checkpoint.
"""

import contextlib
import hashlib
import os
import random
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor


def stream(seed: int, purpose: str, *counters: int) -> int:
    """Derive the 63-bit seed of one named stream."""
    text = "/".join(["wmproof-training", str(seed), purpose, *map(str, counters)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def permutation(count: int, seed: int, purpose: str, *counters: int) -> Tensor:
    """Draw an order of `count` items, int64 (count,)."""
    generator = torch.Generator().manual_seed(stream(seed, purpose, *counters))
    return torch.randperm(count, generator=generator)


@contextlib.contextmanager
def reproducible_kernels(device: torch.device) -> Iterator[None]:
    """Choose deterministic kernels, and give the caller's settings and random state back.

    On a processor the same seed then gives the same weights bit for bit on the same machine with
    the same number of threads. On a GPU too, as far as torch has deterministic kernels; it warns
    where it has none.
    """
    was_deterministic = torch.are_deterministic_algorithms_enabled()
    was_warning = torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark = torch.backends.cudnn.benchmark
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        torch.use_deterministic_algorithms(was_deterministic, warn_only=was_warning)
        torch.backends.cudnn.benchmark = benchmark


@contextlib.contextmanager
def seeded_globals(seed: int) -> Iterator[None]:
    """Seed torch's, NumPy's and Python's global generators for what reads a foreign data set."""
    torch_state = torch.get_rng_state()
    numpy_state = np.random.get_state()
    python_state = random.getstate()
    try:
        # Not torch.manual_seed, which would seed the caller's GPUs as well.
        torch.default_generator.manual_seed(seed)
        np.random.seed(seed & 0xFFFFFFFF)
        random.seed(seed)
        yield
    finally:
        torch.set_rng_state(torch_state)
        np.random.set_state(numpy_state)
        random.setstate(python_state)
