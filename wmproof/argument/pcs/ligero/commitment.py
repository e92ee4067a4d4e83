"""Ligero as the argument's polynomial commitment: what both parties know of it.

Its bytes in a proof, before the protocol on top (`roots`) and behind it:

    roots       32 bytes for the witness, 32 for the pads
    row         the combined row, 16 bytes an element
    pads        three polynomials, 16 bytes a coefficient
    nonce       8 bytes
    columns     of the witness, 4 bytes an element; their salts, 32 bytes each; the pads' likewise
    siblings    of the witness, then of the pads, 32 bytes each
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from wmproof.argument.algebra.element import BYTES
from wmproof.argument.channel import VerifierChannel
from wmproof.argument.pcs.claims import PointClaim
from wmproof.argument.pcs.commitment import Section, Sections, Shape
from wmproof.argument.pcs.ligero.claims import BLINDING_ROWS
from wmproof.argument.pcs.ligero.evaluation_verifier import bind_claims
from wmproof.argument.pcs.ligero.merkle import HASH_BYTES, SALT_BYTES
from wmproof.argument.pcs.ligero.pad_layout import PadLayout
from wmproof.argument.pcs.ligero.soundness import (
    Parameters,
    argument_errors,
    choose_parameters,
    message_bits,
)
from wmproof.argument.pcs.ligero.verifier import LigeroVerifier
from wmproof.argument.transcript import NONCE_BYTES


@dataclass(frozen=True)
class Ligero:
    """A `PolynomialCommitment`; what is said and why it convinces is in the package."""

    shape: Shape
    parameters: Parameters
    products: Sequence[tuple[int, int]]
    """The pairs of pads whose products are committed."""

    @staticmethod
    def message_bits(entries: int) -> int:
        """Row length for which proofs are shortest."""
        return message_bits(entries)

    @staticmethod
    def padded_rows(rows: int) -> int:
        """Rows with blinding: a whole aligned block of `BLINDING_ROWS` random rows comes last."""
        return rows + -rows % BLINDING_ROWS + BLINDING_ROWS

    @staticmethod
    def rehearse(
        channel: VerifierChannel, rows: int, message_bits: int, claims: Sequence[PointClaim]
    ) -> None:
        """The claims' sumchecks, and the equation that they end in."""
        bound = bind_claims(channel, rows, message_bits, claims)
        channel.require_zero("evaluation/claims", bound.claim)

    @classmethod
    def choose(
        cls,
        shape: Shape,
        products: Sequence[tuple[int, int]],
        protocol_errors: Mapping[str, Fraction],
        *,
        security_bits: float,
        grinding_bits: int,
    ) -> Ligero:
        """The fewest opened columns that will do."""
        parameters = choose_parameters(
            shape, protocol_errors, security_bits=security_bits, grinding_bits=grinding_bits
        )
        return cls(shape, parameters, products)

    @property
    def grinding_bits(self) -> int:
        """Before the columns are drawn, and in the lookups."""
        return self.parameters.grinding_bits

    @property
    def pad_layout(self) -> PadLayout:
        """Where pads lie."""
        return PadLayout(self.parameters.pad_code, self.shape.pads, self.shape.products)

    def chosen(self) -> dict[str, Any]:
        """Codes, numbers of queries, proof of work."""
        return asdict(self.parameters)

    def errors(self, protocol_errors: Mapping[str, Fraction]) -> dict[str, Fraction]:
        """As `soundness.argument_errors`."""
        return argument_errors(self.shape, self.parameters, protocol_errors)

    def sections(self) -> Sections:
        """Roots; then row, polynomials and columns; at the end the siblings in both trees."""
        chosen, layout = self.parameters, self.pad_layout
        polynomials = layout.code.dimension + layout.linear_degree + layout.quotient_degree
        witness_bytes = 4 * chosen.witness_queries * self.shape.rows
        pad_bytes = 4 * chosen.pad_queries * layout.column_height
        last = [
            Section("evaluation/row", BYTES * chosen.witness_code.dimension, True),
            Section("pads/polynomials", BYTES * polynomials, True),
            Section("positions/work", NONCE_BYTES if chosen.grinding_bits else 0, False),
            Section("witness/columns", witness_bytes, True),
            Section("witness/salts", SALT_BYTES * chosen.witness_queries, False),
            Section("pads/columns", pad_bytes, True),
            Section("pads/salts", SALT_BYTES * chosen.pad_queries, False),
        ]
        siblings = sum(
            queries * (code.length.bit_length() - 1)
            for code, queries in (
                (chosen.witness_code, chosen.witness_queries),
                (chosen.pad_code, chosen.pad_queries),
            )
        )
        return Sections([Section("roots", 2 * HASH_BYTES, False)], last, HASH_BYTES, siblings)

    def verifier(self) -> LigeroVerifier:
        """Begin a verifier's walk."""
        return LigeroVerifier(self.parameters, self.pad_layout, self.shape.rows)
