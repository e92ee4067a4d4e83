"""Trained models of keys with derived and with secret labels, as files and over a connection."""

import socket
import threading

import pytest

from wmproof.core.policy import Policy
from wmproof.keys import LabelMode
from wmproof.pverify.prover import prepare_claim
from wmproof.pverify.session import Stream, connected, verify_session
from wmproof.pverify.session_prover import prove_session
from wmproof.pverify.verifier import verify_claim

SECURITY = 16
POLICY = Policy(strength=24, tolerance=0.1, security=SECURITY, accept_chosen_labels=True)
CASES = {LabelMode.DERIVED: "case", LabelMode.SECRET: "secret_case"}


@pytest.fixture(params=CASES, ids=lambda mode: mode.name.lower())
def trained(request):
    found = request.getfixturevalue(CASES[request.param])
    assert found.public.verification_key.label_mode is request.param
    return found


def test_a_claim_as_a_file(trained):
    report = verify_claim(trained.marked, trained.public, trained.claim, policy=POLICY)
    assert report.hidden == len(trained.key.to_embed())
    assert report.security_bits >= 100
    assert not report.interactive


def test_a_claim_over_a_connection(trained):
    prepared = prepare_claim(trained.marked, trained.key, trained.public, POLICY)
    errors = []

    def serve():
        connection, _ = server.accept()
        with connection:
            try:
                prove_session(Stream(connection), prepared)
            except Exception as error:
                errors.append(error)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with connected(f"127.0.0.1:{server.getsockname()[1]}") as stream:
            report = verify_session(stream, trained.marked, trained.public, policy=POLICY)
        thread.join(60)
    assert not errors
    assert report.interactive
    assert report.security_bits >= 80
