"""What the compiler understands, before anything is rounded, beside what ONNX Runtime computes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from typing import Any, ClassVar
from unittest import mock

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from wmproof.circuit.calibrate import calibration as calibrating
from wmproof.circuit.calibrate.walk import Walk
from wmproof.circuit.compile import compile_model
from wmproof.circuit.evaluate import move
from wmproof.circuit.frontend.load import open_graph
from wmproof.circuit.frontend.translate import translate
from wmproof.circuit.functions import FUNCTIONS, POLES, SmoothFunction
from wmproof.circuit.ir import Circuit, Linear, Maximum
from wmproof.circuit.network import (
    Clamp,
    FloatActivation,
    FloatConv,
    FloatInput,
    FloatLinear,
    FloatPad,
    FloatProduct,
    FloatRows,
    Function,
    Leaky,
    Network,
    Pole,
    Ranged,
    Reciprocal,
    Rounded,
    Smooth,
)
from wmproof.circuit.product import Product
from wmproof.circuit.quantise import Encoding, product_unit, source_channels
from wmproof.circuit.reference import _node
from wmproof.core.reading import Reading
from wmproof.models.onnx_file import NOT_OPTIMISED, OnnxClassifier

Floats = NDArray[np.float64]

# Part of the logits' spread. float32 has 24 bits, of which 16 may go where a large constant is
# added (`rounding`); a wrong reading loses all of them.
TOLERANCE = 2.0**-7
_STEP = 2.0**-24
# Small tensors have sides that could be channels; all of them are pictures (C, H, W) here.
_READING = Reading(layout="NCHW")


def float_meaning(
    network: Network, images: NDArray[np.uint8], rounding: np.random.Generator | None = None
) -> Floats:
    """The logits of the network that the frontend built, in float64, (N, classes).

    With `rounding`, every number moves at random by as much as float32 rounds.
    """
    values: dict[int, Any] = {}
    for index, node in enumerate(network.nodes):
        match node:
            case FloatInput():
                values[index] = images.astype(np.float64) * node.scale
            case FloatActivation():
                values[index] = _apply(node.function, _linear(node.linear, values))
            case FloatProduct():
                values[index] = _apply(node.function, _product(node, values))
            case FloatPad():
                low = -math.inf if node.value == -math.inf else node.value
                widths = [(0, 0), *zip(node.before, node.after, strict=True)]
                values[index] = np.pad(values[node.source], widths, constant_values=low)
            case Maximum():
                values[index] = np.maximum(values[node.a], values[node.b])
            case FloatRows():
                values[index] = values[node.source].reshape(len(images), *node.shape)
            case _:
                values[index] = move(node, values)
        if rounding is not None:
            values[index] = values[index] * (
                1 + rounding.uniform(-_STEP, _STEP, values[index].shape)
            )
    return _linear(network.output, values).reshape(len(images), -1)


def _apply(function: Function, x: Floats) -> Floats:
    match function:
        case Clamp() | Ranged():
            return np.clip(x, function.low, function.high)
        case Rounded():
            with np.errstate(over="ignore"):  # as the runtime divides
                steps = np.rint(x.astype(np.float32) / np.float32(function.step))
            return np.clip(steps, function.least, function.most).astype(np.float64) * function.step
        case Leaky():
            return np.where(x < 0, function.slope * x, x)
        case Pole():
            with np.errstate(divide="ignore", invalid="ignore"):
                fallen = np.maximum(x, 0) ** -float(POLES[function.kind])
            return np.asarray(fallen)
        case Reciprocal():
            return np.asarray(1 / np.maximum(x, function.step))
        case Smooth(kind="root"):  # steep at 0, where no line lies near it
            return np.asarray(np.sqrt(np.maximum(x, 0)))
        case _:
            smooth = FUNCTIONS[function.kind]
            points, where = np.unique(x, return_inverse=True)
            if len(points) > 2**11:  # between exact values the functions are nearly straight
                points = np.union1d(np.linspace(points[0], points[-1], 2**11), 0.0)  # a kink
                return np.interp(x, points, _exact(smooth, points))
            exact = _exact(smooth, points)
            return exact[where].reshape(x.shape)


def _exact(smooth: SmoothFunction, points: Floats) -> Floats:
    with localcontext(prec=40):
        return np.array([float(smooth(Decimal(x))) for x in points.tolist()])


def _product(node: FloatProduct, values: dict[int, Any]) -> Floats:
    """The sums of products, with gain and offset."""
    letters = ["".join("abcdefghijk"[i] for i in axes) for axes in (node.a_axes, node.b_axes)]
    known = {*node.a_axes, *node.b_axes}
    out = "".join("abcdefghijk"[i] for i in range(len(node.shape)) if i in known)
    a, b = values[node.a], values[node.b]
    sums = np.einsum(f"z{letters[0]},z{letters[1]}->z{out}", a, b)
    return sums.reshape(len(a), *node.shape) * node.gain + node.offset


def _linear(linear: FloatLinear, values: dict[int, Any]) -> Floats:
    total = linear.bias[None]
    for term in linear.terms:
        total = total + _convolved(term, values[term.source], linear.shape)
    return np.broadcast_to(total, (len(total), *linear.shape))


def _convolved(term: FloatConv, x: Floats, shape: tuple[int, ...]) -> Floats:
    outputs, height, width = shape
    top, left, bottom, right = term.pads
    x = x + term.offset[None, :, None, None]
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    weight = np.broadcast_to(term.weight, (*term.weight.shape[:2], *term.kernel))
    weight = weight.reshape(term.groups, outputs // term.groups, -1, *term.kernel)
    total = np.zeros((len(x), term.groups, outputs // term.groups, height * width))
    for i, j in np.ndindex(*term.kernel):
        rows, columns = (
            slice(at, at + stride * (size - 1) + 1, stride)
            for at, stride, size in zip(
                (i * term.dilations[0], j * term.dilations[1]),
                term.strides,
                (height, width),
                strict=True,
            )
        )
        seen = x[:, :, rows, columns].reshape(len(x), term.groups, -1, height * width)
        total += weight[..., i, j] @ seen
    return total.reshape(len(x), outputs, height, width)


@dataclass(frozen=True)
class Difference:
    """How far the compiler is from ONNX Runtime.

    `reading` is the largest difference between the scores and those of the network that the
    frontend built, as a part of their spread. `layer` is how far a layer of the circuit is from
    what that network makes of the same bytes, in bytes beyond what rounding explains. `noise` says
    that float32's rounding of that network's numbers moves the scores as far, as where they are
    constant over the reals: then the runtime's answers have no meaning that could be read.
    """

    reading: float
    layer: float
    noise: bool

    @property
    def misread(self) -> bool:
        """Whether the compiler reads something else than the runtime does."""
        return self.layer > 1 or not (self.noise or self.reading <= TOLERANCE)


class _Recorded(Walk):
    """A calibration whose encodings can be looked at."""

    encodings: ClassVar[list[Encoding]] = []

    def run(self) -> Any:
        super().run()
        _Recorded.encodings = self._encodings

    def result(self) -> Any:
        """Of the pass that was chosen, where calibration makes several."""
        _Recorded.encodings = self._encodings
        return super().result()


def _layer_error(
    circuit: Circuit, network: Network, encodings: list[Encoding], images: NDArray[np.uint8]
) -> float:
    """Largest distance of a layer's bytes from its function of the bytes before."""
    values: list[NDArray[np.int64]] = []
    reals: dict[int, Any] = {}
    worst = 0.0
    for index, node in enumerate(circuit.nodes):
        values.append(_node(circuit, node, values, images))
        scale, zero = encodings[index].scale, encodings[index].zero
        reals[index] = scale * (values[index] - zero)
        meant = network.nodes[index]
        if isinstance(meant, FloatPad) and meant.value != -math.inf:
            off = np.abs((node.value - zero) * scale - meant.value) / scale
            worst = max(worst, float(off.max()) * 2)
        if isinstance(meant, FloatActivation | FloatProduct):
            if isinstance(meant, FloatActivation):
                exact = _linear(meant.linear, reals)
                slack = _slack(meant.linear, node.linear, encodings, circuit.largest)
            else:
                exact = _product(_in_rows(meant, network, encodings), reals)
                slack = _product_slack(meant, node, encodings)
            nearest_to_0 = np.clip(-exact, -slack, slack)  # where some functions turn
            moved = (-slack, 0 * slack, slack, nearest_to_0)
            ends = [_apply(meant.function, exact + d) for d in moved]
            top = int(circuit.tables[node.table].values.max())
            low, high = (
                np.clip(e / scale + zero, 0, top) for e in (np.min(ends, 0), np.max(ends, 0))
            )
            off = np.maximum(low - values[index], values[index] - high)
            worst = max(worst, float(off.max()) - 0.5)
    return worst


