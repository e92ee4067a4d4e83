"""Signing notes as a log, and cosigning checkpoints as a witness."""

from dataclasses import dataclass, field

from wmproof.errors import InputError
from wmproof.keys.signature import sign, signer_of
from wmproof.publication.log import ml_dsa
from wmproof.publication.log.checkpoint import Checkpoint
from wmproof.publication.log.cosignature import cosigned_message
from wmproof.publication.log.merkle import MAX_SIZE
from wmproof.publication.log.note import Note, NoteSignature, SignatureKind, VerifierKey


@dataclass(frozen=True)
class NoteSigner:
    """The private key of a log or a witness."""

    name: str
    kind: SignatureKind
    seed: bytes = field(repr=False)
    """Private key, 32 bytes for both algorithms; never shown."""

    @property
    def verifier_key(self) -> VerifierKey:
        """The public key, to be given to whoever verifies."""
        ml = self.kind is SignatureKind.ML_DSA_COSIGNATURE
        public = ml_dsa.public_of(self.seed) if ml else signer_of(self.seed)
        return VerifierKey(self.name, self.kind, public)

    def signature(self, message: bytes, prefix: bytes = b"") -> NoteSignature:
        """Return a signature line whose value is the prefix and the signature of a message."""
        if self.kind is SignatureKind.ML_DSA_COSIGNATURE:
            signed = ml_dsa.sign(self.seed, message)
        else:
            signed = sign(self.seed, b"", message).value
        return NoteSignature(self.name, self.verifier_key.key_id, prefix + signed)


def sign_checkpoint(checkpoint: Checkpoint, signer: NoteSigner) -> Note:
    """Return a checkpoint signed by its log; InputError if the key is a witness's."""
    if signer.kind.cosigns:
        raise InputError("a witness's key cannot sign checkpoints")
    return Note(checkpoint.text, (signer.signature(checkpoint.text.encode()),))


def cosign(text: str, signer: NoteSigner, timestamp: int) -> NoteSignature:
    """Return a witness's cosignature of a checkpoint's text.

    Raises
    ------
    InputError
        The key is a log's, the time cannot be written, or the origin is too long for ML-DSA-44.
    """
    if not signer.kind.cosigns:
        raise InputError("a log's key cannot cosign")
    if not 0 < timestamp <= MAX_SIZE:
        raise InputError(f"{timestamp} is not a time for a cosignature")
    message = cosigned_message(signer.verifier_key, text, timestamp)
    return signer.signature(message, timestamp.to_bytes(8, "big"))
