"""One bounded exchange over HTTP: a deadline for all of it, a limit of bytes, no redirects.

Proxies, cookies and passwords of the environment are not used. Needs httpx and anyio, which come
with the extras `remote` and `timestamps`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import anyio
import httpx
from anyio.from_thread import start_blocking_portal

# No reply: the time was over before it began, or there is no connection.
NO_REPLY = (httpx.HTTPError, TimeoutError, OSError)
NO_ADDRESS = (httpx.InvalidURL, UnicodeError)


@dataclass(frozen=True)
class Reply:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    """By name, in any case."""
    body: bytes
    """As it was sent."""

    @property
    def content_type(self) -> str:
        """Lower case, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class ReplyError(Exception):
    """A reply that began and cannot be taken.

    `what` says it in words that follow the server's name.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(what)


class SlowReplyError(ReplyError):
    """It takes too long."""


def exchange(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes | None = None,
    limit: int,
    seconds: float,
    connect_seconds: float | None = None,
) -> Reply:
    """Send one request and return the reply.

    Parameters
    ----------
    limit : int
        Bytes of body that are read at most.
    seconds : float
        For everything together: a server that drips is given up too.
    connect_seconds : float, optional
        To connect, by default `seconds`.

    Raises
    ------
    ReplyError
        The reply is too long, too slow, or compressed: it could be a bomb, and nobody asked.
    NO_REPLY, NO_ADDRESS
        Whatever of these says why there was none.
    """
    headers = {"Accept-Encoding": "identity", **headers}
    timeout = httpx.Timeout(seconds, connect=connect_seconds or seconds)
    request = httpx.Request(
        method, url, headers=headers, content=body, extensions={"timeout": timeout.as_dict()}
    )
    # A loop of its own in a thread of its own: callers may be inside an event loop already.
    with start_blocking_portal() as portal:
        return portal.call(_exchange, request, limit, seconds)


async def _exchange(request: httpx.Request, limit: int, seconds: float) -> Reply:
    begun = False
    try:
        # Around all of it: a timeout of the client's starts anew with every byte.
        with anyio.fail_after(seconds):
            async with httpx.AsyncClient(trust_env=False) as client:
                response = await client.send(request, stream=True)
                begun = True
                try:
                    return Reply(
                        response.status_code, response.headers, await _read(response, limit)
                    )
                finally:
                    with anyio.CancelScope(shield=True):
                        await response.aclose()
    except TimeoutError:
        if not begun:
            raise
        raise SlowReplyError(f"takes longer than {seconds:g} s to answer") from None


async def _read(response: httpx.Response, limit: int) -> bytes:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise ReplyError("sends a compressed reply, which was not asked for")
    body = bytearray()
    async for part in response.aiter_raw():
        body += part
        if len(body) > limit:
            raise ReplyError(f"sends more than {limit} bytes")
    return bytes(body)
