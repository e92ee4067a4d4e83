"""Elementwise functions of one variable, by algebra over all reals.

A function is a list of pieces, each a polynomial in x and in transcendental atoms such as
erf(x / sqrt 2). Two spellings are the same function if they have the same normal form, so nothing
depends on where somebody might evaluate them; only coefficients may differ, by float32 rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

_TOLERANCE = 2.0**-18
_MOST_TERMS = 64

Atom: TypeAlias = tuple[str, "Key"]
Generator: TypeAlias = str | Atom
Monomial: TypeAlias = tuple[tuple[Generator, int], ...]
Key: TypeAlias = tuple[tuple[Monomial, float], ...]
Polynomial: TypeAlias = dict[Monomial, float]

_X: Monomial = (("x", 1),)


class NoNormalFormError(Exception):
    """The function is outside of what has a normal form here."""


@dataclass(frozen=True, eq=False)
class Elementwise:
    """A function of one variable in pieces.

    Parameters
    ----------
    pieces : tuple of (float, Polynomial)
        Each holds below its end, and the last end is infinite.
    """

    pieces: tuple[tuple[float, Polynomial], ...]


def constant(value: float) -> Elementwise:
    """The function that is `value` everywhere."""
    return Elementwise(((math.inf, {(): value} if value else {}),))


VARIABLE = Elementwise(((math.inf, {_X: 1.0}),))


def _plus(a: Polynomial, b: Polynomial, factor: float = 1.0) -> Polynomial:
    total = dict(a)
    for monomial, value in b.items():
        total[monomial] = total.get(monomial, 0.0) + factor * value
    return {m: v for m, v in total.items() if v}


def _times(a: Polynomial, b: Polynomial) -> Polynomial:
    if len(a) * len(b) > _MOST_TERMS:
        raise NoNormalFormError
    total: Polynomial = {}
    for first, u in a.items():
        for second, v in b.items():
            powers = dict(first)
            for generator, power in second:
                powers[generator] = powers.get(generator, 0) + power
            key = tuple(sorted(powers.items(), key=repr))
            total[key] = total.get(key, 0.0) + u * v
    return {m: v for m, v in total.items() if v}


def _reciprocal(a: Polynomial) -> Polynomial:
    """1/c for a constant, and the sigmoid: 1/(c + c exp(-u)) = sigmoid(u)/c."""
    if set(a) == {()}:
        return {(): 1 / a[()]}
    exponentials = [m for m in a if len(m) == 1 and m[0][1] == 1 and m[0][0][0] == "exp"]
    if len(a) == 2 and () in a and len(exponentials) == 1 and a[exponentials[0]] == a[()]:
        inner = exponentials[0][0][0][1]
        minus: Polynomial = {m: -v for m, v in inner}  # type: ignore[misc, str-unpack, operator]
        return {((("sigmoid", _key(minus)), 1),): 1 / a[()]}
    raise NoNormalFormError


def _key(a: Polynomial) -> Key:
    return tuple(sorted(a.items(), key=repr))


def _joined(
    a: Elementwise, b: Elementwise, rule: Callable[[Polynomial, Polynomial], Polynomial]
) -> Elementwise:
    ends = sorted({end for end, _ in (*a.pieces, *b.pieces)})
    return _simple([(end, rule(_below(a, end), _below(b, end))) for end in ends])


def _below(function: Elementwise, end: float) -> Polynomial:
    """The polynomial that holds just below `end`."""
    return next(polynomial for last, polynomial in function.pieces if end <= last)


def _simple(pieces: Sequence[tuple[float, Polynomial]]) -> Elementwise:
    """Pieces without two alike side by side."""
    kept: list[tuple[float, Polynomial]] = []
    for end, polynomial in pieces:
        if kept and _alike(_key(kept[-1][1]), _key(polynomial)):
            kept.pop()
        kept.append((end, polynomial))
    return Elementwise(tuple(kept))


def add(*functions: Elementwise) -> Elementwise:
    """Sum."""
    total = functions[0]
    for function in functions[1:]:
        total = _joined(total, function, _plus)
    return total


def subtract(a: Elementwise, b: Elementwise) -> Elementwise:
    """Difference."""
    return _joined(a, b, lambda p, q: _plus(p, q, -1.0))


def multiply(a: Elementwise, b: Elementwise) -> Elementwise:
    """Product; NoNormalFormError if it has too many terms."""
    return _joined(a, b, _times)


def divide(a: Elementwise, b: Elementwise) -> Elementwise:
    """Quotient; NoNormalFormError if the divisor is neither a constant nor c + c exp(-u)."""
    return _joined(a, b, lambda p, q: _times(p, _reciprocal(q)))


def power(a: Elementwise, b: Elementwise) -> Elementwise:
    """A small whole power; NoNormalFormError if the exponent is not 1, 2 or 3."""
    exponent = value_of(b)
    if exponent is None or exponent not in {1.0, 2.0, 3.0}:
        raise NoNormalFormError
    result = a
    for _ in range(int(exponent) - 1):
        result = multiply(result, a)
    return result


def atom(kind: str) -> Callable[[Elementwise], Elementwise]:
    """A transcendental function of a polynomial.

    Parameters
    ----------
    kind : str
        Name of the function.

    Returns
    -------
    callable
        From `Elementwise` to `Elementwise`.
    """

    def apply(a: Elementwise) -> Elementwise:
        return Elementwise(
            tuple((end, {(((kind, _key(polynomial)), 1),): 1.0}) for end, polynomial in a.pieces)
        )

    return apply


def log_of_sigmoid(a: Elementwise) -> Elementwise:
    """A logarithm; NoNormalFormError of anything but a sigmoid."""
    pieces = []
    for end, polynomial in a.pieces:
        ((monomial, gain),) = polynomial.items() if len(polynomial) == 1 else (((), 0.0),)
        ((atom, power),) = monomial if len(monomial) == 1 else (("", 0),)
        if (atom[:1], power, gain) != (("sigmoid",), 1, 1.0):
            raise NoNormalFormError
        new: Polynomial = {((("log_sigmoid", atom[1]), 1),): 1.0}  # type: ignore[dict-item]
        pieces.append((end, new))
    return Elementwise(tuple(pieces))


def maximum(*functions: Elementwise) -> Elementwise:
    """Largest of straight lines in pieces, split where they cross."""
    total = functions[0]
    for function in functions[1:]:
        total = _larger(total, function)
    return total


def minimum(*functions: Elementwise) -> Elementwise:
    """Smallest of straight lines in pieces."""
    minus = constant(-1.0)
    return multiply(minus, maximum(*(multiply(minus, f) for f in functions)))


def _larger(a: Elementwise, b: Elementwise) -> Elementwise:
    pieces: list[tuple[float, Polynomial]] = []
    start = -math.inf
    for end in sorted({end for end, _ in (*a.pieces, *b.pieces)}):
        p, q = _below(a, end), _below(b, end)
        slope, offset = _line(_plus(p, q, -1.0))
        crossing = -offset / slope if slope else math.nan
        if start < crossing < end:
            pieces += [(crossing, q if slope > 0 else p), (end, p if slope > 0 else q)]
        else:
            inside = _inside(start, end)
            pieces.append((end, p if slope * inside + offset >= 0 else q))
        start = end
    return _simple(pieces)


def _inside(start: float, end: float) -> float:
    if math.isinf(start) and math.isinf(end):
        return 0.0
    if math.isinf(start):
        return end - 1 - abs(end)
    return start + 1 + abs(start) if math.isinf(end) else (start + end) / 2


def _line(a: Polynomial) -> tuple[float, float]:
    if not set(a) <= {(), _X}:
        raise NoNormalFormError
    return a.get(_X, 0.0), a.get((), 0.0)


def value_of(function: Elementwise) -> float | None:
    """The value of a constant function, else None."""
    if len(function.pieces) == 1 and set(function.pieces[0][1]) <= {()}:
        return function.pieces[0][1].get((), 0.0)
    return None


NOTHING_ON_THE_WAY = (0.0, 1.0, 1.0)


def way(steps: Iterable[Elementwise]) -> tuple[float, float, float]:
    """What float32 meets on the way to a function, in units of x: see `network.Passed`.

    Returns
    -------
    peak : float
        Largest constant that is added to something that depends on x.
    low, high : float
        How many times smaller and larger than x something on the way is.
    """
    peak, low, high = NOTHING_ON_THE_WAY
    for step in steps:
        for _, polynomial in step.pieces:
            size = max((abs(v) for m, v in polynomial.items() if m), default=0.0)
            if size:
                peak = max(peak, abs(polynomial.get((), 0.0)) / size)
                low, high = min(low, size), max(high, size)
    return peak, low, high


def same(a: Elementwise, b: Elementwise) -> bool:
    """Whether two functions have one normal form, coefficients up to float32 rounding."""
    return len(a.pieces) == len(b.pieces) and all(
        _near(x, y) and _alike(_key(p), _key(q))
        for (x, p), (y, q) in zip(a.pieces, b.pieces, strict=True)
    )


def _near(a: float, b: float) -> bool:
    return a == b or abs(a - b) <= _TOLERANCE * max(abs(a), abs(b))


def _alike(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return _near(a, b)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(_alike(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


def as_clip(function: Elementwise) -> tuple[float, float] | None:
    """(low, high) if the function is x clipped to [low, high], else None."""
    pieces = list(function.pieces)
    low, high = -math.inf, math.inf
    if len(pieces) > 1 and set(pieces[0][1]) <= {()}:
        low = pieces.pop(0)[1].get((), 0.0)
    if len(pieces) > 1 and set(pieces[-1][1]) <= {()}:
        high = pieces.pop()[1].get((), 0.0)
    straight = len(pieces) == 1 and pieces[0][1] == {_X: 1.0}
    bounded = math.isfinite(low) or math.isfinite(high)
    return (low, high) if straight and bounded and low < high else None


def as_leaky(function: Elementwise) -> float | None:
    """The slope below zero if the function is a leaky ReLU, else None."""
    if len(function.pieces) != 2:
        return None
    (turn, below), (_, above) = function.pieces
    return below[_X] if turn == 0 and above == {_X: 1.0} and set(below) == {_X} else None
