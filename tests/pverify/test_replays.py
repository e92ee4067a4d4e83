"""What was said once convinces nobody again: files as sessions, sessions as files, other headers.

A replayed proof passes with probability below 2^-80, the verifier's coins being new.
"""

import contextlib
import io
import socket
import threading
from dataclasses import replace

import pytest

from wmproof.argument.system.prover import prove, prove_to
from wmproof.argument.system.simulator import _FreshCoins
from wmproof.argument.system.statement import MAGIC, prepare
from wmproof.argument.system.verifier import verify_proof
from wmproof.core.policy import Policy
from wmproof.errors import ProofError, VerificationError
from wmproof.pverify.claim_file import encode_claim, parse_claim
from wmproof.pverify.prover import prepare_claim
from wmproof.pverify.session import HELLO, connected, verify_session
from wmproof.pverify.statement import INTERACTIVE
from wmproof.pverify.verifier import verify_claim
from wmproof.relation.claim.statement import inner_bytes

SECURITY = 16
POLICY = Policy(strength=24, tolerance=0.1, security=SECURITY, accept_chosen_labels=True)


@pytest.fixture(scope="module")
def prepared(case):
    return prepare_claim(case.marked, case.key, case.public, POLICY)


def refusal_of_a_peer(case, said):
    """The check at which a session with a peer fails that says this, whatever it hears."""

    def speak():
        connection, _ = server.accept()
        with connection:
            connection.sendall(said)
            connection.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionError):  # the verifier may hang up first
                while connection.recv(1 << 16):
                    pass

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=speak, daemon=True)
        thread.start()
        with (
            connected(f"127.0.0.1:{server.getsockname()[1]}") as stream,
            pytest.raises(VerificationError) as caught,
        ):
            verify_session(stream, case.marked, case.public, policy=POLICY)
        thread.join(60)
    return caught.value.check


def test_a_file_is_no_session(case, prepared):
    header = parse_claim(case.claim)[0]
    argument = prove(prepared.proof, prepared.proof.witness(), INTERACTIVE)
    verify_proof(prepared.proof, argument, INTERACTIVE)  # as long as a session's, and true
    said = HELLO + header.to_bytes() + prepared.proof.inner + argument[len(MAGIC) :]
    assert refusal_of_a_peer(case, said) not in ("session", "encoding")


def test_a_claim_file_is_no_session(case):
    header, argument = parse_claim(case.claim)
    size = inner_bytes(case.public.verification_key, header.triggers)
    inner, argument = argument[:size], argument[size:]
    refusal_of_a_peer(case, HELLO + header.to_bytes() + inner + argument[len(MAGIC) :])


def test_a_session_is_no_file(case, prepared):
    setup, buffer = prepare(prepared.proof, INTERACTIVE), io.BytesIO()
    prove_to(prepared.proof, setup, prepared.proof.witness(), buffer, _FreshCoins())
    argument = MAGIC + buffer.getvalue()
    header = parse_claim(case.claim)[0]
    with pytest.raises(ProofError):
        verify_claim(
            case.marked,
            case.public,
            encode_claim(header, prepared.proof.inner + argument),
            policy=POLICY,
        )
    # Nor where it has the length of one.
    with pytest.raises(ProofError) as caught:
        verify_proof(prepared.proof, argument, INTERACTIVE)
    assert caught.value.check != "encoding"


@pytest.mark.parametrize(
    ("fields", "check"),
    [
        ({"model_digest": bytes(32)}, "model"),
        ({"key_digest": bytes(32)}, "key"),
        ({"circuit_digest": bytes(32)}, "circuit"),
        ({"threshold": 1}, "threshold"),
        ({"chunk_bits": 9}, "encoding"),
    ],
)
def test_a_session_about_something_else_is_named(case, fields, check):
    header = replace(parse_claim(case.claim)[0], **fields)
    assert refusal_of_a_peer(case, HELLO + header.to_bytes()) == check