def _in_rows(meant: FloatProduct, network: Network, encodings: list[Encoding]) -> FloatProduct:
    """The product with the offset that the rows before it have, (R, 1, 1), if it reads some."""
    rows = None if meant.rows is None else network.nodes[meant.rows]
    if not isinstance(rows, FloatRows):
        return meant
    units = encodings[rows.source].scale.reshape(rows.shape) / encodings[meant.rows].scale
    return replace(meant, offset=meant.offset / units[0, :, :, None] ** 2)


def _product_slack(meant: FloatProduct, made: Product, encodings: list[Encoding]) -> Floats:
    """Products of numbers are exact; the bias is rounded to an accumulator."""
    unit = product_unit(meant, encodings[meant.a], encodings[meant.b])
    factor = made.factor.reshape(-1, *(1 for _ in meant.shape[1:]))
    return np.asarray(np.abs(unit / np.maximum(np.abs(factor), 1)))


def _slack(
    meant: FloatLinear, made: Linear, encodings: list[Encoding], tops: Sequence[int]
) -> Floats:
    """How far rounded weights may move a linear map, (O, 1, 1)."""
    moved, size, whole = (np.zeros(meant.shape[0]) for _ in range(3))
    for float_term, term in zip(meant.terms, made.terms, strict=True):
        encoding = encodings[term.source]
        scale, zero = encoding.scale[:, 0, 0], encoding.zero[:, 0, 0]
        # Half a unit for each weight, times its byte; what is taken off the mean is no more.
        largest = float(np.abs(float_term.offset / scale - zero).max()) + tops[term.source]
        moved += largest * np.prod(term.weight.shape[1:2]) * np.prod(term.kernel)
        size += np.abs(float_term.weight * source_channels(float_term, scale)).sum(axis=(1, 2, 3))
        whole += np.abs(term.weight).sum(axis=(1, 2, 3))
    unit = np.where(whole > 0, size / np.maximum(whole, 1), size)
    return np.asarray((moved + 2) * unit)[:, None, None]


