"""Tables of eq for provers, who need long ones; `algebra.multilinear` defines them."""

from collections.abc import Sequence

import numpy as np

from wmproof._base.jit import njit
from wmproof.argument.algebra.element import ONE, Element
from wmproof.argument.algebra.extension import vector_of
from wmproof.argument.algebra.field import U32, Unsigned
from wmproof.argument.kernels.extension import inner_product, v_scale, v_sub
from wmproof.argument.kernels.rows import project_rows

_LOW_BITS = 10


@njit(nogil=True, cache=True)
def _fill(point: U32, tables: U32) -> None:
    # One coordinate more in front: table[x] (1 - r), then table[x] r.
    for k in range(point.shape[0]):
        size = 1 << k
        table = tables[4 * size : 8 * size].reshape(4, size)
        longer = tables[8 * size : 16 * size].reshape(4, 2 * size)
        v_scale(table, 0, point[point.shape[0] - 1 - k], longer, size, size)
        v_sub(table, 0, longer, size, longer, 0, size)


def eq_tables(point: Sequence[Element]) -> list[U32]:
    """For k = 0 .. n eq(last k coordinates, x) for all x: Montgomery (4, 2^k)."""
    tables = np.empty(8 << len(point), np.uint32)
    tables[4:8] = ONE.montgomery()
    _fill(np.ascontiguousarray(vector_of(point).T), tables)
    return [tables[4 << k : 8 << k].reshape(4, -1) for k in range(len(point) + 1)]


def eq_table(point: Sequence[Element]) -> U32:
    """Return eq(point, x) for all x in {0,1}^n: Montgomery (4, 2^n); 2^n products in K."""
    return eq_tables(point)[-1]


def evaluate_base(values: Unsigned, point: Sequence[Element], blocks: int = 1) -> Element:
    """As `algebra.multilinear.evaluate_base`, on all cores.

    If `blocks` is not 1, the last variables are an index of so many values, odd, and no entry of
    `values` belongs to another.
    """
    bits = (blocks - 1).bit_length()
    split = max(0, len(point) - max(bits, _LOW_BITS))
    low = eq_table(point[split:]).reshape(4, -1, 1 << bits)[:, :, :blocks]
    weights = np.ascontiguousarray(low).reshape(4, -1)
    width = weights.shape[1]
    rows = values.reshape(-1) if values.size % width == 0 else _filled(values, width)
    sums = project_rows(np.ascontiguousarray(rows).reshape(-1, width), weights)
    high = np.ascontiguousarray(eq_table(point[:split])[:, : sums.shape[1]])
    return inner_product(sums, high)


def _filled(values: Unsigned, width: int) -> Unsigned:
    """Values with zeros behind them, up to whole rows."""
    out = np.zeros(values.size + -values.size % width, values.dtype)
    out[: values.size] = values
    return out
