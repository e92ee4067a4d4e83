"""What stands before every page: limits of size and rate, host names, security headers."""

from __future__ import annotations

import contextlib

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wmproof.publication.web.connections import network_of
from wmproof.publication.web.settings import Settings

CLAIM_PATHS = ("/verify", "/api/v1/claims")
_SMALL_REQUEST = 2**16
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class _TooLargeError(Exception):
    """More bytes have come than a request may have."""


class SecurityHeaders:
    """Adds the headers to every answer, also to those of the other guards."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-cache")
            await send(message)

        await self._app(scope, receive, with_headers)


class RateLimit:
    """Refuses an address that asks too often; claims, which are dear, have a limit of their own."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._window = MovingWindowRateLimiter(MemoryStorage())
        self._requests = RateLimitItemPerMinute(settings.requests_per_minute)
        self._claims = RateLimitItemPerMinute(settings.claims_per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and not self._admits(scope):
            answer = JSONResponse(
                {"error": "too many requests. Try again in a minute"}, 429, {"Retry-After": "60"}
            )
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _admits(self, scope: Scope) -> bool:
        address = network_of(str((scope.get("client") or ("unknown", 0))[0]))
        if scope["method"] == "POST" and scope["path"] in CLAIM_PATHS:
            return self._window.hit(self._claims, "claims", address)
        return self._window.hit(self._requests, "requests", address)


class SizeLimit:
    """Refuses a request that is too large, by its header or once that many bytes have come."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._upload_bytes = settings.upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Thousands of ranges in one request are work without end, and no reader needs one.
        scope["headers"] = [item for item in scope["headers"] if item[0] != b"range"]
        limit = self._upload_bytes if scope["path"] in CLAIM_PATHS else _SMALL_REQUEST
        refusal = JSONResponse({"error": f"a request has at most {limit} bytes here"}, 413)
        if _declared_length(scope) > limit:
            await refusal(scope, receive, send)
            return
        received, started = 0, False

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise _TooLargeError
            return message

        async def watched(message: Message) -> None:
            """Hold back what the application says of a body that was not read to its end."""
            nonlocal started
            if started or received <= limit:
                started = True
                await send(message)

        with contextlib.suppress(_TooLargeError):
            await self._app(scope, counted, watched)
        if received > limit and not started:
            await refusal(scope, receive, send)


def _declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:20])
    return 0
