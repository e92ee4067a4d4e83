"""The three files of a claim, as a form brings them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, BinaryIO

from fastapi import File, UploadFile

Part = Annotated[UploadFile, File()]


@dataclass(frozen=True)
class ClaimUpload:
    """The files of a claim, on disk if they are large, until the request is answered."""

    model: BinaryIO
    key: BinaryIO
    claim: BinaryIO


async def claim_upload(model: Part, key: Part, claim: Part) -> ClaimUpload:
    """Take the three files; their sum is limited by `guards.SizeLimit`."""
    return ClaimUpload(model.file, key.file, claim.file)
