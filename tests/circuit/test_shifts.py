"""A constant that one layer adds and the next takes off changes no answer of the circuit."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import InferenceSession

from wmproof.circuit.compile import compile_model
from wmproof.circuit.evaluate import classify
from wmproof.errors import InputError

SHAPE = (2, 6, 6)


class _Graph:
    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def op(self, kind: str, *inputs: Any, **attributes: Any) -> str:
        names = []
        for value in inputs:
            if not isinstance(value, str):
                name = f"c{len(self.constants)}"
                self.constants.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
                value = name
            names.append(value)
        self.nodes.append(helper.make_node(kind, names, [f"t{len(self.nodes)}"], **attributes))
        return str(self.nodes[-1].output[0])

    def model(self) -> bytes:
        graph = helper.make_graph(
            self.nodes,
            "net",
            [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", *SHAPE])],
            [helper.make_empty_tensor_value_info(self.nodes[-1].output[0])],
            self.constants,
        )
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        made.ir_version = 8
        return bytes(onnx.shape_inference.infer_shapes(made).SerializeToString())


def normalised(shift: float, epsilon: float = 1e-5) -> bytes:
    """A dense layer, a layer normalisation, which forgets the shift, and a dense layer."""
    random, graph = np.random.default_rng(3), _Graph()
    x = graph.op("Flatten", graph.op("Cast", "images", to=TensorProto.FLOAT))
    size, units = int(np.prod(SHAPE)), 16
    x = graph.op("Sub", graph.op("Mul", x, 1 / 64), 2.0)
    x = graph.op("Gemm", x, random.normal(size=(size, units)) / 8, np.full(units, shift))
    gain, bias = random.uniform(0.5, 1.5, units), random.normal(size=units) * 0.2
    x = graph.op("LayerNormalization", x, gain, bias, epsilon=epsilon)
    graph.op("Gemm", x, random.normal(size=(units, 5)), random.normal(size=5) * 0.1)
    return graph.model()


def bottlenecks(shift: float) -> bytes:
    """A residual stream without activations, as in MobileNetV2, each channel shifted."""
    random, graph = np.random.default_rng(4), _Graph()
    added = shift * random.choice([-1.0, 1.0], 8)

    def layer(x: str, weight: NDArray[np.float64], before: Any, after: Any) -> str:
        bias = after - weight[:, :, 0, 0] @ before
        return graph.op("Conv", x, weight, bias)

    x = graph.op("Cast", "images", to=TensorProto.FLOAT)
    x = graph.op("Sub", graph.op("Mul", x, 1 / 64), 2.0)
    stream = layer(x, random.normal(size=(8, 2, 1, 1)), np.zeros(2), added)
    for _ in range(2):
        y = graph.op("Relu", layer(stream, random.normal(size=(12, 8, 1, 1)) / 3, added, 0.1))
        y = layer(y, random.normal(size=(8, 12, 1, 1)) / 3, np.zeros(12), np.zeros(8))
        stream = graph.op("Add", stream, y)
    x = graph.op("Flatten", graph.op("GlobalAveragePool", stream))
    weight = random.normal(size=(8, 5))
    graph.op("Gemm", x, weight, random.normal(size=5) * 0.1 - added @ weight)
    return graph.model()


def images(count: int, seed: int) -> NDArray[np.uint8]:
    random = np.random.default_rng(seed)
    waves = random.normal(size=(count, 2, 1, 1)) + random.normal(size=(count, *SHAPE)) * 0.7
    return np.clip(128 + 50 * waves, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("net", [normalised, bottlenecks])
@pytest.mark.parametrize("shift", [0.0, 3.0, 100.0, -700.0])
def test_a_shift_changes_no_answer(net, shift: float) -> None:
    shown = images(400, 2)
    answers = InferenceSession(net(0.0)).run(None, {"images": shown})[0].argmax(axis=1)
    rewritten = net(shift)
    runtime = InferenceSession(rewritten).run(None, {"images": shown})[0].argmax(axis=1)
    assert np.mean(runtime == answers) >= 0.99
    circuit = compile_model(rewritten, images(32, 1)).circuit
    assert np.mean(classify(circuit, shown) == answers) >= 0.95


@pytest.mark.parametrize("epsilon", [np.nan, np.inf, 0.0, -1e-5])
def test_normalisations_that_divide_by_no_number(epsilon: float) -> None:
    with pytest.raises(InputError, match="epsilon is"):
        compile_model(normalised(0.0, epsilon), images(32, 1))
