"""Each operator that the compiler takes, against ONNX Runtime's floats and in three evaluators."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from circuit_graphs import (
    Graph,
    assert_close_to_float,
    assert_same_bits,
    float_logits,
    integer_logits,
)
from float_meaning import difference
from onnx import TensorProto, helper, numpy_helper

from wmproof.circuit.compile import compile_model
from wmproof.circuit.evaluate import classify
from wmproof.circuit.ir import Maximum
from wmproof.errors import InputError
from wmproof.models.file import model_file

Block = Callable[[Graph], None]


def _activation(kind: str, **attributes: object) -> Block:
    def block(graph: Graph) -> None:
        graph.conv(6)
        graph.op(kind, **attributes)

    return block


def _clip(graph: Graph) -> None:
    graph.conv(6)
    graph.op("Clip", graph.last, graph.constant(-0.5), graph.constant(1.25))


def _relu6(graph: Graph) -> None:
    graph.conv(6)
    graph.op("Clip", graph.last, graph.constant(0.0), graph.constant(6.0))


def _strided(graph: Graph) -> None:
    graph.conv(6, (5, 3), strides=(2, 1), pads=(2, 1, 1, 0))
    graph.op("Relu")


def _dilated(graph: Graph) -> None:
    graph.conv(6, (3, 3), dilations=(2, 3), pads=(2, 3, 2, 3))
    graph.op("Relu")


def _depthwise(graph: Graph) -> None:
    graph.conv(6, (1, 1), pads=(0, 0, 0, 0))
    graph.op("Relu")
    graph.conv(12, group=6)
    graph.op("Relu")


def _grouped(graph: Graph) -> None:
    graph.conv(6)
    graph.op("Relu")
    graph.conv(8, group=2, strides=(2, 2))
    graph.op("Relu")


def _batch_norm(graph: Graph) -> None:
    graph.conv(6)
    graph.batch_norm()
    graph.op("Relu")


def _preactivation(graph: Graph) -> None:
    graph.batch_norm()
    graph.op("Relu")
    graph.conv(6)
    graph.batch_norm()
    graph.op("Relu")


def _norm_before_padded_conv(graph: Graph) -> None:
    """The zero border is a zero after the normalisation, not a byte 0."""
    graph.batch_norm()
    graph.conv(6)
    graph.op("Relu")


def _auto_pad(graph: Graph) -> None:
    weight = graph.constant(graph.random.normal(size=(4, 3, 4, 4)) * 0.2)
    graph.op("Conv", graph.last, weight, auto_pad="SAME_UPPER", strides=[2, 2])
    graph.shape = (4, 4, 4)
    graph.op("Relu")


def _max_pool(**attributes: object) -> Block:
    def block(graph: Graph) -> None:
        graph.conv(4)
        graph.op("Relu")
        graph.op("MaxPool", **attributes)
        graph.conv_shape_from_runtime()

    return block


def _residual(graph: Graph) -> None:
    graph.conv(6)
    graph.op("Relu")
    shortcut = graph.last
    graph.conv(6)
    graph.op("Relu")
    graph.conv(6)
    graph.op("Add", graph.last, shortcut)
    graph.op("Relu")


def _projection(graph: Graph) -> None:
    start = graph.last
    graph.conv(6, strides=(2, 2))
    left, shape = graph.last, graph.shape
    graph.last, graph.shape = start, (3, 8, 8)
    graph.conv(6, (1, 1), strides=(2, 2), pads=(0, 0, 0, 0))
    assert graph.shape == shape
    graph.op("Sub", left, graph.last)
    graph.op("Relu")


def _linear_bottleneck(graph: Graph) -> None:
    graph.conv(4)
    start = graph.last
    graph.conv(4)
    graph.op("Add", graph.last, start)
    graph.conv(6)
    graph.op("Relu")


def _local_response(**attributes: object) -> Block:
    """Channels that damp each other, as after the first convolutions of AlexNet."""

    def block(graph: Graph) -> None:
        graph.conv(7)
        graph.op("Relu")
        graph.op("LRN", **attributes)
        graph.conv(4)
        graph.op("Relu")

    return block


def _average_pool(**attributes: object) -> Block:
    def block(graph: Graph) -> None:
        graph.conv(4)
        graph.op("Tanh")
        graph.op("AveragePool", **attributes)
        graph.conv_shape_from_runtime()

    return block


def _pool_then_conv(graph: Graph) -> None:
    graph.conv(4)
    graph.op("Relu")
    graph.op("AveragePool", kernel_shape=[2, 2], strides=[2, 2])
    graph.shape = (4, 4, 4)
    graph.conv(5)
    graph.op("Relu")


def _densenet_transition(graph: Graph) -> None:
    graph.conv(4)
    graph.op("Relu")
    graph.conv(6, (1, 1), pads=(0, 0, 0, 0))
    graph.op("AveragePool", kernel_shape=[2, 2], strides=[2, 2])
    graph.shape = (6, 4, 4)
    graph.batch_norm()
    graph.op("Relu")


def _overlapping_pool_then_pointwise(graph: Graph) -> None:
    graph.conv(4)
    graph.op("Relu")
    graph.op("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)
    graph.conv(5, (1, 1), pads=(0, 0, 0, 0))
    graph.op("Relu")


def _global_average(graph: Graph) -> None:
    graph.conv(8)
    graph.op("Relu")
    graph.op("GlobalAveragePool")
    graph.shape = (8, 1, 1)


def _global_average_of(*places: int) -> Block:
    """Behind a part of a picture whose places are one axis, or three."""

    def build(graph: Graph) -> None:
        graph.conv(8)
        graph.op("Relu")
        graph.op("Reshape", graph.last, graph.constant(np.array([0, 8, *places])))
        graph.op("GlobalAveragePool")
        graph.op("Reshape", graph.last, graph.constant(np.array([0, 8, 1, 1])))
        graph.shape = (8, 1, 1)

    return build


def _global_max(graph: Graph) -> None:
    graph.conv(8)
    graph.op("Relu")
    graph.op("GlobalMaxPool")
    graph.shape = (8, 1, 1)


def _reduce_mean(axes: list[int], keep: int, shape: tuple[int, ...]) -> Block:
    def block(graph: Graph) -> None:
        graph.conv(8)
        graph.op("Relu")
        graph.op("ReduceMean", graph.last, graph.constant(np.array(axes)), keepdims=keep)
        graph.shape = shape

    return block


def _concat(graph: Graph) -> None:
    start, shape = graph.last, graph.shape
    graph.conv(3)
    graph.op("Relu")
    left = graph.last
    graph.last, graph.shape = start, shape
    graph.conv(4)
    graph.op("Concat", left, graph.last, start, axis=1)
    graph.shape = (10, 8, 8)
    graph.conv(6)
    graph.op("Relu")


def _pad(value: float) -> Block:
    def block(graph: Graph) -> None:
        graph.conv(4)
        graph.op("Relu")
        widths = graph.constant(np.array([0, 0, 1, 2, 0, 0, 0, 1]))
        graph.op("Pad", graph.last, widths, graph.constant(value))
        graph.shape = (4, 9, 11)
        graph.conv(4)
        graph.op("Relu")

    return block


def _shapes(graph: Graph) -> None:
    graph.conv(4)
    graph.op("Unsqueeze", graph.last, graph.constant(np.array([2])))
    graph.op("Squeeze", graph.last, graph.constant(np.array([2])))
    graph.op("Transpose", perm=[0, 2, 3, 1])
    graph.op("Reshape", graph.last, graph.constant(np.array([0, -1, 4])))
    graph.op("Relu")
    graph.op("Dropout")
    graph.op("Identity")
    weight = graph.constant(graph.random.normal(size=(4, 6)) * 0.5)
    graph.op("MatMul", graph.last, weight)
    graph.op("Transpose", perm=[0, 2, 1])
    graph.op("Relu")
    graph.shape = (6, 64)


def _channels_last(graph: Graph) -> None:
    """A block of ConvNeXt: normalisation, two matrices and a gain on (N, H, W, C)."""
    graph.conv(6)
    start = graph.last
    graph.op("Transpose", perm=[0, 2, 3, 1])
    gain, bias = np.linspace(0.5, 1.5, 6), np.linspace(-0.2, 0.2, 6)
    graph.op("LayerNormalization", graph.last, graph.constant(gain), graph.constant(bias), axis=-1)
    graph.op("MatMul", graph.last, graph.constant(graph.random.normal(size=(6, 8)) * 0.4))
    graph.op("Add", graph.last, graph.constant(np.linspace(-0.3, 0.3, 8)))
    graph.op("Gelu")
    graph.op("MatMul", graph.last, graph.constant(graph.random.normal(size=(8, 6)) * 0.4))
    graph.op("Mul", graph.last, graph.constant(np.linspace(0.2, 0.8, 6)))
    graph.op("Transpose", perm=[0, 3, 1, 2])
    graph.op("Add", graph.last, start)
    graph.conv(5)
    graph.op("Relu")


def _gain_of_every_place(graph: Graph) -> None:
    graph.conv(4)
    graph.op("Relu")
    graph.op("Mul", graph.last, graph.constant(graph.random.uniform(0.5, 1.5, (4, 8, 8))))
    graph.op("Transpose", perm=[0, 2, 1, 3])
    graph.op("Mul", graph.last, graph.constant(graph.random.uniform(0.5, 1.5, (4, 1))))
    graph.op("Add", graph.last, graph.constant(graph.random.uniform(-1, 1, (8, 4, 8))))


def _shape_part(graph: Graph, value: str, axis: int) -> str:
    """One size of a tensor as a list of one number."""
    shape = graph.op("Shape", value)
    return graph.op("Slice", shape, *(graph.constant(np.array([v])) for v in (axis, axis + 1)))


def _tokens(graph: Graph) -> None:
    """Patches as tokens, a class token for each image, and places added: (N, 5, 6)."""
    graph.conv(6, (4, 4), strides=(4, 4), pads=(0, 0, 0, 0))
    patches = graph.op("Reshape", graph.last, graph.constant(np.array([0, 6, 4])))
    tokens = graph.op("Transpose", patches, perm=[0, 2, 1])
    batch = _shape_part(graph, tokens, 0)
    one = graph.constant(np.array([1]))
    shape = graph.op("Concat", batch, one, graph.constant(np.array([6])), axis=0)
    token = graph.op("Expand", graph.constant(graph.random.normal(size=(1, 1, 6))), shape)
    whole = graph.op("Concat", token, tokens, axis=1)
    graph.op("Add", whole, graph.constant(graph.random.normal(size=(1, 5, 6)) * 0.3))
    graph.shape = (5, 6)


def _dense(graph: Graph, outputs: int) -> None:
    size = graph.shape[-1]
    graph.op("MatMul", graph.last, graph.constant(graph.random.normal(size=(size, outputs)) * 0.4))
    graph.op("Add", graph.last, graph.constant(np.linspace(-0.2, 0.2, outputs)))
    graph.shape = (*graph.shape[:-1], outputs)


def _attention(graph: Graph) -> None:
    """As torch.nn.MultiheadAttention is exported: tokens first, heads joined to the batch."""
    _tokens(graph)
    start = graph.last
    graph.op("Transpose", perm=[1, 0, 2])
    _dense(graph, 18)
    graph.op("Reshape", graph.last, graph.constant(np.array([5, -1, 3, 6])))
    graph.op("Unsqueeze", graph.last, graph.constant(np.array([0])))
    graph.op("Transpose", perm=[3, 1, 2, 0, 4])
    three = graph.op("Squeeze", graph.last, graph.constant(np.array([-2])))
    parts = []
    for part in range(3):
        one = graph.op("Gather", three, graph.constant(np.array(part)), axis=0)
        heads = graph.op("Reshape", one, graph.constant(np.array([5, -1, 3])))
        turned = graph.op("Transpose", heads, perm=[1, 0, 2])
        parts.append(graph.op("Reshape", turned, graph.constant(np.array([-1, 2, 5, 3]))))
    keys = graph.op("Transpose", parts[1], perm=[0, 1, 3, 2])
    scaled = graph.op("Mul", parts[0], graph.constant(np.array(0.6)))
    graph.op("MatMul", scaled, keys)
    graph.op("Softmax", axis=-1)
    graph.op("MatMul", graph.last, parts[2])
    graph.op("Transpose", perm=[2, 0, 1, 3])
    flat = graph.op("Reshape", graph.last, graph.constant(np.array([-1, 6])))
    matrix = graph.constant(graph.random.normal(size=(6, 6)) * 0.4)
    graph.op("Gemm", flat, matrix, graph.constant(np.linspace(-0.1, 0.1, 6)), transB=1)
    graph.op("Reshape", graph.last, graph.constant(np.array([5, -1, 6])))
    graph.op("Transpose", perm=[1, 0, 2])
    graph.op("Add", graph.last, start)
    graph.op("Gather", graph.last, graph.constant(np.array(0)), axis=1)
    graph.shape = (6,)


def _windows(graph: Graph) -> None:
    """Shifted windows joined to the batch, attention with a bias of places, and back."""
    graph.conv(4)
    graph.op("Transpose", perm=[0, 2, 3, 1])
    start = graph.last
    for axis in (1, 2):
        whole = graph.last
        bounds = [[graph.constant(np.array([v])) for v in (*b, axis)] for b in ((2, 99), (0, 2))]
        graph.op("Concat", *(graph.op("Slice", whole, *b) for b in bounds), axis=axis)
    graph.op("Reshape", graph.last, graph.constant(np.array([-1, 2, 4, 2, 4, 4])))
    graph.op("Transpose", perm=[0, 1, 3, 2, 4, 5])
    windows = graph.op("Reshape", graph.last, graph.constant(np.array([-1, 16, 4])))
    turned = graph.op("Transpose", windows, perm=[0, 2, 1])
    scores = graph.op("MatMul", windows, turned)
    graph.op("Add", scores, graph.constant(graph.random.normal(size=(1, 16, 16))))
    shares = graph.op("Softmax", axis=-1)
    graph.op("MatMul", shares, windows)
    graph.shape = (16, 4)
    _dense(graph, 4)
    graph.op("Reshape", graph.last, graph.constant(np.array([-1, 2, 2, 4, 4, 4])))
    graph.op("Transpose", perm=[0, 1, 3, 2, 4, 5])
    graph.op("Reshape", graph.last, graph.constant(np.array([-1, 8, 8, 4])))
    graph.op("Add", graph.last, start)
    graph.op("ReduceMean", graph.last, graph.constant(np.array([1, 2])), keepdims=0)
    graph.shape = (4,)


def _einsums(graph: Graph) -> None:
    _tokens(graph)
    tokens = graph.last
    heads = graph.op("Reshape", tokens, graph.constant(np.array([0, 5, 2, 3])))
    scores = graph.op("Einsum", heads, heads, equation="nqhd,nkhd->nhqk")
    shares = graph.op("Softmax", scores, axis=-1)
    graph.op("Einsum", shares, heads, equation="nhqk,nkhd->nqhd")
    matrix = graph.constant(graph.random.normal(size=(2, 3, 7)) * 0.4)
    graph.op("Einsum", graph.last, matrix, equation="nqhd,hde->neq")
    graph.op("Einsum", equation="neq->nqe")
    graph.shape = (5, 7)


def _split(graph: Graph) -> None:
    graph.conv(6)
    graph.op("Relu")
    node = helper.make_node(
        "Split", [graph.last, graph.constant(np.array([1, 3, 2]))], ["x", "y", "z"]
    )
    node.attribute.append(helper.make_attribute("axis", 1))
    graph.nodes.append(node)
    graph.op("Concat", "z", "x", axis=1)
    graph.shape = (3, 8, 8)
    graph.conv(4)
    graph.op("Relu")


def _picked(graph: Graph) -> None:
    """Channels in any order, the last row, and copies of it."""
    graph.conv(6)
    graph.op("Relu")
    graph.op("Gather", graph.last, graph.constant(np.array([5, 0, 2, 4, -1, 1])), axis=1)
    graph.op("Slice", graph.last, *(graph.constant(np.array([v])) for v in (-1, 2**31, 2)))
    graph.op("Tile", graph.last, graph.constant(np.array([1, 1, 3, 1])))
    graph.shape = (6, 3, 8)


def _blocks(mode: str) -> Block:
    """Channels to blocks of places and back, of a linear map and of what is rounded."""

    def block(graph: Graph) -> None:
        graph.conv(8)
        graph.op("DepthToSpace", blocksize=2, **({"mode": mode} if mode else {}))
        graph.op("Relu")
        graph.op("SpaceToDepth", blocksize=4)
        graph.op("DepthToSpace", blocksize=1, mode="CRD")
        graph.conv_shape_from_runtime()
        graph.conv(3)

    return block


def _resized(mode: str, scale: float, **attributes: object) -> Block:
    def block(graph: Graph) -> None:
        graph.conv(4)
        graph.op("Tanh")
        scales = graph.constant(np.array([1, 1, scale, 1.5], np.float32))
        graph.op("Resize", graph.last, "", scales, mode=mode, **attributes)
        graph.conv_shape_from_runtime()

    return block


def _spelled_normalisation(graph: Graph) -> None:
    """(x - mean) / sqrt(variance + e) of channels."""
    graph.conv(6)
    x = graph.last
    axes = graph.constant(np.array([1]))
    mean = graph.op("ReduceMean", x, axes)
    centred = graph.op("Sub", x, mean)
    square = graph.op("Pow", centred, graph.constant(np.array(2.0)))
    variance = graph.op("ReduceMean", square, axes)
    root = graph.op("Sqrt", graph.op("Add", variance, graph.constant(np.array(1e-3))))
    graph.op("Div", centred, root)


def _spelled_lengths(graph: Graph) -> None:
    """X over the root of its mean square in rows, and over its length in columns."""
    graph.conv(6)
    x = graph.last
    axes = graph.constant(np.array([-1]))
    mean = graph.op("ReduceMean", graph.op("Mul", x, x), axes)
    root = graph.op("Sqrt", graph.op("Add", mean, graph.constant(np.array(1e-2))))
    x = graph.op("Mul", x, graph.op("Reciprocal", root))
    norm = graph.op("ReduceL2", x, graph.constant(np.array([2])))
    floor = graph.op("Clip", norm, graph.constant(np.array(1e-12)), "")  # as exporters write it
    graph.op("Div", x, graph.op("Expand", floor, graph.op("Shape", x)))


def _stacked_branches(graph: Graph) -> None:
    """As selective kernels do it: branches of different sizes are stacked, chosen and added."""
    start, axis = graph.last, graph.constant(np.array([1]))
    branches = []
    for size in (0.2, 5.0):
        graph.last, graph.shape = start, (3, 8, 8)
        graph.conv(6)
        graph.op("Relu")
        larger = graph.op("Mul", graph.last, graph.constant(np.linspace(size, 1, 6)[:, None, None]))
        branches.append(graph.op("Unsqueeze", graph.op("Relu", larger), axis))
    stack = graph.op("Concat", *branches, axis=1)
    whole = graph.op("ReduceSum", stack, axis, keepdims=0)
    mean = graph.op("ReduceMean", whole, graph.constant(np.array([2, 3])), keepdims=1)
    graph.op("Conv", mean, graph.constant(graph.random.normal(size=(12, 6, 1, 1)) * 0.2))
    scores = graph.op("Reshape", graph.last, graph.constant(np.array([0, 2, 6, 1, 1])))
    graph.op("Mul", stack, graph.op("Softmax", scores, axis=1))
    graph.op("ReduceSum", graph.last, axis, keepdims=0)
    graph.shape = (6, 8, 8)


def _channels_near_by(graph: Graph) -> None:
    """Efficient channel attention: a convolution along the channels makes their gates."""
    graph.conv(6)
    x = graph.op("Relu")
    mean = graph.op("GlobalAveragePool")
    row = graph.op("Reshape", mean, graph.constant(np.array([0, 1, 6])))
    weight = graph.constant(graph.random.normal(size=(1, 1, 3)))
    graph.op("Conv", row, weight, kernel_shape=[3], pads=[1, 1], strides=[1], dilations=[1])
    gates = graph.op("Reshape", graph.op("Sigmoid"), graph.constant(np.array([0, 6, 1, 1])))
    graph.op("Mul", x, graph.op("Expand", gates, graph.op("Shape", x)))


def _rows(graph: Graph) -> None:
    """Convolutions along one axis, as of sounds: strides, dilations, uneven padding, groups."""
    graph.op("Reshape", graph.last, graph.constant(np.array([0, 3, 64])))
    weight = graph.constant(graph.random.normal(size=(6, 3, 5)) * 0.3)
    bias = graph.constant(np.linspace(-0.3, 0.3, 6))
    graph.op("Conv", graph.last, weight, bias, strides=[2], pads=[1, 3])
    graph.op("Relu")
    weight = graph.constant(graph.random.normal(size=(6, 3, 3)) * 0.4)
    graph.op("Conv", graph.last, weight, group=2, dilations=[2])
    graph.op("Relu")
    graph.shape = (6, 28)


def _sums_and_powers(graph: Graph) -> None:
    graph.conv(4)
    graph.op("Tanh")
    x = graph.last
    graph.op("Pow", x, graph.constant(np.array(3.0)))
    rows = graph.op("ReduceSum", graph.last, graph.constant(np.array([3])))
    wide = graph.op("Expand", rows, graph.constant(np.array([1, 4, 8, 8])))
    graph.op("Sum", graph.constant(np.array(0.5)), x, wide)


def _masked(graph: Graph) -> None:
    """A mask with a copy for each image, and a softmax that looks for what is no number."""
    _tokens(graph)
    tokens = graph.last
    scores = graph.op("MatMul", tokens, graph.op("Transpose", tokens, perm=[0, 2, 1]))
    batch = _shape_part(graph, tokens, 0)
    five = graph.constant(np.array([5, 5]))
    shape = graph.op("Concat", batch, five, axis=0)
    seen = graph.op("Expand", graph.constant(np.tri(5, dtype=bool)), shape)
    lows = graph.op("Where", seen, graph.constant(np.array(0.0)), graph.constant(np.array(-8.0)))
    shares = graph.op("Softmax", graph.op("Add", scores, lows), axis=-1)
    none = graph.op("IsNaN", shares)
    sure = graph.op("Where", none, graph.constant(np.array(0.0)), shares)
    graph.op("MatMul", sure, tokens)


def _global_response(graph: Graph) -> None:
    """The normalisation of ConvNeXt's second version: lengths over their mean."""
    graph.conv(6)
    x = graph.op("Gelu")
    length = graph.op("ReduceL2", x, graph.constant(np.array([2, 3])))
    mean = graph.op("ReduceMean", length, graph.constant(np.array([1])))
    share = graph.op("Div", length, graph.op("Add", mean, graph.constant(np.array(1e-6))))
    graph.op("Add", graph.op("Mul", x, share), x)


