"""The circuit's meaning, in NumPy int64: short enough to audit in one sitting, and slow.

Everything else in this package that evaluates a circuit must agree with this file to the last bit.
"""

from __future__ import annotations

from typing import Any

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
    value_type,
)
from wmproof.circuit.limits import check_images, outside_table
from wmproof.circuit.product import Product

Array = NDArray[np.int64]


def evaluate_reference(
    circuit: Circuit, images: NDArray[np.uint8]
) -> tuple[Array, dict[int, NDArray[Any]]]:
    """Logits and witness of a batch of images.

    Parameters
    ----------
    circuit : Circuit
    images : uint8 array (N, C, H, W)

    Returns
    -------
    logits : int64 array (N, classes)
    committed : dict
        For each committing node, its numbers, uint8 or uint16 (N, *shape).

    Raises
    ------
    InputError
        If the images have another shape or type, or an accumulator leaves its table.
    """
    check_images(circuit, images)
    values: list[Array] = []
    committed: dict[int, NDArray[Any]] = {}
    for index, node in enumerate(circuit.nodes):
        value = _node(circuit, node, values, images)
        values.append(value)
        dtype = value_type(circuit.largest[index])
        if isinstance(node, Input | Activation | Product):
            committed[index] = value.astype(dtype)
        elif isinstance(node, Maximum):
            committed[index] = (value - values[node.b]).astype(dtype)
    logits = linear(circuit.output, values)
    return logits.reshape(len(images), circuit.classes), committed


def _node(circuit: Circuit, node: Node, values: list[Array], images: NDArray[np.uint8]) -> Array:
    count = len(images)
    match node:
        case Input():
            return images.astype(np.int64)
        case Activation():
            return _looked_up(circuit, node, linear(node.linear, values))
        case Product():
            return _looked_up(circuit, node, multiply(node, values[node.a], values[node.b]))
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


def _looked_up(circuit: Circuit, node: Activation | Product, z: Array) -> Array:
    table = circuit.tables[node.table]
    if z.min() < table.low or z.max() > table.high:
        raise outside_table(node, table, z)
    y: Array = table.values[z - table.low].astype(np.int64)
    return y


def multiply(node: Product, a: Array, b: Array) -> Array:
    """Sums of products of bytes without their zeros, times factor, plus bias: int64.

    Parameters
    ----------
    a, b : int64 (N, *shape of the operand)

    Returns
    -------
    int64 (N, *shape of the node)
    """
    sums = np.einsum(node.equation, a - node.a_zero, b - node.b_zero)
    channel = (-1, *(1 for _ in node.shape[1:]))
    z: Array = sums.reshape(len(a), *node.shape) * node.factor.astype(np.int64).reshape(channel)
    return z + node.bias.reshape(channel)


def linear(form: Linear, values: list[Array]) -> Array:
    """Bias + sum of convolutions, int64 (N, O, H, W).

    Parameters
    ----------
    form : Linear
    values : list of int64 arrays (N, *shape)
        The numbers of all nodes before it.
    """
    z: Array = form.bias.astype(np.int64)[None]
    for term in form.terms:
        z = z + convolve(term, values[term.source])
    return z


def convolve(term: Conv, x: Array) -> Array:
    """One convolution of numbers x (N, I, H, W), one kernel position after the other.

    Returns
    -------
    int64 (N, O, H', W')
        Exact, as no sum reaches 2^30.
    """
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
