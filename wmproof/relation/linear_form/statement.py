r"""Linear forms of the witness: sum_j <eq(b_j, .) (x) w_j, segment_j> = value, w_j public.

Each term folds its segment over the batch, at the point b_j, into one vector of the size of one
image; the sum of inner products with the weights w_j is one plain sumcheck over those, whatever
the weights stand for. It ends at a random point r in claims segment_j(b_j, r_j), r_j being the
last coordinates of r, on messages whose sum with the public factors w_j(r_j) must be the
sumcheck's value. Shorter vectors count as extended by zeros, in front of all but their last
variables.

*Soundness*: n rounds of degree 2, so 3 n / |K| for forms of n inner variables.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from wmproof.argument.algebra.element import ONE, Element
from wmproof.argument.algebra.field import U32
from wmproof.argument.algebra.multilinear import evaluate_vector
from wmproof.argument.channel import Expression, VerifierChannel, combine
from wmproof.argument.sumcheck import verifier as sumcheck_verifier
from wmproof.relation.segments import Segment, SegmentClaim


@dataclass(frozen=True)
class Term:
    """One segment with its weights."""

    segment: Segment
    batch_point: Sequence[Element]
    """The segment's coordinates behind those of its blocks; the form is about what is left."""

    @property
    def inner_bits(self) -> int:
        """Variables that are left."""
        return self.segment.bits - len(self.batch_point)

    def point(self, left: Sequence[Element]) -> list[Element]:
        """The segment's point with these coordinates for what is left."""
        return self.segment.joined(self.batch_point, left)


Weights = Sequence[U32]
"""For each term the inner weights: uint32 (4, at most 2^inner_bits), K in Montgomery form."""


def verify(
    channel: VerifierChannel,
    label: str,
    terms: Sequence[Term],
    weights: Callable[[], tuple[Weights, Element]],
    value: Expression,
) -> list[SegmentClaim[Expression]]:
    """Reduce ``sum of the terms + constant = value`` to a claim for each term.

    Parameters
    ----------
    channel : VerifierChannel
    label : str
    terms : sequence of Term
    weights : callable
        Computes the weights and the constant; a rehearsal does without.
    value : Expression
    """
    known = _Public(weights)
    inner_bits = max(term.inner_bits for term in terms)
    target = value.plus(-channel.public(lambda: known.constant, f"{label}/constant"))
    r, reduced = sumcheck_verifier.verify(
        channel,
        label,
        sumcheck_verifier.halved(target, inner_bits),
        sumcheck_verifier.halves(inner_bits),
        degree=2,
    )
    messages = channel.receive(f"{label}/values", len(terms))
    parts = [(-ONE, reduced)]
    claims = []
    for j, (term, message) in enumerate(zip(terms, messages, strict=True)):
        tail = r[inner_bits - term.inner_bits :]
        factor = channel.public(partial(known.factor, j, r, tail), f"{label}/factor{j}")
        parts.append((factor, message))
        claims.append(SegmentClaim(term.segment, term.point(tail), message))
    channel.require_zero(f"{label}/sum", combine(parts))
    return claims


class _Public:
    """What the verifier computes alone, once and only if it is asked."""

    def __init__(self, compute: Callable[[], tuple[Weights, Element]]) -> None:
        self._compute = compute
        self._result: tuple[Weights, Element] | None = None

    def _get(self) -> tuple[Weights, Element]:
        if self._result is None:
            self._result = self._compute()
        return self._result

    @property
    def constant(self) -> Element:
        return self._get()[1]

    def factor(self, term: int, r: Sequence[Element], tail: Sequence[Element]) -> Element:
        """Extended weights and zeros in front of the segment's vector, both at r."""
        lead = leading_factor(r[: len(r) - len(tail)])
        return lead * lead * evaluate_vector(self._get()[0][term], tail)


def leading_factor(leading: Sequence[Element]) -> Element:
    """What zeros behind a short vector make of its extension: the product of (1 - r_i)."""
    factor = ONE
    for coordinate in leading:
        factor = factor * (ONE - coordinate)
    return factor
