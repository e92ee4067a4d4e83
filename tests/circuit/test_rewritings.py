"""Rewriting the weights without changing the function changes no answer of the circuit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from wmproof.circuit.compile import compile_model
from wmproof.circuit.evaluate import Evaluator

Floats = NDArray[np.float64]
SHAPE = (2, 8, 8)


@dataclass(frozen=True)
class Layer:
    """A 3x3 convolution and a BatchNormalization; `weight` (O, I, 3, 3), `norm` (4, O)."""

    weight: Floats
    norm: Floats
    identities: int = 0


@dataclass(frozen=True)
class Net:
    """conv-bn-relu, then conv-bn-relu inside a residual, a global mean and a dense layer."""

    first: Layer
    inner: Layer
    outer: Layer
    dense: Floats
    bias: Floats
    extra: dict[str, Any] = field(default_factory=dict)

    def model(self) -> bytes:
        nodes: list[onnx.NodeProto] = []
        constants: dict[str, NDArray[Any]] = {}

        def op(kind: str, *inputs: Any, **attributes: Any) -> str:
            names = []
            for value in inputs:
                if not isinstance(value, str):
                    constants[f"c{len(constants)}"] = np.asarray(value, np.float32)
                    value = f"c{len(constants) - 1}"
                names.append(value)
            nodes.append(helper.make_node(kind, names, [f"t{len(nodes)}"], **attributes))
            return nodes[-1].output[0]

        def layer(x: str, part: Layer) -> str:
            x = op("Conv", x, part.weight, pads=[1, 1, 1, 1])
            for _ in range(part.identities):
                x = op("Identity", x)
            gamma, beta, mean, variance = part.norm
            return op("BatchNormalization", x, gamma, beta, mean, variance, epsilon=0.0)

        x = op("Mul", op("Cast", "images", to=TensorProto.FLOAT), 1 / 64)
        x = op("Relu", layer(op("Sub", x, 2.0), self.first))
        y = layer(op("Relu", layer(x, self.inner)), self.outer)
        x = op("Relu", op("Add", x, y))
        x = op("Flatten", op("GlobalAveragePool", x))
        op("Gemm", x, self.dense, self.bias)
        graph = helper.make_graph(
            nodes,
            "net",
            [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", *SHAPE])],
            [helper.make_empty_tensor_value_info(nodes[-1].output[0])],
            [numpy_helper.from_array(a, n) for n, a in constants.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 8
        return bytes(onnx.shape_inference.infer_shapes(model).SerializeToString())


def _layer(random: np.random.Generator, outputs: int, inputs: int) -> Layer:
    weight = random.normal(size=(outputs, inputs, 3, 3)) / np.sqrt(9 * inputs)
    norm = [
        random.uniform(0.5, 1.5, outputs),
        random.normal(size=outputs) * 0.2,
        random.normal(size=outputs) * 0.2,
        random.uniform(0.5, 1.5, outputs) ** 2,
    ]
    return Layer(weight, np.stack(norm))


def original() -> Net:
    random = np.random.default_rng(11)
    parts = [_layer(random, *size) for size in ((8, 2), (8, 8), (8, 8))]
    return Net(*parts, random.normal(size=(8, 5)), random.normal(size=5) * 0.1)


def images(count: int, seed: int) -> NDArray[np.uint8]:
    random = np.random.default_rng(seed)
    waves = random.normal(size=(count, 2, 1, 1)) + random.normal(size=(count, *SHAPE)) * 0.7
    return np.clip(128 + 50 * waves, 0, 255).astype(np.uint8)


def _gained(part: Layer, factor: Floats, through_weight: bool) -> Layer:
    """The layer with its outputs times `factor`: in the BatchNormalization or before it too."""
    gamma, beta, mean, variance = part.norm
    if through_weight:
        weight = part.weight * factor[:, None, None, None]
        return replace(
            part, weight=weight, norm=np.stack([gamma, beta * factor, mean * factor, variance])
        )
    return replace(part, norm=np.stack([gamma * factor, beta * factor, mean, variance]))


def scaled_inside(net: Net, random: np.random.Generator) -> Net:
    """Channels between the two convolutions of the residual times up to 10^3, and back."""
    factor = 10 ** random.uniform(-3, 3, len(net.inner.weight))
    factor[random.random(len(factor)) < random.random()] = 1
    inner = _gained(net.inner, factor, bool(random.integers(2)))
    outer = replace(net.outer, weight=net.outer.weight / factor[None, :, None, None])
    return replace(net, inner=inner, outer=outer)


def scaled_stream(net: Net, random: np.random.Generator) -> Net:
    """Channels of the residual stream times up to 10^3, in all that reads and writes them."""
    factor = 10 ** random.uniform(-3, 3, len(net.first.weight))
    factor[random.random(len(factor)) < random.random()] = 1
    return replace(
        net,
        first=_gained(net.first, factor, bool(random.integers(2))),
        inner=replace(net.inner, weight=net.inner.weight / factor[None, :, None, None]),
        outer=_gained(net.outer, factor, bool(random.integers(2))),
        dense=net.dense / factor[:, None],
    )


def permuted(net: Net, random: np.random.Generator) -> Net:
    order = random.permutation(len(net.inner.weight))
    inner = replace(net.inner, weight=net.inner.weight[order], norm=net.inner.norm[:, order])
    return replace(net, inner=inner, outer=replace(net.outer, weight=net.outer.weight[:, order]))


def duplicated(net: Net, random: np.random.Generator) -> Net:
    """One channel twice, its successors' weights split between the two."""
    which, share = random.integers(len(net.inner.weight)), random.uniform(0.1, 0.9)
    order = [*range(len(net.inner.weight)), which]
    weight = net.outer.weight[:, order].copy()
    weight[:, which] *= share
    weight[:, -1] *= 1 - share
    inner = replace(net.inner, weight=net.inner.weight[order], norm=net.inner.norm[:, order])
    return replace(net, inner=inner, outer=replace(net.outer, weight=weight))


