"""The sumcheck's prover: linear time, in place, on all cores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from wmproof._base.threads import over_ranges
from wmproof.argument.algebra.element import ONE, ZERO, Element
from wmproof.argument.algebra.extension import U64, sums_of
from wmproof.argument.algebra.field import U32
from wmproof.argument.algebra.multilinear import prefix_indicator
from wmproof.argument.kernels.multilinear import eq_tables
from wmproof.argument.prover_channel import ProverChannel
from wmproof.argument.sumcheck.kernels import Terms, evaluate_round, fold, fold_and_evaluate

_LOW_BITS = 10


@dataclass(frozen=True)
class Cube:
    """The entries of multilinears in `bits` variables whose last ones are an index of `blocks`.

    With more variables than those of the index, tables hold the blocks that there are, side by
    side for each value of the others; in place of others every multilinear is constant.
    """

    bits: int
    blocks: int = 1
    """Odd; 1 if there is no such index."""

    @property
    def block_bits(self) -> int:
        """Variables of the index."""
        return (self.blocks - 1).bit_length()

    @property
    def made(self) -> int:
        """Entries that are computed, from twice as many of one variable more."""
        free = self.bits - self.block_bits
        return self.blocks << free if free >= 0 else 1 << self.bits

    @property
    def held(self) -> int:
        """Entries that a table has to have place for: once the index is all that is left, all."""
        return 1 << self.bits if self.bits <= self.block_bits else self.made


@dataclass(frozen=True)
class Missing:
    """What multilinears are in place of blocks that there are not."""

    cube: Cube
    constants: Sequence[Element]
    """One for each multilinear."""

    def value(self, terms: Terms, point: Sequence[Element]) -> Element:
        """What a sum has of it at X = 0; the leading coefficient, of products of two, is 0."""
        total = ZERO
        for first, second in terms.tolist():
            total = total + self.constants[first] * self.constants[second]
        last = point[len(point) - self.cube.block_bits :]
        return total * (ONE - prefix_indicator(self.cube.blocks, last))

    def cut(self, low: U32) -> U32:
        """Eq weights of the last variables, of the blocks that there are."""
        whole = low.reshape(4, -1, 1 << self.cube.block_bits)
        return np.ascontiguousarray(whole[:, :, : self.cube.blocks]).reshape(4, -1)


def fill_up(tables: U32, cube: Cube, constants: Sequence[Element]) -> None:
    """Write the constants where blocks are missing, if the index is all that is left."""
    if cube.bits == cube.block_bits:
        for table, constant in zip(tables, constants, strict=True):
            table[:, cube.blocks : 1 << cube.bits] = constant.montgomery()[:, None]


class EqWeights:
    """eq(point_(i+1..n), x) for the variables that are free in round i, as a tensor product.

    Parameters
    ----------
    point : sequence of Element
        Of all n variables.
    together : int
        So many of the last ones are in one table.
    """

    def __init__(self, point: Sequence[Element], together: int = 0) -> None:
        self._count = len(point)
        free = point[1:]
        split = max(0, len(free) - max(together, _LOW_BITS))
        self._low, self._high = eq_tables(free[split:]), eq_tables(free[:split])

    def after(self, bound: int) -> tuple[U32, U32]:
        """Return (low, high) tables for the variables after the first `bound`, at least one."""
        low = min(self._count - bound, len(self._low) - 1)
        return self._low[low], self._high[self._count - bound - low]


def interpolate(values: Sequence[Element], claim: Element, rho: Element) -> list[Element]:
    """Return h's coefficients c_1..c_d.

    Parameters
    ----------
    values : d elements
        h(0), then for d > 1 the leading coefficient, then h(2), ..., h(d - 1).
    claim : Element
        (1 - rho) h(0) + rho h(1).
    rho : Element
        Not zero, as no challenge is.
    """
    degree = len(values)
    at_zero = values[0]
    at_one = (claim - (ONE - rho) * at_zero) * rho.inverse()
    if degree == 1:
        return [at_one - at_zero]
    leading = values[1]
    if degree == 2:
        return [at_one - at_zero - leading, leading]
    nodes = [at_zero, at_one, *values[2:]]
    # Take the leading term away, and interpolate the rest of degree d - 1 through d points.
    lower = [value - leading * Element.of(t**degree) for t, value in enumerate(nodes)]
    return [*_monomial_coefficients(lower)[1:], leading]


def _monomial_coefficients(values: Sequence[Element]) -> list[Element]:
    # Newton's divided differences at 0, 1, 2, ..., expanded.
    differences = list(values)
    for step in range(1, len(values)):
        inverse = Element.of(step).inverse()
        for t in range(len(values) - 1, step - 1, -1):
            differences[t] = (differences[t] - differences[t - 1]) * inverse
    coefficients = [ZERO] * len(values)
    for t in range(len(values) - 1, -1, -1):
        shifted = [ZERO, *coefficients[:-1]]
        node = Element.of(t)
        coefficients = [s - node * c for s, c in zip(shifted, coefficients, strict=True)]
        coefficients[0] = coefficients[0] + differences[t]
    return coefficients


class Unbound(Protocol):
    """Multilinears that are not written out as tables before their first variable is bound."""

    def sums(self, low: U32, high: U32) -> list[U64]:
        """What `kernels.evaluate_round` gives in the first round, in parts."""

    def bind(self, r: U32) -> U32:
        """Tables of the multilinears with their first variable bound to r, uint32 (4,)."""


def prove(
    channel: ProverChannel,
    label: str,
    claim: Element,
    point: Sequence[Element],
    tables: U32,
    terms: Terms,
    missing: Missing | None = None,
) -> tuple[list[Element], list[Element]]:
    """Prove ``claim = sum_x eq(point, x) F(x)``, F = sum_p prod_t tables[terms[p, t]].

    Parameters
    ----------
    claim : Element
        The true sum.
    point : n elements of K
    tables : uint32 (F, 4, >= 2^n), C-contiguous
        Multilinears in Montgomery form; overwritten.
    terms : int64 (P, d)
    missing : Missing, optional
        Where tables have fewer entries; d is 2 there.

    Returns
    -------
    r : n elements
        The random point.
    values : F elements
        Every multilinear at r. They are not sent: what is said about them is the caller's part.
    """
    rounds = _Rounds(channel, label, claim, point, missing.cube.block_bits if missing else 0)
    if missing and len(point) > missing.cube.block_bits > 0:
        _play_blocks(rounds, tables, terms, missing)
    if rounds.left:
        rounds.play(_evaluate(rounds, tables, terms))
    return _finish(rounds, tables, terms)


def _play_blocks(rounds: _Rounds, tables: U32, terms: Terms, missing: Missing) -> None:
    """Bind all variables but those of the index, and fill up the tables then."""
    blocks, bits = missing.cube.blocks, missing.cube.block_bits
    more = missing.value(terms, rounds.point)
    while rounds.left > bits:
        low, high = rounds.eq_weights()
        low, half = missing.cut(low), blocks << (rounds.left - bits - 1)
        if not rounds.challenges:
            given = half, tables, half, terms, low, high
            sums = over_ranges(evaluate_round, *given, align=low.shape[1])
        else:
            r = rounds.challenges[-1].montgomery()
            given_r = half, tables, half, r, terms, low, high
            sums = over_ranges(fold_and_evaluate, *given_r, align=low.shape[1])
        rounds.play(sums, more)
    fold(0, blocks, tables, blocks, rounds.challenges[-1].montgomery())
    fill_up(tables, Cube(bits, blocks), missing.constants)


def prove_unbound(
    channel: ProverChannel,
    label: str,
    claim: Element,
    point: Sequence[Element],
    multilinears: Unbound,
    terms: Terms,
) -> tuple[list[Element], list[Element]]:
    """Do as `prove`, in half of the memory, for at least one variable."""
    rounds = _Rounds(channel, label, claim, point)
    rounds.play(multilinears.sums(*rounds.eq_weights()))
    tables = multilinears.bind(rounds.challenges[-1].montgomery())
    if not rounds.left:
        return rounds.challenges, _values(tables)
    rounds.play(_evaluate(rounds, tables, terms))
    return _finish(rounds, tables, terms)


class _Rounds:
    """What has been said so far."""

    def __init__(
        self,
        channel: ProverChannel,
        label: str,
        claim: Element,
        point: Sequence[Element],
        together: int = 0,
    ) -> None:
        self._channel, self._label, self._claim, self.point = channel, label, claim, point
        self._weights = EqWeights(point, together)
        self.challenges: list[Element] = []

    @property
    def left(self) -> int:
        """Rounds to come."""
        return len(self.point) - len(self.challenges)

    def eq_weights(self) -> tuple[U32, U32]:
        """Of the variables that are free in the next round."""
        return self._weights.after(len(self.challenges) + 1)

    def play(self, partial: Sequence[U64], at_zero: Element = ZERO) -> None:
        """Send the round polynomial of these sums and draw the challenge.

        Parameters
        ----------
        at_zero : Element
            What the first sum has besides.
        """
        rho = self.point[len(self.challenges)]
        first, *others = sums_of(partial)
        coefficients = interpolate([first + at_zero, *others], self._claim, rho)
        self._channel.send(f"{self._label}/round", coefficients)
        r = self._channel.challenge(f"{self._label}/r")
        self._claim = _next_claim(self._claim, coefficients, r, rho)
        self.challenges.append(r)


def _evaluate(rounds: _Rounds, tables: U32, terms: Terms) -> list[U64]:
    low, high = rounds.eq_weights()
    half = 1 << (rounds.left - 1)
    return over_ranges(evaluate_round, half, tables, half, terms, low, high, align=low.shape[1])


def _finish(rounds: _Rounds, tables: U32, terms: Terms) -> tuple[list[Element], list[Element]]:
    """Play on with tables in which all variables but the last challenge's are bound."""
    while rounds.left:
        low, high = rounds.eq_weights()
        half, r = 1 << (rounds.left - 1), rounds.challenges[-1].montgomery()
        rounds.play(
            over_ranges(
                fold_and_evaluate, half, tables, half, r, terms, low, high, align=low.shape[1]
            )
        )
    if rounds.challenges:
        fold(0, 1, tables, 1, rounds.challenges[-1].montgomery())
    return rounds.challenges, _values(tables)


def _values(tables: U32) -> list[Element]:
    return [Element.from_montgomery(row) for row in tables[:, :, 0].tolist()]


def _next_claim(
    claim: Element, coefficients: Sequence[Element], r: Element, rho: Element
) -> Element:
    power = r
    for coefficient in coefficients:
        claim = claim + coefficient * (power - rho)
        power = power * r
    return claim
