"""The log's own files, as c2sp.org/tlog-tiles wants them served."""

from fastapi import APIRouter
from starlette.responses import PlainTextResponse, Response

from wmproof._base.files import read_file
from wmproof.publication.log.tiles import BUNDLE_LIMIT, parse_tile_path
from wmproof.publication.web.board import Board, NotFoundError

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
        tile = parse_tile_path(f"tile/{path}")
        if tile is None or not (found := board.folder / tile.path).is_file():
            raise NotFoundError("there is no such tile")
        data = read_file(found, limit=BUNDLE_LIMIT)
        return Response(data, headers=_FOR_EVER, media_type="application/octet-stream")

    return router
