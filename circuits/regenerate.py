"""Makes the golden files in this folder: small ONNX models, their circuits, digests and answers.

Weights and images come from SHAKE-256, so nothing depends on a library's random generator. The
test suite recompiles the models and compares every byte; run this only when the compiler or the
format is meant to change, and say so in CHANGELOG.md.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from wmproof.circuit.compile import compile_model
from wmproof.circuit.format import encode
from wmproof.circuit.reference import evaluate_reference

FOLDER = Path(__file__).parent
SHAPES = {"mlp": (1, 8, 8), "lenet": (1, 12, 12), "resnet": (3, 8, 8), "mobilenet": (3, 8, 8)}


def stream(label: str, count: int) -> NDArray[np.uint8]:
    """`count` bytes that depend on nothing but the label."""
    return np.frombuffer(hashlib.shake_256(label.encode()).digest(count), np.uint8)


def images(name: str, count: int = 16) -> NDArray[np.uint8]:
    """Public calibration images of a golden network."""
    shape = (count, *SHAPES[name])
    return stream(f"images of {name}", int(np.prod(shape))).reshape(shape)


class Model:
    """A small ONNX graph with weights that are multiples of 2^-7, exact in every float type."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.last = "images"
        self.op("Cast", to=TensorProto.FLOAT)
        self.op("Sub", self.last, self.constant(np.array(128.0)))
        self.op("Mul", self.last, self.constant(np.array(2.0**-6)))

    def constant(self, array: NDArray[Any]) -> str:
        name = f"c{len(self.constants)}"
        array = array.astype(np.float32) if array.dtype == np.float64 else array
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def weights(self, *shape: int) -> str:
        label = f"{self.name} {len(self.constants)}"
        raw = stream(label, int(np.prod(shape))).astype(np.float64) - 128
        # A power of two near 1/sqrt(fan in), so that activations keep their size.
        gain = 2.0 ** -round(np.log2(max(np.prod(shape[1:]), 1)) / 2)
        return self.constant((raw * 2.0**-6 * gain).reshape(shape))

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        output = f"t{len(self.nodes)}"
        sources = list(inputs or (self.last,))
        self.nodes.append(helper.make_node(kind, sources, [output], output, **attributes))
        self.last = output
        return output

    def conv(self, outputs: int, inputs: int, size: int, **attributes: Any) -> str:
        weight, bias = self.weights(outputs, inputs, size, size), self.weights(outputs)
        return self.op("Conv", self.last, weight, bias, **attributes)

    def gemm(self, outputs: int, inputs: int) -> str:
        weight, bias = self.weights(outputs, inputs), self.weights(outputs)
        return self.op("Gemm", self.last, weight, bias, transB=1)

    def batch_norm(self, channels: int) -> str:
        steps = np.arange(channels) / 8
        numbers = [1 + steps, steps - 0.25, steps / 2, 1 + steps]
        return self.op("BatchNormalization", self.last, *(self.constant(v) for v in numbers))

    def finish(self) -> bytes:
        graph = helper.make_graph(
            self.nodes,
            self.name,
            [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", *SHAPES[self.name]])],
            [helper.make_tensor_value_info(self.last, TensorProto.FLOAT, ["N", None])],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 8
        return bytes(model.SerializeToString(deterministic=True))


def mlp() -> bytes:
    """Dense layers with ReLU."""
    model = Model("mlp")
    model.op("Flatten")
    model.gemm(16, 64)
    model.op("Relu")
    model.gemm(4, 16)
    return model.finish()


def lenet() -> bytes:
    """Convolutions with tanh, average pools, a softmax at the end."""
    model = Model("lenet")
    model.conv(4, 1, 3, pads=[1, 1, 1, 1])
    model.op("Tanh")
    model.op("AveragePool", kernel_shape=[2, 2], strides=[2, 2])
    model.conv(6, 4, 3)
    model.op("Tanh")
    model.op("Flatten")
    model.gemm(5, 96)
    model.op("Softmax", axis=1)
    return model.finish()


def resnet() -> bytes:
    """Batch normalisation, a residual connection, a max pool and a global average."""
    model = Model("resnet")
    model.conv(6, 3, 3, pads=[1, 1, 1, 1])
    model.batch_norm(6)
    model.op("Relu")
    start = model.op("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    model.conv(6, 6, 3, pads=[1, 1, 1, 1])
    model.batch_norm(6)
    model.op("Add", model.last, start)
    model.op("Relu")
    model.op("GlobalAveragePool")
    model.op("Flatten")
    model.gemm(4, 6)
    return model.finish()


def mobilenet() -> bytes:
    """Depthwise convolutions, ReLU6, a linear bottleneck, hard swish, concatenation."""
    model = Model("mobilenet")
    model.conv(6, 3, 1)
    model.op("Clip", model.last, model.constant(np.array(0.0)), model.constant(np.array(6.0)))
    start = model.last
    model.conv(6, 1, 3, group=6, strides=[2, 2], pads=[1, 1, 1, 1])
    model.op("HardSwish")
    model.conv(3, 6, 1)
    left = model.last
    model.last = start
    model.op("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    model.op("Concat", left, model.last, axis=1)
    model.conv(4, 9, 2)
    model.op("LeakyRelu", alpha=0.125)
    model.op("Flatten")
    model.gemm(3, 36)
    return model.finish()


NETWORKS = {"mlp": mlp, "lenet": lenet, "resnet": resnet, "mobilenet": mobilenet}


def golden_files() -> dict[str, bytes]:
    """Every golden file's name and content."""
    files, table = {}, {}
    for name, make in NETWORKS.items():
        model = make()
        circuit = compile_model(model, images(name)).circuit
        data = encode(circuit)
        logits, committed = evaluate_reference(circuit, images(name)[:4])
        witness = hashlib.sha256()
        for index in sorted(committed):
            witness.update(committed[index].tobytes())
        files[f"{name}.onnx"], files[f"{name}.circuit"] = model, data
        table[name] = {
            "onnx_sha256": hashlib.sha256(model).hexdigest(),
            "circuit_sha256": hashlib.sha256(data).hexdigest(),
            "logits_of_first_4_images": logits.tolist(),
            "witness_sha256_of_first_4_images": witness.hexdigest(),
        }
    files["digests.json"] = (json.dumps(table, indent=1, sort_keys=True) + "\n").encode()
    return files


def main() -> None:
    """Write the files, or with --check say which differ."""
    different = []
    for name, data in golden_files().items():
        path = FOLDER / name
        if not path.exists() or path.read_bytes() != data:
            different.append(name)
            if "--check" not in sys.argv:
                path.write_bytes(data)
    print("different:" if different else "all as before", *different)
    sys.exit(bool(different) and "--check" in sys.argv)


if __name__ == "__main__":
    main()
