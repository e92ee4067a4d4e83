"""Reading the three files of a claim from a form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import File, UploadFile

Part = Annotated[UploadFile, File()]


@dataclass(frozen=True)
class ClaimUpload:
    """The files of a claim, complete."""

    model: bytes
    key: bytes
    claim: bytes


async def claim_upload(model: Part, key: Part, claim: Part) -> ClaimUpload:
    """Read the three files; their sum is limited by `guards.SizeLimit`."""
    return ClaimUpload(await model.read(), await key.read(), await claim.read())
