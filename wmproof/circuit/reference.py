"""The circuit's meaning, in NumPy int64: short enough to audit in one sitting, and slow.

Everything else in this package that evaluates a circuit must agree with this file to the last bit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wmproof.circuit.ir import (
    Activation,
    Circuit,
    Concat,
    Conv,
    Input,
    Linear,
    Maximum,
    Node,
    Pad,
    Reshape,
    Slice,
    Transpose,
)
from wmproof.circuit.limits import check_images, outside_table

Array = NDArray[np.int64]


def evaluate_reference(
    circuit: Circuit, images: NDArray[np.uint8]
) -> tuple[Array, dict[int, NDArray[np.uint8]]]:
    """Logits and witness of a batch of images.

    Parameters
    ----------
    circuit : Circuit
    images : uint8 array (N, C, H, W)

    Returns
    -------
    logits : int64 array (N, classes)
    committed : dict
        For each committing node, its bytes, uint8 (N, *shape).

    Raises
    ------
    InputError
        If the images have another shape or type, or an accumulator leaves its table.
    """
    check_images(circuit, images)
    values: list[Array] = []
    committed: dict[int, NDArray[np.uint8]] = {}
    for index, node in enumerate(circuit.nodes):
        value = _node(circuit, node, values, images)
        values.append(value)
        if isinstance(node, Input | Activation):
            committed[index] = value.astype(np.uint8)
        elif isinstance(node, Maximum):
            committed[index] = (value - values[node.b]).astype(np.uint8)
    logits = linear(circuit.output, values)
    return logits.reshape(len(images), circuit.classes), committed


def _node(circuit: Circuit, node: Node, values: list[Array], images: NDArray[np.uint8]) -> Array:
    count = len(images)
    match node:
        case Input():
            return images.astype(np.int64)
        case Activation():
            table = circuit.tables[node.table]
            z = linear(node.linear, values)
            if z.min() < table.low or z.max() > table.high:
                raise outside_table(node, table, z)
            y: Array = table.values[z - table.low].astype(np.int64)
            return y
        case Maximum():
            a, b = values[node.a], values[node.b]
            m: Array = b + np.maximum(a - b, 0)
            return m
        case Reshape():
            return values[node.source].reshape(count, *node.shape)
        case Transpose():
            return values[node.source].transpose(0, *(axis + 1 for axis in node.axes))
        case Concat():
            return np.concatenate([values[source] for source in node.sources], node.axis + 1)
        case Slice():
            parts = map(slice, node.starts, node.stops, node.steps)
            return values[node.source][(slice(None), *parts)]
        case Pad():
            widths = [(0, 0), *zip(node.before, node.after, strict=True)]
            return np.pad(values[node.source], widths, constant_values=node.value)


def linear(form: Linear, values: list[Array]) -> Array:
    """Bias + sum of convolutions, int64 (N, O, H, W)."""
    z: Array = form.bias.astype(np.int64)[None]
    for term in form.terms:
        z = z + convolve(term, values[term.source])
    return z


def convolve(term: Conv, x: Array) -> Array:
    """One convolution of bytes x (N, I, H, W), one kernel position after the other."""
    (kh, kw), (sh, sw), (dh, dw) = term.kernel, term.strides, term.dilations
    outputs, height, width = term.output_shape(x.shape[1:])
    top, left, bottom, right = term.pads
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    weight = term.full_weight.astype(np.int64)
    weight = weight.reshape(term.groups, outputs // term.groups, -1, kh, kw)
    z = np.zeros((len(x), term.groups, outputs // term.groups, height * width), np.int64)
    for i in range(kh):
        for j in range(kw):
            rows = slice(i * dh, i * dh + sh * (height - 1) + 1, sh)
            columns = slice(j * dw, j * dw + sw * (width - 1) + 1, sw)
            seen = x[:, :, rows, columns].reshape(len(x), term.groups, -1, height * width)
            z += weight[..., i, j] @ seen
    return z.reshape(len(x), outputs, height, width)
