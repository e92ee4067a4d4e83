"""One linear map as matrix products whose every sum a float holds exactly.

A convolution becomes matrix products over slices of its input channels, each slice so short that
every partial sum of its products stays below 2^24: float32 is then exact, in any order of
summation, with any BLAS. Where slices would be too short, float64 takes over (2^53).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof._base.threads import Workspace, for_each, thread_count
from wmproof.circuit import operations
from wmproof.circuit.exactness import exact_slices
from wmproof.circuit.ir import Activation, Circuit, Conv, Linear, Shape
from wmproof.circuit.tables import Table

Bytes = NDArray[np.uint8]
Values = NDArray[Any]
"""Numbers of a node, uint8 or uint16 as `ir.value_type` says."""
_WORKSPACE = 2**23  # bytes of unfolded columns at a time: they should stay in the cache


@dataclass
class _Product:
    """A convolution as matrix products over slices of the input channels of each group."""

    term: Conv
    geometry: NDArray[np.int64]
    slices: list[slice] = field(default_factory=list)
    matrices: list[list[NDArray[Any]]] = field(default_factory=list)


class LinearPlan:
    """How to evaluate one `Linear` fast; made once, used for every batch.

    Parameters
    ----------
    shapes, largest : sequence
        Of the nodes so far.

    Attributes
    ----------
    shape : tuple of int
        (O, H, W) of the result.
    bias : int32 (O, 1) or (O, H * W)
    """

    def __init__(
        self,
        linear: Linear,
        shapes: Sequence[Shape],
        largest: Sequence[int],
        workspace: Workspace | None = None,
    ) -> None:
        self._linear = linear
        self._workspace = workspace or Workspace()
        self.shape = linear.terms[0].output_shape(shapes[linear.terms[0].source])
        self._products = [_plan(term, self.shape, largest[term.source]) for term in linear.terms]
        self.bias = linear.bias.reshape(self.shape[0], -1)

    def look_up(
        self, table: Table, values: Mapping[int, Values]
    ) -> tuple[Values, NDArray[np.int64]]:
        """Activations y (N, O, H, W) of the table's type, and the range of z, int64 (N, O, 2)."""
        outputs, height, width = self.shape
        count = len(values[self._linear.terms[0].source])
        y = np.empty((count, outputs, height * width), table.values.dtype)
        seen = np.empty((count, outputs, 2), np.int64)

        def record(rows: slice, z: NDArray[Any]) -> None:
            operations.look_up(z, self.bias, table.values, table.low, y[rows], seen[rows])

        self.for_each_block(values, record)
        return y.reshape(count, *self.shape), seen

    def totals(self, values: Mapping[int, Values]) -> NDArray[np.int64]:
        """Accumulators with their bias, int64 (N, O, H * W), for small maps such as logits."""
        places = math.prod(self.shape[1:])
        count = len(values[self._linear.terms[0].source])
        totals = np.empty((count, self.shape[0], places), np.int64)

        def record(rows: slice, z: NDArray[Any]) -> None:
            # int64 before the bias: a float32 sum is exact, but its sum with the bias need not be.
            wide = z.astype(np.int64).reshape(self.shape[0], -1, places)
            totals[rows] = wide.transpose(1, 0, 2) + self.bias

        self.for_each_block(values, record)
        return totals

    def for_each_block(
        self, values: Mapping[int, Values], record: Callable[[slice, NDArray[Any]], None]
    ) -> None:
        """Evaluate blocks of images on all cores.

        Parameters
        ----------
        record : callable
            Called with the images' rows and their accumulators without the bias, integers in
            float32, float64 or int32 (O, n * H * W), which it must not keep.
        """
        count = len(values[self._linear.terms[0].source])

        def block(rows: slice) -> None:
            own = {source: value[rows] for source, value in values.items()}
            record(rows, self._sums(own, rows.stop - rows.start))

        for_each(block, self._blocks(count))

    def _blocks(self, count: int) -> Iterator[slice]:
        """Blocks of images, enough for all workers, whose columns fit into the workspace."""
        places = math.prod(self.shape[1:])
        lines = max(
            [1]
            + [
                (part.stop - part.start) * math.prod(p.term.kernel)
                for p in self._products
                for part in p.slices
            ]
        )
        fitting = _WORKSPACE // (4 * places * max(lines, self.shape[0]))
        step = max(1, min(fitting, -(-count // thread_count())))
        for first in range(0, count, step):
            yield slice(first, min(count, first + step))

    def _sums(self, values: Mapping[int, Values], count: int) -> NDArray[Any]:
        """Sum of the terms without bias, (O, N * H * W): float32 if one product gives it all."""
        places = count * math.prod(self.shape[1:])
        first = self._products[0]
        if len(self._products) == 1 and len(first.slices) == 1 and first.term.groups == 1:
            return self._product(first, values[first.term.source], first.slices[0], 0, places)
        z = self._workspace.array("sums", (self.shape[0], places), np.int32)
        z[:] = 0
        for product in self._products:
            self._add(product, values[product.term.source], z)
        return z

    def _add(self, product: _Product, x: Values, z: NDArray[np.int32]) -> None:
        term = product.term
        if not product.slices:
            weight = np.ascontiguousarray(term.full_weight)
            wide = z.reshape(self.shape[0], len(x), *self.shape[1:])
            operations.depthwise(x, weight, product.geometry, wide)
            return
        outputs = self.shape[0] // term.groups
        for part in product.slices:
            for group in range(term.groups):
                rows = slice(group * outputs, (group + 1) * outputs)
                operations.add_exact(z[rows], self._product(product, x, part, group, z.shape[1]))

    def _product(
        self, product: _Product, x: Values, part: slice, group: int, places: int
    ) -> NDArray[Any]:
        matrix = product.matrices[product.slices.index(part)][group]
        columns = self._workspace.array("columns", (matrix.shape[1], places), matrix.dtype)
        first = group * product.term.weight.shape[1] + part.start
        operations.unfold(x, first, product.geometry, columns)
        out = self._workspace.array("product", (len(matrix), places), matrix.dtype)
        return np.matmul(matrix, columns, out=out)


def plan_circuit(circuit: Circuit) -> tuple[dict[int, LinearPlan], LinearPlan]:
    """Plans of a circuit's activations, by node, and of its logits; all with one workspace.

    Returns
    -------
    activations : dict of int to LinearPlan
    logits : LinearPlan
    """
    workspace, shapes, largest = Workspace(), circuit.shapes, circuit.largest
    plans = {
        index: LinearPlan(node.linear, shapes, largest, workspace)
        for index, node in enumerate(circuit.nodes)
        if isinstance(node, Activation)
    }
    return plans, LinearPlan(circuit.output, shapes, largest, workspace)


def _plan(term: Conv, shape: Shape, largest: int) -> _Product:
    numbers = [*term.kernel, *term.strides, term.pads[0], term.pads[1], *term.dilations]
    product = _Product(term, np.array([*numbers, *shape[1:]], np.int64))
    if term.weight.shape[1] == 1 and term.groups > 1:
        return product
    outputs = shape[0] // term.groups
    weight = term.full_weight.reshape(shape[0], term.weight.shape[1], -1)
    slices = exact_slices(weight, largest)
    dtype = np.float64 if slices is None else np.float32
    for part in slices or [slice(0, weight.shape[1])]:
        product.slices.append(part)
        block = weight[:, part].reshape(shape[0], -1).astype(dtype)
        product.matrices.append([block[g : g + outputs] for g in range(0, shape[0], outputs)])
    return product
