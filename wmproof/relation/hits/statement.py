r"""At least k hidden triggers, or groups of them, are answered with their labels.

A *coin* c is what has a label of its own: a trigger, or a group of g triggers in a row whose logits
are added up. For coin c with label l_c, scores z and a committed bit h_c (1: it counts as a hit):

    zl_c = sum_j delta[c, j] z[c, j]                      delta one-hot at l_c            (score)
    h_c (zl_c - z[c, j] - lead[c, j]) = lo[c, j] + 2^15 hi[c, j]   for every class j      (margin)
    sum_c real_c h_c - k = s                              0 <= lo, hi, s < 2^15           (count)

A coin with h_c = 1 has margins in [0, 2^30), so its label has the largest score. Of single triggers
lead[c, j] = [j < l_c], and the lowest index wins ties, as it does in answers. Of groups
lead[c, j] = [j != l_c]: the sum for the label is larger than every other, and ties are misses.
Scores are below B = `SCORE_LIMIT` in absolute value: g times the circuit's bound on a logit is,
which is checked, so no sum wraps. Hence a negative margin is at least -2 B - 1, and modulo p it
lies above 2^30: p - 2 B - 1 >= 2^30. Only real coins are counted, so a dummy's bit counts nothing.
Which bits are set, and s, stay hidden.

`zl` is committed. The score is a sumcheck over (c, j) with eq(tau_c, c), the margin one with
eq(tau, (c, j)); both end in z at a random point (r, r_j). A single trigger's coin is its slot,
and z its logits. Groups lie one after the other in the real slots, from slot 0 on, and theirs are

    z(r, r_j) = sum_b w_b logits(b, r_j)        w_b = eq(r, floor(b / g)) for real b, else 0  (sum)

one more sumcheck over slots b. It counts each picture once, in its own group, and no dummy. The
logits at a point are reduced to bytes by `network`.

Derived labels are public, and so is delta. Secret ones are committed as delta, proved to be bits,
one a row, and bound to the label commitments by their SHA-256 openings; they have no groups.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from wmproof.argument.algebra.element import ONE, ZERO, Element
from wmproof.argument.algebra.extension import inner_product, vector_of
from wmproof.argument.algebra.field import U32, P
from wmproof.argument.algebra.multilinear import eq_table, prefix_indicator
from wmproof.argument.logup.statement import Lookup
from wmproof.argument.soundness import lookup_errors, over_field, sumcheck_error
from wmproof.errors import InputError
from wmproof.relation.linear_form.statement import Term, Weights
from wmproof.relation.network.statement import NetworkStatement
from wmproof.relation.network.tables import LIMB_BITS, RangeTable
from wmproof.relation.segments import Segment

MARGIN_BITS = 2 * LIMB_BITS
SCORE_LIMIT = (P - (1 << MARGIN_BITS) - 1) // 2
_SLACK_BITS = 1


@dataclass(frozen=True, eq=False)
class HitsStatement:
    """The claim about hits of all coins.

    InputError if the scores could be too large, the triggers are no whole groups of one label each,
    the threshold is not between 1 and the coins, or there are more margins than the field counts.
    """

    network: NetworkStatement
    triggers: int
    """Real slots: those of the first `triggers` positions."""
    threshold: int
    """k."""
    labels: NDArray[np.int64] | None
    """int64 (triggers,) or None: derived labels, those of a group all equal; None if they are
    secret."""
    group: int = 1
    """g: how many triggers in a row are one coin. More than 1 with derived labels only."""

    def __post_init__(self) -> None:
        self._check_groups()
        bound = self.group * self.network.circuit.output.bound(self.network.circuit.largest)
        if bound >= SCORE_LIMIT:
            raise InputError(
                f"a score could reach {bound}, and must stay below {SCORE_LIMIT} to be compared",
                where="circuit output",
                remedy="Compile with fewer bits for the logits, or use a key of smaller groups",
            )
        if not 1 <= self.threshold <= self.coins < 1 << LIMB_BITS:
            raise InputError(f"a threshold of {self.threshold} for {self.coins} coins")
        if sum(self.range_lookup.lengths) >= P:
            raise InputError(
                f"{sum(self.range_lookup.lengths)} margins cannot be counted in the field",
                remedy="Prove fewer triggers with --triggers",
            )

    def _check_groups(self) -> None:
        if self.group < 1 or self.triggers % self.group:
            raise InputError(f"{self.triggers} triggers are no whole groups of {self.group}")
        if self.group == 1:
            return
        if self.labels is None:
            raise InputError("labels of the owner's choice have no groups")
        if (self.labels.reshape(-1, self.group) != self.labels[:: self.group, None]).any():
            raise InputError("a group has more than one label")

    @property
    def coins(self) -> int:
        """How many labels there are: one for each group."""
        return self.triggers // self.group

    @property
    def coin_bits(self) -> int:
        """Variables of a coin's index, which is its slot where triggers are single."""
        return self.slot_bits if self.group == 1 else (self.coins - 1).bit_length()

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
        return Segment("hits", 0, self.coin_bits)

    @property
    def scores(self) -> Segment:
        """The scores zl of the labels, mod p."""
        return Segment("scores", 0, self.coin_bits, "uint32")

    @property
    def limbs(self) -> tuple[Segment, Segment]:
        """Low and high half of the margins."""
        names = ("margins/low", "margins/high")
        low, high = (Segment(n, self.coin_bits, self.class_bits, "uint16") for n in names)
        return low, high

    @property
    def slack(self) -> Segment:
        """The entry s, and a zero."""
        return Segment("slack", 0, _SLACK_BITS, "uint16")

    @property
    def one_hot(self) -> Segment:
        """The rows delta; committed if labels are secret."""
        return Segment("labels", self.coin_bits, self.class_bits)

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
        """sum_c real_c h_c - s, which is k."""
        real = np.zeros((4, 1 << self.coin_bits), np.uint32)
        real[:, : self.coins] = ONE.montgomery()[:, None]
        slack = vector_of([-ONE, ZERO])
        return [Term(self.hits, []), Term(self.slack, [])], [real, slack]

    def one_hot_form(
        self, coin_point: Sequence[Element], penalty: Element
    ) -> tuple[list[Term], Weights]:
        """Sum of a row over the classes, which is 1, and `penalty` times that behind them, 0."""
        classes = self.network.circuit.classes
        behind = (1 << self.class_bits) - classes
        weights = vector_of([ONE] * classes + [penalty] * behind)
        return [Term(self.one_hot, coin_point)], [weights]

    def lead_form(
        self, coin_point: Sequence[Element], class_point: Sequence[Element]
    ) -> tuple[list[Term], Weights]:
        """The extension of lead at a point, as a form of delta."""
        return [Term(self.one_hot, coin_point)], [self._lead_weights(class_point)]

    def class_indicator(self, class_point: Sequence[Element]) -> Element:
        """The extension of [j is a class]."""
        return prefix_indicator(self.network.circuit.classes, class_point)

    def public_labels(self) -> NDArray[np.int64]:
        """Derived labels of all slots."""
        if self.labels is None:
            raise ValueError("these labels are secret")
        return self.coin_labels(self.labels)

    def coin_labels(self, labels: NDArray[np.int64]) -> NDArray[np.int64]:
        """Labels of all coins, int64 (2^coin_bits,): of single triggers a dummy's is its trigger's.

        Behind the last chunk or the last group there is nothing, and it counts as labelled 0.
        """
        result = np.zeros(1 << self.coin_bits, np.int64)
        if self.group > 1:
            result[: self.coins] = labels[:: self.group]
            return result
        for chunk in self.network.chunks:
            place = slice(chunk.first, chunk.first + chunk.slots)
            result[place] = labels[chunk.triggers(self.triggers)]
        return result

    def scores_of(self, logits: NDArray[np.int64]) -> NDArray[np.int64]:
        """What is compared: the logits of single triggers, the sums of groups; zero behind them.

        `logits` are int64 (slots of all chunks, classes).

        Returns
        -------
        int64 (2^coin_bits, 2^class_bits)
        """
        if self.group > 1:
            members = logits[: self.triggers].reshape(self.coins, self.group, -1)
            logits = members.sum(axis=1)
        z = np.zeros((1 << self.coin_bits, 1 << self.class_bits), np.int64)
        z[: len(logits), : logits.shape[1]] = logits
        return z

    def leads(self, labels: NDArray[np.int64]) -> NDArray[np.int64]:
        """By how much a label's score has to be larger than each class's.

        `labels` are int64 (2^coin_bits,). Returns int64 (2^coin_bits, 2^class_bits), zero behind
        the classes.
        """
        j, own = np.arange(1 << self.class_bits), labels[:, None]
        behind = j < own if self.group == 1 else (j != own) & (j < self.network.circuit.classes)
        return np.asarray(behind, np.int64)

    def one_hot_at(self, coin_point: Sequence[Element], class_point: Sequence[Element]) -> Element:
        """Public delta at a point."""
        return self._weighed(coin_point, eq_table(list(class_point)))

    def lead_at(self, coin_point: Sequence[Element], class_point: Sequence[Element]) -> Element:
        """Public lead at a point."""
        return self._weighed(coin_point, self._lead_weights(class_point))

    def member_weights(self, coin_point: Sequence[Element]) -> U32:
        """w: how much each real slot's logits count in the sums at a point, K (4, triggers)."""
        groups = eq_table(list(coin_point))[:, : self.coins]
        return np.repeat(groups, self.group, axis=1)

    def members_at(self, coin_point: Sequence[Element], slot_point: Sequence[Element]) -> Element:
        """The extension of w at a point of the slots."""
        real = np.ascontiguousarray(eq_table(list(slot_point))[:, : self.triggers])
        return inner_product(real, self.member_weights(coin_point))

    def _lead_weights(self, class_point: Sequence[Element]) -> U32:
        """sum_j eq(class_point, j) lead_l[j] for every label l: K (4, 2^class_bits)."""
        if self.group == 1:
            return _below_weights(class_point)
        own = eq_table(list(class_point)).astype(np.uint64)
        total = own[:, : self.network.circuit.classes].sum(axis=1, keepdims=True)
        return np.asarray((total + P - own) % P, np.uint32)

    def _weighed(self, coin_point: Sequence[Element], by_label: U32) -> Element:
        chosen = np.ascontiguousarray(by_label[:, self.public_labels()])
        return inner_product(eq_table(list(coin_point)), chosen)

    def errors(self) -> dict[str, Fraction]:
        """Soundness error of each part."""
        bits = self.coin_bits + self.class_bits
        errors = lookup_errors("range", self.range_lookup.lengths, LIMB_BITS, 1)
        errors["margins"] = over_field(bits) + sumcheck_error(bits, 2)
        errors["scores"] = over_field(self.coin_bits) + sumcheck_error(bits, 2)
        if self.group > 1:
            errors["sums"] = sumcheck_error(2 * self.slot_bits, 2)
        logits = self.network.logit_form([ZERO] * self.slot_bits)[0]
        rounds = max(term.inner_bits for term in logits)
        errors["logits"] = sumcheck_error(2 * rounds, 2)
        errors["count"] = sumcheck_error(max(self.coin_bits, _SLACK_BITS), 2)
        errors["hit bits"] = over_field(self.coin_bits) + sumcheck_error(self.coin_bits, 2)
        if self.secret:
            forms = sumcheck_error(2 * self.class_bits, 2)
            errors["labels"] = over_field(bits + self.coin_bits + 1) + forms
            errors["label bits"] = sumcheck_error(bits, 2)
        return errors


def _below_weights(class_point: Sequence[Element]) -> U32:
    """sum_(j < l) eq(class_point, j) for every l: K (4, 2^n)."""
    table = eq_table(list(class_point)).astype(np.uint64)
    sums = np.cumsum(table, axis=1) - table
    return (sums % P).astype(np.uint32)
