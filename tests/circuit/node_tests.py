"""The node tests that the package onnx ships, each made a classifier of pictures.

A node test is a small graph with the values of its inputs. One of its float inputs becomes a
picture, the others constants; a dense layer follows its first output, or it follows a dense layer
itself. What ONNX Runtime takes is compared with what the compiler makes of it.

    python tests/circuit/node_tests.py            all of them; prints what differs, and counts
    python tests/circuit/node_tests.py conv pool  those whose name has one of these words
"""

from __future__ import annotations

import argparse
import importlib
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import onnx
import onnxruntime
from float_meaning import difference, runtime_scores
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.backend.test.case import node
from onnx.backend.test.loader import load_model_tests

from wmproof.errors import InputError

CLASSES = 5
_LARGEST = 2**12  # pixels


@dataclass(frozen=True)
class Wrapped:
    """A classifier that contains a node test; `shape` is (C, H, W)."""

    name: str
    model: bytes
    shape: tuple[int, int, int]
    ending: bool

    def images(self, count: int, seed: int = 1) -> NDArray[np.uint8]:
        """Smooth and noisy pictures."""
        random = np.random.default_rng(seed)
        base = random.normal(size=(count, self.shape[0], 1, 1))
        waves = base + random.normal(size=(count, *self.shape)) * 0.7
        return np.clip(128 + 50 * waves, 0, 255).astype(np.uint8)


