"""Commitments to triggers and labels: one folder a scheme, behind one seam."""

from wmproof.commitment.scheme import (
    DIGEST_BYTES,
    KEY_ID_BYTES,
    LABEL_BYTES,
    CommitmentScheme,
    Kind,
    Places,
    Scheme,
    label_messages,
    new_key_id,
)
from wmproof.commitment.schemes import SCHEMES, new_randomness, open_batch

__all__ = [
    "DIGEST_BYTES",
    "KEY_ID_BYTES",
    "LABEL_BYTES",
    "SCHEMES",
    "CommitmentScheme",
    "Kind",
    "Places",
    "Scheme",
    "label_messages",
    "new_key_id",
    "new_randomness",
    "open_batch",
]
