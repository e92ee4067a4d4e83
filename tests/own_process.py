"""Programs in processes of their own, with the package of this checkout."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def run(*arguments, env=None, **options):
    """Run Python with these arguments, and keep what it says.

    `env` comes on top of this process's environment; None takes a name out of it.
    """
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | (env or {})
    kept = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "check": False}
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={name: value for name, value in environment.items() if value is not None},
        **kept | options,
    )


def python(code, *arguments, check=True, **options):
    return run("-c", code, *arguments, check=check, **options)


def wmproof(*arguments, **options):
    return run("-m", "wmproof", *arguments, **options)
