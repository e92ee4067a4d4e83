"""Where pads lie in their matrix, and the constraints on it that both parties derive.

The matrix is over K. Its rows hold, w = 2^m values each: the pads; then for products the left
factors, the right factors and the products, product k in slot k of each. Factors are copies of
pads, which linear constraints say. Two mask rows follow, polynomials of larger degree.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wmproof.argument.algebra.element import Element
from wmproof.argument.algebra.extension import inner_product, vector_of
from wmproof.argument.algebra.field import U32, P, reduced
from wmproof.argument.algebra.multilinear import eq_table
from wmproof.argument.algebra.vectors import multiply, scale
from wmproof.argument.channel import ConstraintSystem
from wmproof.argument.pcs.ligero.reed_solomon import Code
from wmproof.argument.transcript import ProverTranscript, VerifierTranscript

I64 = NDArray[np.int64]


@dataclass(frozen=True)
class PadLayout:
    """Shape of the pads' matrix."""

    code: Code
    """Code of the rows; each row over K is four rows over F_p."""
    pads: int
    products: int
    """pads and products: how many of each."""

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
        count = 2 * len(system.products)
        factors = scale(eq_table(fold), gamma)[:, : count + len(system.zeros)]
        cells, weights = self._copies(system, factors[:, :count])
        own = factors[:, count:]
        zero_cells, zero_weights = self._zeros(system, own)
        dense = self._dense(
            np.concatenate([cells, zero_cells]), np.concatenate([weights, zero_weights], axis=1)
        )
        constants = vector_of([zero.constant for zero in system.zeros])
        return dense, -inner_product(own, constants)

    def _copies(self, system: ConstraintSystem, factors: U32) -> tuple[I64, U32]:
        """Cells and weights of 'product k's factor s is pad (k, s)', constraint 2 k + s."""
        pads = np.array(system.products, np.int64).reshape(-1, 2)
        left, right = self.factor_cells(0)
        copies = np.arange(len(pads))[:, None] + np.array([left, right])
        negated = np.where(factors, np.uint32(P) - factors, np.uint32(0))
        cells = np.concatenate([copies.reshape(-1), pads.reshape(-1)])
        return cells, np.concatenate([factors, negated], axis=1)

    def _zeros(self, system: ConstraintSystem, factors: U32) -> tuple[I64, U32]:
        """Cells and weights of the expressions that are zero."""
        terms = [zero.terms for zero in system.zeros]
        unknowns = np.array([unknown for own in terms for unknown in own], np.int64)
        coefficients = [coefficient for own in terms for coefficient in own.values()]
        lengths = np.array([len(own) for own in terms], np.int64)
        of_term = np.repeat(np.arange(len(terms)), lengths)
        weights = multiply(factors[:, of_term], vector_of(coefficients))
        return np.where(unknowns >= 0, unknowns, self.cell(-1) + ~unknowns), weights

    def _dense(self, cells: I64, weights: U32) -> U32:
        """The sum of the weights of each cell."""
        size = self.rows * self.code.message_length
        # Doubles add up 2^22 numbers below 2^31 exactly; more terms come in parts.
        total = np.zeros((4, size), np.uint64)
        for first in range(0, len(cells), 1 << 22):
            part = slice(first, first + (1 << 22))
            for c in range(4):
                total[c] += np.bincount(cells[part], weights[c, part], size).astype(np.uint64)
        return reduced(total).astype(np.uint32)


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
