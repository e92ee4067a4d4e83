"""The prover of a product's accumulators; `statement` has the equations."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof.argument.algebra.element import Element
from wmproof.argument.algebra.field import U32, P, to_montgomery
from wmproof.argument.kernels.extension import empty_tables, inner_product
from wmproof.argument.kernels.multilinear import eq_table
from wmproof.argument.kernels.rows import weigh_rows
from wmproof.argument.prover_channel import ProverChannel
from wmproof.argument.sumcheck import prover as sumcheck_prover
from wmproof.relation.linear_form import prover as linear_form_prover
from wmproof.relation.product.statement import Operand, Point, ProductStatement
from wmproof.relation.product.verifier import terms_of
from wmproof.relation.segments import Segment, SegmentPoint
from wmproof.relation.tensor_layout import outer

Numbers = NDArray[np.uint8] | NDArray[np.uint16]
_TERMS = np.array([[0, 1]], np.int64)
_BLOCK = 1 << 22  # operand entries at a time: their wider forms take eight times as much


def prove(
    channel: ProverChannel,
    label: str,
    product: ProductStatement,
    segment: Callable[[int], Segment],
    point: Point,
    z: U32,
    operands: tuple[Numbers, Numbers],
    arrays: Mapping[str, NDArray[Any]],
) -> list[SegmentPoint]:
    """Prove the accumulators at a point of their segment.

    Parameters
    ----------
    z : uint32 (slots * 2^n,)
        The accumulators, canonical mod p, 0 behind the ends of axes.
    operands : two unsigned arrays (slots, *shape)
        The numbers of the two nodes.
    arrays : mapping
        Each segment's entries, by name.
    """
    tables = empty_tables(2, 1 << product.variables)
    for table, operand, values in zip(tables, product.operands, operands, strict=True):
        _fold(product, operand, values, point, table[:, : 1 << product.variables])
    claim = (_evaluate(z, point) - product.bias(point)) * product.scale
    r, messages = sumcheck_prover.prove(
        channel, f"{label}/product", claim, product.sumcheck_point(point), tables, _TERMS
    )
    channel.send(f"{label}/operands", messages)
    points = []
    for side, operand in zip("ab", product.operands, strict=True):
        terms, nodes = terms_of(product.circuit, operand.node, segment, r[: product.batch_bits])
        weights = product.weights(operand, point, r, nodes)
        points += linear_form_prover.prove(channel, f"{label}/{side}", terms, weights, arrays)
    return points


def _evaluate(z: U32, point: Point) -> Element:
    """Evaluate the multilinear extension of base-field entries at a point."""
    split = len(point) // 2
    rows = weigh_rows(z.reshape(1 << split, -1), eq_table(point[:split]))
    return inner_product(rows, eq_table(point[split:]))


def _fold(
    product: ProductStatement, operand: Operand, values: Numbers, point: Point, out: U32
) -> None:
    """Write A or B of the statement, on all slots and shared labels: K (4, 2^variables)."""
    weights = product.own_tables(operand, point)
    factors = outer(weights).reshape(4, -1) if weights else None
    slots = out.reshape(4, len(values), -1)
    step = max(1, _BLOCK // max(1, values[0].size))
    for first in range(0, len(values), step):
        rows = slice(first, first + step)
        block = _arranged(product, operand, values[rows])
        if factors is None:
            slots[0, rows] = to_montgomery(block).reshape(-1, slots.shape[2])
            slots[1:, rows] = 0
        else:
            slots[:, rows] = weigh_rows(block, factors).reshape(4, -1, slots.shape[2])


def _arranged(product: ProductStatement, operand: Operand, values: Numbers) -> U32:
    """Arrange numbers as (own labels, slots and shared labels), padded, canonical mod p."""
    axes, shared = operand.axes, product.node.shared
    own = [i for i in axes if i not in shared]
    x = values.astype(np.int32) - np.int32(operand.zero)
    if operand.factor is not None:
        x *= operand.factor.reshape([product.sizes[i] if i == 0 else 1 for i in axes])
    numbers = np.where(x < 0, x + np.int64(P), x).astype(np.uint32)
    order = (*(1 + axes.index(i) for i in own), 0, *(1 + axes.index(i) for i in shared))
    lead = math.prod(product.sizes[i] for i in own), len(values)
    out = np.zeros((*lead, *(1 << product.bits[i] for i in shared)), np.uint32)
    inside = (slice(None), slice(None), *(slice(product.sizes[i]) for i in shared))
    out[inside] = numbers.transpose(order).reshape(out[inside].shape)
    return out.reshape(lead[0], -1)
