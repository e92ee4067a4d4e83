"""The check of a signature, as every report lists it."""

from typing import Protocol

from wmproof.core.checks import Check, Outcome, check, skipped
from wmproof.errors import VerificationError
from wmproof.keys.signature import Signature


class Signed(Protocol):
    """What may carry a signature of its own bytes."""

    @property
    def signature(self) -> Signature | None:
        """The signature, if there is one."""

    def check_signature(self, signer: bytes | None = None) -> None:
        """Raise VerificationError unless it is good, and of `signer` where one is expected."""


def signature_check(signed: Signed, signer: bytes | None, what: str) -> Check:
    """Check a signature.

    Parameters
    ----------
    signer : bytes or None
        The public key that the judge expects; None accepts any, and the check names it.
    what : str
        "the key", for words.
    """
    try:
        signed.check_signature(signer)
    except VerificationError as error:
        return Check("signature", Outcome.FAILED, error.what, error.numbers)
    if signed.signature is None:
        return skipped("signature", f"{what} is not signed")
    name = signed.signature.signer.hex()
    known = "the expected signer" if signer else f"{name}; whose key that is, nobody says here"
    return check("signature", True, f"signed by {known}", signer=name)
