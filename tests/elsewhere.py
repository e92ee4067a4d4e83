"""A process of a user who owns nothing but what a test gives it."""

import os
import shutil

import pytest


def environment(**changes):
    """One that names no cache folder and no home, and this package first of all."""
    kept = {k: v for k, v in os.environ.items() if k not in ("HOME", "NUMBA_CACHE_DIR")}
    return kept | {"XDG_CACHE_HOME": "/proc/nowhere", "PYTHONDONTWRITEBYTECODE": "1"} | changes


def _unprivileged():
    """Let file modes bind root too, where this is root."""
    if os.name != "posix" or os.geteuid():
        return []
    if not shutil.which("setpriv"):
        pytest.skip("nothing here takes root's privileges away")
    return ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"]


UNPRIVILEGED = _unprivileged()