def all_node_tests() -> list[Any]:
    """Every test case; making their values takes ten seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(load_model_tests(kind="node"))


@cache
def node_tests(module: str) -> tuple[Any, ...]:
    """The test cases of one module of `onnx.backend.test.case.node`."""
    before = len(node._NodeTestCases)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        importlib.import_module(f"{node.__name__}.{module}")
    return tuple(node._NodeTestCases[before:])


def wrapped(case: Any) -> Iterator[Wrapped]:
    """Every classifier that a node test can be made."""
    model = case.model
    graph = model.graph
    if not case.data_sets or graph.initializer or not graph.output:
        return
    values = case.data_sets[0][0]
    names = [value.name for value in graph.input]
    if len(values) != len(names) or not all(isinstance(v, np.ndarray | np.generic) for v in values):
        return
    values = [np.asarray(v) for v in values]
    if any(v.dtype.kind in "OUS" for v in values):
        return
    for index, value in enumerate(values):
        if value.dtype != np.float32 or not 0 < value.size <= _LARGEST:
            continue
        shapes = dict.fromkeys([(1, *value.shape[1:]), (1, *value.shape)])
        for shape in shapes:
            for before in ("", "Relu"):
                inner = _Wrapping(model, dict(zip(names, values, strict=True)), names[index], shape)
                for ending in (False, True):
                    found = inner.classifier(before, ending)
                    if found is not None:
                        kind = f"{names[index]}{list(shape)}{before}{' ending' if ending else ''}"
                        yield Wrapped(f"{case.name} {kind}", *found, ending)


@dataclass(frozen=True)
class _Wrapping:
    model: onnx.ModelProto
    values: dict[str, NDArray[Any]]
    picture: str
    shape: tuple[int, ...]

    def classifier(self, before: str, ending: bool) -> tuple[bytes, tuple[int, int, int]] | None:
        """The model's bytes and the pictures' shape; None where ONNX Runtime takes it not."""
        random = np.random.default_rng(len(self.picture) + 7 * len(self.shape))
        shape = _picture_shape(self.shape)
        constants = {name: value for name, value in self.values.items() if name != self.picture}
        constants |= {"_shape": np.array(self.shape), "_gain": np.float32(1 / 64)}
        constants |= {"_centre": np.float32(1.0)}
        size = int(np.prod(self.shape))
        nodes = [
            helper.make_node("Cast", ["images"], ["_floats"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["_floats", "_gain"], ["_scaled"]),
            helper.make_node("Sub", ["_scaled", "_centre"], ["_centred"]),
        ]
        last = "_centred"
        if before:
            nodes.append(helper.make_node(before, [last], ["_before"]))
            last = "_before"
        if ending:
            if len(self.shape) != 2 or not 1 < size <= 64:
                return None
            constants["_matrix"] = _matrix(random, size, size)
            nodes.append(helper.make_node("Flatten", [last], ["_flat0"], axis=1))
            nodes.append(helper.make_node("Gemm", ["_flat0", "_matrix", "_zeros"], [self.picture]))
            constants["_zeros"] = np.zeros(size, np.float32)
        else:
            nodes.append(helper.make_node("Reshape", [last, "_shape"], [self.picture]))
        nodes += self.model.graph.node
        output = self.model.graph.output[0].name
        if not ending:
            outputs = self._outputs(nodes, constants, shape, output)
            if outputs is None:
                return None
            constants["_head"] = _matrix(random, outputs, CLASSES)
            constants["_bias"] = np.linspace(-0.2, 0.2, CLASSES).astype(np.float32)
            nodes += [
                helper.make_node("Cast", [output], ["_result"], to=TensorProto.FLOAT),
                helper.make_node("Flatten", ["_result"], ["_flat"], axis=1),
                helper.make_node("Gemm", ["_flat", "_head", "_bias"], ["_scores"]),
            ]
            output = "_scores"
        made = self._model(nodes, constants, shape, output)
        result = _run(made, shape)
        if result is None or result.dtype.kind not in "fiu":
            return None
        return self._model(nodes, constants, shape, output, result), shape

    def _outputs(
        self, nodes: list[Any], constants: dict[str, Any], shape: tuple[int, int, int], name: str
    ) -> int | None:
        result = _run(self._model(nodes, constants, shape, name), shape)
        if result is None or result.ndim < 1 or len(result) != 1 or not 0 < result.size <= _LARGEST:
            return None
        return int(result.size)

    def _model(
        self,
        nodes: list[Any],
        constants: dict[str, Any],
        shape: tuple[int, int, int],
        name: str,
        result: NDArray[Any] | None = None,
    ) -> bytes:
        output = helper.make_empty_tensor_value_info(name)
        if result is not None:
            element = helper.np_dtype_to_tensor_dtype(result.dtype)
            output = helper.make_tensor_value_info(name, element, result.shape)
        graph = helper.make_graph(
            nodes,
            "node",
            [helper.make_tensor_value_info("images", TensorProto.UINT8, [1, *shape])],
            [output],
            [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
        )
        made = helper.make_model(graph, opset_imports=self.model.opset_import)
        made.functions.extend(self.model.functions)
        made.ir_version = 10
        try:
            made = onnx.shape_inference.infer_shapes(made)
        except Exception:  # whatever onnx finds wrong, the runtime decides
            return bytes(made.SerializeToString())
        return bytes(made.SerializeToString())


def _matrix(random: np.random.Generator, inputs: int, outputs: int) -> NDArray[np.float32]:
    return (random.normal(size=(inputs, outputs)) * inputs**-0.5).astype(np.float32)


def _picture_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    inner = shape[1:]
    if len(inner) >= 3:
        return inner[0], inner[1], int(np.prod(inner[2:]))
    padded = (1,) * (3 - len(inner)) + inner
    return padded[0], padded[1], padded[2]


def _run(model: bytes, shape: tuple[int, int, int]) -> NDArray[Any] | None:
    try:
        return runtime_scores(model, np.full((1, *shape), 100, np.uint8))
    except Exception:  # the runtime has many ways to say no
        return None


def compare(case: Wrapped) -> str:
    """'refused', 'same' or what is different."""
    images = case.images(8)
    try:
        scores = runtime_scores(case.model, images)
    except Exception:
        return "not run"
    if not np.isfinite(scores).all():
        return "not finite"
    try:
        found = difference(case.model, images, case.images(8, seed=2), ending=case.ending)
    except InputError as error:
        return f"refused: {error.what}"
    return f"DIFFERENT: {found}" if found.misread else "same"


def main() -> None:
    """Compare and count."""
    onnxruntime.set_default_logger_severity(4)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*")
    parser.add_argument("-v", "--verbose", action="store_true")
    arguments = parser.parse_args()
    counts: Counter[str] = Counter()
    accepted: set[str] = set()
    for case in all_node_tests():
        if arguments.words and not any(word in case.name for word in arguments.words):
            continue
        for one in wrapped(case):
            try:
                result = compare(one)
            except Exception as error:
                result = f"CRASHED: {error!r}"
            kind = result.split(":")[0]
            counts[kind] += 1
            if kind == "same":
                accepted.add(case.name)
            if arguments.verbose or kind.isupper():
                print(one.name, result, flush=True)
    print(dict(counts), f"{len(accepted)} tests accepted")


if __name__ == "__main__":
    main()
