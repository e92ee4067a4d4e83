"""Random chains of operators with all their attributes, as ONNX Runtime takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from circuit_graphs import Graph
from float_meaning import runtime_scores
from hypothesis import strategies as st
from onnx import TensorProto, helper

Draw = st.DrawFn
Step = Callable[[Draw, "Chain"], None]

OPSETS = [7, 9, 10, 11, 12, 13, 17, 18, 19, 20, 21, 22]
CLASSES = 4
_MOST = 2**11  # elements of a tensor


class Chain(Graph):
    """A graph whose steps ONNX Runtime has accepted; `shape` is without the batch."""

    def __init__(self, shape: tuple[int, int, int], seed: int, opset: int, batch: Any) -> None:
        super().__init__(shape, seed)
        self.opset = opset
        self.batch = batch
        self.earlier: list[tuple[str, tuple[int, ...]]] = []
        self.functions: list[onnx.FunctionProto] = []
        self.ending = ""  # the operator behind the scores
        self.output: tuple[int, ...] | None = None  # its shape, where onnx cannot infer it

    def model(self, opset: int = 0) -> bytes:
        graph = helper.make_graph(
            self.nodes,
            "chain",
            [helper.make_tensor_value_info("images", TensorProto.UINT8, self.input_full)],
            [self._output_info()],
            self.constants,
        )
        imports = [helper.make_opsetid("", self.opset)]
        if self.functions:
            imports.append(helper.make_opsetid("own", 1))
        if any(node.domain == "com.microsoft" for node in self.nodes):
            imports.append(helper.make_opsetid("com.microsoft", 1))
        made = helper.make_model(graph, opset_imports=imports, functions=self.functions)
        made.ir_version = 8
        return bytes(onnx.shape_inference.infer_shapes(made).SerializeToString())

    def _output_info(self) -> onnx.ValueInfoProto:
        if self.output is None:
            return helper.make_empty_tensor_value_info(self.last)
        full = [self.batch, *self.output]
        return helper.make_tensor_value_info(self.last, TensorProto.FLOAT, full)

    @property
    def input_full(self) -> list[Any]:
        return [self.batch, *self.input_shape]

    @property
    def axes_are_inputs(self) -> bool:
        """Of Squeeze and Unsqueeze; ReduceMean has its axes as an input from 18 on."""
        return self.opset >= 13

    def attempt(self, draw: Draw, step: Step) -> bool:
        """Take a step, or leave the chain as it was where the runtime refuses it."""
        before = (self.last, self.shape, len(self.nodes), len(self.constants), len(self.functions))
        self.earlier.append((self.last, self.shape))
        try:
            step(draw, self)
            count = self.batch if isinstance(self.batch, int) else 2
            result = runtime_scores(self.model(), self.images(count))
            fine = (
                result.ndim >= 2
                and len(result) == count
                and 0 < result[0].size <= _MOST
                and (
                    bool(self.ending) or (result.dtype == np.float32 and np.isfinite(result).all())
                )
            )
        except Exception:  # whatever onnx and the runtime find wrong
            fine = False
        if fine:
            self.shape = result.shape[1:]
            return True
        self.last, self.shape, *lengths = before
        for items, length in zip(
            (self.nodes, self.constants, self.functions), lengths, strict=True
        ):
            del items[length:]
        self.earlier.pop()
        return False


def _pick(draw: Draw, *values: Any) -> Any:
    return draw(st.sampled_from(values))


def _constant(draw: Draw, graph: Chain, sign: bool = True) -> str:
    """A constant of any magnitude whose shape broadcasts to the newest tensor."""
    full = (1, *graph.shape)
    rank = draw(st.integers(0, len(full)))
    shape = tuple(_pick(draw, 1, size) for size in full[len(full) - rank :])
    magnitude = 10.0 ** _pick(draw, -6, -3, -1, 0, 0, 0, 0, 1, 2, 4, 6)
    values = graph.random.uniform(0.5, 2, shape) * magnitude
    if sign:
        values = values * graph.random.choice([-1, 1], shape)
    if _pick(draw, *[False] * 9, True):
        values = values * graph.random.integers(0, 2, shape)
    return graph.constant(np.asarray(values, np.float32))


def _window(draw: Draw, graph: Chain, dilate: bool = True) -> dict[str, Any]:
    """Kernel, strides, dilations and border of a window; `auto_pad` in one of four."""
    height, width = graph.shape[1:]
    attributes: dict[str, Any] = {
        "kernel_shape": [draw(st.integers(1, min(3, size))) for size in (height, width)]
    }
    if draw(st.booleans()):
        attributes["strides"] = [draw(st.integers(1, 3)) for _ in range(2)]
    if dilate and _pick(draw, False, False, True):
        attributes["dilations"] = [draw(st.integers(1, 2)) for _ in range(2)]
    padding = _pick(draw, "none", "pads", "pads", "auto")
    if padding == "pads":
        attributes["pads"] = [draw(st.integers(0, 2)) for _ in range(4)]
    if padding == "auto":
        attributes["auto_pad"] = _pick(draw, "SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET")
    return attributes


def convolution(draw: Draw, graph: Chain) -> None:
    attributes = _window(draw, graph)
    channels = graph.shape[0]
    group = _pick(draw, 1, 1, channels)
    outputs = group * draw(st.integers(1, 3))
    kernel = attributes["kernel_shape"]
    weight = graph.random.normal(size=(outputs, channels // group, *kernel))
    weight *= (channels // group * kernel[0] * kernel[1]) ** -0.5 * 10.0 ** _pick(draw, 0, 0, -2, 2)
    inputs = [graph.last, graph.constant(weight)]
    if draw(st.booleans()):
        inputs.append(graph.constant(graph.random.normal(size=outputs) * 0.3))
    if draw(st.booleans()):
        del attributes["kernel_shape"]
    graph.op("Conv", *inputs, group=group, **attributes)


def pool(draw: Draw, graph: Chain) -> None:
    kind = _pick(draw, "MaxPool", "AveragePool", "LpPool")
    attributes = _window(draw, graph, dilate=graph.opset >= (10 if kind == "MaxPool" else 19))
    if graph.opset >= 10 and kind != "LpPool":
        attributes["ceil_mode"] = draw(st.integers(0, 1))
    if kind == "AveragePool":
        attributes["count_include_pad"] = draw(st.integers(0, 1))
    graph.op(kind, **attributes)


def global_pool(draw: Draw, graph: Chain) -> None:
    graph.op(_pick(draw, "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"))


def pad(draw: Draw, graph: Chain) -> None:
    rank = len(graph.shape) + 1
    low = _pick(draw, 0, 0, -1)
    widths = [0 if i % rank == 0 else draw(st.integers(low, 2)) for i in range(2 * rank)]
    mode = _pick(draw, "constant", "constant", "constant", "reflect", "edge", "wrap")
    value = _pick(draw, 0.0, 0.0, 0.5, -3.0, 1e4)
    if graph.opset < 11:
        graph.op("Pad", mode=mode, pads=widths, value=value)
        return
    inputs = [graph.last, graph.constant(np.array(widths))]
    if draw(st.booleans()):
        inputs.append(graph.constant(np.float32(value)))
    if graph.opset >= 18 and draw(st.booleans()):
        axes = [a - rank * draw(st.integers(0, 1)) for a in range(1, rank)]
        inputs[1] = graph.constant(np.array([w for i, w in enumerate(widths) if i % rank]))
        inputs = [*inputs[:2], *(inputs[2:] or [""]), graph.constant(np.array(axes))]
    graph.op("Pad", *inputs, mode=mode)


def resize(draw: Draw, graph: Chain) -> None:
    scales = graph.constant(np.array([1, 1, *(_pick(draw, 0.5, 1, 2) for _ in range(2))], "f4"))
    mode = _pick(draw, "nearest", "linear", "cubic")
    if graph.opset < 10:
        graph.op("Upsample", graph.last, scales, mode="nearest")
    elif graph.opset == 10:
        graph.op("Resize", graph.last, scales, mode=_pick(draw, "nearest", "linear"))
    else:
        where = _pick(draw, "half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel")
        rounding = _pick(draw, "floor", "ceil", "round_prefer_floor", "round_prefer_ceil")
        graph.op(
            "Resize",
            graph.last,
            "" if graph.opset >= 13 else graph.constant(np.zeros(0, np.float32)),
            scales,
            mode=mode,
            coordinate_transformation_mode=where,
            nearest_mode=rounding,
        )


def slice_(draw: Draw, graph: Chain) -> None:
    rank = len(graph.shape) + 1
    axes = draw(st.lists(st.integers(1, rank - 1), min_size=1, max_size=2, unique=True))
    starts = [draw(st.integers(-3, 3)) for _ in axes]
    stops = [_pick(draw, 2, 3, 5, -1, -2, 2**31 - 1, -(2**31)) for _ in axes]
    axes = [axis - rank * draw(st.integers(0, 1)) for axis in axes]
    if graph.opset < 10:
        graph.op("Slice", axes=axes, starts=starts, ends=stops)
        return
    steps = [_pick(draw, 1, 1, 1, 2, -1) for _ in axes]
    graph.op(
        "Slice", graph.last, *(graph.constant(np.array(v)) for v in (starts, stops, axes, steps))
    )


def concat(draw: Draw, graph: Chain) -> None:
    rank = len(graph.shape) + 1
    axis = draw(st.integers(1, rank - 1))
    others = [n for n, s in graph.earlier[1:] if _but(s, axis) == _but(graph.shape, axis)]
    names = [graph.last, _pick(draw, *others)]
    if _pick(draw, False, False, False, True):
        names[1] = graph.constant(graph.random.normal(size=(1, *graph.shape)))
    axis -= rank * draw(st.integers(0, 1))
    graph.op("Concat", *draw(st.permutations(names)), axis=axis)


def _but(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[: axis - 1] + shape[axis:]


def reshape(draw: Draw, graph: Chain) -> None:
    if draw(st.booleans()):
        graph.op("Flatten", axis=_pick(draw, 1, 1, 2, 3, 0, -1, -3))
        return
    size = int(np.prod(graph.shape))
    divisor = _pick(draw, *[d for d in range(1, size + 1) if size % d == 0])
    target = _pick(
        draw,
        [0, divisor, size // divisor],
        [-1, divisor, size // divisor],
        [0, -1, divisor, 1],
        [0, divisor, 1, -1],
        [0, 0, -1],
        [-1, *graph.shape[::-1]],
        [1, -1, divisor],
        [0, 0, 0, -1],
    )
    extra = {"allowzero": _pick(draw, 0, 0, 1)} if graph.opset >= 14 else {}
    graph.op("Reshape", graph.last, graph.constant(np.array(target)), **extra)


def transpose(draw: Draw, graph: Chain) -> None:
    rank = len(graph.shape) + 1
    graph.op("Transpose", perm=[0, *draw(st.permutations(range(1, rank)))])


def axes_of_one(draw: Draw, graph: Chain) -> None:
    rank = len(graph.shape) + 1
    if draw(st.booleans()):
        kind, axes = "Unsqueeze", [draw(st.integers(1, rank))]
    else:
        kind, axes = "Squeeze", [a for a in range(1, rank) if graph.shape[a - 1] == 1][:2]
    if axes and draw(st.booleans()):
        axes = [axis - rank - (kind == "Unsqueeze") for axis in axes]
    if graph.axes_are_inputs:
        graph.op(kind, graph.last, graph.constant(np.array(axes, np.int64)))
    else:
        graph.op(kind, axes=axes)


def moving(draw: Draw, graph: Chain) -> None:
    rank = len(graph.shape) + 1
    axis = draw(st.integers(1, rank - 1))
    size = graph.shape[axis - 1]
    kind = _pick(draw, "Gather", "Tile", "Expand", "DepthToSpace", "SpaceToDepth", "Split")
    match kind:
        case "Gather":
            count = draw(st.integers(1, 4))
            places = [draw(st.integers(-size, size - 1)) for _ in range(count)]
            graph.op("Gather", graph.last, graph.constant(np.array(places)), axis=axis)
        case "Tile":
            repeats = [1] * rank
            repeats[axis] = 2
            graph.op("Tile", graph.last, graph.constant(np.array(repeats)))
        case "Expand":
            wide = [1, *(s * (2 if s == 1 else 1) for s in graph.shape)]
            graph.op("Expand", graph.last, graph.constant(np.array(wide)))
        case "Split":
            extra = {"num_outputs": 2} if graph.opset >= 18 else {}
            node = helper.make_node("Split", [graph.last], ["left", "right"], axis=axis, **extra)
            names = [f"s{len(graph.nodes)}{side}" for side in "ab"]
            node.output[:] = names
            graph.nodes.append(node)
            graph.last = names[draw(st.integers(0, 1))]
        case _:
            graph.op(kind, blocksize=2)


def batch_norm(draw: Draw, graph: Chain) -> None:
    c = graph.shape[0]
    size = 10.0 ** _pick(draw, 0, 0, -2, 2)
    numbers = (
        graph.random.uniform(0.5, 1.5, c) * graph.random.choice([-1, 1], c),
        graph.random.normal(size=c) * 0.2,
        graph.random.normal(size=c) * 0.2 * size,
        graph.random.uniform(0.0, 1.5, c) * size * size,
    )
    extra = {"epsilon": _pick(draw, 1e-5, 1e-3, 1.0)} if draw(st.booleans()) else {}
    graph.op("BatchNormalization", graph.last, *(graph.constant(v) for v in numbers), **extra)


_PLAIN = [
    "Relu", "Sigmoid", "Tanh", "Softplus", "HardSwish", "Gelu", "Elu", "Selu", "Celu", "LeakyRelu",
    "HardSigmoid", "ThresholdedRelu", "Softsign", "Abs", "Mish", "Erf", "Neg", "Exp", "Sqrt",
    "Floor", "Round", "Sign", "Shrink", "Swish", "Reciprocal", "Log",
]  # fmt: skip
_ALPHAS = {"Elu", "Selu", "Celu", "LeakyRelu", "HardSigmoid", "ThresholdedRelu", "Swish"}


def activation(draw: Draw, graph: Chain) -> None:
    kind = _pick(draw, *["Relu"] * 4, *_PLAIN)
    attributes: dict[str, Any] = {}
    if kind in _ALPHAS and draw(st.booleans()):
        attributes["alpha"] = _pick(draw, 1.0, 0.1, 0.25, 2.0, -0.5, 0.0)
    if kind == "HardSigmoid" and draw(st.booleans()):
        attributes["beta"] = _pick(draw, 0.0, 0.3, 1.5, -0.5)
    if kind == "Gelu":
        attributes["approximate"] = _pick(draw, "none", "tanh")
    if kind == "Shrink":
        attributes["lambd"] = _pick(draw, 0.5, 0.1, 2.0)
        attributes["bias"] = _pick(draw, attributes["lambd"], attributes["lambd"], 0.0)
    if kind in {"Sqrt", "Reciprocal"} and draw(st.booleans()):  # of what is not negative
        graph.op(_pick(draw, "Relu", "Abs", "Sigmoid"))
        if draw(st.booleans()):
            graph.op("Add", graph.last, graph.constant(np.float32(_pick(draw, 1e-3, 0.5))))
    if kind == "Log":
        graph.op("Sigmoid")
    graph.op(kind, **attributes)


def clip(draw: Draw, graph: Chain) -> None:
    low = _pick(draw, None, -1.0, 0.0, 0.0, 0.1, -1e9, 2.0)
    high = _pick(draw, None, 6.0, 0.5, 0.0, 1e9, -0.25)
    if graph.opset < 11:
        given = {"min": low, "max": high}
        graph.op("Clip", **{k: v for k, v in given.items() if v is not None})
        return
    inputs = ["" if v is None else graph.constant(np.float32(v)) for v in (low, high)]
    while inputs and not inputs[-1]:
        inputs.pop()
    graph.op("Clip", graph.last, *inputs)


def prelu(draw: Draw, graph: Chain) -> None:
    slopes = np.full(_pick(draw, (1,), (graph.shape[0], 1, 1), graph.shape), 0.25, np.float32)
    if draw(st.booleans()):
        slopes = slopes * graph.random.uniform(-1, 1, slopes.shape).astype(np.float32)
    graph.op("PRelu", graph.last, graph.constant(slopes))


def arithmetic(draw: Draw, graph: Chain) -> None:
    kind = _pick(
        draw, "Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "PRelu", "Mod", "Sum", "Mean"
    )
    if kind == "Pow":
        names = [graph.last, graph.constant(np.float32(_pick(draw, 1.0, 2.0, 3.0, 0.5, 0.0)))]
    else:
        names = [graph.last, _constant(draw, graph)]
        if kind != "PRelu" and draw(st.booleans()):
            names.reverse()
        if kind in {"Max", "Min", "Sum", "Mean"} and draw(st.booleans()):
            names.append(_constant(draw, graph))
    graph.op(kind, *names, **({"fmod": 1} if kind == "Mod" else {}))


def back_and_forth(draw: Draw, graph: Chain) -> None:
    """A constant and its inverse, which may lose everything on the way."""
    size = np.float32(10.0 ** draw(st.integers(-12, 12)))
    first, second = _pick(draw, ("Add", "Sub"), ("Mul", "Div"), ("Div", "Mul"), ("Sub", "Add"))
    graph.op(first, graph.last, graph.constant(size))
    graph.op(second, graph.last, graph.constant(size))


def where(draw: Draw, graph: Chain) -> None:
    full = (1, *graph.shape)
    condition = graph.constant(graph.random.random(full[draw(st.integers(0, 1)) :]) < 0.7)
    names = [graph.last, _constant(draw, graph)]
    graph.op("Where", condition, *draw(st.permutations(names)))


def two_tensors(draw: Draw, graph: Chain) -> None:
    kind = _pick(draw, "Add", "Add", "Sub", "Mul", "Max", "Min", "Sum", "Div", "Mean")
    others = [n for n, s in graph.earlier[1:] if s == graph.shape]
    if draw(st.booleans()):
        others = [n for n, s in graph.earlier[1:] if len(s) <= len(graph.shape)]
    graph.op(kind, *draw(st.permutations([graph.last, _pick(draw, *others)])))


def reduction(draw: Draw, graph: Chain) -> None:
    kind = _pick(draw, *["ReduceMean"] * 4, "ReduceMax", "ReduceSum", "ReduceL2", "ReduceMin")
    rank = len(graph.shape) + 1
    axes = draw(st.lists(st.integers(1, rank - 1), min_size=0, max_size=2, unique=True))
    axes = [axis - rank * draw(st.integers(0, 1)) for axis in axes]
    attributes = {"keepdims": draw(st.integers(0, 1))} if draw(st.booleans()) else {}
    first_with_input = 13 if kind == "ReduceSum" else 18
    if graph.opset < first_with_input:
        graph.op(kind, axes=axes, **attributes)
        return
    if draw(st.booleans()):
        attributes["noop_with_empty_axes"] = draw(st.integers(0, 1))
    graph.op(kind, graph.last, graph.constant(np.array(axes, np.int64)), **attributes)


def matrix(draw: Draw, graph: Chain) -> None:
    size, outputs = graph.shape[-1], draw(st.integers(1, 6))
    weight = graph.random.normal(size=(size, outputs)) * size**-0.5
    if len(graph.shape) == 1 and draw(st.booleans()):
        attributes: dict[str, Any] = {}
        if draw(st.booleans()):
            attributes, weight = {"transB": 1}, weight.T
        if draw(st.booleans()):
            attributes |= {"alpha": _pick(draw, 2.0, -0.5), "beta": _pick(draw, 0.0, 3.0)}
        c = _pick(draw, (1, outputs), (outputs,), (1, 1), (1,), ())
        inputs = [graph.last, graph.constant(weight)]
        if graph.opset < 11 or draw(st.booleans()):
            inputs.append(graph.constant(graph.random.normal(size=c).astype(np.float32)))
        graph.op("Gemm", *inputs, **attributes)
        return
    if _pick(draw, False, False, True):  # a weight of more or fewer axes, or on the left
        weight = weight[None] if draw(st.booleans()) else weight[:, 0]
    graph.op("MatMul", graph.last, graph.constant(weight))


def normalisation(draw: Draw, graph: Chain) -> None:
    """Of the last axes, in float32."""
    axis = draw(st.integers(1, len(graph.shape)))
    shape = graph.shape[axis - 1 :]
    numbers = [graph.random.uniform(0.5, 1.5, shape), graph.random.normal(size=shape) * 0.2]
    names = [graph.constant(n) for n in numbers[: draw(st.integers(1, 2))]]
    epsilon = _pick(draw, 1e-5, 1e-3, 1.0)
    graph.op("LayerNormalization", graph.last, *names, axis=axis, epsilon=epsilon)


def spelled(draw: Draw, graph: Chain) -> None:
    """A normalisation in means, squares and roots."""
    x, rank = graph.last, len(graph.shape) + 1
    chosen = draw(st.lists(st.integers(1, rank - 1), min_size=1, max_size=2, unique=True))

    def mean(name: str) -> str:
        if graph.opset < 18:
            return graph.op("ReduceMean", name, axes=chosen)
        return graph.op("ReduceMean", name, graph.constant(np.array(chosen)))

    centred = graph.op("Sub", x, mean(x)) if draw(st.booleans()) else x
    two = graph.constant(np.float32(_pick(draw, 2.0, 2.0, 2.0, 3.0)))
    square = _pick(draw, ("Pow", centred, two), ("Mul", centred, centred))
    variance = mean(graph.op(*square))
    epsilon = graph.constant(np.float32(_pick(draw, 1e-3, 1.0, 0.0)))
    root = graph.op("Sqrt", graph.op("Add", variance, epsilon))
    if draw(st.booleans()):
        graph.op("Div", _pick(draw, centred, centred, x), root)
    else:
        graph.op("Mul", centred, graph.op("Reciprocal", root))


def einsum(draw: Draw, graph: Chain) -> None:
    labels = "nabc"[: len(graph.shape) + 1]
    order = "".join(draw(st.permutations(labels[1:])))
    kind = _pick(draw, "move", "matrix", "square")
    if kind == "move":
        graph.op("Einsum", equation=f"{labels}->{_pick(draw, 'n', 'n', '')}{order}")
    elif kind == "matrix":
        summed = _pick(draw, *labels[1:])
        size = graph.shape[labels.index(summed) - 1]
        matrix = graph.constant(graph.random.normal(size=(size, 3)) * size**-0.5)
        result = "n" + order.replace(summed, "z")
        graph.op("Einsum", graph.last, matrix, equation=f"{labels},{summed}z->{result}")
    else:
        other = labels[:-2] + labels[-2:].replace(labels[-2], "z", 1)
        equation = f"{labels},{other}->{labels[:-1]}z"
        graph.op("Einsum", graph.last, graph.last, equation=equation)


def aside(draw: Draw, graph: Chain) -> None:
    """The batch moves to another axis, or is joined by one, and comes back."""
    rank = len(graph.shape) + 1
    joined = rank > 2 and draw(st.booleans())
    if joined:
        shape = [-1, *graph.shape[1:]]
        graph.op("Reshape", graph.last, graph.constant(np.array(shape)))
        size = rank - 1
    else:
        order = draw(st.permutations(range(rank)))
        graph.op("Transpose", perm=order)
        size = rank
    kind = _pick(draw, "Relu", "Softmax", "MatMul", "Mul", "ReduceMean", "Slice", "Clip", "nothing")
    axis = draw(st.integers(0, size - 1))
    last = [*graph.shape[1:]] if joined else [0, *graph.shape]
    match kind:
        case "Relu":
            graph.op("Relu")
        case "Softmax":
            graph.op("Softmax", axis=axis)
        case "Clip" if graph.opset >= 11:
            graph.op("Clip", graph.last, "", graph.constant(np.float32(0.5)))
        case "Mul":
            graph.op("Mul", graph.last, graph.constant(np.float32(1.5)))
        case "ReduceMean" if graph.opset < 18:
            graph.op("ReduceMean", axes=[axis])
        case "MatMul":
            count = graph.shape[-1] if joined else last[order[-1]]
            weight = graph.random.normal(size=(count, count)) * max(count, 1) ** -0.5
            graph.op("MatMul", graph.last, graph.constant(weight))
        case "Slice" if graph.opset >= 10:
            numbers = ([0], [2], [axis])
            graph.op("Slice", graph.last, *(graph.constant(np.array(v)) for v in numbers))
        case _:
            pass
    if joined:
        sizes = [-1, graph.shape[0], *([0] if kind in {"ReduceMean", "Slice"} else graph.shape[1:])]
        graph.op("Reshape", graph.last, graph.constant(np.array(sizes)))
    else:
        graph.op("Transpose", perm=np.argsort(order).tolist())


def nothing(draw: Draw, graph: Chain) -> None:
    kind = _pick(draw, "Identity", "Dropout", "Cast", "Cast")
    if kind != "Cast":
        graph.op(kind)
        return
    middle = _pick(draw, "FLOAT", "DOUBLE", "FLOAT16", "INT32", "BFLOAT16")
    graph.op("Cast", to=getattr(TensorProto, middle))
    graph.op("Cast", to=TensorProto.FLOAT)


def function(draw: Draw, graph: Chain) -> None:
    """A local function of two nodes, with a name of its own or that of an operator."""
    name = _pick(draw, "f", "Relu", "Where")
    body = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node(_pick(draw, "Neg", "Sigmoid", "Identity"), ["a"], ["y"]),
    ]
    domain = _pick(draw, "own", "own", "", "com.microsoft")
    imports = [helper.make_opsetid("", _pick(draw, graph.opset, graph.opset, 15))]
    made = helper.make_function(domain, name, ["x"], ["y"], body, imports)
    if all((f.domain, f.name) != (domain, name) for f in graph.functions):
        graph.functions.append(made)
    graph.op(name, domain=domain)


IMAGE_STEPS: list[Step] = [convolution, convolution, pool, global_pool, resize, batch_norm, prelu]
STEPS: list[Step] = [
    activation,
    activation,
    arithmetic,
    arithmetic,
    aside,
    aside,
    axes_of_one,
    back_and_forth,
    batch_norm,
    clip,
    concat,
    einsum,
    function,
    matrix,
    moving,
    normalisation,
    nothing,
    pad,
    reduction,
    reshape,
    slice_,
    spelled,
    transpose,
    two_tensors,
    where,
]
ENDINGS: list[tuple[str, dict[str, Any]]] = [
    ("Softmax", {"axis": 1}),
    ("Softmax", {}),
    ("LogSoftmax", {"axis": -1}),
    ("Sigmoid", {}),
    ("Tanh", {}),
    ("ArgMax", {"axis": 1}),
    ("ArgMax", {"axis": -1, "keepdims": 0}),
    ("ArgMax", {"axis": 1, "select_last_index": 1}),
    ("Softmax", {"axis": 0}),
    ("ArgMax", {"axis": -1, "select_last_index": 0}),
    ("ArgMax", {"axis": 0}),
    ("ArgMin", {"axis": 1}),
    ("Hardmax", {"axis": 1}),
    ("TopK", {}),
    ("TopK", {"axis": 1}),
    ("TopK", {"axis": -1, "sorted": 0}),
    ("TopK", {"axis": 1, "largest": 0}),
    ("TopK", {"axis": 0}),
]


def _list(draw: Draw, graph: Chain, attributes: dict[str, Any]) -> None:
    """The first classes in their order, or their scores."""
    count = draw(st.integers(1, CLASSES))
    inputs = [graph.last]
    if graph.opset < 10:
        attributes = {**attributes, "k": count}
    else:
        inputs.append(graph.constant(np.array([count])))
    names = ["largest", "first"]
    graph.nodes.append(helper.make_node("TopK", inputs, names, **attributes))
    graph.last = names[_pick(draw, 0, 1, 1, 1)]


def _end(draw: Draw, graph: Chain) -> None:
    kind, attributes = _pick(draw, *ENDINGS)
    graph.ending = kind
    if kind == "TopK":
        _list(draw, graph, attributes)
    else:
        graph.op(kind, **attributes)
    if draw(st.booleans()):
        graph.op("Cast", to=_pick(draw, TensorProto.FLOAT, TensorProto.INT64, TensorProto.UINT8))


@st.composite
def chains(draw: Draw) -> Chain:
    """A classifier of small pictures that ONNX Runtime accepts."""
    shape = (draw(st.integers(1, 3)), draw(st.integers(3, 7)), draw(st.integers(3, 7)))
    batch = _pick(draw, "N", "N", 1, 2)
    graph = Chain(shape, draw(st.integers(0, 2**16)), _pick(draw, *OPSETS), batch)
    scale, centre = _pick(draw, (1 / 255, 0.5), (1 / 64, 2.0), (1.0, 0.0), (1 / 255, 0.0))
    graph.op("Mul", graph.last, graph.constant(np.float32(scale)))
    if centre:
        graph.op("Sub", graph.last, graph.constant(np.float32(centre)))
    for _ in range(draw(st.integers(1, 7))):
        image = len(graph.shape) == 3 and draw(st.booleans())
        graph.attempt(draw, _pick(draw, *(IMAGE_STEPS if image else STEPS)))
    if len(graph.shape) > 1:
        graph.op("Flatten", axis=1)
    size = int(np.prod(graph.shape))
    graph.op("MatMul", graph.last, graph.constant(graph.random.normal(size=(size, CLASSES))))
    graph.op("Mul", graph.last, graph.constant(np.float32(size**-0.5)))
    graph.shape = (CLASSES,)
    if _pick(draw, False, False, True) and not graph.attempt(draw, _end):
        graph.ending = ""
    return graph
