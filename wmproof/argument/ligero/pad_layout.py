"""Where pads lie in their matrix, and the constraints on it that both parties derive.

The matrix is over K. Its rows hold, w = 2^m values each: the pads; then for products the left
factors, the right factors and the products, product k in slot k of each. Factors are copies of
pads, which linear constraints say. Two mask rows follow, polynomials of larger degree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wmproof.argument.channel import ConstraintSystem, Expression
from wmproof.argument.element import ONE, ZERO, Element
from wmproof.argument.extension import elements_of, vector_of
from wmproof.argument.field import U32
from wmproof.argument.ligero.algebra import scale
from wmproof.argument.multilinear import eq_table
from wmproof.argument.reed_solomon import Code
from wmproof.argument.transcript import ProverTranscript, VerifierTranscript


@dataclass(frozen=True)
class PadLayout:
    """Shape of the pads' matrix.

    Attributes
    ----------
    code : Code
        Code of the rows; each row over K is four rows over F_p.
    pads, products : int
        How many of each.
    """

    code: Code
    pads: int
    products: int

    @property
    def pad_rows(self) -> int:
        """Rows that hold pads."""
        return -(-self.pads // self.code.message_length)

    @property
    def product_rows(self) -> int:
        """Rows that hold left factors; as many hold right factors, and as many products."""
        return -(-self.products // self.code.message_length)

    @property
    def rows(self) -> int:
        """Rows of the code: pads, factors, products and one proximity mask, the last."""
        return self.pad_rows + 3 * self.product_rows + 1

    @property
    def column_height(self) -> int:
        """Base-field elements in a column: the rows of the code and two masks, times four."""
        return 4 * (self.rows + 2)

    @property
    def linear_degree(self) -> int:
        """Number of coefficients of the linear test's polynomial."""
        return self.code.dimension + self.code.message_length - 1

    @property
    def quotient_degree(self) -> int:
        """Number of coefficients of the quadratic test's polynomial divided by X^w - 1."""
        return 2 * self.code.dimension - 1 - self.code.message_length

    def factor_rows(self) -> list[tuple[int, int, int]]:
        """Row triples (left, right, product)."""
        p, q = self.pad_rows, self.product_rows
        return [(p + i, p + q + i, p + 2 * q + i) for i in range(q)]

    def cell(self, unknown: int) -> int:
        """Flat index row * w + slot of an unknown of an `Expression`."""
        if unknown >= 0:
            return unknown
        return (self.pad_rows + 2 * self.product_rows) * self.code.message_length + ~unknown

    def factor_cells(self, product: int) -> tuple[int, int]:
        """Flat indices of a product's left and right factor."""
        left = self.pad_rows * self.code.message_length + product
        return left, left + self.product_rows * self.code.message_length

    def linear_constraint(
        self, system: ConstraintSystem, gamma: Element, fold: Sequence[Element]
    ) -> tuple[U32, Element]:
        """Fold all linear constraints into one: constraint j by gamma eq(fold, j).

        Parameters
        ----------
        gamma : Element
            Without it, the mask's sum could make up for constraints: their weights' sum is 1.
        fold : sequence of `fold_bits` elements

        Returns
        -------
        weights : uint32 (4, rows * w), Montgomery
        target : Element
            The constraints hold only if <weights, matrix> = target, up to probability
            (1 + fold_bits) / |K|.
        """
        weights: dict[int, Element] = {}
        target = ZERO
        factors = elements_of(scale(eq_table(fold), gamma))

        def weigh(cell: int, value: Element) -> None:
            weights[cell] = weights[cell] + value if cell in weights else value

        copies = self._copies(system)
        for expression, factor in zip(copies, factors, strict=False):
            for cell, coefficient in expression.terms.items():
                weigh(cell, factor * coefficient)
        for zero, factor in zip(system.zeros, factors[len(copies) :], strict=False):
            for unknown, coefficient in zero.terms.items():
                weigh(self.cell(unknown), factor * coefficient)
            target = target - factor * zero.constant
        return self._dense(weights), target

    def _copies(self, system: ConstraintSystem) -> list[Expression]:
        # Terms here are cells, not unknowns.
        copies = []
        for k, pair in enumerate(system.products):
            for cell, pad in zip(self.factor_cells(k), pair, strict=True):
                copies.append(Expression(ZERO, {cell: ONE, self.cell(pad): -ONE}))
        return copies

    def _dense(self, weights: dict[int, Element]) -> U32:
        dense = np.zeros((4, self.rows * self.code.message_length), np.uint32)
        if weights:
            dense[:, list(weights)] = vector_of(list(weights.values()))
        return dense


def fold_bits(products: int, zeros: int) -> int:
    """Variables that index the linear constraints: two copies a product, and the zeros."""
    return max(0, 2 * products + zeros - 1).bit_length()


def draw_challenges(
    transcript: ProverTranscript | VerifierTranscript, system: ConstraintSystem
) -> tuple[Element, Element, Element, list[Element]]:
    """The tests' challenges gamma, rho, theta and `fold_bits` more, for the linear constraints."""
    bits = fold_bits(len(system.products), len(system.zeros))
    gamma, rho, theta, *fold = transcript.challenges("pads/challenges", 3 + bits)
    return gamma, rho, theta, fold
