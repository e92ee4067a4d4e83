"""The bodies of requests: read whole before the application is asked, within bounds.

What a client sends is kept in one file without a name, which is closed as soon as the client goes
away or is sent away. The application then reads it as if it came from the network.
"""

import asyncio
import contextlib
import tempfile
from collections import Counter
from collections.abc import Iterator
from typing import IO

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wmproof.publication.web.clients import client_of
from wmproof.publication.web.settings import CLAIM_PATHS, Settings

SMALL_REQUEST = 2**16
UPLOADS, UPLOADS_OF_ONE = 16, 4
# A body must come within `BODY_S`, and its first `n` bytes within `GRACE_S + n / BYTES_PER_S`.
BODY_S, GRACE_S, BYTES_PER_S = 600.0, 10.0, 2.0**14
_PIECE = 2**16


class _RefusedError(Exception):
    """A body that is not taken, with the answer's code and words."""

    def __init__(self, code: int, what: str) -> None:
        super().__init__(what)
        self.code = code


class _GoneError(Exception):
    """The client went away."""


class WholeBody:
    """Takes a body, or refuses it: too large, too slow, or one of too many at once."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._upload_bytes = settings.upload_bytes
        self._uploads: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Thousands of ranges in one request are work without end, and no reader needs one.
        scope["headers"] = [item for item in scope["headers"] if item[0] != b"range"]
        claim = scope["path"] in CLAIM_PATHS and scope["method"] == "POST"
        limit = self._upload_bytes if claim else SMALL_REQUEST
        file: IO[bytes]
        with contextlib.ExitStack() as held, contextlib.suppress(_GoneError):
            try:
                if claim:
                    held.enter_context(self._place(client_of(scope)))
                file = held.enter_context(tempfile.SpooledTemporaryFile(SMALL_REQUEST))
                _check_length(scope, limit)
                await _read(receive, file, limit)
            except _RefusedError as refusal:
                await JSONResponse({"error": str(refusal)}, refusal.code)(scope, receive, send)
                return
            await self._app(scope, _replay(file, receive), send)

    @contextlib.contextmanager
    def _place(self, client: str) -> Iterator[None]:
        if self._uploads[client] >= UPLOADS_OF_ONE:
            raise _RefusedError(429, f"{UPLOADS_OF_ONE} uploads of yours are under way. Try later")
        if self._uploads.total() >= UPLOADS:
            raise _RefusedError(503, "other claims are being uploaded. Try again in a minute")
        self._uploads[client] += 1
        try:
            yield
        finally:
            self._uploads[client] -= 1
            if not self._uploads[client]:
                del self._uploads[client]


class CloseUnread:
    """Ends the connection after an answer that came before the whole body had.

    Else a client that was refused could go on to send, without the bounds of `WholeBody`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        whole = headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers

        async def noted() -> Message:
            nonlocal whole
            message = await receive()
            whole = whole or (message["type"] == "http.request" and not message.get("more_body"))
            return message

        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start" and not whole:
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        await self._app(scope, noted, closing)


def _check_length(scope: Scope, limit: int) -> None:
    declared = Headers(scope=scope).get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> _RefusedError:
    return _RefusedError(413, f"a request has at most {limit} bytes here")


async def _read(receive: Receive, file: IO[bytes], limit: int) -> None:
    now = asyncio.get_running_loop().time
    started, received, more = now(), 0, True
    while more:
        end = started + min(BODY_S, GRACE_S + received / BYTES_PER_S)
        try:
            async with asyncio.timeout_at(end):
                message = await receive()
        except TimeoutError:
            raise _RefusedError(408, "the request comes too slowly") from None
        if message["type"] != "http.request":
            raise _GoneError
        part = message.get("body", b"")
        received += len(part)
        if received > limit:
            raise _too_large(limit)
        try:
            file.write(part)
        except OSError:
            raise _RefusedError(503, "the server has no room for this") from None
        more = message.get("more_body", False)
    file.seek(0)


def _replay(file: IO[bytes], receive: Receive) -> Receive:
    """Give the body from the file, and then what else the network has to say."""
    ended = False

    async def again() -> Message:
        nonlocal ended
        if ended:
            return await receive()
        part = file.read(_PIECE)
        ended = len(part) < _PIECE
        return {"type": "http.request", "body": part, "more_body": not ended}

    return again
