"""Pads' matrices that a cheating prover would commit to, and a verifier to show them to."""

from collections.abc import Mapping, Sequence

import numpy as np

from wmproof.argument.algebra.element import ZERO, Element
from wmproof.argument.algebra.field import U32, P, from_montgomery
from wmproof.argument.channel import ConstraintSystem
from wmproof.argument.codec import encode_base
from wmproof.argument.kernels.polynomials import coefficients_on_subgroup, values_on_coset
from wmproof.argument.pcs.ligero.columns import CommittedMatrix, KeptColumns
from wmproof.argument.pcs.ligero.merkle import leaf_hashes, verify_opening
from wmproof.argument.pcs.ligero.pad_layout import PadLayout
from wmproof.argument.pcs.ligero.pad_prover import PadMatrix
from wmproof.argument.pcs.ligero.pad_verifier import PadTests
from wmproof.argument.pcs.ligero.reed_solomon import row_coefficients
from wmproof.argument.transcript import fiat_shamir_prover, fiat_shamir_verifier


class TamperedPads(PadMatrix):
    """A committed matrix whose cells and masks are off by chosen amounts.

    Parameters
    ----------
    cells : mapping from flat cell index to Element
        Added to the cells that an honest prover would fill.
    linear_sum : Element
        What the linear mask sums to over H; zero for an honest prover.
    quadratic : mapping from slot to Element
        The quadratic mask's values on H; zero for an honest prover.
    """

    def __init__(
        self,
        layout: PadLayout,
        pads: list[Element],
        products: Sequence[tuple[int, int]],
        cells: Mapping[int, Element] | None = None,
        linear_sum: Element = ZERO,
        quadratic: Mapping[int, Element] | None = None,
    ) -> None:
        self._quadratic = dict(quadratic or {})
        super().__init__(layout, pads, products)
        width = layout.code.message_length
        flat = np.zeros((4, layout.rows * width), np.uint32)
        for cell, value in (cells or {}).items():
            flat[:, cell] = value.montgomery()
        messages = flat.reshape(4, layout.rows, width).transpose(1, 0, 2)
        added = row_coefficients(
            layout.code,
            np.ascontiguousarray(messages).reshape(4 * layout.rows, width),
            np.zeros((4 * layout.rows, layout.code.tail), np.uint32),
        )
        self._rows = _sum(self._rows, added.reshape(self._rows.shape))
        share = linear_sum * Element.of(width).inverse()
        self._linear_mask[:, 0] = _sum(self._linear_mask[:, 0], share.montgomery())
        self._committed = CommittedMatrix(KeptColumns(self._codewords()))

    def _codewords(self) -> U32:
        codewords = super()._codewords()
        values = np.zeros((4, self._layout.code.message_length), np.uint32)
        for slot, value in self._quadratic.items():
            values[:, slot] = value.montgomery()
        extra = values_on_coset(coefficients_on_subgroup(values), self._layout.code.length)
        codewords[:, -4:] = _sum(codewords[:, -4:], from_montgomery(extra).T)
        return codewords


def _sum(a: U32, b: U32) -> U32:
    return ((a.astype(np.uint64) + b) % P).astype(np.uint32)


def show(matrix: PadMatrix, layout: PadLayout, system: ConstraintSystem, queries: int) -> None:
    """Prove and verify the constraints on a committed matrix; ProofError if it is rejected."""
    prover, proof = fiat_shamir_prover("pads")
    prover.send("root", matrix.root)
    matrix.prove(prover, system)
    opening = matrix.open_columns(prover.positions("positions", layout.code.length, queries))
    prover.send("columns", encode_base(opening.columns))

    verifier = fiat_shamir_verifier("pads", proof.getvalue())
    root = verifier.receive("root", 32)
    tests = PadTests(verifier, layout, system)
    positions = verifier.positions("positions", layout.code.length, queries)
    data = verifier.receive("columns", 4 * layout.column_height * queries)
    columns = np.frombuffer(data, "<u4").astype(np.uint32).reshape(queries, -1)
    leaves = leaf_hashes(columns, opening.salts)
    verify_opening(root, layout.code.length.bit_length() - 1, positions, leaves, opening.siblings)
    tests.check_sum()
    tests.check_columns(positions, columns)
