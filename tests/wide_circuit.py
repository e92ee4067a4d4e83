"""A circuit made by hand, whose activations have any width."""

import numpy as np

from wmproof.circuit import ir
from wmproof.circuit.ir import Circuit
from wmproof.circuit.tables import clamp_table

SHAPE = (2, 4, 6)
_SHIFT = 3


def wide_circuit(largest: int) -> Circuit:
    """Activations up to `largest`, maxima of them, pixels joined to them, padding, two classes."""
    # Two white pixels reach the largest value.
    total = -(-(largest << _SHIFT) // 255)
    part = [total // 2, total // 3, total // 4, total // 5]
    first = np.array([[p, total - p] for p in part], np.int32).reshape(4, 2, 1, 1)
    linear = ir.Linear(np.zeros((4, 1, 1), np.int32), (ir.Conv(0, first, (1, 1)),))
    nodes: list[ir.Node] = [
        ir.Input("images", SHAPE),
        ir.Activation("wide", 0, linear),
        ir.Slice("left", 1, (0, 0, 0), (2, 4, 6), (1, 1, 1)),
        ir.Slice("right", 1, (2, 0, 0), (4, 4, 6), (1, 1, 1)),
        ir.Maximum("larger", 2, 3),
        ir.Reshape("turned", 4, (2, 6, 4)),
        ir.Transpose("back", 5, (0, 2, 1)),
        ir.Concat("both", (0, 6), 0),
        ir.Pad("framed", 7, (0, 1, 0), (0, 0, 1), 1500 if largest > 255 else 7),
    ]
    weight = np.random.default_rng(0).integers(-30, 31, (2, 4, 5, 7)).astype(np.int32)
    bias = np.array([[[0]], [[1234]]], np.int32)
    output = ir.Linear(bias, (ir.Conv(8, weight, (5, 7)),))
    return Circuit(tuple(nodes), (clamp_table(20, _SHIFT, largest),), output)
