"""Keys: mk (secret), vk and pvk (published), openings of batches, and their files."""

from wmproof.keys.batch import BatchOpening, parse_batch_opening
from wmproof.keys.encryption import (
    KdfCost,
    MarkingKeyHeader,
    decrypt_marking_key,
    encrypt_marking_key,
    parse_marking_key_header,
)
from wmproof.keys.files import (
    load_batch_opening,
    load_marking_key,
    load_public_key,
    load_verification_key,
    save_marking_key,
    save_published,
)
from wmproof.keys.marking_key import MarkingKey
from wmproof.keys.opening import OpenedTriggers
from wmproof.keys.public_key import PublicKey, parse_public_key
from wmproof.keys.signature import (
    Signature,
    load_signer,
    load_signing_key,
    new_seed,
    save_signing_key,
    signer_of,
)
from wmproof.keys.verification_key import (
    KeyKind,
    LabelMode,
    VerificationKey,
    parse_verification_key,
)

__all__ = [
    "BatchOpening",
    "KdfCost",
    "KeyKind",
    "LabelMode",
    "MarkingKey",
    "MarkingKeyHeader",
    "OpenedTriggers",
    "PublicKey",
    "Signature",
    "VerificationKey",
    "decrypt_marking_key",
    "encrypt_marking_key",
    "load_batch_opening",
    "load_marking_key",
    "load_public_key",
    "load_signer",
    "load_signing_key",
    "load_verification_key",
    "new_seed",
    "parse_batch_opening",
    "parse_marking_key_header",
    "parse_public_key",
    "parse_verification_key",
    "save_marking_key",
    "save_published",
    "save_signing_key",
    "signer_of",
]
