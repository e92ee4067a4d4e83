"""Programs in processes of their own, with the package of this checkout."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def python(code, *arguments, env=None, check=True, **options):
    """Run code; `env` comes on top of this process's environment."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | (env or {}),
        capture_output=True,
        text=True,
        check=check,
        **options,
    )
