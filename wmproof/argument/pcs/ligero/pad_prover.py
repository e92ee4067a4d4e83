"""The prover of the constraints on the pads; `pad_verifier` states them."""

from collections.abc import Sequence

import numpy as np

from wmproof.argument.algebra.element import Element
from wmproof.argument.algebra.extension import vector_of
from wmproof.argument.algebra.field import U32, P, from_montgomery, random_elements
from wmproof.argument.channel import ConstraintSystem
from wmproof.argument.kernels.polynomials import (
    coefficients_on_subgroup,
    values_on_coset,
    values_on_subgroup,
)
from wmproof.argument.kernels.vectors import multiply, scale, weighted_sum
from wmproof.argument.logup.statement import powers
from wmproof.argument.pcs.ligero.columns import ColumnOpening, CommittedMatrix, KeptColumns
from wmproof.argument.pcs.ligero.pad_layout import PadLayout, draw_challenges
from wmproof.argument.pcs.ligero.reed_solomon import row_coefficients
from wmproof.argument.transcript import ProverTranscript


def draw_pads(count: int) -> list[Element]:
    """`count` uniform elements of K from the system's CSPRNG."""
    return list(map(Element._make, random_elements((count, 4)).tolist()))


class PadMatrix:
    """The committed pads and products, with their masks.

    `products` are pairs of pads whose products are committed too.
    """

    def __init__(
        self, layout: PadLayout, pads: list[Element], products: Sequence[tuple[int, int]]
    ) -> None:
        self._layout = layout
        code = layout.code
        cells = np.zeros((4, layout.rows * code.message_length), np.uint32)
        cells[:, : len(pads)] = vector_of(pads)
        for k, (i, j) in enumerate(products):
            left, right = layout.factor_cells(k)
            columns = [left, right, layout.cell(~k)]
            cells[:, columns] = vector_of([pads[i], pads[j], pads[i] * pads[j]])
        # Coefficient-major (rows, 4, .): row r of K is base rows 4 r .. 4 r + 3.
        messages = cells.reshape(4, layout.rows, -1).transpose(1, 0, 2).copy()
        messages[-1] = random_elements(messages[-1].shape)
        tails = random_elements((layout.rows, 4, code.tail))
        self._rows = row_coefficients(
            code, messages.reshape(4 * layout.rows, -1), tails.reshape(4 * layout.rows, -1)
        ).reshape(layout.rows, 4, -1)
        self._linear_mask = self._draw_linear_mask()
        self._quotient_mask = random_elements((4, layout.quotient_degree))
        self._committed = CommittedMatrix(KeptColumns(self._codewords()))

    def _draw_linear_mask(self) -> U32:
        # The sum over H of a polynomial is w times the sum of its coefficients at multiples of w.
        mask = random_elements((4, self._layout.linear_degree))
        width = self._layout.code.message_length
        others = mask[:, width::width].astype(np.uint64).sum(axis=1)
        mask[:, 0] = (P - others % P) % P
        return mask

    def _codewords(self) -> U32:
        layout = self._layout
        rows = values_on_coset(self._rows.reshape(4 * layout.rows, -1), layout.code.length)
        linear = values_on_coset(self._linear_mask, layout.code.length)
        width = layout.code.message_length
        quadratic = np.zeros((4, layout.quotient_degree + width), np.uint64)
        quadratic[:, width:] += self._quotient_mask
        quadratic[:, : layout.quotient_degree] += P - self._quotient_mask.astype(np.uint64)
        mask = values_on_coset((quadratic % P).astype(np.uint32), layout.code.length)
        return from_montgomery(np.concatenate([rows, linear, mask]).T)

    @property
    def root(self) -> bytes:
        """The commitment."""
        return self._committed.root

    def open_columns(self, positions: list[int]) -> ColumnOpening:
        """Open columns at increasing positions."""
        return self._committed.open_columns(positions)

    def prove(self, transcript: ProverTranscript, system: ConstraintSystem) -> None:
        """Send the three polynomials of the tests."""
        layout = self._layout
        gamma, rho, theta, fold = draw_challenges(transcript, system)
        weights, _ = layout.linear_constraint(system, gamma, fold)
        transcript.send_vector("pads/proximity", self._proximity(rho))
        transcript.send_vector("pads/linear", self._linear(weights))
        transcript.send_vector("pads/quadratic", self._quotient(theta))

    def _proximity(self, rho: Element) -> U32:
        weights = [*powers(rho, self._layout.rows)[1:], Element(1)]
        return weighted_sum(weights, self._rows)

    def _linear(self, weights: U32) -> U32:
        layout, size = self._layout, self._product_size()
        width = layout.code.message_length
        rows = self._on_subgroup(self._rows.reshape(4 * layout.rows, -1), size)
        flat = weights.reshape(4, layout.rows, width).transpose(1, 0, 2)
        coefficients = coefficients_on_subgroup(
            np.ascontiguousarray(flat).reshape(4 * layout.rows, width)
        )
        factors = self._on_subgroup(coefficients, size)
        total = self._linear_mask.astype(np.uint64)
        product = np.zeros((4, size), np.uint64)
        for a, w in zip(factors, rows, strict=True):
            product += multiply(a, w)
        body = coefficients_on_subgroup((product % P).astype(np.uint32))
        return ((total + body[:, : layout.linear_degree]) % P).astype(np.uint32)

    def _quotient(self, theta: Element) -> U32:
        layout, size = self._layout, self._product_size()
        width = layout.code.message_length
        rows = self._on_subgroup(self._rows.reshape(4 * layout.rows, -1), size)
        triples = layout.factor_rows()
        total = np.zeros((4, size), np.uint64)
        factors = powers(theta, len(triples) + 1)[1:]
        for power, (x, y, z) in zip(factors, triples, strict=True):
            difference = multiply(rows[x], rows[y]).astype(np.uint64) + P - rows[z]
            total += scale((difference % P).astype(np.uint32), power)
        dividend = coefficients_on_subgroup((total % P).astype(np.uint32))
        # Divide by X^w - 1 from the top: quotient_j = dividend_(j+w) + quotient_(j+w).
        quotient = np.zeros((4, size), np.uint64)
        for start in range(size - width, -1, -width):
            carry = quotient[:, start + width : start + 2 * width]
            block = dividend[:, start + width : start + 2 * width]
            quotient[:, start : start + block.shape[1]] = block
            quotient[:, start : start + carry.shape[1]] += carry
        masked = quotient[:, : layout.quotient_degree] + self._quotient_mask
        return (masked % P).astype(np.uint32)

    def _product_size(self) -> int:
        return 1 << (2 * self._layout.code.dimension - 2).bit_length()

    def _on_subgroup(self, coefficients: U32, size: int) -> U32:
        return values_on_subgroup(coefficients, size).reshape(-1, 4, size)
