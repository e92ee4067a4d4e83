"""All openings of a claim under the two-layer commitment; the package states the protocol."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from wmproof.argument.algebra.element import Element
from wmproof.argument.algebra.extension import inner_product
from wmproof.argument.algebra.field import U32, P
from wmproof.argument.algebra.matrices import product
from wmproof.argument.algebra.multilinear import eq_table
from wmproof.argument.logup.statement import ArrayTable, Lookup
from wmproof.argument.soundness import lookup_errors, over_field, sumcheck_error
from wmproof.commitment.matrix import RANDOMNESS_BYTES
from wmproof.commitment.scheme import Kind
from wmproof.commitment.sha256_sis import outer, parse_inner
from wmproof.errors import InputError, VerificationError
from wmproof.relation.linear_form.statement import Term, Weights
from wmproof.relation.openings.sha256_sis.rows import ROW_BITS, CombinedRows
from wmproof.relation.openings.statement import CommittedSlots, Inner
from wmproof.relation.segments import Segment

# r is committed in parts of 2^10 and 2^8 bytes, which leaves 8 places empty rather than 776.
PART_BITS = (10, 8)
_BYTE_BITS = 8


class SisStatement:
    """The linear equations of all slots.

    `inner` is v of all hidden triggers for each kind; None where only sizes are asked for.

    Raises
    ------
    VerificationError
        Check ``inner-commitments``: one is not what the key's commitment is a hash of.
    InputError
        There are more bytes than the field can count.
    """

    def __init__(self, slots: Sequence[CommittedSlots], inner: Inner | None) -> None:
        self.slots = tuple(slots)
        self._values = None if inner is None else _checked(self.slots, inner)
        if self.lookup.counted >= P:
            raise InputError(
                f"{self.lookup.counted} bytes of openings cannot be counted in the field",
                remedy="Prove fewer triggers with --triggers",
            )

    def randomness(self, slots: CommittedSlots) -> list[Segment]:
        """The parts of r."""
        return [
            Segment(f"{slots.label}/randomness{part}", slots.slot_bits, bits)
            for part, bits in enumerate(PART_BITS)
        ]

    @property
    def multiplicities(self) -> Segment:
        """How often each byte occurs in `ranged`."""
        return Segment("openings/multiplicities", 0, _BYTE_BITS, "uint32")

    @property
    def segments(self) -> list[Segment]:
        """Randomness of all slots, and the multiplicities."""
        return [*(part for own in self.slots for part in self.randomness(own)), self.multiplicities]

    @property
    def ranged(self) -> list[Segment]:
        """What is looked up in the table of bytes: all randomness, and messages as they are."""
        messages = [own.source.unranged for own in self.slots]
        return [*self.segments[:-1], *(segment for segment in messages if segment is not None)]

    @property
    def lookup(self) -> Lookup:
        """Every one of `ranged` holds bytes."""
        table = ArrayTable(np.arange(1 << _BYTE_BITS, dtype=np.uint32)[None])
        lengths = [segment.entries for segment in self.ranged]
        blocks = [segment.blocks for segment in self.ranged]
        return Lookup("openings", table, lengths, blocks)

    def terms(self, slots: CommittedSlots, slot_point: Sequence[Element]) -> list[Term]:
        """Terms of the linear form of some slots: r, then the message."""
        parts = [Term(segment, slot_point) for segment in self.randomness(slots)]
        return [*parts, *slots.source.terms(slot_point)]

    def combined(self, rho: Sequence[Element]) -> CombinedRows:
        """The rows of A, combined by eq(rho, .), for the longest message."""
        longest = max(own.message_bytes for own in self.slots)
        return CombinedRows(rho, RANDOMNESS_BYTES + longest)

    def weights(
        self, slots: CommittedSlots, rows: CombinedRows, slot_point: Sequence[Element]
    ) -> tuple[Weights, Element]:
        """Weights of `terms`, in their order, and minus what they add up to."""
        randomness = np.zeros((4, sum(1 << bits for bits in PART_BITS)), np.uint32)
        randomness[:, :RANDOMNESS_BYTES] = rows.columns[:, :RANDOMNESS_BYTES]
        cuts = np.cumsum([1 << bits for bits in PART_BITS])[:-1]
        parts = [np.ascontiguousarray(part) for part in np.split(randomness, cuts, axis=1)]
        stop = RANDOMNESS_BYTES + slots.message_bytes
        message = np.ascontiguousarray(rows.columns[:, RANDOMNESS_BYTES:stop])
        total = inner_product(self._folded(slots, slot_point), rows.weights)
        return [*parts, *slots.source.weights(message)], -total

    def _folded(self, slots: CommittedSlots, slot_point: Sequence[Element]) -> U32:
        """sum_b eq(slot_point, b) v_b: K (4, 320)."""
        if self._values is None:
            raise ValueError("this statement was made for its sizes only")
        own = self._values[slots.kind][slots.triggers]
        return product(eq_table(list(slot_point)), own)

    def errors(self) -> dict[str, Fraction]:
        """Soundness error of each part."""
        bits = rounds = 0
        for own in self.slots:
            bits += own.slot_bits
            rounds += max(term.inner_bits for term in self.terms(own, [Element(0)] * own.slot_bits))
        errors = lookup_errors("openings", self.lookup.lengths, _BYTE_BITS, 1)
        errors["openings linear"] = over_field(ROW_BITS + bits) + sumcheck_error(rounds, 2)
        return errors


def _checked(slots: Sequence[CommittedSlots], inner: Inner) -> dict[Kind, U32]:
    """V of all hidden triggers of each kind, uint32 (triggers, 320)."""
    values = {}
    for kind, own in {own.kind: own for own in slots}.items():
        shown = inner[kind]
        try:
            values[kind] = parse_inner(shown)
        except InputError as error:
            raise VerificationError("inner-commitments", error.what) from None
        wrong = (outer(shown, own.places, own.message_bytes) != own.digests).any(axis=1)
        if wrong.any():
            index = int(own.places.indices[np.argmax(wrong)])
            raise VerificationError(
                "inner-commitments",
                f"{int(wrong.sum())} inner commitments are not those of the key, the first being "
                f"the {kind.name.lower()}'s at position {index}",
                numbers={"wrong": int(wrong.sum()), "first_index": index},
            )
    return values
