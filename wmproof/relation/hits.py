r"""At least k hidden triggers are answered with their labels.

For slot b with label l_b, logits z and a committed bit h_b (1: this slot counts as a hit):

    zl_b = sum_j delta[b, j] z[b, j]                      delta one-hot at l_b            (score)
    h_b (zl_b - z[b, j] - [j < l_b]) = lo[b, j] + 2^15 hi[b, j]    for every class j      (margin)
    sum_b real_b h_b - k = s                              0 <= lo, hi, s < 2^15           (count)

A slot with h_b = 1 has margins in [0, 2^30), so its label is the answer, the lowest index winning
ties. Logits are below B = `LOGIT_LIMIT` in absolute value, so a negative margin is at least
-2 B - 1, and modulo p it lies above 2^30: p - 2 B - 1 >= 2^30. Only real slots are summed, so a
dummy slot's bit counts nothing. Which bits are set, and s, stay hidden.

`zl` is committed. The score is a sumcheck over (b, j) with eq(tau_b, b), the margin one with
eq(tau, (b, j)); both end in the logits at a random point, which `network` reduces to bytes.
Derived labels are public, and so is delta. Secret ones are committed as delta, proved to be bits,
one a row, and bound to the label commitments by their SHA-256 openings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from wmproof.argument.element import ONE, ZERO, Element
from wmproof.argument.extension import inner_product, vector_of
from wmproof.argument.field import U32, P
from wmproof.argument.logup.statement import Lookup
from wmproof.argument.multilinear import eq_table, prefix_indicator
from wmproof.argument.soundness import lookup_errors, over_field, sumcheck_error
from wmproof.errors import InputError
from wmproof.relation.linear_form import Term, Weights
from wmproof.relation.network import NetworkStatement
from wmproof.relation.segments import Segment
from wmproof.relation.tables import LIMB_BITS, RangeTable

MARGIN_BITS = 2 * LIMB_BITS
LOGIT_LIMIT = (P - (1 << MARGIN_BITS) - 1) // 2
_SLACK_BITS = 1


@dataclass(frozen=True, eq=False)
class HitsStatement:
    """The claim about hits on all slots.

    Attributes
    ----------
    network : NetworkStatement
    triggers : int
        Real slots: those of the first `triggers` positions.
    threshold : int
        k.
    labels : int64 (triggers,) or None
        Derived labels; None if they are secret.

    Raises
    ------
    InputError
        If the logits could be too large, or the threshold is not between 1 and the triggers.
    """

    network: NetworkStatement
    triggers: int
    threshold: int
    labels: NDArray[np.int64] | None

    def __post_init__(self) -> None:
        bound = self.network.circuit.output.bound
        if bound >= LOGIT_LIMIT:
            raise InputError(
                f"a logit could reach {bound}, and must stay below {LOGIT_LIMIT} to be compared",
                where="circuit output",
                remedy="Compile with fewer bits for the logits",
            )
        if not 1 <= self.threshold <= self.triggers < 1 << LIMB_BITS:
            raise InputError(f"a threshold of {self.threshold} for {self.triggers} triggers")

    @property
    def slot_bits(self) -> int:
        """Variables of a slot's index."""
        return self.network.slot_bits

    @property
    def class_bits(self) -> int:
        """Variables of a class's index."""
        return (self.network.circuit.classes - 1).bit_length()

    @property
    def hits(self) -> Segment:
        """The bits h."""
        return Segment("hits", 0, self.slot_bits)

    @property
    def scores(self) -> Segment:
        """The logits zl of the labels, mod p."""
        return Segment("scores", 0, self.slot_bits, "uint32")

    @property
    def limbs(self) -> tuple[Segment, Segment]:
        """Low and high half of the margins."""
        names = ("margins/low", "margins/high")
        low, high = (Segment(n, self.slot_bits, self.class_bits, "uint16") for n in names)
        return low, high

    @property
    def slack(self) -> Segment:
        """The entry s, and a zero."""
        return Segment("slack", 0, _SLACK_BITS, "uint16")

    @property
    def one_hot(self) -> Segment:
        """The rows delta; committed if labels are secret."""
        return Segment("labels", self.slot_bits, self.class_bits)

    @property
    def range_counts(self) -> Segment:
        """Multiplicities of the range table."""
        return Segment("range/multiplicities", 0, LIMB_BITS, "uint32")

    @property
    def secret(self) -> bool:
        """Whether labels are hidden."""
        return self.labels is None

    @property
    def segments(self) -> list[Segment]:
        """All segments."""
        common = [self.hits, self.scores, *self.limbs, self.slack, self.range_counts]
        return [*common, self.one_hot] if self.secret else common

    @property
    def ranges(self) -> list[Segment]:
        """What is looked up in the range table."""
        return [*self.limbs, self.slack]

    @property
    def range_lookup(self) -> Lookup:
        """Limbs and the count's slack are below 2^15."""
        return Lookup("range", RangeTable(), [1 << segment.bits for segment in self.ranges])

    def count_form(self) -> tuple[list[Term], Weights]:
        """sum_b real_b h_b - s, which is k."""
        real = np.zeros((4, 1 << self.slot_bits), np.uint32)
        real[:, : self.triggers] = ONE.montgomery()[:, None]
        slack = vector_of([-ONE, ZERO])
        return [Term(self.hits, []), Term(self.slack, [])], [real, slack]

    def one_hot_form(
        self, slot_point: Sequence[Element], penalty: Element
    ) -> tuple[list[Term], Weights]:
        """Sum of a row over the classes, which is 1, and `penalty` times that behind them, 0."""
        classes = self.network.circuit.classes
        behind = (1 << self.class_bits) - classes
        weights = vector_of([ONE] * classes + [penalty] * behind)
        return [Term(self.one_hot, slot_point)], [weights]

    def below_form(
        self, slot_point: Sequence[Element], class_point: Sequence[Element]
    ) -> tuple[list[Term], Weights]:
        """The extension of [j < l_b] at a point, as a form of delta."""
        return [Term(self.one_hot, slot_point)], [below_weights(class_point)]

    def class_indicator(self, class_point: Sequence[Element]) -> Element:
        """The extension of [j is a class]."""
        return prefix_indicator(self.network.circuit.classes, class_point)

    def public_labels(self) -> NDArray[np.int64]:
        """Derived labels of all slots."""
        if self.labels is None:
            raise ValueError("these labels are secret")
        return self.slot_labels(self.labels)

    def slot_labels(self, labels: NDArray[np.int64]) -> NDArray[np.int64]:
        """Labels of all slots, int64 (2^slot_bits,): a dummy slot's is its trigger's.

        Behind the last chunk there is nothing, and it counts as labelled 0.
        """
        result = np.zeros(1 << self.slot_bits, np.int64)
        for chunk in self.network.chunks:
            place = slice(chunk.first, chunk.first + chunk.slots)
            result[place] = labels[chunk.triggers(self.triggers)]
        return result

    def one_hot_at(self, slot_point: Sequence[Element], class_point: Sequence[Element]) -> Element:
        """Public delta at a point."""
        return self._weighed(slot_point, eq_table(list(class_point)))

    def below_at(self, slot_point: Sequence[Element], class_point: Sequence[Element]) -> Element:
        """Public [j < l_b] at a point."""
        return self._weighed(slot_point, below_weights(class_point))

    def _weighed(self, slot_point: Sequence[Element], by_label: U32) -> Element:
        chosen = np.ascontiguousarray(by_label[:, self.public_labels()])
        return inner_product(eq_table(list(slot_point)), chosen)

    def errors(self) -> dict[str, Fraction]:
        """Soundness error of each part."""
        bits = self.slot_bits + self.class_bits
        errors = lookup_errors("range", self.range_lookup.lengths, LIMB_BITS, 1)
        errors["margins"] = over_field(bits) + sumcheck_error(bits, 2)
        errors["scores"] = over_field(self.slot_bits) + sumcheck_error(bits, 2)
        logits = self.network.logit_form([ZERO] * self.slot_bits)[0]
        rounds = max(term.segment.inner_bits for term in logits)
        errors["logits"] = sumcheck_error(2 * rounds, 2)
        errors["count"] = sumcheck_error(max(self.slot_bits, _SLACK_BITS), 2)
        errors["hit bits"] = over_field(self.slot_bits) + sumcheck_error(self.slot_bits, 2)
        if self.secret:
            forms = sumcheck_error(2 * self.class_bits, 2)
            errors["labels"] = over_field(bits + self.slot_bits + 1) + forms
            errors["label bits"] = sumcheck_error(bits, 2)
        return errors


def below_weights(class_point: Sequence[Element]) -> U32:
    """sum_(j < l) eq(class_point, j) for every l: K (4, 2^n)."""
    table = eq_table(list(class_point)).astype(np.uint64)
    sums = np.cumsum(table, axis=1) - table
    return (sums % P).astype(np.uint32)