def _copied_windows(graph: Graph) -> None:
    """Windows joined to the batch, and a bias of each window with a copy for each image."""
    graph.conv(4)
    graph.op("Reshape", graph.last, graph.constant(np.array([-1, 8, 8])))
    graph.op("Clip", graph.last, "", graph.constant(np.array(0.75)))
    channels = graph.op("Softmax", axis=-1)
    images = _shape_part(graph, "images", 0)
    rest = graph.constant(np.array([4, 8, 8]))
    shape = graph.op("Concat", images, rest, axis=0)
    bias = graph.op("Expand", graph.constant(graph.random.normal(size=(1, 4, 8, 8))), shape)
    flat = graph.op("Reshape", bias, graph.constant(np.array([-1, 8, 8])))
    graph.op("Add", channels, flat)
    graph.op("Reshape", graph.last, graph.constant(np.array([-1, 4, 64])))
    graph.shape = (4, 64)


def _rounded_constants(graph: Graph) -> None:
    """A bias of places that a small network of constants computes."""
    graph.conv(4)
    places = graph.constant(graph.random.normal(size=(8, 8, 2)))
    graph.op("MatMul", places, graph.constant(graph.random.normal(size=(2, 9))))
    graph.op("Relu")
    graph.op("MatMul", graph.last, graph.constant(graph.random.normal(size=(9, 1)) * 0.3))
    squeezed = graph.op("Squeeze", graph.last, graph.constant(np.array([-1])))
    bias = graph.op("Sigmoid", squeezed)
    conv = next(n for n in graph.nodes if n.op_type == "Conv").output[0]
    graph.op("Add", conv, bias)
    graph.op("Relu")


