"""One element of K = F_p[X]/(X^4 - 3), for the handful of scalars that a protocol speaks of.

Plain Python integers, canonical; arrays of K live in `extension`. X^4 - 3 is irreducible because 3
generates F_p^* and 4 divides p - 1 (Lidl and Niederreiter, *Finite Fields*, theorem 3.75).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from wmproof.argument.algebra.field import MONTGOMERY_R, U32, P

DEGREE = 4
NON_RESIDUE = 3
BYTES = 4 * DEGREE
_R_INVERSE = pow(MONTGOMERY_R, -1, P)
# A named tuple's own constructor costs as much as an addition.
_make = tuple.__new__


class Element(NamedTuple):
    """c0 + c1 X + c2 X^2 + c3 X^3 with canonical coefficients."""

    c0: int
    c1: int = 0
    c2: int = 0
    c3: int = 0

    @classmethod
    def of(cls, value: int) -> Element:
        """Embed an integer, taken mod p."""
        return cls(value % P)

    def __add__(self, other: Element) -> Element:  # type: ignore[override]
        a0, a1, a2, a3 = self
        b0, b1, b2, b3 = other
        return _make(Element, ((a0 + b0) % P, (a1 + b1) % P, (a2 + b2) % P, (a3 + b3) % P))

    def __sub__(self, other: Element) -> Element:
        a0, a1, a2, a3 = self
        b0, b1, b2, b3 = other
        return _make(Element, ((a0 - b0) % P, (a1 - b1) % P, (a2 - b2) % P, (a3 - b3) % P))

    def __neg__(self) -> Element:
        return ZERO - self

    def __mul__(self, other: Element) -> Element:  # type: ignore[override]
        a0, a1, a2, a3 = self
        b0, b1, b2, b3 = other
        return _make(
            Element,
            (
                (a0 * b0 + NON_RESIDUE * (a1 * b3 + a2 * b2 + a3 * b1)) % P,
                (a0 * b1 + a1 * b0 + NON_RESIDUE * (a2 * b3 + a3 * b2)) % P,
                (a0 * b2 + a1 * b1 + a2 * b0 + NON_RESIDUE * a3 * b3) % P,
                (a0 * b3 + a1 * b2 + a2 * b1 + a3 * b0) % P,
            ),
        )

    def __pow__(self, exponent: int) -> Element:
        result, base = ONE, self
        while exponent:
            if exponent & 1:
                result = result * base
            base = base * base
            exponent >>= 1
        return result

    def inverse(self) -> Element:
        """Return 1 / self; ZeroDivisionError for zero.

        With n(x) = x(X) x(-X) in the subfield F_p[X^2], two norms lead down to F_p.
        """
        a0, a1, a2, a3 = self
        # n = (a0 + a2 Y)^2 - Y (a1 + a3 Y)^2 = n0 + n1 Y with Y = X^2, Y^2 = 3.
        n0 = (a0 * a0 + NON_RESIDUE * (a2 * a2 - 2 * a1 * a3)) % P
        n1 = (2 * a0 * a2 - a1 * a1 - NON_RESIDUE * a3 * a3) % P
        norm = (n0 * n0 - NON_RESIDUE * n1 * n1) % P
        if norm == 0:
            raise ZeroDivisionError("zero has no inverse")
        scale = pow(norm, -1, P)
        conjugate = Element(a0, -a1 % P, a2, -a3 % P)
        return conjugate * Element(n0 * scale % P, 0, -n1 * scale % P, 0)

    def montgomery(self) -> U32:
        """The coefficients in Montgomery form, uint32 (4,), as kernels take scalars."""
        return np.array([c * MONTGOMERY_R % P for c in self], np.uint32)

    @classmethod
    def from_montgomery(cls, values: Iterable[int]) -> Element:
        """Read four Montgomery coefficients."""
        c0, c1, c2, c3 = (int(v) * _R_INVERSE % P for v in values)
        return cls(c0, c1, c2, c3)


ZERO = Element(0)
ONE = Element(1)
HALF = Element.of(pow(2, -1, P))
