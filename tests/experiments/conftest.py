"""Shared by the tests of the suite: one thread, and the program itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Small networks gain nothing from threads, and several test processes would fight."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def environment():
    search = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return os.environ | {"PYTHONPATH": search, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="session")
def command():
    def build(*arguments):
        return [sys.executable, "-m", "wmproof", "experiment", *map(str, arguments)]

    return build


@pytest.fixture(scope="session")
def wmproof(environment, command):
    def run(*arguments, **options):
        return subprocess.run(
            command(*arguments),
            env=environment,
            capture_output=True,
            text=True,
            **options,
        )

    return run
