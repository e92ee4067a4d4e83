"""Random chains with quantised parts, in the forms that quantisers write, and hostile ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from onnx import TensorProto, numpy_helper
from operator_chains import (
    CLASSES,
    Chain,
    Draw,
    Step,
    activation,
    arithmetic,
    clip,
    convolution,
    matrix,
    pool,
    reshape,
    transpose,
    two_tensors,
)

MICROSOFT = "com.microsoft"
Names = tuple[str, str]  # of a scale and a zero point


def _pick(draw: Draw, *values: Any) -> Any:
    return draw(st.sampled_from(values))


def _numbers(draw: Draw, graph: Chain, kind: type) -> Names:
    """Scale and zero point of a tensor whose numbers are around 1; now and then absurd ones."""
    limits = np.iinfo(kind)
    reach = 2.0 ** draw(st.integers(-2, 3))
    step = _pick(draw, reach / 128, reach / 100.7, reach / 61)
    step = _pick(draw, *[step] * 30, 0.0, -step, np.inf, np.nan, 1e30, 1e-40, step * 2**-12)
    zero = _pick(draw, 0, int(limits.min), (int(limits.max) + int(limits.min)) // 2, 3)
    return graph.constant(np.float32(step)), graph.constant(kind(zero))


def _kind(draw: Draw) -> type:
    return _pick(draw, np.uint8, np.uint8, np.int8, np.int8, *_pick(draw, [np.int8], [np.int16]))


def _quantise(draw: Draw, graph: Chain, names: Names) -> None:
    inputs = [graph.last, *names]
    if _pick(draw, *[False] * 20, True):  # without a zero point the numbers are uint8
        inputs.pop()
    graph.op("QuantizeLinear", *inputs)


def pair(draw: Draw, graph: Chain) -> None:
    """QuantizeLinear, perhaps something that moves integers, and DequantizeLinear."""
    names = _numbers(draw, graph, _kind(draw))
    _quantise(draw, graph, names)
    if draw(st.booleans()):
        _moved(draw, graph)
    back = names if _pick(draw, *[True] * 6, False) else _numbers(draw, graph, np.uint8)
    graph.op("DequantizeLinear", graph.last, *back)


def _moved(draw: Draw, graph: Chain) -> None:
    match _pick(draw, "reshape", "transpose", "MaxPool", "Identity", "Pad", "Concat", "Cast"):
        case "reshape":
            reshape(draw, graph)
        case "transpose":
            transpose(draw, graph)
        case "MaxPool":
            pads = [draw(st.integers(0, 1)) for _ in range(4)]
            graph.op("MaxPool", kernel_shape=[2, 2], strides=[1, 2], pads=pads)
        case "Pad":
            widths = graph.constant(np.array([0, 0, 1, 0, 0, 0, 0, 1]))
            fill = [graph.constant(np.uint8(_pick(draw, 0, 7)))] if draw(st.booleans()) else []
            graph.op("Pad", graph.last, widths, *fill)
        case "Concat":
            graph.op("Concat", graph.last, graph.last, axis=1)
        case "Cast":
            graph.op("Cast", to=TensorProto.FLOAT)
        case kind:
            graph.op(kind)


def _weight(
    draw: Draw, graph: Chain, shape: tuple[int, ...], axis: int
) -> tuple[str, str, str, Any]:
    """A constant of int8 or uint8, and its scales: one, or one for each index of an axis."""
    kind = _pick(draw, np.int8, np.int8, np.uint8)
    limits = np.iinfo(kind)
    whole = graph.random.integers(int(limits.min), int(limits.max) + 1, shape)
    count = shape[axis] if draw(st.booleans()) else None
    inputs = int(np.prod(shape)) // shape[axis]
    scale = np.asarray(graph.random.uniform(0.5, 1.5, count) / 73 / inputs**0.5, np.float32)
    middle = (int(limits.max) + int(limits.min) + 1) // 2
    zero = np.full(scale.shape, _pick(draw, middle, middle, 0, 5), kind)
    names = (graph.constant(whole.astype(kind)), graph.constant(scale), graph.constant(zero))
    return (*names, scale)


def _bias(draw: Draw, graph: Chain, count: int) -> str:
    largest = _pick(draw, *[2**13] * 12, 2**31 - 1)
    return graph.constant(graph.random.integers(-largest, largest, count).astype(np.int32))


def _array(graph: Chain, name: str) -> Any:
    return numpy_helper.to_array(next(c for c in graph.constants if c.name == name))


def layer(draw: Draw, graph: Chain) -> None:
    """A dense layer or a convolution in one of two forms, and what follows it."""
    kind = _kind(draw)
    into, out = _numbers(draw, graph, kind), _numbers(draw, graph, kind)
    _quantise(draw, graph, into)
    planar = len(graph.shape) == 3
    outputs, axis = draw(st.integers(1, 4)), 0 if planar else 1
    if planar:
        shape: tuple[int, ...] = (outputs, graph.shape[0], 3, 3)
        extra: dict[str, Any] = {"pads": [draw(st.integers(0, 1)) for _ in range(4)]}
    else:
        shape, extra = (graph.shape[-1], outputs), {}
    weight, scale, zero, steps = _weight(draw, graph, shape, axis)
    bias = _bias(draw, graph, outputs) if draw(st.booleans()) else ""
    if draw(st.booleans()):
        _between(graph, planar, [*into, weight, scale, zero, *out], bias, extra)
    else:
        _dequantised(draw, graph, planar, into, (weight, scale, zero, bias), steps, axis, extra)
        if draw(st.booleans()):
            graph.op(_pick(draw, "Relu", "Clip"))
        graph.op("QuantizeLinear", graph.last, *out)
    graph.op("DequantizeLinear", graph.last, *out)


def _between(
    graph: Chain, planar: bool, names: list[str], bias: str, extra: dict[str, Any]
) -> None:
    """An operator on integers."""
    if planar:
        graph.op("QLinearConv", graph.last, *names, *([bias] if bias else []), **extra)
    elif bias:
        graph.op("QGemm", graph.last, *names[:5], bias, *names[5:], domain=MICROSOFT)
    else:
        graph.op("QLinearMatMul", graph.last, *names)


def _dequantised(
    draw: Draw,
    graph: Chain,
    planar: bool,
    into: Names,
    names: tuple[str, ...],
    steps: Any,
    axis: int,
    extra: dict[str, Any],
) -> None:
    """A float operator between pairs; the bias has its own scale, now and then another one."""
    weight, scale, zero, bias = names
    graph.op("DequantizeLinear", graph.last, *into)
    value = graph.last
    axes = {"axis": axis} if steps.ndim else {}
    inputs = [value, graph.op("DequantizeLinear", weight, scale, zero, **axes)]
    if bias:
        step = np.asarray(_array(graph, into[0]) * steps, np.float32)
        step = step * np.float32(_pick(draw, 1, 1, 1, 3))
        axes = {"axis": 0} if step.ndim else {}
        inputs.append(graph.op("DequantizeLinear", bias, graph.constant(step), **axes))
    kind = "Conv" if planar else "Gemm" if bias else "MatMul"
    graph.op(kind, *inputs, **extra)


def of_two(draw: Draw, graph: Chain) -> None:
    """Operators of com.microsoft on one or two quantised tensors."""
    kind = _kind(draw)
    a, b, c = (_numbers(draw, graph, kind) for _ in range(3))
    others = [n for n, s in graph.earlier[1:] if s == graph.shape]
    first, second = graph.last, _pick(draw, *others) if others else graph.last
    x = graph.op("QuantizeLinear", first, *a)
    operators = ["QLinearAdd", "QLinearMul", "QLinearConcat", "QLinearSigmoid", "QLinearLeakyRelu"]
    if len(graph.shape) == 3 and min(graph.shape[1:]) > 1:  # of nothing, the runtime dies
        operators += ["QLinearGlobalAveragePool", "QLinearAveragePool"]
    operator = _pick(draw, *operators)
    if operator in {"QLinearAdd", "QLinearMul", "QLinearConcat"}:
        y = graph.op("QuantizeLinear", second, *b)
        inputs = [x, *a, y, *b, *c] if operator != "QLinearConcat" else [*c, x, *a, y, *b]
    else:
        inputs = [x, *a, *c]
    extra: dict[str, Any] = {"axis": 1} if operator == "QLinearConcat" else {}
    if operator == "QLinearGlobalAveragePool":
        extra = {"channels_last": _pick(draw, 0, 0, 0, 1)}
    if operator == "QLinearAveragePool":
        extra = {"kernel_shape": [2, 2], "strides": [draw(st.integers(1, 2))] * 2}
    graph.op(operator, *inputs, domain=MICROSOFT, **extra)
    graph.op("DequantizeLinear", graph.last, *c)


STEPS: list[Step] = [
    pair,
    pair,
    layer,
    layer,
    layer,
    of_two,
    of_two,
    activation,
    arithmetic,
    clip,
    matrix,
    reshape,
    two_tensors,
]
IMAGE_STEPS: list[Step] = [pair, layer, layer, layer, of_two, convolution, pool]


@st.composite
def quantised_chains(draw: Draw) -> Chain:
    """A classifier of small pictures that ONNX Runtime accepts, most of it quantised."""
    shape = (draw(st.integers(1, 3)), draw(st.integers(3, 6)), draw(st.integers(3, 6)))
    opset = _pick(draw, 13, 17, 19, 21)
    graph = Chain(shape, draw(st.integers(0, 2**16)), opset, _pick(draw, "N", 1))
    graph.op("Sub", graph.last, graph.constant(np.float32(_pick(draw, 0, 127.5, 128))))
    graph.op("Mul", graph.last, graph.constant(np.float32(_pick(draw, 1 / 128, 1 / 60, 1 / 255))))
    for _ in range(draw(st.integers(1, 5))):
        image = len(graph.shape) == 3 and _pick(draw, True, True, False)
        graph.attempt(draw, _pick(draw, *(IMAGE_STEPS if image else STEPS)))
    if len(graph.shape) > 1:
        graph.op("Flatten", axis=1)
    size = int(np.prod(graph.shape))
    weight = graph.constant(graph.random.normal(size=(size, CLASSES)) * size**-0.5)
    graph.op("MatMul", graph.last, weight)
    graph.shape = graph.output = (CLASSES,)
    return graph
