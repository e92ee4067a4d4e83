"""Small ONNX classifiers, built node by node, for the circuit's tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from wmproof.circuit.compile import Compilation
from wmproof.circuit.evaluate import Evaluator
from wmproof.circuit.ir import Circuit, value_type
from wmproof.circuit.reference import evaluate_reference
from wmproof.circuit.runtime import RuntimeEvaluator
from wmproof.models.onnx_file import NOT_OPTIMISED


class Graph:
    """An ONNX graph in the making; `self.last` and `self.shape` describe its newest tensor."""

    def __init__(
        self, shape: tuple[int, ...] = (3, 8, 8), seed: int = 0, uint8: bool = True
    ) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.input_shape = shape
        self.uint8 = uint8
        self.shape = shape
        self.last = "images"
        if uint8:
            self.op("Cast", "images", to=TensorProto.FLOAT)

    def constant(self, array: Any) -> str:
        name = f"c{len(self.constants)}"
        array = np.asarray(array)
        array = array.astype(np.float32) if array.dtype == np.float64 else array
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(kind, list(inputs or (self.last,)), [name], **attributes)
        )
        self.last = name
        return name

    def normalise(self) -> None:
        self.op("Sub", self.last, self.constant(np.full((self.shape[0], 1, 1), 120.0)))
        self.op("Div", self.last, self.constant(np.linspace(50, 70, self.shape[0])[:, None, None]))

    def conv(
        self,
        outputs: int,
        kernel: tuple[int, int] = (3, 3),
        *,
        strides: tuple[int, int] = (1, 1),
        pads: tuple[int, ...] = (1, 1, 1, 1),
        dilations: tuple[int, int] = (1, 1),
        group: int = 1,
    ) -> None:
        channels = self.shape[0] // group
        weight = self.random.normal(size=(outputs, channels, *kernel))
        weight *= (channels * kernel[0] * kernel[1]) ** -0.5
        bias = self.random.normal(size=outputs) * 0.3
        self.op(
            "Conv",
            self.last,
            self.constant(weight),
            self.constant(bias),
            kernel_shape=kernel,
            strides=strides,
            pads=pads,
            dilations=dilations,
            group=group,
        )
        sizes = [
            (self.shape[1 + a] + pads[a] + pads[2 + a] - dilations[a] * (kernel[a] - 1) - 1)
            // strides[a]
            + 1
            for a in (0, 1)
        ]
        self.shape = (outputs, *sizes)

    def conv_shape_from_runtime(self) -> None:
        """Ask ONNX Runtime for the shape of the newest tensor."""
        result = float_array(self.model(), self.images(1))
        self.shape = result.shape[1:]

    def batch_norm(self) -> None:
        c = self.shape[0]
        numbers = (
            self.random.uniform(0.5, 1.5, c) * self.random.choice([-1, 1], c),
            self.random.normal(size=c) * 0.2,
            self.random.normal(size=c) * 0.2,
            self.random.uniform(0.5, 1.5, c),
        )
        self.op("BatchNormalization", self.last, *(self.constant(v) for v in numbers))

    def gemm(self, outputs: int) -> None:
        size = int(np.prod(self.shape))
        weight = self.random.normal(size=(outputs, size)) * size**-0.5
        bias = self.random.normal(size=outputs) * 0.3
        self.op("Gemm", self.last, self.constant(weight), self.constant(bias), transB=1)
        self.shape = (outputs,)

    def classify(self, classes: int = 5) -> None:
        if len(self.shape) > 1:
            self.op("Flatten", axis=1)
        self.gemm(classes)

    def model(self, opset: int = 20) -> bytes:
        kind = TensorProto.UINT8 if self.uint8 else TensorProto.FLOAT
        graph = helper.make_graph(
            self.nodes,
            "test",
            [helper.make_tensor_value_info("images", kind, ["N", *self.input_shape])],
            [helper.make_empty_tensor_value_info(self.last)],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
        model.ir_version = 9
        model = onnx.shape_inference.infer_shapes(model)
        return bytes(model.SerializeToString())

    def images(self, count: int = 24, seed: int = 1) -> NDArray[np.uint8]:
        """Smooth random images with different brightness: layers see different inputs."""
        random = np.random.default_rng(seed)
        c, h, w = self.input_shape
        waves = random.normal(size=(count, c, 1, 1)) + random.normal(size=(count, c, h, w)) * 0.7
        return np.clip(128 + 50 * waves, 0, 255).astype(np.uint8)


def cancelling(gain: float) -> tuple[Graph, NDArray[np.uint8]]:
    """A classifier of two channels, one times `gain` less ten times the other, and images in grey.

    Its weights cancel on these, and can still add up for another image.
    """
    graph = Graph((3, 8, 8), seed=23)
    weight = np.zeros((4, 3, 1, 1))
    weight[:, 0], weight[:, 1] = gain, -10.0
    graph.op("Conv", graph.last, graph.constant(weight))
    graph.op("Relu")
    graph.shape = (4, 8, 8)
    graph.classify()
    return graph, np.repeat(graph.images()[:, :1], 3, axis=1)


def float_array(model: bytes, images: NDArray[Any]) -> NDArray[Any]:
    """The output of a float model in ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.x64quantprecision", "1")  # as `open_session`
    session = onnxruntime.InferenceSession(
        model, options, providers=["CPUExecutionProvider"], disabled_optimizers=NOT_OPTIMISED
    )
    entry = session.get_inputs()[0]
    size = entry.shape[0] if isinstance(entry.shape[0], int) else len(images)
    parts = [images[i : i + size] for i in range(0, len(images), size)]
    return np.concatenate([session.run(None, {entry.name: part})[0] for part in parts])


def float_logits(model: bytes, images: NDArray[Any]) -> NDArray[Any]:
    """What ONNX Runtime says about the float model, (N, classes)."""
    return float_array(model, images).reshape(len(images), -1)


def integer_logits(compilation: Compilation, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The circuit's logits in the float model's units."""
    logits = Evaluator(compilation.circuit)(images, keep=False).logits
    return np.asarray(logits * compilation.layers[-1].scale)


def assert_same_bits(compilation: Compilation, images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """`assert_same_circuit_bits` of a compiled circuit."""
    return assert_same_circuit_bits(compilation.circuit, images)


def assert_same_circuit_bits(circuit: Circuit, images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """All evaluators agree on every logit and every committed number; returns the logits."""
    logits, committed = evaluate_reference(circuit, images)
    fast = Evaluator(circuit, batch=7)(images)
    exported = RuntimeEvaluator(circuit, threads=1, batch=10)(images)
    in_doubles = RuntimeEvaluator(circuit, threads=1, batch=10, precision="float64")(images)
    for other in (fast, exported, in_doubles):
        np.testing.assert_array_equal(logits, other.logits)
        assert set(committed) == set(other.committed) == set(circuit.committed())
        for index, values in committed.items():
            assert (
                values.dtype == other.committed[index].dtype == value_type(circuit.largest[index])
            )
            np.testing.assert_array_equal(values, other.committed[index])
    return logits


def assert_close_to_float(
    compilation: Compilation, model: bytes, images: NDArray[np.uint8], tolerance: float = 0.05
) -> None:
    """The integer logits are the float logits, up to rounding; error relative to their spread."""
    expected = float_logits(model, images).astype(np.float64)
    actual = integer_logits(compilation, images)
    spread = np.sqrt(np.mean((expected - expected.mean(axis=0)) ** 2))
    spread += 1e-3 * np.abs(expected).max()
    assert np.sqrt(np.mean((actual - expected) ** 2)) <= tolerance * spread
