"""The rows of A, combined by weights: what the verifier computes of it, in one pass."""

from collections.abc import Sequence

import numpy as np

from wmproof.argument.algebra.element import Element
from wmproof.argument.algebra.field import U32
from wmproof.argument.algebra.matrices import product
from wmproof.argument.algebra.multilinear import eq_table
from wmproof.commitment.matrix import ROWS, blocks

ROW_BITS = (ROWS - 1).bit_length()


class CombinedRows:
    """sum_i eq(rho, i) A_i: one pass over A, made when it is first asked for.

    Parameters
    ----------
    rho : sequence of Element
        Nine.
    count : int
        Columns.
    """

    def __init__(self, rho: Sequence[Element], count: int) -> None:
        self.weights = np.ascontiguousarray(eq_table(list(rho))[:, :ROWS])
        self._count = count
        self._columns: U32 | None = None

    @property
    def columns(self) -> U32:
        """K (4, columns), Montgomery form."""
        if self._columns is None:
            self._columns = weighted_rows(self.weights, self._count)
        return self._columns


def weighted_rows(weights: U32, count: int) -> U32:
    """sum_i w_i A[i, j] for the first `count` columns: one pass over them.

    `weights` are uint32 (4, 320), K in Montgomery form. Returns uint32 (4, count), K in Montgomery
    form.
    """
    out = np.empty((4, count), np.uint32)
    for where, block in blocks(count):
        out[:, where] = product(weights, block.T)
    return out
