"""One bounded exchange over HTTP: a deadline for all of it, a limit of bytes, no redirects."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

import anyio
import httpx
from anyio.from_thread import start_blocking_portal

from wmproof.errors import InputError

DEFAULT_TIMEOUT = 20.0


@dataclass(frozen=True)
class Reply:
    """What a server answered.

    Parameters
    ----------
    status : int
    content_type : str
        Lower case, without parameters.
    body : bytes
    """

    status: int
    content_type: str
    body: bytes


def check_url(url: str) -> str:
    """Return the URL; InputError unless it is plain http or https with a host and no user name."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and parts.hostname and not parts.username
        valid = valid and parts.port != 0 and not parts.fragment and url.isascii()
    except ValueError:
        valid = False
    if not valid:
        raise InputError("is not an http or https URL of a server", where=url)
    return url


def exchange(
    method: str,
    url: str,
    *,
    headers: dict[str, str],
    body: bytes | None = None,
    limit: int,
    timeout: float = DEFAULT_TIMEOUT,
) -> Reply:
    """Send one request and return the reply.

    Proxies, cookies and passwords of the environment are not used, redirects are not followed.

    Parameters
    ----------
    limit : int
        Bytes of body that are read at most.
    timeout : float
        Seconds for everything together, so that a server that drips is given up too.

    Raises
    ------
    InputError
        The URL is none, nobody answers, the time is over, or the reply is longer than `limit`.
    """
    check_url(url)
    request = httpx.Request(method, url, headers=headers, content=body)
    # A loop of its own in a thread of its own: callers may be inside an event loop already.
    with start_blocking_portal() as portal:
        return portal.call(_exchange, request, limit, timeout)


async def _exchange(request: httpx.Request, limit: int, timeout: float) -> Reply:
    where = str(request.url)
    try:
        with anyio.fail_after(timeout):
            async with httpx.AsyncClient(trust_env=False, timeout=timeout) as client:
                response = await client.send(request, stream=True)
                try:
                    body = await _read(response, limit)
                finally:
                    with anyio.CancelScope(shield=True):
                        await response.aclose()
    except (TimeoutError, httpx.TimeoutException):
        raise InputError(
            f"gave no complete answer in {timeout:g} seconds", where=where, remedy="Try again later"
        ) from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise InputError(
            f"cannot be reached ({error or type(error).__name__})", where=where
        ) from error
    content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return Reply(response.status_code, content_type, body)


async def _read(response: httpx.Response, limit: int) -> bytes:
    """Read the raw body: a compressed reply is not expanded, so it cannot be a bomb."""
    body = bytearray()
    async for part in response.aiter_raw():
        body += part
        if len(body) > limit:
            raise InputError(
                f"answers more than the {limit} bytes that are read", where=str(response.url)
            )
    return bytes(body)
