"""Keys that are the same in every run: whether a network learns them is then no matter of luck."""

import contextlib
import random
import secrets
from unittest import mock


@contextlib.contextmanager
def same_keys(seed: int = 0):
    """Draw pictures, randomness and labels from a seed instead of the system's generator."""
    drawn = random.Random(seed)
    with (
        mock.patch.object(secrets, "token_bytes", drawn.randbytes),
        mock.patch.object(secrets, "randbelow", drawn.randrange),
    ):
        yield
