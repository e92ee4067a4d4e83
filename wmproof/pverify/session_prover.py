"""The prover's side of the interactive claim; `session` has the protocol."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

from wmproof.argument.system.prover import prove_to
from wmproof.argument.system.statement import prepare
from wmproof.argument.transcript import ProverCoins
from wmproof.errors import InputError, ProofError
from wmproof.pverify.prover import PreparedClaim
from wmproof.pverify.session import HELLO, Stream, expect_hello, expect_yes, parse_address
from wmproof.pverify.statement import INTERACTIVE

T = TypeVar("T")
HELLO_TIMEOUT = 10.0
MOST_PEERS = 16
# One proof at a time: two would need twice the memory.
_PROVING = threading.Lock()


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
    with _PROVING:
        stream.begin_turn()
        stream.write(claim.proof.inner or b"")
        coins = ProverCoins(stream)
        witness, largest = claim.proof.witness(), claim.proof.layout.largest
        prove_to(claim.proof, setup, witness, stream, coins, largest)
    expect_yes(stream, "the verifier was not convinced")
    return stream.sent


def serve_once(
    address: str,
    serve: Callable[[Stream], T],
    ready: Callable[[str], None],
    failed: Callable[[str, Exception], None] = lambda _peer, _error: None,
) -> T:
    """Listen, call `ready` with the address, and serve peers until one of them was served well.

    Each peer has a thread of its own, so a silent one keeps nobody waiting; one that has said
    nothing for `HELLO_TIMEOUT` seconds is given up, and no more than `MOST_PEERS` are connected.

    Parameters
    ----------
    serve : callable
        Serves one connection; ProofError where the peer goes away or is not convinced.
    failed : callable
        Is told of each peer that was not served, and why.

    Returns
    -------
    T
        What `serve` returned first.

    Raises
    ------
    InputError
        It is not possible to listen there, or `serve` raised it.
    """
    host, port = parse_address(address)
    try:
        server = socket.create_server((host, port))
    except UnicodeError:
        raise InputError("is no address", where=address) from None
    except OSError as error:
        raise InputError(f"cannot listen ({error.strerror})", where=address) from None
    outcome: SimpleQueue[T | Exception] = SimpleQueue()
    with contextlib.ExitStack() as cleanup:
        cleanup.enter_context(server)
        bound = server.getsockname()
        ready(f"{bound[0]}:{bound[1]}")
        visitors = _Visitors(serve, failed, outcome)
        cleanup.callback(visitors.close)
        threading.Thread(target=visitors.accept, args=(server,), daemon=True).start()
        result = outcome.get()
    if isinstance(result, Exception):
        raise result
    return result


class _Visitors:
    """Those who are connected to a prover now."""

    def __init__(
        self,
        serve: Callable[[Stream], Any],
        failed: Callable[[str, Exception], None],
        outcome: SimpleQueue[Any],
    ) -> None:
        self._serve, self._failed, self._outcome = serve, failed, outcome
        self._connections: set[socket.socket] = set()
        self._mutex = threading.Lock()

    def accept(self, server: socket.socket) -> None:
        """Take connections until the server is closed."""
        while True:
            try:
                connection, peer = server.accept()
            except OSError:
                if server.fileno() < 0:
                    return
                time.sleep(0.1)  # too many open files: others will end
                continue
            with self._mutex:
                if len(self._connections) >= MOST_PEERS:
                    connection.close()
                    continue
                self._connections.add(connection)
            name = f"{peer[0]}:{peer[1]}"
            threading.Thread(target=self._visit, args=(connection, name), daemon=True).start()

    def close(self) -> None:
        """Hang up on whoever is left."""
        with self._mutex:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _visit(self, connection: socket.socket, peer: str) -> None:
        try:
            with connection:
                connection.settimeout(HELLO_TIMEOUT)
                if not connection.recv(1, socket.MSG_PEEK):
                    raise ProofError("session", "the peer hung up")
                self._outcome.put(self._serve(Stream(connection)))
        except (ProofError, OSError) as error:
            self._failed(peer, error)
        except Exception as error:  # the prover's own: no other peer would fare better
            self._outcome.put(error)
        finally:
            with self._mutex:
                self._connections.discard(connection)
