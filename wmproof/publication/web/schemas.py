"""What the JSON API says; FastAPI makes its OpenAPI description from these."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256, hexadecimal")]
Count = Annotated[int, Field(ge=0)]


class CosignatureModel(BaseModel):
    """A verified cosignature of a witness that this server knows."""

    witness: str
    timestamp: Count


class LogModel(BaseModel):
    """The log at its present checkpoint."""

    origin: str
    size: Count
    root: str
    log_key: str
    cosignatures: list[CosignatureModel]
    checkpoint: str


class EntryModel(BaseModel):
    """One entry."""

    index: Count
    digest: Digest | None = Field(description="None where the entry is not of a key")
    published: bool = Field(description="Whether the key itself is here, or only its digest")


class EntriesModel(BaseModel):
    """Some entries in order."""

    size: Count
    entries: list[EntryModel]


class CheckModel(BaseModel):
    """A check of a key."""

    check: str
    outcome: Literal["passed", "failed", "skipped"]
    what: str


class KeyDetailsModel(BaseModel):
    """What a published key says, and how its checks came out."""

    key_id: str
    labels: str
    shape: list[int]
    classes: Count
    triggers: Count
    opened: Count
    hidden: Count
    security: Count
    threshold: Count
    strength_bits: float
    signer: str | None
    bytes: Count
    holds: bool
    checks: list[CheckModel]


class KeyModel(EntryModel):
    """A key in the log, by its first entry."""

    details: KeyDetailsModel | None


class ClaimModel(BaseModel):
    """How a claim came out."""

    holds: bool
    check: str | None = Field(description="The first check that failed")
    what: str
    key_sha256: Digest
    logged_at: Count | None = Field(description="Index of the key in this log")
    model_sha256: Digest | None = None
    hidden: Count | None = None
    threshold: Count | None = None
    strength_bits: float | None = None
    security_bits: float | None = None
    seconds: float | None = None


class ErrorModel(BaseModel):
    """Why a request was not answered."""

    error: str
