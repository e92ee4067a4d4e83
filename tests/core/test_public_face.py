"""The names of `wmproof`: all there, documented, and none drags in what it does not need."""

from pathlib import Path

import pytest
from own_process import python

import wmproof

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "numba", "scipy", "onnxruntime", "matplotlib", "wmproof.training")


@pytest.mark.parametrize("name", wmproof.__all__)
def test_every_name_is_there_and_documented(name):
    assert getattr(wmproof, name) is not None
    assert name in dir(wmproof)
    assert name == "__version__" or f"`{name}`" in (ROOT / "docs" / "api.md").read_text()


def test_other_names_are_missing_as_anywhere():
    with pytest.raises(AttributeError, match="no attribute 'prove'"):
        wmproof.prove  # noqa: B018


@pytest.mark.parametrize("name", ["check_public_key", "load_public_key", "verify_claim"])
def test_who_judges_imports_no_prover(name):
    code = f"import sys, wmproof; wmproof.{name}; print(*sys.modules)"
    loaded = set(python(code).stdout.split())
    assert "wmproof.keys.public_key" in loaded
    assert not loaded & set(HEAVY)
    assert not {module for module in loaded if module.endswith("prover")}
