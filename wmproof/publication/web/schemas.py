"""What the JSON API says; FastAPI makes its OpenAPI description from these."""

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
    outcome: Literal["passed", "failed", "skipped", "missing"]
    what: str


class KeyDetailsModel(BaseModel):
    """What a published key says, and how its checks came out."""

    key_id: str
    labels: str
    shape: list[int]
    classes: Count
    coins: str = Field(description="What has a label of its own: triggers, or groups of so many")
    triggers: Count = Field(description="Pictures, opened or hidden")
    opened: Count = Field(description="Coins")
    hidden: Count
    security: Count
    threshold: Count | None = Field(description="Hits that a claim needs; None for a bad key")
    strength_bits: float | None = Field(description="None for a bad key or chosen labels")
    signer: str | None
    bytes: Count
    holds: bool
    checks: list[CheckModel]


class KeyModel(EntryModel):
    """A key in the log, by its first entry."""

    details: KeyDetailsModel | None


class AgreementModel(BaseModel):
    """On how many pictures the circuit answers as the model does."""

    name: str
    pictures: Count
    agreeing: Count


class SaidModel(BaseModel):
    """Who says what."""

    who: str
    says: str


class NotShownModel(BaseModel):
    """What a claim does not show."""

    part: str
    why: str


class ClaimModel(BaseModel):
    """How a claim came out."""

    holds: bool
    verdict: Literal["holds", "incomplete", "refuted"]
    reason: str = Field(description="In one plain sentence")
    check: str | None = Field(description="The first check that failed")
    what: str = Field(description="What that check says, exactly")
    key_sha256: Digest
    logged_at: Count | None = Field(description="Index of the key in this log")
    model_sha256: Digest = Field(description="Of all files of the model that was given")
    model_words: str = Field(description="The same, to be read aloud")
    reading: str = Field(description="How the model's pictures are read: the judge's word")
    not_shown: list[NotShownModel]
    meaning: str | None = None
    who_says: list[SaidModel] = []
    hidden: Count | None = None
    group: Count | None = Field(None, description="Triggers that share a label; what is counted")
    triggers: Count | None = Field(None, description="How many of the hidden ones were proved")
    threshold: Count | None = None
    grinding_bits: Count | None = Field(None, description="Taken off the strength of a sample")
    strength_bits: float | None = None
    security_bits: float | None = None
    agreement: list[AgreementModel] | None = None
    seconds: float | None = None


class ErrorModel(BaseModel):
    """Why a request was not answered."""

    error: str