def with_dead_channel(net: Net, random: np.random.Generator) -> Net:
    """A channel of any size that nobody listens to."""
    size = 10 ** random.uniform(-3, 3)
    weight = random.normal(size=(1, *net.inner.weight.shape[1:])) * size
    inner = replace(
        net.inner,
        weight=np.concatenate([net.inner.weight, weight]),
        norm=np.concatenate([net.inner.norm, [[1.0], [0.0], [0.0], [1.0]]], axis=1),
    )
    zero = np.zeros_like(net.outer.weight[:, :1])
    outer = replace(net.outer, weight=np.concatenate([net.outer.weight, zero], axis=1))
    return replace(net, inner=inner, outer=outer)


def with_identities(net: Net, random: np.random.Generator) -> Net:
    return replace(net, inner=replace(net.inner, identities=int(random.integers(1, 4))))


def scaled_logits(net: Net, random: np.random.Generator) -> Net:
    factor = 10 ** random.uniform(-3, 3)
    return replace(net, dense=net.dense * factor, bias=net.bias * factor)


REWRITINGS: dict[str, Callable[[Net, np.random.Generator], Net]] = {
    rewrite.__name__: rewrite
    for rewrite in (
        scaled_inside,
        scaled_stream,
        permuted,
        duplicated,
        with_dead_channel,
        with_identities,
        scaled_logits,
    )
}


@pytest.fixture(scope="module")
def plain() -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The original's answers, and which of them win by more than what is rounded."""
    logits = Evaluator(compile_model(original().model(), images(32, 1)).circuit)(
        images(400, 2), keep=False
    ).logits
    ordered = np.sort(logits, axis=1)
    clear = ordered[:, -1] - ordered[:, -2] > 0.03 * np.ptp(logits)
    assert clear.mean() > 0.6
    return logits.argmax(axis=1), clear


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(st.sampled_from(sorted(REWRITINGS)), min_size=1, max_size=6), st.integers(0, 2**32 - 1)
)
def test_a_chain_of_rewritings_changes_no_answer(plain, chain: list[str], seed: int) -> None:
    net, random = original(), np.random.default_rng(seed)
    for name in chain:
        net = REWRITINGS[name](net, random)
    answers, clear = plain
    circuit = compile_model(net.model(), images(32, 1)).circuit
    found = Evaluator(circuit)(images(400, 2), keep=False).answers
    assert (found == answers)[clear].all()
    assert np.mean(found == answers) >= 0.98


@pytest.mark.parametrize("factor", [2.0**-10, 2.0**-3, 2.0, 2.0**10])
def test_powers_of_two_give_the_same_circuit(factor: float) -> None:
    """Nothing rounds: even the digest is the same."""
    net = original()
    gains = np.where(np.arange(8) < 3, factor, 1.0)
    inner = _gained(net.inner, gains, through_weight=False)
    outer = replace(net.outer, weight=net.outer.weight / gains[None, :, None, None])
    other = replace(net, inner=inner, outer=outer)
    digests = {compile_model(n.model(), images(16, 1)).digest for n in (net, other)}
    assert len(digests) == 1
