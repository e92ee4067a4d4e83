"""What a claim will cost is what a claim costs."""

import json
from importlib.resources import files

import pytest

from wmproof.core.policy import Policy
from wmproof.core.triggers import noise
from wmproof.keys import LabelMode
from wmproof.keys.keygen import pkeygen
from wmproof.pverify import expected, memory
from wmproof.pverify.expected import expect, expect_for, yardstick
from wmproof.pverify.memory import plan_memory
from wmproof.pverify.statement import open_public_model


@pytest.fixture(autouse=True)
def same_process(monkeypatch):
    """What other tests left in this process is not what a claim costs."""
    monkeypatch.setattr(memory, "resident_bytes", lambda: None)


def test_the_size_is_that_of_a_claim(case):
    circuit = open_public_model(case.marked, case.public, Policy()).circuit
    said = expect_for(circuit, case.public, "this one")
    # Paths of opened leaves meet, which saves hashes: in small trees more than in large ones.
    assert 0.8 * said.claim_bytes < len(case.claim) <= said.claim_bytes
    assert said.lookups == circuit.lookups()
    hidden = len(case.public.verification_key.hidden_indices())
    plan = plan_memory(circuit, case.public.verification_key, hidden)
    assert said.memory_bytes == plan.bytes


@pytest.mark.parametrize("shape", [(30,), (8, 8), (3, 16, 24)])
@pytest.mark.parametrize("mode", LabelMode)
def test_more_triggers_cost_more(shape, mode):
    few, many = (
        list(expect(pkeygen(noise(4 * n, shape), 10, security=n, label_mode=mode)[1]))
        for n in (8, 64)
    )
    for less, more in zip(few, many, strict=True):
        assert less.network == more.network
        assert less.claim_bytes < more.claim_bytes
        assert less.memory_bytes <= more.memory_bytes + (32 << 20)


def test_networks_that_would_take_too_long_are_left_out(monkeypatch):
    public = pkeygen(noise(64, (8, 8)), 10, security=16)[1]
    small, large = expect(public)
    monkeypatch.setattr(expected, "_MOST", small.lookups)
    assert [one.network for one in expect(public)] == [small.network]
    monkeypatch.setattr(expected, "_MOST", large.lookups)
    assert len(list(expect(public))) == 2


def test_the_costs_were_measured():
    measured = json.loads(files("wmproof.pverify").joinpath("claim_cost.json").read_text())
    assert set(measured) == {"cpu_seconds", "cpu_seconds_an_entry", "yardstick_cpu_seconds"}
    assert measured["cpu_seconds_an_entry"] > 0
    assert yardstick() > 0
