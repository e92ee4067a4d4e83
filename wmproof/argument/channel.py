"""The verifier's side of an encrypted transcript: messages that it holds only up to one-time pads.

Source: the transcript encryption of Longfellow (Frigo and shelat, ePrint 2024/2010; draft-google-
cfrg-libzk), after Ben-Or et al., 'Everything provable is provable in zero-knowledge'.

Whatever the prover says, it says as m + pad with a fresh uniform pad in K that it committed to
before the first challenge. To the verifier a message is therefore the *expression* (sent - pad_i),
affine in unknown pads, and so is every claim that it derives. A check that would have compared two
numbers becomes one linear equation in the pads; a product of two messages uses a committed product
pad_i * pad_j. At the end the polynomial commitment proves all of these equations at once.

*Soundness*: pads are bound before any challenge, so the sent values determine the messages, and the
equations hold exactly if the unencrypted checks pass. *Zero knowledge*: each sent value is uniform
and independent of everything else, so a simulator sends random elements.

With ``hiding=False`` there are no pads, expressions are constants, and each check is made at once:
the same protocol code gives the plain argument, for measuring what hiding costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from wmproof.argument.algebra.element import ONE, ZERO, Element
from wmproof.argument.transcript import VerifierTranscript
from wmproof.errors import ProofError

_MINUS_ONE = -ONE


@dataclass(frozen=True, slots=True)
class Expression:
    """constant + sum of coefficient * unknown."""

    constant: Element
    terms: dict[int, Element] = field(default_factory=dict)
    """Coefficients. Unknown i >= 0 is pad i; unknown ~k < 0 is product k, the product of two
    pads."""

    def __add__(self, other: Expression) -> Expression:
        return combine([(ONE, self), (ONE, other)])

    def __sub__(self, other: Expression) -> Expression:
        return combine([(ONE, self), (_MINUS_ONE, other)])

    def plus(self, value: Element) -> Expression:
        """Add a public number."""
        return Expression(self.constant + value, self.terms)

    def times(self, factor: Element) -> Expression:
        """Multiply by a public number."""
        return combine([(factor, self)])


def constant(value: Element) -> Expression:
    """A public number as an expression."""
    return Expression(value)


def combine(parts: Iterable[tuple[Element, Expression]]) -> Expression:
    """Return the sum of factor * expression over `parts`."""
    total = ZERO
    terms: dict[int, Element] = {}
    for factor, expression in parts:
        # Most factors are one, and most coefficients those of messages as received.
        plain, negative = factor is ONE, -factor
        total = total + (expression.constant if plain else factor * expression.constant)
        for unknown, coefficient in expression.terms.items():
            if plain:
                value = coefficient
            elif coefficient is _MINUS_ONE:
                value = negative
            else:
                value = factor * coefficient
            terms[unknown] = terms[unknown] + value if unknown in terms else value
    return Expression(total, terms)


@dataclass
class ConstraintSystem:
    """What must hold of the pads for the transcript to be accepting."""

    pads: int = 0
    """Number of pads, in the order of the messages that they hide."""
    products: list[tuple[int, int]] = field(default_factory=list)
    """Product k is pad i times pad j."""
    zeros: list[Expression] = field(default_factory=list)
    """Expressions that must be zero."""


class VerifierChannel:
    """What a protocol's verifier talks to.

    Parameters
    ----------
    transcript : VerifierTranscript
        Where bytes come from.
    hiding : bool
        Whether messages are padded.
    rehearsal : bool
        A run on messages of zeros that only counts pads and products (the prover has to commit to
        them before it starts): no check fails, and public computations are skipped.
    grinding_bits : int
        Proof of work that `grind` demands.
    """

    def __init__(
        self,
        transcript: VerifierTranscript,
        *,
        hiding: bool = True,
        rehearsal: bool = False,
        grinding_bits: int = 0,
    ) -> None:
        self.transcript = transcript
        self.system = ConstraintSystem()
        self._hiding = hiding
        self._rehearsal = rehearsal
        self._grinding_bits = grinding_bits

    def grind(self, label: str) -> None:
        """Have the prover work before a challenge whose error is large."""
        self.transcript.check_grinding(label, self._grinding_bits)

    def receive(self, label: str, count: int) -> list[Expression]:
        """Read `count` messages in K; where `count` is 0, nothing is sent."""
        if not count:
            return []
        sent = self.transcript.receive_elements(label, count)
        if not self._hiding:
            return [Expression(value) for value in sent]
        first = self.system.pads
        self.system.pads += count
        return [Expression(value, {first + i: _MINUS_ONE}) for i, value in enumerate(sent)]

    def challenge(self, label: str) -> Element:
        """One challenge in K."""
        return self.transcript.challenge(label)

    def challenges(self, label: str, count: int) -> list[Element]:
        """`count` challenges in K."""
        return self.transcript.challenges(label, count)

    def public(self, compute: Callable[[], Element], label: str = "") -> Element:
        """Return a number that the verifier computes alone, at a cost worth sparing a rehearsal.

        Parameters
        ----------
        compute : callable
        label : str
            Names the number for a prover, who walks here too and may know it.
        """
        return ZERO if self._rehearsal else compute()

    def multiply(self, x: Expression, y: Expression) -> Expression:
        """Return the product of two messages, each affine in at most one pad."""
        if not x.terms or not y.terms:
            return y.times(x.constant) if not x.terms else x.times(y.constant)
        if len(x.terms) > 1 or len(y.terms) > 1:
            raise ValueError("only messages as received can be multiplied")
        ((i, a),) = x.terms.items()
        ((j, b),) = y.terms.items()
        self.system.products.append((i, j))
        # (x0 + a u) (y0 + b v), where x and y may be the same message.
        terms = {~(len(self.system.products) - 1): a * b, j: b * x.constant}
        terms[i] = terms[i] + a * y.constant if i == j else a * y.constant
        return Expression(x.constant * y.constant, terms)

    def require_zero(self, label: str, expression: Expression) -> None:
        """Demand that an expression is zero: now if it has no unknowns, in the end if it has."""
        if expression.terms:
            self.system.zeros.append(expression)
        elif expression.constant != ZERO and not self._rehearsal:
            raise ProofError("argument", f"the check '{label}' does not hold")

    def require_product(self, label: str, x: Expression, y: Expression, z: Expression) -> None:
        """Demand that x * y = z, for messages x and y."""
        self.require_zero(label, self.multiply(x, y) - z)


def sum_of(expressions: Sequence[Expression]) -> Expression:
    """Return the sum of expressions."""
    return combine((ONE, expression) for expression in expressions)
