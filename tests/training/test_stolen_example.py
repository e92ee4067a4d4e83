"""examples/stolen with shorter trainings and smaller keys: the same claims hold, or are refused."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from wmproof.errors import VerificationError

SOURCE = Path(__file__).parents[2] / "examples" / "stolen" / "claims.py"


@pytest.fixture(scope="module")
def example():
    torch.set_num_threads(1)
    spec = importlib.util.spec_from_file_location("stolen_claims", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_single_triggers_are_claimed_of_what_was_changed_and_not_of_what_was_copied(
    example, capsys
):
    recipe = replace(example.RECIPE, epochs=12)
    claims = example.single_triggers(recipe, security=16, strength=32)
    changed = ("as it was marked", "pruned by half")
    assert all(claims[name].strength_bits >= 32 for name in changed)
    copied = claims["learned from its soft answers"]
    assert isinstance(copied, VerificationError)
    example.show(claims)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(claims) == 5
    assert f"{claims[changed[0]].strength_bits:.0f} bits" in lines[0]
    assert lines[4] == f"  learned from its soft answers: no claim ({copied})"


def test_directions_are_claimed_of_a_copy_too(example):
    recipe = replace(example.RECIPE, epochs=12)
    claims = example.keyed_directions(recipe, security=10, strength=12)
    assert len(claims) == 2
    assert all(report.strength_bits >= 12 and report.group == 16 for report in claims.values())