def _dynamic_flatten(graph: Graph) -> None:
    """view(x.size(0), -1), as exporters write it."""
    graph.conv(4)
    graph.op("Relu")
    value = graph.last
    shape = graph.op("Shape", value)
    batch = graph.op("Gather", shape, graph.constant(np.array(0)), axis=0)
    batch = graph.op("Unsqueeze", batch, graph.constant(np.array([0])))
    target = graph.op("Concat", batch, graph.constant(np.array([-1])), axis=0)
    graph.op("Reshape", value, target)
    graph.shape = (256,)


def _channel_shuffle(graph: Graph) -> None:
    graph.conv(6)
    graph.op("Relu")
    graph.op("Reshape", graph.last, graph.constant(np.array([0, 2, 3, 8, 8])))
    graph.op("Transpose", perm=[0, 2, 1, 3, 4])
    graph.op("Reshape", graph.last, graph.constant(np.array([0, 6, 8, 8])))
    graph.conv(6, group=3)
    graph.op("Relu")


def _slices(graph: Graph) -> None:
    graph.conv(6)
    graph.op("Relu")
    bounds = [graph.constant(np.array(v)) for v in ([1, 0], [5, 8], [1, 3], [2, 1])]
    graph.op("Slice", graph.last, *bounds)
    graph.shape = (2, 8, 8)


