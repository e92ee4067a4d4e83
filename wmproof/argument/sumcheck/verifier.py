"""The sumcheck's verifier."""

from collections.abc import Sequence

from wmproof.argument.algebra.element import HALF, ONE, Element
from wmproof.argument.channel import Expression, VerifierChannel, combine


def verify(
    channel: VerifierChannel, label: str, claim: Expression, point: Sequence[Element], degree: int
) -> tuple[list[Element], Expression]:
    """Reduce ``claim = sum_x eq(point, x) F(x)`` to a claim about F at a random point.

    Parameters
    ----------
    channel : VerifierChannel
        Where the round polynomials come from.
    label : str
        Name of this instance in the transcript.
    claim : Expression
    point : n elements of K
    degree : int
        Largest number of multilinears in one product of F.

    Returns
    -------
    r : n elements of K
        The random point.
    value : Expression
        What F(r) must be; the caller has to check it.
    """
    parts = [(ONE, claim)]
    challenges = []
    for rho in point:
        coefficients = channel.receive(f"{label}/round", degree)
        r = channel.challenge(f"{label}/r")
        power = r
        for coefficient in coefficients:
            parts.append((power - rho, coefficient))
            power = power * r
        challenges.append(r)
    return challenges, combine(parts)


def halves(variables: int) -> list[Element]:
    """Return the point (1/2, ..., 1/2) that stands for a sum without eq factor."""
    return [HALF] * variables


def halved(claim: Expression, variables: int) -> Expression:
    """Return a plain sum's claim divided by 2^n, as `verify` wants it."""
    return claim.times(HALF**variables)
