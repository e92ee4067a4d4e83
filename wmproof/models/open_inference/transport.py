"""HTTP to an endpoint: retries with backoff, a rate limit, timeouts, and a cap on every reply."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from wmproof.errors import InputError
from wmproof.models.open_inference.transcript import Attempt, AttemptKind

_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_EXCERPT = 200
_LONGEST_ADDRESS = 2000


@dataclass(frozen=True)
class Limits:
    """How an endpoint is asked."""

    requests_per_second: float = 2.0
    """Retries count."""
    attempts: int = 5
    """For each request."""
    backoff_s: float = 0.5
    """Before the second attempt; doubled each time, up to `longest_wait_s`, with jitter."""
    longest_wait_s: float = 30.0
    """Also the most that a `Retry-After` is granted."""
    connect_s: float = 10.0
    """To connect."""
    request_s: float = 60.0
    """For a whole request, however slowly its reply drips."""
    reply_bytes: int = 2**24
    """The longest reply that is read."""


class Transport:
    """Sends requests to one endpoint and tells `record` of every attempt.

    Parameters
    ----------
    endpoint : str
        http:// or https://, without user, query or fragment.
    limits : Limits
    record : callable
        Gets an `Attempt` for each attempt, also for those that fail.
    token : str, optional
        Sent as a bearer token; never recorded, and not sent in the clear but to this machine.

    Raises
    ------
    InputError
        The address cannot be used, or the package httpx is not installed.
    """

    def __init__(
        self,
        endpoint: str,
        limits: Limits,
        record: Callable[[Attempt], None],
        token: str | None = None,
    ) -> None:
        self._endpoint = check_endpoint(endpoint, with_token=token is not None)
        self._limits = limits
        self._record = record
        self._next = time.monotonic()
        self._headers = _headers(token)

    def ask(self, kind: AttemptKind, path: str, body: bytes = b"") -> bytes:
        """Send one request until it is answered; GET without a body, POST with one.

        Raises
        ------
        InputError
            The endpoint refuses, redirects, sends too much, or does not answer in time.
        """
        failure, wait = "", 0.0
        for attempt in range(self._limits.attempts):
            if attempt:
                time.sleep(self._backoff(attempt, wait))
            self._wait_for_turn()
            status, reply, wait = self._attempt(kind, path, body)
            if status == 200:
                return reply
            failure = _describe(status, reply)
            if status and status not in _RETRIED:
                break
        raise InputError(
            f"does not answer /{path}: {failure}",
            where=self._endpoint,
            remedy="Check address and model name, or try again later",
        )

    def _backoff(self, attempt: int, asked: float) -> float:
        own = self._limits.backoff_s * 2.0 ** (attempt - 1) * random.uniform(1, 1.5)  # noqa: S311
        return min(self._limits.longest_wait_s, max(asked, own))

    def _wait_for_turn(self) -> None:
        now = time.monotonic()
        time.sleep(max(0.0, self._next - now))
        self._next = max(now, self._next) + 1 / self._limits.requests_per_second

    def _attempt(self, kind: AttemptKind, path: str, body: bytes) -> tuple[int, bytes, float]:
        """Return status (0 where no reply came), reply and the wait that the endpoint asks for."""
        from wmproof._base import http

        limits, sent, wait = self._limits, _now(), 0.0
        kinds = {"Content-Type": "application/json"} if body else {}
        try:
            answer = http.exchange(
                "POST" if body else "GET",
                f"{self._endpoint}/{path}",
                headers={**self._headers, **kinds},
                body=body or None,
                limit=limits.reply_bytes,
                seconds=limits.request_s,
                connect_seconds=limits.connect_s,
            )
            status, reply, wait = answer.status, answer.body, _asked_wait(answer.headers)
        except http.ReplyError as error:
            self._record(Attempt(kind, sent, _now(), 0, body, error.what.encode()))
            raise InputError(error.what, where=self._endpoint) from None
        except http.NO_ADDRESS:
            raise InputError("is not an address", where=self._endpoint) from None
        except http.NO_REPLY as error:
            status, reply = 0, type(error).__name__.encode()
        self._record(Attempt(kind, sent, _now(), status, body, reply))
        return status, reply, wait


def check_endpoint(endpoint: str, *, with_token: bool = False) -> str:
    """Return the address without a slash at its end.

    Raises
    ------
    InputError
        It is no http or https address, carries a user, a query or a fragment, or would send a
        token in the clear.
    """
    try:
        parts = urlsplit(endpoint)
        port_is_good = parts.port is None or parts.port > 0
    except ValueError:
        raise InputError("is not an address", where=endpoint) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_good:
        raise InputError("is not an http:// or https:// address", where=endpoint)
    if len(endpoint) > _LONGEST_ADDRESS:
        raise InputError(f"is longer than {_LONGEST_ADDRESS} characters", where=endpoint[:80])
    if parts.username is not None or parts.query or parts.fragment or not endpoint.isprintable():
        raise InputError(
            "an endpoint's address has no user, query or fragment",
            remedy="Give a token in WMPROOF_ENDPOINT_TOKEN",
        )
    if with_token and parts.scheme == "http" and parts.hostname not in _LOCAL:
        raise InputError("would get the token in the clear", where=endpoint, remedy="Use https://")
    return endpoint.rstrip("/")


def _headers(token: str | None) -> dict[str, str]:
    """Headers of every request."""
    if find_spec("httpx") is None:
        raise InputError(
            "asking an endpoint needs the package httpx, which is not installed",
            remedy="Install the extra: pip install 'wmproof[remote]'",
        )
    headers = {"Accept": "application/json"}
    if token is not None:
        if not token.isascii() or not token.isprintable():
            raise InputError("the token has characters that no token has")
        headers["Authorization"] = f"Bearer {token}"
    return headers


def _asked_wait(headers: Any) -> float:
    """Read a `Retry-After` in seconds (RFC 9110, 10.2.3); a date is taken as nothing asked."""
    value = headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() and len(value) < 6 else 0.0


def _describe(status: int, reply: bytes) -> str:
    excerpt = reply[:_EXCERPT].decode("utf-8", "replace")
    words = "".join(c if c.isprintable() else " " for c in excerpt).strip()
    if not status:
        return f"no reply ({words})"
    if 300 <= status < 400:
        return f"it redirects (status {status}), and redirections are not followed"
    return f"status {status}" + (f" ({words})" if words else "")


def _now() -> int:
    return time.time_ns() // 1_000_000
