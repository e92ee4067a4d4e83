"""What the argument asks of a polynomial commitment, whichever it is.

Two things are committed to before the first challenge: the *witness*, a multilinear polynomial W
over F_p given by its values in rows of 2^m, and the *pads* of the encrypted transcript (`channel`),
elements of K. In the end a verifier has claims that W has values at points, those values being
hidden under pads, and a `ConstraintSystem` that the pads must satisfy. A commitment

- *binds*: after the roots there is one W and one vector of pads that it can be opened to, except
  with the probability that `errors` states;
- *hides*: whatever it sends can be simulated without W and without the pads.

What is said, in this order: the commitments; the protocol on top; whatever proves the claims, still
under pads; the proof that the pads satisfy their constraints; the openings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple, Protocol

from wmproof.argument.channel import ConstraintSystem, VerifierChannel
from wmproof.argument.pcs.claims import PointClaim
from wmproof.argument.transcript import VerifierTranscript


@dataclass(frozen=True)
class Shape:
    """Sizes of an argument, known to both parties."""

    rows: int
    """Rows of the witness, blinding included."""
    message_bits: int
    """Each row has 2^message_bits values."""
    claims: int
    """Claims about the witness."""
    pads: int
    products: int
    zeros: int
    """pads, products and zeros: of the encrypted transcript."""


class Section(NamedTuple):
    """A part of a proof whose length follows from the sizes."""

    name: str
    size: int
    """In bytes."""
    is_field: bool
    """Whether it is made of field elements, canonical and 4 bytes each."""


class Sections(NamedTuple):
    """How long everything is that a commitment says."""

    first: list[Section]
    last: list[Section]
    """first and last: before the protocol on top, and after it."""
    unit: int
    """The end of a proof is a multiple of so many bytes."""
    most_units: int
    """At most so many units; how many depends on challenges."""


class VerifierSide(Protocol):
    """One verifier's walk through what a commitment says; each call a `ProofError` or nothing."""

    def receive_commitments(self, transcript: VerifierTranscript) -> None:
        """Read what binds witness and pads."""

    def receive_evaluations(self, channel: VerifierChannel, claims: Sequence[PointClaim]) -> None:
        """Read the proof of the claims as far as it is under pads.

        What it demands becomes part of `channel.system`. The sequence of calls must not depend on
        what is received.
        """

    def receive_constraints(self, transcript: VerifierTranscript, system: ConstraintSystem) -> None:
        """Read the proof that the pads satisfy the system."""

    def check_openings(self, transcript: VerifierTranscript) -> None:
        """Read the openings, and compare with them all that was received before."""


class PolynomialCommitment(Protocol):
    """A scheme; an instance is the scheme at the parameters that sizes and security call for.

    Instances with equal parameters are equal.
    """

    @staticmethod
    def message_bits(entries: int) -> int:
        """Logarithm of the length of rows that suits a witness of so many values best."""

    @staticmethod
    def padded_rows(rows: int) -> int:
        """Rows of W where the statement has `rows` of them: what hides them comes behind."""

    @staticmethod
    def rehearse(
        channel: VerifierChannel, rows: int, message_bits: int, claims: Sequence[PointClaim]
    ) -> None:
        """Make the calls of `VerifierSide.receive_evaluations` that `channel` counts."""

    @classmethod
    def choose(
        cls,
        shape: Shape,
        products: Sequence[tuple[int, int]],
        protocol_errors: Mapping[str, Fraction],
        *,
        security_bits: float,
        grinding_bits: int,
    ) -> PolynomialCommitment:
        """The smallest parameters for which the whole argument reaches `security_bits`.

        Parameters
        ----------
        products : sequence of (int, int)
            The pairs of pads whose products are committed too.
        protocol_errors : mapping
            Soundness errors of the protocol on top.

        Raises
        ------
        InputError
            If there are none, because the field is too small for the sizes.
        """

    @property
    def grinding_bits(self) -> int:
        """Proof of work before challenges whose error is large."""

    def chosen(self) -> dict[str, Any]:
        """All parameters as `json.dumps` takes them: the transcript binds them."""

    def errors(self, protocol_errors: Mapping[str, Fraction]) -> dict[str, Fraction]:
        """Soundness error of every part, by name, the protocol's own among them."""

    def sections(self) -> Sections:
        """How long everything is that it says."""

    def verifier(self) -> VerifierSide:
        """Begin a verifier's walk."""


class Memory(NamedTuple):
    """Bytes that a prover of a commitment holds beside the witness."""

    lasting: int
    """Whatever else is computed, as a circuit may run again while it is proved."""
    committing: int
    """On top of that, while it commits."""
    proving: int
    """On top of that, while it proves the claims."""
