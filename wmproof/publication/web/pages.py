"""The pages for people."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from wmproof._base.text import one_line
from wmproof.errors import InputError
from wmproof.publication.log.merkle import MAX_SIZE
from wmproof.publication.web.api import DigestPath
from wmproof.publication.web.board import Board, explain
from wmproof.publication.web.checker import BusyError, ClaimChecker
from wmproof.publication.web.uploads import ClaimUpload, claim_upload

_ROWS = 25
# Groups that a reader can follow, copied in one piece.
_FINGERPRINT = (
    "{% macro show(digest) %}<code>{% for part in digest | batch(4) %}"
    '<span class="group">{{ part | join }}</span>{% endfor %}</code>{% endmacro %}'
)
Render = Callable[..., HTMLResponse]


def make_renderer(board: Board) -> Render:
    """Return the function that renders a template; every page shows the log's name."""
    environment = Environment(
        loader=PackageLoader("wmproof.publication.web"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_harmless,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["time"] = _time
    environment.globals["fingerprint"] = environment.from_string(_FINGERPRINT).module.show  # type: ignore[attr-defined]
    origin = board.reader().checkpoint.origin

    def render(template: str, status: int = 200, **values: Any) -> HTMLResponse:
        text = environment.get_template(template).render(origin=origin, **values)
        return HTMLResponse(text, status)

    return render


def pages_router(board: Board, checker: ClaimChecker, render: Render) -> APIRouter:
    """Return the routes of the pages."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    def home(before: Annotated[int | None, Query(ge=0, le=MAX_SIZE)] = None) -> HTMLResponse:
        head = board.head()
        end = head.size if before is None else min(before, head.size)
        start = max(0, end - _ROWS)
        entries = board.entries(start, end - start).entries if end else []
        return render("home.html", head=head, entries=entries[::-1], start=start, end=end)

    @router.get("/keys/{digest}")
    def key(digest: DigestPath) -> HTMLResponse:
        found = board.key(bytes.fromhex(digest))
        proof = board.proof(bytes.fromhex(digest)).decode()
        return render("key.html", key=found, proof=proof, head=board.head())

    @router.get("/verify")
    def form() -> HTMLResponse:
        return render("verify.html", result=None, error=None)

    @router.post("/verify")
    def verify(upload: Annotated[ClaimUpload, Depends(claim_upload)]) -> HTMLResponse:
        try:
            result = checker.check(upload)
        except InputError as error:
            status = 503 if isinstance(error, BusyError) else 422
            return render("verify.html", status, result=None, error=explain(error))
        return render("verify.html", result=result, error=None)

    return router


def _harmless(value: Any) -> Any:
    """What a page shows of a string: one line that does nothing; escaping comes after it."""
    return one_line(value) if type(value) is str else value


def _time(timestamp: int) -> str:
    try:
        return datetime.fromtimestamp(timestamp, UTC).strftime("%d %B %Y, %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return str(timestamp)
