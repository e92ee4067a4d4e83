"""Which message every byte of a proof belongs to, learnt by verifying it."""

import io
from typing import NamedTuple

from wmproof.argument.system.encoding import check_encoding
from wmproof.argument.system.statement import MAGIC, PROTOCOL, Setup, Statement
from wmproof.argument.system.verifier import verify
from wmproof.argument.transcript import FiatShamirCoins, VerifierTranscript


class Message(NamedTuple):
    """One message on the wire: proof[start:start + size]."""

    label: str
    start: int
    size: int


class RecordingTranscript(VerifierTranscript):
    """A verifier's transcript that notes every message it reads."""

    def __init__(self, proof: bytes) -> None:
        super().__init__(io.BytesIO(proof[len(MAGIC) :]), FiatShamirCoins(PROTOCOL))
        self.messages = [Message("magic", 0, len(MAGIC))]

    def _read(self, label: str, size: int) -> bytes:
        last = self.messages[-1]
        self.messages.append(Message(label, last.start + last.size, size))
        return super()._read(label, size)


def check(statement: Statement, setup: Setup, proof: bytes) -> list[Message]:
    """As `verify_proof` does after `prepare`; returns the messages of an accepted proof."""
    check_encoding(setup, proof)
    transcript = RecordingTranscript(proof)
    verify(statement, setup, transcript)
    transcript.finish()
    return transcript.messages
