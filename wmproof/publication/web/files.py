"""The log's own files, as c2sp.org/tlog-tiles wants them served."""

from __future__ import annotations

import re

from fastapi import APIRouter
from starlette.responses import PlainTextResponse, Response

from wmproof._files import read_file
from wmproof.publication.log.tiles import BUNDLE_LIMIT
from wmproof.publication.web.board import Board, NotFoundError

_LEVEL = r"(?:entries|[0-9]|[1-5][0-9]|6[0-3])"
_WIDTH = r"(?:[1-9][0-9]?|1[0-9][0-9]|2[0-4][0-9]|25[0-5])"
TILE_PATH = re.compile(rf"{_LEVEL}/(?:x[0-9]{{3}}/){{0,6}}[0-9]{{3}}(?:\.p/{_WIDTH})?")
_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}


def files_router(board: Board) -> APIRouter:
    """Return the routes of the checkpoint, the public key and the tiles."""
    router = APIRouter(include_in_schema=False)

    @router.get("/checkpoint")
    def checkpoint() -> Response:
        return PlainTextResponse(board.reader().checkpoint_bytes)

    @router.get("/log.vkey")
    def log_key() -> Response:
        return PlainTextResponse(f"{board.reader().log_key}\n")

    @router.get("/tile/{path:path}")
    def tile(path: str) -> Response:
        found = board.folder / "tile" / path if TILE_PATH.fullmatch(path) else None
        if found is None or not found.is_file():
            raise NotFoundError("there is no such tile")
        data = read_file(found, limit=BUNDLE_LIMIT)
        return Response(data, headers=_FOR_EVER, media_type="application/octet-stream")

    return router
