"""Public weights of the linear forms, and the factors of the products; the package has the terms.

Weights over the places of one instance are K arrays (4, 2^13). `_Places` adds them up as weights on
words with four rounds in front: row 4 + t of `a` is a_t, rows 3, 2, 1, 0 are h's words 0, 1, 2, 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wmproof.argument.algebra.element import HALF, ONE, ZERO, Element
from wmproof.argument.algebra.extension import inner_product, vector_of
from wmproof.argument.algebra.field import U32, P
from wmproof.argument.algebra.multilinear import eq_table, weighted_rows
from wmproof.argument.algebra.vectors import multiply, scale
from wmproof.argument.logup.statement import powers
from wmproof.relation.openings.sha256.compression import ROUND_CONSTANTS
from wmproof.relation.openings.sha256.openings import (
    A_START,
    CARRY_START,
    E_START,
    FINAL_START,
    H_START,
    PLACE_BITS,
    ROUNDS,
    W_START,
)
from wmproof.relation.tensor_layout import outer

_QUARTER = HALF * HALF
_HALF_BASE = Element(1 << 16)


@dataclass(frozen=True)
class Factor:
    """One factor of a product: an affine function of a bit of another round."""

    word: str
    """'a', 'e' or 'w'."""
    back: int
    """How many rounds ago."""
    turn: int = 0
    """It reads bit i + turn, modulo 32 if `wraps`, else 0 behind the end."""
    wraps: bool = True
    sign: bool = True
    """Whether it is 1 - 2 x rather than x."""
    weight: str = ""
    """Which public weight of bit i it carries; '' for none."""
    late: bool = False
    """Whether it is 0 (weighted) or 1 before round 16."""


def _xor(word: str, back: int, turns: Sequence[int], weight: str) -> list[Factor]:
    first, second, third = turns
    return [
        Factor(word, back, first, weight=weight),
        Factor(word, back, second),
        Factor(word, back, third),
    ]


def _schedule(back: int, turns: Sequence[int]) -> list[Factor]:
    first, second, shift = turns
    return [
        Factor("w", back, first, weight="schedule", late=True),
        Factor("w", back, second, late=True),
        Factor("w", back, shift, wraps=False, late=True),
    ]


CUBES: list[list[Factor]] = [
    _xor("e", 1, (6, 11, 25), "sigma1"),
    _xor("a", 1, (2, 13, 22), "sigma0"),
    [Factor("a", 1, weight="majority"), Factor("a", 2), Factor("a", 3)],
    _schedule(2, (17, 19, 10)),
    _schedule(15, (7, 18, 3)),
]
"""Products of three factors."""
CHOICE = Factor("e", 1, sign=False, weight="choice")
"""Times (f - g): the one product of two."""


@dataclass(frozen=True, eq=False)
class BitWeights:
    """Weights of bit i in the six half equations, combined for each kind of term."""

    a: U32
    e: U32
    w: U32
    """a, e and w: uint32 array (4, 32): in K, for the bits of the words a, e and w."""
    lambdas: Sequence[Element]
    """By which the equations are combined."""

    @classmethod
    def of(cls, base: Element) -> BitWeights:
        """Halves of a, e, w weigh 1, base, ..., base^5."""
        lambdas = powers(base, 6)
        rows: list[U32] = []
        for q in range(3):
            low, high = lambdas[2 * q : 2 * q + 2]
            values = [(low if i < 16 else high) * Element(1 << (i % 16)) for i in range(32)]
            rows.append(vector_of(values))
        return cls(rows[0], rows[1], rows[2], lambdas)

    @property
    def both(self) -> U32:
        """Of what enters the equations of a and of e."""
        return add(self.a, self.e)

    def named(self, name: str) -> U32:
        """Weights that the factors carry."""
        if name == "sigma1":
            return scale(self.both, -HALF)
        if name == "sigma0":
            return scale(self.a, -HALF)
        if name == "majority":
            return scale(self.a, _QUARTER)
        if name == "choice":
            return self.both
        if name == "schedule":
            return scale(self.w, -HALF)
        return constant_vector(ONE, 32)


def add(*vectors: U32) -> U32:
    """Sum of K arrays."""
    total = sum(vector.astype(np.uint64) for vector in vectors)
    return np.asarray(total % P).astype(np.uint32)


def constant_vector(value: Element, size: int) -> U32:
    """K (4, size) of one value."""
    return np.ascontiguousarray(np.broadcast_to(value.montgomery()[:, None], (4, size)))


def total(vector: U32) -> Element:
    """Sum of all entries."""
    flat = vector.reshape(4, -1).sum(axis=1, dtype=np.uint64) % P
    return Element.from_montgomery(flat)


class _Places:
    """Weights on the bits of an instance, while they are added up, and a constant."""

    def __init__(self) -> None:
        self.words = {
            "a": np.zeros((4, ROUNDS + 4, 32), np.uint32),
            "e": np.zeros((4, ROUNDS + 4, 32), np.uint32),
            "w": np.zeros((4, ROUNDS, 32), np.uint32),
        }
        self.carries = np.zeros((4, ROUNDS, 16), np.uint32)
        self.h = np.zeros((4, 8, 32), np.uint32)
        self.final = np.zeros((4, 16), np.uint32)
        self.constant = ZERO

    def on_rounds(self, word: str, back: int, rounds: U32, bits: U32) -> None:
        """Weigh the word of `back` rounds before round t by rounds[t] bits[i]."""
        lead = 0 if word == "w" else 4
        first = max(0, back - lead)
        grid = outer([np.ascontiguousarray(rounds[:, first:]), bits])
        rows = slice(lead + first - back, lead + ROUNDS - back)
        target = self.words[word]
        target[:, rows] = add(target[:, rows], grid)

    def vector(self) -> U32:
        """K (4, 2^13)."""
        out = np.zeros((4, 1 << PLACE_BITS), np.uint32)
        h = self.h.copy()
        for j in range(4):
            h[:, j] = add(h[:, j], self.words["a"][:, 3 - j])
            h[:, 4 + j] = add(h[:, 4 + j], self.words["e"][:, 3 - j])
        for start, part in (
            (A_START, self.words["a"][:, 4:]),
            (E_START, self.words["e"][:, 4:]),
            (W_START, self.words["w"]),
            (CARRY_START, self.carries),
            (H_START, h),
            (FINAL_START, self.final),
        ):
            flat = part.reshape(4, -1)
            out[:, start : start + flat.shape[1]] = flat
        return out


def factors_form(
    bits: BitWeights, round_point: Sequence[Element], bit_point: Sequence[Element], gamma: Element
) -> tuple[U32, Element, int]:
    """sum_k gamma^k factor_k at a point.

    The order is `CUBES` one after the other, `CHOICE`, f - g.

    Returns
    -------
    weights : uint32 array
        In K.
    constant : Element
    powers : int
        How many powers of gamma were used.
    """
    places = _Places()
    rounds, word = eq_table(list(round_point)), eq_table(list(bit_point))
    late = rounds.copy()
    late[:, :16] = 0
    power = ONE
    factors = [factor for cube in CUBES for factor in cube] + [CHOICE]
    for factor in factors:
        own = scale(multiply(bits.named(factor.weight), word), power)
        when = late if factor.late else rounds
        if factor.sign:
            shown = total(own)
            # Before round 16 an unweighted late factor is 1, a weighted one 0.
            whole = total(when) if factor.weight else total(rounds)
            places.constant = places.constant + shown * whole
            own = scale(own, Element.of(-2))
        reading = np.roll(own, factor.turn, axis=1)
        if not factor.wraps:
            reading[:, : factor.turn] = 0
        places.on_rounds(factor.word, factor.back, when, np.ascontiguousarray(reading))
        power = power * gamma
    own = scale(word, power)
    places.on_rounds("e", 2, rounds, own)
    places.on_rounds("e", 3, rounds, scale(own, -ONE))
    return places.vector(), places.constant, len(factors) + 1


def linear_part(bits: BitWeights, round_point: Sequence[Element]) -> tuple[U32, Element]:
    """What the six half equations are beside the products, at a round point.

    Returns
    -------
    weights : uint32 array
        In K.
    constant : Element
    """
    places = _Places()
    rounds = eq_table(list(round_point))
    late = rounds.copy()
    late[:, :16] = 0
    both, a, e, w = bits.both, bits.a, bits.e, bits.w
    minus = -ONE
    for back in (3, 4):  # g of Ch, and h
        places.on_rounds("e", back, rounds, both)
    places.on_rounds("w", 0, rounds, both)
    for back in (1, 2, 3):  # of Maj
        places.on_rounds("a", back, rounds, scale(a, HALF))
    places.on_rounds("a", 4, rounds, e)
    places.on_rounds("a", 0, rounds, scale(a, minus))
    places.on_rounds("e", 0, rounds, scale(e, minus))
    for back in (7, 16):
        places.on_rounds("w", back, late, w)
    places.on_rounds("w", 0, late, scale(w, minus))
    whole, behind = total(rounds), total(late)
    halves = total(both) * HALF + total(a) * HALF - total(a) * _QUARTER
    places.constant = whole * halves + behind * total(w)
    places.constant = places.constant + _round_constants(both, rounds)
    places.carries = _carries(bits, rounds, late)
    return places.vector(), places.constant


def _round_constants(both: U32, rounds: U32) -> Element:
    shown = (ROUND_CONSTANTS[:, None] >> np.arange(32, dtype=np.uint32)) & 1
    result = ZERO
    for t in range(ROUNDS):
        chosen = np.ascontiguousarray(both * shown[t].astype(np.uint32))
        result = result + total(chosen) * Element.from_montgomery(rounds[:, t])
    return result


def _carries(bits: BitWeights, rounds: U32, late: U32) -> U32:
    weights = np.zeros((4, ROUNDS, 16), np.uint32)
    place = 0
    for q, (count, when) in enumerate(((3, rounds), (3, rounds), (2, late))):
        low, high = bits.lambdas[2 * q : 2 * q + 2]
        for carried in (high - _HALF_BASE * low, -(_HALF_BASE * high)):
            for j in range(count):
                weights[:, :, place] = scale(when, carried * Element(1 << j))
                place += 1
    return weights


def state_weights(mu: Element) -> U32:
    """mu^(2 j + half) 2^(i mod 16) for bit i of word j: K (4, 8, 32)."""
    halves = powers(mu, 16)
    values = [
        halves[2 * j + (i >= 16)] * Element(1 << (i % 16)) for j in range(8) for i in range(32)
    ]
    return vector_of(values).reshape(4, 8, 32)


def addition_part(mu: Element) -> U32:
    """2^16 carry - h - last rounds of the final additions, beside the next state."""
    places = _Places()
    weights = state_weights(mu)
    minus = scale(weights.reshape(4, -1), -ONE).reshape(4, 8, 32)
    for j in range(4):
        places.words["a"][:, 4 + 63 - j] = minus[:, j]
        places.words["e"][:, 4 + 63 - j] = minus[:, 4 + j]
    places.h = minus
    halves = powers(mu, 16)
    places.final = vector_of(
        [_HALF_BASE * halves[k] - (halves[k + 1] if k % 2 == 0 else ZERO) for k in range(16)]
    )
    return places.vector()


def next_state_part(mu: Element) -> U32:
    """The state of the block that a batch point names."""
    places = _Places()
    places.h = state_weights(mu)
    return places.vector()


def message_part(byte_weights: U32) -> U32:
    """Weighted bytes (4, 64) of a block, from the bits of w_0 .. w_15."""
    places = _Places()
    for t in range(16):
        for i in range(32):
            weight = Element.from_montgomery(byte_weights[:, 4 * t + 3 - i // 8])
            places.words["w"][:, t, i] = (weight * Element(1 << (i % 8))).montgomery()
    return places.vector()


def state_constant(mu: Element, states: U32, slot_point: Sequence[Element]) -> Element:
    """Public states (slots, 8), weighed as `state_weights` and by eq(slot_point, .)."""
    shown = (states[:, :, None] >> np.arange(32, dtype=np.uint32)) & 1
    weights = state_weights(mu).reshape(4, -1)
    slots = eq_table(list(slot_point))
    by_slot = weighted_rows(shown.reshape(len(states), -1).astype(np.uint32), weights)
    return inner_product(by_slot, slots)