def runtime_scores(model: bytes, images: NDArray[np.uint8]) -> NDArray[Any]:
    """What ONNX Runtime answers, (N, ...), one image at a time where the model takes one."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.x64quantprecision", "1")  # as `open_session`
    session = onnxruntime.InferenceSession(
        model, options, providers=["CPUExecutionProvider"], disabled_optimizers=NOT_OPTIMISED
    )
    only = session.get_inputs()[0]
    size = only.shape[0] if isinstance(only.shape[0], int) else len(images)
    parts = [
        session.run(None, {only.name: images[i : i + size]})[0] for i in range(0, len(images), size)
    ]
    return np.concatenate(parts)


def difference(
    model: bytes,
    images: NDArray[np.uint8],
    calibration: NDArray[np.uint8],
    *,
    ending: bool | str = False,
    share: float = 1.0,
) -> Difference:
    """Compile a model of raw pixels and compare; raises `InputError` where it is refused.

    Behind an `ending` that leaves the answer as it is, or its operator's name, answers are compared
    and not scores. The `share` of images that are nearest counts: where numbers are rounded,
    float32 may round a number in the middle to the other side.
    """
    with mock.patch.object(calibrating, "Walk", _Recorded):
        circuit = compile_model(model, calibration, reading=_READING).circuit
    network = translate(open_graph(model, _READING))
    layer = _layer_error(circuit, network, _Recorded.encodings, images)
    understood = float_meaning(network, images)
    moved = float_meaning(network, images, rounding=np.random.default_rng(1)) - understood
    scores = runtime_scores(model, images).astype(np.float64).reshape(len(images), -1)
    spread = max(
        np.ptp(understood - understood.mean(axis=0)), 1e-3 * np.abs(understood).max(), 1e-30
    )
    noise = bool(np.abs(moved).max() > TOLERANCE * spread)
    if not ending:
        errors = np.abs(understood - scores).max(axis=1) / spread
        return Difference(float(np.quantile(errors, share, method="lower")), layer, noise)
    ordered = np.sort(understood, axis=1)
    clear = ordered[:, -1] - ordered[:, -2] > TOLERANCE * spread
    answers = OnnxClassifier(model, reading=_READING).classify(images)
    if scores.shape[1] > 1:
        read = scores[:, 0] if ending == "TopK" else scores.argmax(axis=1)
        assert np.array_equal(answers, read), f"of {ending} verify reads {answers}, not {read}"
    wrong = bool(((answers != understood.argmax(axis=1)) & clear).any())
    return Difference(float(wrong), layer, noise)