def _arithmetic(graph: Graph) -> None:
    graph.conv(6)
    per_channel = graph.constant(np.linspace(0.5, 2, 6)[:, None, None])
    graph.op("Mul", graph.last, per_channel)
    graph.op("Div", graph.last, graph.constant(np.array([3.0])))
    graph.op("Add", graph.constant(np.linspace(-1, 1, 64).reshape(1, 1, 8, 8)), graph.last)
    graph.op("Sub", graph.constant(np.array(0.5)), graph.last)
    graph.op("Neg")
    graph.op("Relu")


def _gate_of_one_number(graph: Graph) -> None:
    graph.conv(6)
    value = graph.op("Relu")
    mean = graph.op("ReduceMean", value, graph.constant(np.array([1, 2, 3])), keepdims=1)
    graph.op("Mul", value, graph.op("Sigmoid", mean))


def _mlp(graph: Graph) -> None:
    graph.op("Flatten", axis=1)
    graph.gemm(16)
    graph.op("Relu")
    graph.op("MatMul", graph.last, graph.constant(graph.random.normal(size=(16, 12)) * 0.3))
    graph.op("Add", graph.last, graph.constant(np.linspace(-0.3, 0.3, 12)))
    graph.op("Sigmoid")
    graph.shape = (12,)


def _prelu(graph: Graph) -> None:
    graph.conv(6)
    graph.op("PRelu", graph.last, graph.constant(np.full((6, 1, 1), 0.25)))


