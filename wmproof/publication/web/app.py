"""The application: guards, files, API and pages over one log."""

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles

from wmproof._base.version import __version__
from wmproof.errors import InputError, WmproofError
from wmproof.publication.web.api import PREFIX, api_router
from wmproof.publication.web.board import Board, NotFoundError, explain
from wmproof.publication.web.bodies import CloseUnread, WholeBody
from wmproof.publication.web.checker import BusyError, ClaimChecker
from wmproof.publication.web.files import files_router
from wmproof.publication.web.guards import RateLimit, SameOrigin, SecurityHeaders
from wmproof.publication.web.pages import Render, make_renderer, pages_router
from wmproof.publication.web.settings import Settings

_STATIC = Path(__file__).parent / "static"


def create_app(settings: Settings) -> FastAPI:
    """Return the server of a log.

    Raises
    ------
    WmproofError
        There is no log in the folder, or it is not the log of the given key.
    """
    board = Board(settings)
    checker = ClaimChecker(settings, board)
    render = make_renderer(board)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        checker.stop()

    app = FastAPI(
        lifespan=lifespan,
        title="wmproof log",
        version=__version__,
        description="Read access to an append-only log of public keys, and checks of claims.",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # both load scripts from elsewhere
        redoc_url=None,
    )
    app.include_router(files_router(board))
    app.include_router(api_router(board, checker))
    app.include_router(pages_router(board, checker, render))
    app.mount("/static", _Static(directory=_STATIC), name="static")
    _handle_errors(app, render)
    app.add_middleware(WholeBody, settings=settings)
    app.add_middleware(SameOrigin)
    app.add_middleware(RateLimit, settings=settings)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(settings.names))
    app.add_middleware(SecurityHeaders)
    app.add_middleware(CloseUnread)
    return app


class _Static(StaticFiles):
    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """Find a file; the system cannot look up a path with a zero byte, so it is not found."""
        return ("", None) if "\0" in path else super().lookup_path(path)


def _handle_errors(app: FastAPI, render: Render) -> None:
    """Answer every failure in the form that was asked for, without paths or tracebacks."""

    def answer(request: Request, code: int, what: str) -> Response:
        if request.url.path.startswith(PREFIX):
            return JSONResponse({"error": what}, code)
        return render("error.html", code, code=code, what=what)

    async def known(request: Request, error: Exception) -> Response:
        if not isinstance(error, WmproofError):
            raise error
        code = 503
        if isinstance(error, NotFoundError):
            code = 404
        elif isinstance(error, InputError) and request.method == "POST":
            code = 503 if isinstance(error, BusyError) else 422
        return answer(request, code, explain(error))

    async def invalid(request: Request, error: Exception) -> Response:
        if not isinstance(error, RequestValidationError):
            raise error
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        code = 422 if request.url.path.startswith(PREFIX) or request.method == "POST" else 404
        return answer(request, code, f"{where}: {first['msg']}")

    async def refused(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        made = answer(request, error.status_code, str(error.detail))
        for name, value in (error.headers or {}).items():
            made.headers[name] = value
        return made

    app.add_exception_handler(WmproofError, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, refused)
