"""Prove in public that a neural network is yours."""

from wmproof.bounded import reveal
from wmproof.errors import VerificationError, WmproofError
from wmproof.key_check import check_public_key
from wmproof.keygen import pkeygen
from wmproof.keys import (
    MarkingKey,
    PublicKey,
    VerificationKey,
    load_marking_key,
    load_public_key,
    load_verification_key,
    save_marking_key,
    save_published,
)
from wmproof.models import Classifier, open_model
from wmproof.triggers import TriggerSet
from wmproof.verification import verify, verify_batch

__version__ = "0.1.0"

__all__ = [
    "Classifier",
    "MarkingKey",
    "PublicKey",
    "TriggerSet",
    "VerificationError",
    "VerificationKey",
    "WmproofError",
    "check_public_key",
    "load_marking_key",
    "load_public_key",
    "load_verification_key",
    "open_model",
    "pkeygen",
    "reveal",
    "save_marking_key",
    "save_published",
    "verify",
    "verify_batch",
]
