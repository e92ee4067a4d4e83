"""The JSON API, described by /api/v1/openapi.json."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import FileResponse, PlainTextResponse, Response

from wmproof.publication.log.merkle import MAX_SIZE
from wmproof.publication.web.board import Board
from wmproof.publication.web.checker import ClaimChecker
from wmproof.publication.web.schemas import ClaimModel, EntriesModel, ErrorModel, KeyModel, LogModel
from wmproof.publication.web.uploads import ClaimUpload, claim_upload

PREFIX = "/api/v1"
_PAGE = 100
DigestPath = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="SHA-256 of the key")]
_Responses = dict[int | str, dict[str, Any]]


def _errors(*codes: int) -> _Responses:
    return {code: {"model": ErrorModel} for code in (429, *codes)}


def _content(media_type: str) -> _Responses:
    schema = {"type": "string"} | ({} if "text" in media_type else {"format": "binary"})
    return {200: {"content": {media_type: {"schema": schema}}}}


def api_router(board: Board, checker: ClaimChecker) -> APIRouter:
    """Return the routes of the API."""
    router = APIRouter(prefix=PREFIX)

    @router.get("/log", responses=_errors(503))
    def log() -> LogModel:
        """The log's present checkpoint."""
        return board.head()

    @router.get("/entries", responses=_errors(422, 503))
    def entries(
        start: Annotated[int, Query(ge=0, le=MAX_SIZE)] = 0,
        limit: Annotated[int, Query(ge=1, le=_PAGE)] = _PAGE,
    ) -> EntriesModel:
        """Entries in order."""
        return board.entries(start, limit)

    @router.get("/keys/{digest}", responses=_errors(404, 422, 503))
    def key(digest: DigestPath) -> KeyModel:
        """A key in the log, and what it says if it is published."""
        return board.key(bytes.fromhex(digest))

    @router.get(
        "/keys/{digest}/proof",
        responses=_errors(404, 422, 503) | _content("text/plain"),
        response_class=Response,  # else every error would be described as text
    )
    def proof(digest: DigestPath) -> Response:
        """The inclusion proof of a key, c2sp.org/tlog-proof."""
        return PlainTextResponse(board.proof(bytes.fromhex(digest)))

    @router.get(
        "/keys/{digest}/file",
        responses=_errors(404, 422, 503) | _content("application/octet-stream"),
        response_class=Response,
    )
    def file(digest: DigestPath) -> Response:
        """The public key itself, a .pvk file."""
        path = board.file(bytes.fromhex(digest))
        kind = "application/octet-stream"
        return FileResponse(path, media_type=kind, filename=f"{digest[:16]}.pvk")

    @router.get(
        "/keys/{digest}/contact-sheet.png",
        responses=_errors(404, 422, 503) | _content("image/png"),
        response_class=Response,
    )
    def contact_sheet(digest: DigestPath) -> Response:
        """The opened triggers of a key with their labels."""
        return Response(board.contact_sheet(bytes.fromhex(digest)), media_type="image/png")

    @router.post("/claims", responses=_errors(400, 403, 408, 413, 422, 503))
    def claims(upload: Annotated[ClaimUpload, Depends(claim_upload)]) -> ClaimModel:
        """Verify a zero-knowledge claim; one that does not hold is an answer, too."""
        return checker.check(upload)

    return router
