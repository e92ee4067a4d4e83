"""Which pictures of a key calibrate the circuit that a claim is about."""

import pytest

from wmproof.circuit.compile import MOST_OPENED, compile_model
from wmproof.core.policy import Policy
from wmproof.core.triggers import noise
from wmproof.keys.keygen import pkeygen
from wmproof.pverify.statement import open_public_model


@pytest.mark.parametrize("security", [16, 48])
def test_the_first_opened_triggers_do(case, security):
    model = case.marked.read_bytes()
    _, public = pkeygen(noise(4 * security, (1, 8, 8)), 10, security=security)
    opened = public.opened.triggers.images.reshape(-1, 1, 8, 8)
    assert (len(opened) > MOST_OPENED) == (security == 48)
    found = open_public_model(model, public, Policy()).circuit_digest
    assert found == compile_model(model, opened[:MOST_OPENED]).digest
    if len(opened) > MOST_OPENED:
        assert found != compile_model(model, opened[1 : MOST_OPENED + 1]).digest
