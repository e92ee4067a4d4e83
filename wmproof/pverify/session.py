"""The interactive claim: one connection, and coins that the verifier draws.

    verifier -> prover   hello: magic and version
    prover -> verifier   magic and version, header of the claim
    verifier -> prover   one byte: 1 to go on, 0 to end
    prover -> verifier   inner commitments, if the key's scheme has them
    then the argument: messages of lengths that both sides know, and the verifier's coins
    verifier -> prover   one byte: 1 accepted, 0 not

The verifier reads exactly as much as it expects and nothing else, so that a peer that floods fills
no memory; every wait is bounded, and so is the whole session. The prover makes one proof at a time:
whoever has her turn must not keep the others waiting, and they wait for theirs. Coins are fresh, so
a transcript of an earlier session is of no use.
"""

import contextlib
import math
import re
import socket
import time
from collections.abc import Iterator

from wmproof.argument.system.statement import prepare
from wmproof.argument.system.verifier import verify
from wmproof.argument.transcript import VerifierCoins, VerifierTranscript
from wmproof.core.policy import Policy
from wmproof.errors import InputError, ProofError, VerificationError
from wmproof.keys import PublicKey
from wmproof.keys.check import check_public_key
from wmproof.models.file import ModelSource
from wmproof.pverify.claim_file import HEADER_BYTES, read_header
from wmproof.pverify.report import ClaimReport, claim_report
from wmproof.pverify.statement import INTERACTIVE, Progress, unwatched
from wmproof.pverify.verifier import check_header, check_sample, state
from wmproof.relation.claim.statement import inner_bytes

HELLO = b"wmproof session 3\n"
READ_TIMEOUT = 300.0
SESSION_TIMEOUT = 3600.0
# What a verifier may make a prover wait while it is her turn: seconds in all, and bytes a second.
TURN_TIMEOUT, TURN_BYTES = 300.0, 2.0**14
_YES, _NO = b"\1", b"\0"


class Stream:
    """A socket as bytes in and out, with deadlines.

    Parameters
    ----------
    connection : socket
    read_timeout, session_timeout : float
        Seconds without a byte, and seconds in all, after which it is given up.
    """

    def __init__(
        self,
        connection: socket.socket,
        *,
        read_timeout: float = READ_TIMEOUT,
        session_timeout: float = SESSION_TIMEOUT,
    ) -> None:
        self._socket = connection
        self._read_timeout = read_timeout
        self._end = time.monotonic() + session_timeout
        self._pending = bytearray()
        self._waits = math.inf
        self.received = 0
        self.sent = 0
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def begin_turn(self) -> None:
        """Bound what all waits for the peer come to from here on: others wait meanwhile."""
        self._waits = TURN_TIMEOUT

    def write(self, data: bytes) -> None:
        """Send, at the latest before the next read."""
        self._pending += data
        self.sent += len(data)
        self._waits += len(data) / TURN_BYTES
        if len(self._pending) > 1 << 16:
            self.flush()

    def flush(self) -> None:
        """Send what is pending."""
        with self._wait("does not listen"):
            self._socket.sendall(self._pending)
        self._pending.clear()

    def await_turn(self) -> None:
        """Wait for the next byte until the session ends: the prover may serve others first."""
        self.flush()
        with self._wait("fell silent", math.inf):
            self._socket.recv(1, socket.MSG_PEEK)

    def read(self, size: int) -> bytes:
        """Receive exactly `size` bytes; ProofError if the peer stops, stalls or hangs up."""
        self.flush()
        parts, missing = [], size
        while missing:
            with self._wait("fell silent"):
                part = self._socket.recv(min(missing, 1 << 20))
            if not part:
                raise ProofError("session", "the peer hung up")
            parts.append(part)
            missing -= len(part)
        self.received += size
        return b"".join(parts)

    @contextlib.contextmanager
    def _wait(self, what: str, most: float | None = None) -> Iterator[None]:
        """Do one thing that the peer may delay; ProofError if it takes too long."""
        started = time.monotonic()
        left = min(self._end - started, self._waits)
        if left <= 0:
            raise ProofError("session", "the session took too long")
        try:
            self._socket.settimeout(min(left, self._read_timeout if most is None else most))
            yield
        except OSError as error:
            raise ProofError("session", f"the peer {what} ({_reason(error)})") from None
        self._waits -= time.monotonic() - started


def _reason(error: OSError) -> str:
    return "timed out" if isinstance(error, TimeoutError) else error.strerror or "error"


def verify_session(
    stream: Stream,
    model: ModelSource,
    public_key: PublicKey,
    policy: Policy | None = None,
    progress: Progress = unwatched,
) -> ClaimReport:
    """Check a claim interactively; parameters and errors as `verifier.verify_claim`."""
    started = time.monotonic()
    policy = policy or Policy()
    progress("checking the key", 0)
    check_public_key(public_key, policy)
    stream.write(HELLO)
    expect_hello(stream)
    header = read_header(stream.read(HEADER_BYTES))
    try:
        public = check_header(header, model, public_key, policy, progress)
        stream.write(_YES)
        progress("waiting for the prover", 0)
        stream.await_turn()
        progress("checking the proof", 0)
        size = inner_bytes(public_key.verification_key, check_sample(header, public_key))
        inner = stream.read(size)
        statement = state(header, public, public_key, inner)
        setup = prepare(statement, INTERACTIVE)
        verify(statement, setup, VerifierTranscript(stream, VerifierCoins(stream)))
    except (VerificationError, InputError):
        with contextlib.suppress(ProofError):
            stream.write(_NO)
            stream.flush()
        raise
    stream.write(_YES)
    stream.flush()
    return claim_report(
        public,
        header,
        public_key,
        statement,
        setup,
        interactive=True,
        argument_bytes=stream.received,
        seconds=time.monotonic() - started,
    )


def expect_hello(stream: Stream) -> None:
    """Read the peer's first bytes; ProofError if it speaks something else."""
    if stream.read(len(HELLO)) != HELLO:
        raise ProofError("session", "the peer does not speak this version of the protocol")


def expect_yes(stream: Stream, what: str) -> None:
    """Read one byte; ProofError with `what` unless it is yes."""
    if stream.read(1) != _YES:
        raise ProofError("session", what)


def parse_address(text: str) -> tuple[str, int]:
    """'host:port', ':port' or 'port'; the host is 127.0.0.1 by default."""
    host, _, port = text.rpartition(":")
    if not re.fullmatch(r"[0-9]{1,5}", port) or int(port) >= 2**16:
        raise InputError(f"{text!r} is no address", remedy="Give host:port")
    return host or "127.0.0.1", int(port)


@contextlib.contextmanager
def connected(address: str, **timeouts: float) -> Iterator[Stream]:
    """Connect to a prover."""
    host, port = parse_address(address)
    try:
        connection = socket.create_connection((host, port), timeout=30)
    except UnicodeError:  # a label of the host's name that is empty or too long
        raise InputError("is no address", where=address) from None
    except OSError as error:
        raise InputError(f"nobody answers ({_reason(error)})", where=address) from None
    with connection:
        yield Stream(connection, **timeouts)