BLOCKS: dict[str, Block] = {
    "relu": _activation("Relu"),
    "clip": _clip,
    "relu6": _relu6,
    "leaky": _activation("LeakyRelu", alpha=0.1),
    "leaky steep": _activation("LeakyRelu", alpha=-0.5),
    "prelu": _prelu,
    "sigmoid": _activation("Sigmoid"),
    "tanh": _activation("Tanh"),
    "hard sigmoid": _activation("HardSigmoid", alpha=0.3, beta=0.4),
    "hard swish": _activation("HardSwish"),
    "gelu": _activation("Gelu"),
    "gelu tanh": _activation("Gelu", approximate="tanh"),
    "elu": _activation("Elu"),
    "elu deeper": _activation("Elu", alpha=2.0),
    "selu": _activation("Selu"),
    "celu": _activation("Celu", alpha=0.5),
    "mish": _activation("Mish"),
    "softplus": _activation("Softplus"),
    "strided": _strided,
    "dilated": _dilated,
    "depthwise": _depthwise,
    "grouped": _grouped,
    "batch norm": _batch_norm,
    "preactivation": _preactivation,
    "norm before padding": _norm_before_padded_conv,
    "auto pad": _auto_pad,
    "max pool": _max_pool(kernel_shape=[2, 2], strides=[2, 2]),
    "max pool padded": _max_pool(kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    "max pool ceil": _max_pool(kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
    "max pool dilated": _max_pool(kernel_shape=[2, 3], dilations=[3, 2]),
    "residual": _residual,
    "projection": _projection,
    "linear bottleneck": _linear_bottleneck,
    "average pool": _average_pool(kernel_shape=[2, 2], strides=[2, 2]),
    "average pool border": _average_pool(kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    "average pool counted": _average_pool(
        kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1
    ),
    "average pool ceil": _average_pool(kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
    "local response": _local_response(size=5, alpha=2.0, bias=2.0),
    "local response, wide": _local_response(size=9, alpha=4.0),
    "average pool ceil, counted": _average_pool(
        kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1, pads=[1, 1, 1, 1], count_include_pad=1
    ),
    "average pool ceil, wider than the picture": _average_pool(
        kernel_shape=[40, 40], strides=[40, 40], ceil_mode=1, count_include_pad=1
    ),
    "pool then conv": _pool_then_conv,
    "densenet transition": _densenet_transition,
    "overlapping pool": _overlapping_pool_then_pointwise,
    "global average": _global_average,
    "global average of a row": _global_average_of(-1),
    "global average of three axes": _global_average_of(2, 2, -1),
    "global max": _global_max,
    "reduce mean": _reduce_mean([2, 3], 0, (8,)),
    "reduce mean kept": _reduce_mean([-1, -2], 1, (8, 1, 1)),
    "reduce mean channels": _reduce_mean([1], 0, (8, 8)),
    "reduce mean rows": _reduce_mean([2], 0, (8, 8)),
    "concat": _concat,
    "pad": _pad(0.0),
    "pad by value": _pad(0.5),
    "shapes": _shapes,
    "channels last": _channels_last,
    "tokens": _tokens,
    "attention": _attention,
    "windows": _windows,
    "einsum": _einsums,
    "split": _split,
    "picked": _picked,
    "nearest": _resized("nearest", 2.0, nearest_mode="floor"),
    "nearest, fewer": _resized("nearest", 0.5, coordinate_transformation_mode="asymmetric"),
    "blocks": _blocks(""),
    "blocks, channels first": _blocks("CRD"),
    "cubic": _resized("cubic", 2.0),
    "cubic, fewer": _resized("cubic", 0.5, cubic_coeff_a=-0.5),
    "cubic, inside": _resized("cubic", 1.25, exclude_outside=1),
    "cubic, corners": _resized("cubic", 2.0, coordinate_transformation_mode="align_corners"),
    "linear": _resized("linear", 2.0),
    "linear, corners": _resized("linear", 1.5, coordinate_transformation_mode="align_corners"),
    "spelled normalisation": _spelled_normalisation,
    "spelled lengths": _spelled_lengths,
    "sums and powers": _sums_and_powers,
    "stacked branches": _stacked_branches,
    "channels near by": _channels_near_by,
    "rows": _rows,
    "rounded constants": _rounded_constants,
    "masked": _masked,
    "copied windows": _copied_windows,
    "gain of every place": _gain_of_every_place,
    "dynamic flatten": _dynamic_flatten,
    "channel shuffle": _channel_shuffle,
    "slices": _slices,
    "arithmetic": _arithmetic,
    "gate of one number": _gate_of_one_number,
    "mlp": _mlp,
}


@pytest.mark.parametrize("name", BLOCKS)
def test_operator(name: str) -> None:
    graph = Graph(seed=len(name))
    graph.normalise()
    BLOCKS[name](graph)
    graph.classify()
    model, images = graph.model(), graph.images()
    compilation = compile_model(model, images)
    assert_same_bits(compilation, images)
    assert_close_to_float(compilation, model, images)


def test_quotients_of_lengths_are_read_as_the_runtime_reads_them() -> None:
    """Squares and shares have nine bits each, which costs more than other blocks lose."""
    graph = Graph(seed=15)
    graph.normalise()
    _global_response(graph)
    graph.classify()
    model, images = graph.model(), graph.images()
    compilation = compile_model(model, images)
    assert_same_bits(compilation, images)
    assert_close_to_float(compilation, model, images, 0.15)
    assert not difference(model, images[:8], graph.images(16, seed=2)).misread


def test_attention_to_many_tokens_alike_fits_into_a_table() -> None:
    """Each share is next to nothing, and all of them add up what the values have in common."""
    graph = Graph((3, 16, 16), seed=16)
    graph.normalise()
    graph.conv(6, (1, 1), pads=(0, 0, 0, 0))
    patches = graph.op("Reshape", graph.last, graph.constant(np.array([0, 6, 256])))
    tokens = graph.op("Transpose", patches, perm=[0, 2, 1])
    queries = graph.op("Mul", tokens, graph.constant(np.array(0.02)))
    shares = graph.op("Softmax", graph.op("MatMul", queries, patches), axis=-1)
    values = graph.op("Add", tokens, graph.constant(np.linspace(2.0, 4.0, 6)))
    graph.op("MatMul", shares, values)
    graph.op("ReduceMean", graph.last, graph.constant(np.array([1])), keepdims=0)
    graph.shape = (6,)
    graph.classify()
    darker = np.linspace(0.2, 1.0, 6)[:, None, None, None]
    model, images = graph.model(), (graph.images(6) * darker).astype(np.uint8)
    compilation = compile_model(model, images)
    assert_same_bits(compilation, images)
    assert_close_to_float(compilation, model, images)


def _unit_lengths(size: float, kind: str, floor: float) -> Graph:
    """Scores of directions: lengths of about `size` over what the file does with a least one."""
    graph = Graph(seed=17)
    graph.normalise()
    graph.conv(8)
    graph.op("Relu")
    graph.op("GlobalAveragePool")
    graph.op("Flatten", axis=1)
    weight, bias = graph.random.normal(size=(6, 8)) * size, graph.random.normal(size=6) * size / 9
    graph.op("Gemm", graph.last, graph.constant(weight), graph.constant(bias), transB=1)
    norm = graph.op("ReduceL2", graph.last, graph.constant(np.array([1])))
    graph.op("Div", graph.nodes[-2].output[0], graph.op(kind, norm, graph.constant(floor)))
    graph.shape = (6,)
    graph.classify()
    return graph


@pytest.mark.parametrize("kind", ["Clip", "Max", "Add"])
def test_a_factor_before_a_unit_length_changes_nothing(kind: str) -> None:
    circuits = []
    for exponent in (-29, -19, -9, 0, 9):  # from 2e-9 to 5e2
        graph = _unit_lengths(2.0**exponent, kind, 1e-14)
        model, images = graph.model(), graph.images()
        compilation = compile_model(model, images)
        assert_close_to_float(compilation, model, images, 0.08)
        circuits.append(compilation.digest)
    assert len(set(circuits)) == 1


@pytest.mark.parametrize("size", [1e-5, 1e-7, 1e-9])
@pytest.mark.parametrize("kind", ["Clip", "Max", "Add"])
def test_lengths_that_a_file_may_not_divide_by_are_refused(kind: str, size: float) -> None:
    graph = _unit_lengths(size, kind, 1e-5)
    with pytest.raises(InputError, match=r"takes for at least (1e-05|0\.0001)"):
        compile_model(graph.model(), graph.images())


def test_what_is_added_to_a_length_counts_where_a_bound_does_not() -> None:
    for kind in ("Clip", "Max"):
        graph = _unit_lengths(1e-3, kind, 8e-6)
        model, images = graph.model(), graph.images()
        assert_close_to_float(compile_model(model, images), model, images, 0.08)
    graph = _unit_lengths(1e-3, "Add", 8e-6)
    with pytest.raises(InputError, match="takes for at least 8e-05"):
        compile_model(graph.model(), graph.images())


def test_a_local_response_that_leaves_next_to_nothing_is_refused() -> None:
    graph = Graph(seed=18)
    graph.normalise()
    _local_response(size=5, alpha=1e4)(graph)
    graph.classify()
    with pytest.raises(InputError, match="damps a local response"):
        compile_model(graph.model(), graph.images())


@pytest.mark.parametrize("size", [1e-4, 1e-9])
def test_normalisations_of_next_to_nothing_compile(size: float) -> None:
    """They divide by the root of their epsilon, whose part in the sum of squares is what counts."""
    graph = Graph(seed=18)
    _tokens(graph)
    graph.op("Mul", graph.last, graph.constant(np.array(size)))
    start = graph.last
    graph.op("LayerNormalization", start, graph.constant(np.ones(6)), axis=-1, epsilon=1e-5)
    graph.op("MatMul", graph.last, graph.constant(graph.random.normal(size=(6, 6)) * size))
    graph.op("Add", graph.last, start)
    graph.op("LayerNormalization", graph.last, graph.constant(np.ones(6)), axis=-1, epsilon=1e-5)
    graph.classify()
    images = graph.images(8)
    assert_same_bits(compile_model(graph.model(), images), images)


def test_a_normalisation_of_many_numbers_fits_the_accumulator() -> None:
    """All channels and places in one group, as in PoolFormer: 8,192 squares are added up."""
    graph = Graph((3, 32, 32), seed=17)
    graph.normalise()
    graph.conv(8)
    graph.op("Reshape", graph.last, graph.constant(np.array([0, 1, 8192])))
    graph.op("InstanceNormalization", graph.last, *(graph.constant([v]) for v in (1.5, 0.1)))
    graph.op("Reshape", graph.last, graph.constant(np.array([0, 8, 32, 32])))
    graph.op("GlobalAveragePool")
    graph.shape = (8, 1, 1)
    graph.classify()
    spread = np.linspace(0.2, 1.0, 3)[:, None, None, None]
    model, images = graph.model(), (graph.images(3) * spread).astype(np.uint8)
    compilation = compile_model(model, images)
    assert_same_bits(compilation, images)
    assert_close_to_float(compilation, model, images, 0.1)


@pytest.mark.parametrize("ending", ["Softmax", "LogSoftmax", "ArgMax"])
def test_endings_do_not_change_the_answer(ending: str) -> None:
    graph = Graph(seed=3)
    graph.normalise()
    graph.conv(4)
    graph.op("Relu")
    graph.classify()
    plain, images = graph.model(), graph.images()
    attributes = {"axis": 1} if ending == "ArgMax" else {}
    graph.op(ending, **attributes)
    if ending == "ArgMax":
        graph.op("Cast", to=TensorProto.INT32)
    ended = compile_model(graph.model(), images)
    assert ended.digest == compile_model(plain, images).digest
    expected = float_logits(plain, images).argmax(axis=1)
    assert np.mean(classify(ended.circuit, images) == expected) > 0.8


def test_ties_go_to_the_lowest_index() -> None:
    graph = Graph((1, 2, 2))
    graph.op("Flatten", axis=1)
    weight = np.zeros((3, 4), np.float32)
    weight[1:] = 1
    graph.op("Gemm", graph.last, graph.constant(weight), transB=1)
    circuit = compile_model(graph.model(), graph.images()).circuit
    assert classify(circuit, graph.images(8)).tolist() == [1] * 8


def test_float_input_in_units() -> None:
    graph = Graph(uint8=False, seed=4)
    graph.conv(4)
    graph.op("Relu")
    graph.classify()
    model, images = graph.model(), graph.images()
    compilation = compile_model(model, images, pixels="unit")
    assert_same_bits(compilation, images)
    expected = float_logits(model, (images / 255).astype(np.float32))
    actual = integer_logits(compilation, images)
    assert np.abs(actual - expected).max() < 0.05 * np.abs(expected).max()


def test_a_convolution_of_rows_as_torch_exports_it() -> None:
    """Without padding, which the exporter writes as an attribute all the same."""
    rows, file = torch.nn.Flatten(2), io.BytesIO()
    layers = torch.nn.Conv1d(3, 4, 1), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(256, 5)
    torch.onnx.export(
        torch.nn.Sequential(rows, *layers).eval(), (torch.zeros(1, 3, 8, 8),), file, dynamo=False
    )
    images = Graph().images()
    compilation = compile_model(file.getvalue(), images, pixels="unit")
    expected = float_logits(file.getvalue(), (images[:1] / 255).astype(np.float32))
    actual = integer_logits(compilation, images[:1])
    assert np.abs(actual - expected).max() < 0.05 * np.abs(expected).max()


def test_bfloat16_weights_are_those_that_a_cast_makes_of_them() -> None:
    graph = Graph()
    graph.normalise()
    graph.conv(4)
    graph.op("Relu")
    graph.classify()
    model = onnx.load_from_string(graph.model())
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.ndim > 1 and array.size > 3:  # not the scaling of pixels
            name = tensor.name
            narrow = array.astype(onnx.helper.tensor_dtype_to_np_dtype(TensorProto.BFLOAT16))
            tensor.CopyFrom(numpy_helper.from_array(narrow, f"{name}, narrow"))
            cast = helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT)
            model.graph.node.insert(0, cast)
            assert not np.array_equal(narrow.astype(np.float32), array)
    data = model.SerializeToString()
    assert_close_to_float(compile_model(data, graph.images()), data, graph.images())


def test_bfloat16_numbers_are_refused() -> None:
    graph = Graph()
    graph.conv(4)
    graph.op("Cast", to=TensorProto.BFLOAT16)
    graph.op("Cast", to=TensorProto.FLOAT)
    graph.classify()
    with pytest.raises(InputError, match="casts to ONNX type 16"):
        compile_model(graph.model(), graph.images())


@pytest.mark.parametrize(
    ("words", "scales", "attributes"),
    [
        ("cubic_coeff_a = 2.0", (1, 2), {"cubic_coeff_a": 2.0}),
        ("axis 1 of .* by cubes", (2, 1), {}),
    ],
)
def test_cubes_that_cancel_or_mix_channels_are_refused(words, scales, attributes) -> None:
    graph = Graph()
    graph.conv(4)
    factors = graph.constant(np.array([1, scales[0], 1, scales[1]], np.float32))
    graph.op("Resize", graph.last, "", factors, mode="cubic", **attributes)
    graph.shape = (4 * scales[0], 8, 8 * scales[1])
    graph.classify()
    with pytest.raises(InputError, match=words):
        compile_model(graph.model(), graph.images())


def test_a_vision_transformer_as_both_exporters_write_it(tmp_path: Path) -> None:
    """By default the tokens of the one image come to lie in front, without an axis for it."""
    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(0)
    network = models.VisionTransformer(
        image_size=16,
        patch_size=8,
        num_layers=2,
        num_heads=4,
        hidden_dim=32,
        mlp_dim=64,
        num_classes=5,
    ).eval()
    for weight in network.parameters():
        if weight.ndim > 1:
            torch.nn.init.normal_(weight, std=weight[0].numel() ** -0.5)
    images = Graph((3, 16, 16)).images()
    path, logits = tmp_path / "vit.onnx", []
    legacy = {"input_names": ["i"], "output_names": ["o"], "dynamic_axes": {"i": [0], "o": [0]}}
    for settings in ({"verbose": False}, {"dynamo": False, **legacy}):
        torch.onnx.export(network, (torch.zeros(1, 3, 16, 16),), path, **settings)
        compilation = compile_model(model_file(path, "model"), images, pixels="unit")
        logits.append(integer_logits(compilation, images))
    np.testing.assert_array_equal(*logits)
    expected = network(torch.from_numpy(images).float() / 255).detach().numpy()
    error = np.sqrt(np.mean((logits[0] - expected) ** 2))
    assert error < 0.1 * np.sqrt(np.mean((expected - expected.mean(0)) ** 2))


def test_pooled_layers_cost_no_requantisation() -> None:
    """Average pools, normalisations and flattenings before a linear layer are folded."""
    graph = Graph(seed=5)
    graph.normalise()
    _pool_then_conv(graph)
    graph.op("GlobalAveragePool")
    graph.shape = (5, 1, 1)
    graph.classify()
    circuit = compile_model(graph.model(), graph.images()).circuit
    assert circuit.lookups() == 4 * 64 + 5 * 16


def test_maximum_counts() -> None:
    graph = Graph(seed=6)
    graph.conv(4)
    graph.op("Relu")
    graph.op("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    graph.shape = (4, 4, 4)
    graph.classify()
    circuit = compile_model(graph.model(), graph.images()).circuit
    assert sum(isinstance(node, Maximum) for node in circuit.nodes) == 2
    assert circuit.lookups() == 4 * 64 + 4 * 32 + 4 * 16
