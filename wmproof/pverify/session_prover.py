"""The prover's side of the interactive claim; `session` has the protocol."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TypeVar

from wmproof.argument.system.prover import prove_to
from wmproof.argument.system.statement import prepare
from wmproof.argument.transcript import ProverCoins
from wmproof.errors import InputError
from wmproof.pverify.prover import PreparedClaim
from wmproof.pverify.session import HELLO, Stream, expect_hello, expect_yes, parse_address
from wmproof.pverify.statement import INTERACTIVE

T = TypeVar("T")


def prove_session(stream: Stream, claim: PreparedClaim) -> int:
    """Prove a prepared claim to one verifier; ProofError if it goes away or is not convinced.

    Returns
    -------
    int
        Bytes sent.
    """
    expect_hello(stream)
    stream.write(HELLO)
    stream.write(claim.header.to_bytes())
    expect_yes(stream, "the verifier refuses this model, key or threshold")
    setup = prepare(claim.proof, INTERACTIVE)
    coins = ProverCoins(stream)
    prove_to(claim.proof, setup, claim.proof.witness(), stream, coins, storage=claim.storage)
    expect_yes(stream, "the verifier was not convinced")
    return stream.sent


def serve_once(address: str, serve: Callable[[Stream], T], ready: Callable[[str], None]) -> T:
    """Listen, call `ready` with the address, and serve one connection; what `serve` returns."""
    host, port = parse_address(address)
    try:
        server = socket.create_server((host, port))
    except UnicodeError:
        raise InputError("is no address", where=address) from None
    except OSError as error:
        raise InputError(f"cannot listen ({error.strerror})", where=address) from None
    with server:
        bound = server.getsockname()
        ready(f"{bound[0]}:{bound[1]}")
        connection, _ = server.accept()
        with connection:
            return serve(Stream(connection))
