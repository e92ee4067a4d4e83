"""Channels of products of tensors, rescaled and scaled back elsewhere, change no answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import InferenceSession

from wmproof.circuit import ties
from wmproof.circuit.calibrate import Settings
from wmproof.circuit.compile import Compilation, compile_model
from wmproof.circuit.evaluate import classify

Floats = NDArray[np.float64]
SHAPE = (2, 6, 6)
TOKENS, WIDTH, HEADS = 9, 12, 3
EACH = WIDTH // HEADS
CHANNELS, CLASSES = 8, 5
ONES = np.ones(WIDTH)


class Graph:
    """A classifier in the making; arrays that are not int64 become float32."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self.pixels = self.op("Mul", self.op("Cast", "images", to=TensorProto.FLOAT), 1 / 64)
        self.pixels = self.op("Sub", self.pixels, 2.0)

    def op(self, kind: str, *inputs: Any, **attributes: Any) -> str:
        return self.several(kind, 1, *inputs, **attributes)[0]

    def several(self, kind: str, outputs: int, *inputs: Any, **attributes: Any) -> list[str]:
        names = []
        for value in inputs:
            if not isinstance(value, str):
                array, name = np.asarray(value), f"c{len(self._constants)}"
                array = array if array.dtype == np.int64 else array.astype(np.float32)
                self._constants.append(numpy_helper.from_array(array, name))
                value = name
            names.append(value)
        made = [f"t{len(self._nodes)}_{i}" for i in range(outputs)]
        self._nodes.append(helper.make_node(kind, names, made, **attributes))
        return made

    def reshape(self, x: str, *shape: int) -> str:
        return self.op("Reshape", x, np.array(shape, np.int64))

    def dense(self, x: str, weight: Floats, bias: Floats) -> str:
        return self.op("Add", self.op("MatMul", x, weight), bias)

    def model(self) -> bytes:
        graph = helper.make_graph(
            self._nodes,
            "net",
            [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", *SHAPE])],
            [helper.make_empty_tensor_value_info(self._nodes[-1].output[0])],
            self._constants,
        )
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        made.ir_version = 8
        return bytes(onnx.shape_inference.infer_shapes(made).SerializeToString())


@dataclass(frozen=True)
class Gains:
    """Of each channel of queries, keys, and values; those of values are undone after.

    `bias` is that of the logits.
    """

    queries: Floats
    keys: Floats
    values: Floats
    bias: Floats = field(default_factory=lambda: np.zeros(CLASSES))

    @classmethod
    def balanced(cls, queries: Floats, values: Floats) -> Gains:
        """Those of queries are undone in the keys."""
        return cls(queries, 1 / queries, values)


def _matrices() -> tuple[Graph, str, Callable[..., Floats]]:
    random, graph = np.random.default_rng(3), Graph()

    def draw(*shape: int, size: float = 1.0) -> Floats:
        return np.asarray(random.normal(size=shape) * size)

    x = graph.op("Transpose", graph.reshape(graph.pixels, 0, 8, TOKENS), perm=[0, 2, 1])
    x = graph.dense(x, draw(8, WIDTH, size=0.35), draw(TOKENS, WIDTH, size=0.5))
    return graph, x, draw


def _parts(graph: Graph, x: str, gains: Gains, draw: Callable[..., Floats], order: str) -> Any:
    """Queries, keys and values, made in this order, and (weight, bias) of the output projection."""
    outputs = {"q": gains.queries, "k": gains.keys, "v": gains.values}
    layers = {
        name: (draw(WIDTH, WIDTH, size=0.4) * gain, draw(WIDTH, size=0.3) * gain)
        for name, gain in outputs.items()
    }
    out = draw(WIDTH, WIDTH, size=0.4) / gains.values[:, None], draw(WIDTH, size=0.3)
    if order:
        made = {name: graph.dense(x, *layers[name]) for name in order}
        return [made[name] for name in "qkv"], out
    weight, bias = (np.concatenate([layers[n][i] for n in "qkv"], -1) for i in (0, 1))
    return graph.dense(x, weight, bias), out


def _ended(
    graph: Graph, x: str, y: str, draw: Callable[..., Floats], out: Any, bias: Floats
) -> bytes:
    y = graph.op("Add", x, graph.dense(y, *out))
    y = graph.op("ReduceMean", y, axes=[1], keepdims=0)
    graph.op("Gemm", y, draw(WIDTH, CLASSES), bias)
    return graph.model()


def single(gains: Gains, *, fused: bool = False) -> bytes:
    """One head, the scores divided."""
    graph, x, draw = _matrices()
    made, out = _parts(graph, x, gains, draw, "" if fused else "qkv")
    if fused:
        made = graph.several("Split", 3, made, np.array([WIDTH] * 3, np.int64), axis=2)
    q, k, v = made
    scores = graph.op("MatMul", q, graph.op("Transpose", k, perm=[0, 2, 1]))
    shares = graph.op("Softmax", graph.op("Div", scores, WIDTH**0.5), axis=-1)
    return _ended(graph, x, graph.op("MatMul", shares, v), draw, out, gains.bias)


def heads(gains: Gains, *, fused: bool = False, normalised: bool = True) -> bytes:
    """Three heads behind a layer normalisation; queries and keys are scaled before they meet."""
    graph, x, draw = _matrices()
    given = graph.op("LayerNormalization", x, 1 + draw(WIDTH) / 4, draw(WIDTH), axis=-1)
    made, out = _parts(graph, given if normalised else x, gains, draw, "" if fused else "qkv")
    if fused:
        made = graph.op(
            "Transpose", graph.reshape(made, 0, 9, 3, HEADS, EACH), perm=[2, 0, 3, 1, 4]
        )
        made = [graph.op("Gather", made, np.array(i, np.int64), axis=0) for i in range(3)]
    else:
        made = [graph.reshape(part, 0, TOKENS, HEADS, EACH) for part in made]
        made = [graph.op("Transpose", part, perm=[0, 2, 1, 3]) for part in made]
    q, k, v = made
    q, k = (graph.op("Mul", part, EACH**-0.25) for part in (q, k))
    scores = graph.op("MatMul", q, graph.op("Transpose", k, perm=[0, 1, 3, 2]))
    y = graph.op("MatMul", graph.op("Softmax", scores, axis=-1), v)
    y = graph.reshape(graph.op("Transpose", y, perm=[0, 2, 1, 3]), 0, TOKENS, WIDTH)
    return _ended(graph, x, y, draw, out, gains.bias)


def einsums(gains: Gains) -> bytes:
    """Heads in equations; keys come before queries."""
    graph, x, draw = _matrices()
    (q, k, v), out = _parts(graph, x, gains, draw, "vkq")
    v, k, q = (graph.reshape(part, 0, TOKENS, HEADS, EACH) for part in (v, k, q))
    scores = graph.op("Einsum", k, q, equation="nkhd,nqhd->nhqk")
    shares = graph.op("Softmax", graph.op("Mul", scores, EACH**-0.5), axis=-1)
    y = graph.op("Einsum", shares, v, equation="nhqk,nkhd->nqhd")
    return _ended(graph, x, graph.reshape(y, 0, TOKENS, WIDTH), draw, out, gains.bias)


def gated(gains: Gains, *, kind: str) -> bytes:
    """A convolution times a gate, whose factors are undone in the gate or behind it."""
    graph, random = Graph(), np.random.default_rng(4)

    def draw(*shape: int, size: float) -> Floats:
        return np.asarray(random.normal(size=shape) * size)

    def conv(x: str, weight: Floats, bias: Floats) -> str:
        pad = weight.shape[-1] // 2
        return graph.op("Conv", x, weight, bias, pads=[pad] * 4)

    gain = gains.values[:CHANNELS]
    wide = gain[:, None, None, None]
    values = conv(
        graph.pixels, draw(CHANNELS, 2, 3, 3, size=0.25) * wide, draw(CHANNELS, size=0.2) * gain
    )
    weight, bias = draw(CHANNELS, 2, 3, 3, size=0.3), draw(CHANNELS, size=0.2)
    if kind == "bilinear":
        gate, gain = conv(graph.pixels, weight / wide, bias / gain), np.ones(CHANNELS)
    elif kind == "sigmoid":
        gate = graph.op("Mul", graph.op("Sigmoid", conv(graph.pixels, weight, bias)), 2.0)
    else:
        values = graph.op("Relu", values)
        squeezed = graph.op("GlobalAveragePool", values)
        inner = conv(
            squeezed, draw(4, CHANNELS, 1, 1, size=0.6) / gain[:, None, None], draw(4, size=0.2)
        )
        gate = graph.op(
            "Sigmoid", conv(graph.op("Relu", inner), draw(CHANNELS, 4, 1, 1, size=0.6), bias)
        )
    x = graph.op("Mul", values, gate)
    last = draw(CHANNELS, CHANNELS, 3, 3, size=0.12) / gain[:, None, None]
    x = graph.op("Relu", conv(x, last, draw(CHANNELS, size=0.2)))
    x = graph.op("Flatten", graph.op("GlobalAveragePool", x))
    graph.op("Gemm", x, draw(CHANNELS, CLASSES, size=1.0), gains.bias)
    return graph.model()


def normalised(gains: Gains, *, groups: int) -> bytes:
    """A convolution whose groups of channels are normalised, which forgets their factors."""
    graph, random = Graph(), np.random.default_rng(9)

    def draw(*shape: int, size: float = 1.0) -> Floats:
        return np.asarray(random.normal(size=shape) * size)

    gain = gains.values[:groups].repeat(CHANNELS // groups)
    weight, bias = draw(CHANNELS, 2, 3, 3, size=0.25), draw(CHANNELS, size=0.2)
    x = graph.op(
        "Conv", graph.pixels, weight * gain[:, None, None, None], bias * gain, pads=[1] * 4
    )
    flat = graph.reshape(x, 0, groups, -1)
    x = graph.op("InstanceNormalization", flat, np.ones(groups), np.zeros(groups), epsilon=1e-12)
    x = graph.op("Mul", graph.reshape(x, 0, CHANNELS, *SHAPE[1:]), 1 + draw(CHANNELS, 1, 1) / 4)
    x = graph.op("Conv", x, draw(CHANNELS, CHANNELS, 3, 3, size=0.2), draw(CHANNELS), pads=[1] * 4)
    x = graph.op("Flatten", graph.op("Relu", x))
    graph.op("Gemm", x, draw(CHANNELS * SHAPE[1] * SHAPE[2], CLASSES), gains.bias)
    return graph.model()


NETWORKS: dict[str, Callable[[Gains], bytes]] = {
    "one head": single,
    "one head, split": lambda gains: single(gains, fused=True),
    "heads": heads,
    "heads, gathered": lambda gains: heads(gains, fused=True, normalised=False),
    "einsum": einsums,
    "bilinear gate": lambda gains: gated(gains, kind="bilinear"),
    "sigmoid gate": lambda gains: gated(gains, kind="sigmoid"),
    "squeeze and excitation": lambda gains: gated(gains, kind="squeeze"),
    "groups": lambda gains: normalised(gains, groups=4),
    "instances": lambda gains: normalised(gains, groups=CHANNELS),
}


def images(count: int, seed: int) -> NDArray[np.uint8]:
    random = np.random.default_rng(seed)
    waves = random.normal(size=(count, 2, 1, 1)) + random.normal(size=(count, *SHAPE)) * 0.7
    return np.clip(128 + 50 * waves, 0, 255).astype(np.uint8)


SHOWN = images(400, 2)


def compiled(model: bytes) -> Compilation:
    return compile_model(model, images(32, 1), settings=Settings(probes=16))


def scores(model: bytes) -> Floats:
    return np.asarray(InferenceSession(model).run(None, {"images": SHOWN})[0])


@cache
def bias(name: str) -> Floats:
    """What makes every class the answer to about as many images."""
    return -np.median(scores(NETWORKS[name](Gains.balanced(ONES, ONES))), axis=0)


def network(name: str, gains: Gains) -> bytes:
    return NETWORKS[name](replace(gains, bias=bias(name)))


@cache
def plain(name: str) -> tuple[Floats, NDArray[np.int64], bytes]:
    """Scores of the file, answers of its circuit, and the circuit's digest."""
    model = network(name, Gains.balanced(ONES, ONES))
    made = compiled(model)
    return scores(model), classify(made.circuit, SHOWN), made.digest


def _many(random: np.random.Generator) -> Floats:
    return np.asarray(10 ** random.uniform(-3, 3, WIDTH))


def _one(place: int, factor: float) -> Floats:
    return np.where(np.arange(WIDTH) == place, factor, 1.0)


REWRITTEN = {
    "one": Gains.balanced(_one(2, 1e3), _one(5, 1e-3)),
    "all": Gains.balanced(_many(np.random.default_rng(5)), _many(np.random.default_rng(6))),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("gains", REWRITTEN.values(), ids=REWRITTEN)
def test_no_answer_changes(name: str, gains: Gains) -> None:
    runtime, answers, _ = plain(name)
    ordered = np.sort(runtime, axis=1)
    clear = ordered[:, -1] - ordered[:, -2] > 0.1 * (runtime - runtime.mean(axis=0)).std()
    assert np.mean((answers == runtime.argmax(axis=1))[clear]) >= 0.99
    assert clear.mean() > 0.75
    assert np.bincount(answers).max() < 0.5 * len(answers)
    model = network(name, gains)
    # It is the same function.
    assert np.mean(scores(model).argmax(axis=1) == runtime.argmax(axis=1)) >= 0.995
    assert np.mean(classify(compiled(model).circuit, SHOWN) == answers) >= 0.99


@pytest.mark.parametrize("name", NETWORKS)
def test_powers_of_two_give_the_same_circuit(name: str) -> None:
    random = np.random.default_rng(7)
    gains = Gains.balanced(*(2.0 ** random.integers(-9, 10, WIDTH) for _ in range(2)))
    assert compiled(network(name, gains)).digest == plain(name)[2]


@pytest.mark.parametrize("name", ["one head", "heads, gathered"])
@pytest.mark.parametrize("side", ["queries", "keys"])
def test_what_is_multiplied_by_nothing_counts_for_nothing(name: str, side: str) -> None:
    """A channel of queries is always 0, and that of the keys of any size; or the other way."""
    other = "keys" if side == "queries" else "queries"
    answers = [
        classify(compiled(network(name, Gains(**gains, values=ONES))).circuit, SHOWN)
        for gains in ({side: _one(4, 0.0), other: _one(4, size)} for size in (1.0, 1e6))
    ]
    assert np.mean(answers[0] == answers[1]) >= 0.99


@pytest.mark.parametrize("limit", ["_MOST_PRODUCTS", "_MOST_ROUNDS"])
@pytest.mark.parametrize("name", ["one head, split", "heads", "bilinear gate"])
def test_where_too_much_meets_operands_have_one_scale(name: str, limit: str, monkeypatch) -> None:
    """The work on ties is bounded for any file; such a network compiles, only more coarsely."""
    runtime, _, digest = plain(name)
    monkeypatch.setattr(ties, limit, 0)
    made = compiled(network(name, Gains.balanced(ONES, ONES)))
    assert made.digest != digest
    assert np.mean(classify(made.circuit, SHOWN) == runtime.argmax(axis=1)) >= 0.9
