"""Programs and files that no Python package brings; CI must have them, others may do without."""

import os
import shutil
from pathlib import Path

import pytest

PACKAGES = {
    "go": "golang-go",
    "/usr/share/gocode/src/golang.org/x/mod": "golang-golang-x-mod-dev",
    "nginx": "nginx-light",
    "openssl": "openssl",
    "chromium": "chromium",
    "chromedriver": "chromium-driver",
    "/usr/share/datasets/fashion-mnist": "dataset-fashion-mnist",
}


def needs(*parts: str) -> None:
    """Skip the test, or fail in CI, unless these programs and folders are there."""
    missing = [part for part in parts if not (shutil.which(part) or Path(part).is_dir())]
    if not missing:
        return
    packages = " ".join(PACKAGES[part] for part in missing)
    reason = f"needs {' and '.join(missing)}: `make system` installs {packages}"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
