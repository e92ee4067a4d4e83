"""How likely a false statement is accepted, added up part by part.

All bounds are proved ones. An error is a probability; the sum over all parts bounds the interactive
argument's error. Fiat-Shamir multiplies each round's error by the number of hash calls that an
attacker makes; proof of work (`grinding_bits`) takes as many bits off that for the rounds behind
it, which are the large ones: the commitment's queries and the lookups' compression.

Not in the sum, because no finite field is to blame: collisions of BLAKE3, 128 bits.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import log2

from wmproof.argument.algebra.field import P

FIELD_SIZE = P**4


class Ground(Fraction):
    """The error of a round that proof of work stands before: each try costs that work."""


def bits(error: Fraction) -> float:
    """-log2 of an error."""
    if error == 0:
        return float("inf")
    return log2(error.denominator) - log2(error.numerator)


def over_field(count: int) -> Fraction:
    """`count` bad challenges among |K|."""
    return Fraction(count, FIELD_SIZE)


def sumcheck_error(variables: int, degree: int) -> Fraction:
    """A false claim becomes a true one: degree + 1 bad challenges a round."""
    return over_field(variables * (degree + 1))


def lookup_errors(
    label: str, lengths: Sequence[int], table_bits: int, width: int
) -> dict[str, Fraction]:
    """Errors of one lookup argument by part.

    The compression's error is Schwartz-Zippel for the cross-multiplied fractions, a polynomial in
    (a, beta) of degree at most max(1, width - 1) in each of its N + T linear factors.
    """
    tree_bits = [max(1, (n - 1).bit_length()) for n in lengths]
    entries = sum(1 << b for b in tree_bits) + (1 << table_bits)
    layers = 0
    for depth in [*tree_bits, table_bits]:
        # Per layer k: the weight lambda, k sumcheck rounds of degree 2, the half.
        layers += sum(1 + 3 * k + 1 for k in range(depth))
    return {
        f"{label} compression": Ground(over_field(entries * max(1, width - 1))),
        f"{label} layers": over_field(layers),
    }
