"""The prover's side of the interactive claim; `session` has the protocol."""

from __future__ import annotations

import socket
from collections.abc import Callable

from wmproof.argument.system.prover import prove_to
from wmproof.argument.system.statement import prepare
from wmproof.argument.transcript import ProverCoins
from wmproof.errors import InputError
from wmproof.keys import PublicKey
from wmproof.pverify.session import HELLO, Stream, expect_hello, expect_yes, parse_address
from wmproof.pverify.statement import INTERACTIVE, PublicModel
from wmproof.relation.claim_prover import ClaimProof


def prove_session(
    stream: Stream, public: PublicModel, public_key: PublicKey, proof: ClaimProof
) -> None:
    """Prove a prepared claim to one verifier; ProofError if it goes away or is not convinced."""
    expect_hello(stream)
    stream.write(HELLO)
    stream.write(public.header(public_key, proof.threshold, proof.chunk_bits).to_bytes())
    expect_yes(stream, "the verifier refuses this model, key or threshold")
    setup = prepare(proof, INTERACTIVE)
    prove_to(proof, setup, proof.witness(), stream, ProverCoins(stream))
    expect_yes(stream, "the verifier was not convinced")


def serve_once(address: str, serve: Callable[[Stream], None], ready: Callable[[str], None]) -> None:
    """Listen, call `ready` with the address, and serve one connection."""
    host, port = parse_address(address)
    try:
        server = socket.create_server((host, port))
    except OSError as error:
        raise InputError(f"cannot listen ({error.strerror})", where=address) from None
    with server:
        bound = server.getsockname()
        ready(f"{bound[0]}:{bound[1]}")
        connection, _ = server.accept()
        with connection:
            serve(Stream(connection))
