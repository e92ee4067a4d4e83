"""pvk: a verification key with the half of its triggers that the challenge opens."""

from dataclasses import dataclass
from importlib import import_module

import numpy as np

from wmproof._base.reader import Reader
from wmproof.errors import InputError
from wmproof.keys.opening import OpenedTriggers, read_opened_triggers
from wmproof.keys.signature import Signature, SignedFile, read_signature
from wmproof.keys.verification_key import KeyKind, VerificationKey, read_verification_key

MAGIC = b"wmpf-pk\0"
VERSION = 1


@dataclass(frozen=True, eq=False)
class PublicKey(SignedFile):
    """pvk = (vk, mk restricted to e) of appendix A.1.2, signed if the owner wants.

    Parameters
    ----------
    verification_key : VerificationKey
        Of kind PUBLIC.
    opened : OpenedTriggers
        Exactly the positions with e_i = 1.
    signature : Signature, optional

    Raises
    ------
    InputError
        The key is of another kind, or other positions are opened.
    """

    SIGNATURE_TAG = b"wmproof/public-key/v1".ljust(32, b"\0")

    verification_key: VerificationKey
    opened: OpenedTriggers
    signature: Signature | None = None

    def __post_init__(self) -> None:
        if self.verification_key.kind is not KeyKind.PUBLIC:
            raise InputError("only a verification key of the public kind has an opened half")
        self.opened.check_fits(self.verification_key)
        if not np.array_equal(self.opened.indices, self.verification_key.opened_indices()):
            raise InputError("the opened triggers are not those that the challenge asks for")

    def __repr__(self) -> str:
        return f"PublicKey({self.verification_key!r}, {len(self.opened)} opened)"

    def _repr_png_(self) -> bytes:
        """The contact sheet of the opened half, in a notebook."""
        # By name: keys know nothing of what draws them.
        sheet: bytes = import_module("wmproof.report.key_sheet").public_key_sheet(self)
        return sheet

    @property
    def body(self) -> bytes:
        """What the signature covers: the canonical encoding without the signature."""
        version = VERSION.to_bytes(2, "big")
        return MAGIC + version + self.verification_key.to_bytes() + self.opened.to_bytes()


def parse_public_key(data: bytes, where: str = "public key") -> PublicKey:
    """Parse exactly one public key.

    Raises
    ------
    FormatError
        The bytes are not the canonical encoding of any public key.
    """
    reader = Reader(data, where)
    reader.magic(MAGIC, VERSION, "public key")
    key = read_verification_key(reader)
    if key.kind is not KeyKind.PUBLIC:
        raise reader.error("holds a verification key that is not of the public kind")
    opened = read_opened_triggers(reader, key, key.opened_indices())
    signature = read_signature(reader)
    reader.end()
    return PublicKey(key, opened, signature)
