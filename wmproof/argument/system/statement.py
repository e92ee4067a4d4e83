"""What the protocol on top gives to the argument, and what both parties derive from it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

from wmproof.argument.algebra.element import ZERO, Element
from wmproof.argument.channel import VerifierChannel
from wmproof.argument.codec import element_bytes
from wmproof.argument.pcs.claims import Place, PointClaim
from wmproof.argument.pcs.commitment import PolynomialCommitment, Shape
from wmproof.argument.pcs.schemes import SCHEME
from wmproof.argument.transcript import FiatShamirCoins, VerifierTranscript

if TYPE_CHECKING:
    # For the protocol of provers only: a verifier loads no prover.
    from wmproof.argument.prover_channel import ProverChannel

PROTOCOL = "wmproof argument v1"
MAGIC = b"wmproof argument 1\n"
# Any element will do in a rehearsal that is not zero: verifiers divide by challenges.
_CHALLENGE = Element(2)


class Statement(Protocol):
    """A statement about a committed witness, as the verifier sees it."""

    @property
    def digest(self) -> bytes:
        """Hash of everything public: what is proved, of what."""

    @property
    def rows(self) -> int:
        """Rows of the witness."""

    @property
    def message_bits(self) -> int:
        """Each row has 2^message_bits values."""

    def verify(self, channel: VerifierChannel) -> list[PointClaim]:
        """Run the verifier; return what has to hold of the witness, at least one claim.

        Points of all rows have (`row_bits` + message_bits) elements. The sequence of calls must
        not depend on what is received.
        """

    def errors(self) -> Mapping[str, Fraction]:
        """Soundness error of each part of the protocol."""


class ProvableStatement(Statement, Protocol):
    """A statement together with its proof."""

    def prove(self, channel: ProverChannel) -> Sequence[Place]:
        """Run the prover; return the places of the verifier's claims, in its order."""


@dataclass(frozen=True)
class Security:
    """How hard a false proof is to make."""

    bits: float = 100
    """Provable soundness of the whole argument."""
    grinding_bits: int = 16
    """Proof of work in it; 0 for the interactive argument, where nothing can be retried."""


def row_bits(rows: int) -> int:
    """Variables that index the rows of a statement's witness, blinding included."""
    return (SCHEME.padded_rows(rows) - 1).bit_length()


@dataclass(frozen=True)
class Setup:
    """Sizes and parameters that both parties derive from the statement alone."""

    shape: Shape
    commitment: PolynomialCommitment
    """At its parameters."""
    message_sizes: Sequence[int]
    """Bytes of each message of the protocol and of the claims' sumcheck; all of them field
    elements, except nonces, which count as 0."""

    def encode(self) -> bytes:
        """Canonical bytes of everything chosen, for the transcript."""
        chosen = {"shape": asdict(self.shape), "parameters": self.commitment.chosen()}
        return json.dumps(chosen, sort_keys=True, separators=(",", ":")).encode()


class _Zeros:
    def read(self, size: int) -> bytes:
        return bytes(size)


class _Rehearsal(VerifierTranscript):
    """Hears zeros, always draws the same challenge, and remembers how long each message is."""

    def __init__(self) -> None:
        super().__init__(_Zeros(), FiatShamirCoins("rehearsal"))
        self.sizes: list[int] = []

    def challenges(self, label: str, count: int) -> list[Element]:
        return [_CHALLENGE] * count

    def receive(self, label: str, size: int) -> bytes:
        self.sizes.append(size)
        return bytes(size)

    def receive_elements(self, label: str, count: int) -> list[Element]:
        self.sizes.append(element_bytes(count))
        return [ZERO] * count

    def check_grinding(self, label: str, bits: int) -> None:
        self.sizes.append(0)


def prepare(statement: Statement, security: Security) -> Setup:
    """Derive sizes and parameters, by running the statement's verifier on zeros."""
    transcript = _Rehearsal()
    channel = VerifierChannel(transcript, rehearsal=True)
    rows = SCHEME.padded_rows(statement.rows)
    claims = statement.verify(channel)
    SCHEME.rehearse(channel, rows, statement.message_bits, claims)
    system = channel.system
    shape = Shape(
        rows,
        statement.message_bits,
        len(claims),
        system.pads,
        len(system.products),
        len(system.zeros),
    )
    commitment = SCHEME.choose(
        shape,
        system.products,
        statement.errors(),
        security_bits=security.bits,
        grinding_bits=security.grinding_bits,
    )
    return Setup(shape, commitment, transcript.sizes)


def error_table(statement: Statement, setup: Setup) -> dict[str, Fraction]:
    """Soundness error of each part for the actual sizes."""
    return setup.commitment.errors(statement.errors())
