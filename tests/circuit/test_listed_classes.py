"""Files that end in TopK: the first of its indices is the class, for every reader."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from circuit_graphs import Graph, float_logits
from onnx import TensorProto, helper

from wmproof.circuit.compile import compile_model
from wmproof.circuit.evaluate import classify
from wmproof.core.reading import Reading
from wmproof.errors import InputError
from wmproof.models.file import model_file
from wmproof.models.onnx_file import OnnxClassifier
from wmproof.models.preparations import AskedFile

_NAMES = ["largest", "classes"]


def network() -> Graph:
    graph = Graph(seed=3)
    graph.normalise()
    graph.conv(4)
    graph.op("Relu")
    graph.classify()
    return graph


def listed(
    graph: Graph, count: int = 3, outputs: tuple[str, ...] = ("classes",), **attributes: Any
) -> bytes:
    """The network with TopK behind it."""
    model = onnx.load_from_string(graph.model())
    scores = model.graph.output[0].name
    model.graph.initializer.append(helper.make_tensor("k", TensorProto.INT64, [1], [count]))
    model.graph.node.append(helper.make_node("TopK", [scores, "k"], _NAMES, **attributes))
    del model.graph.output[:]
    kinds = dict(zip(_NAMES, (TensorProto.FLOAT, TensorProto.INT64), strict=True))
    for name in outputs:
        model.graph.output.append(helper.make_tensor_value_info(name, kinds[name], ["N", count]))
    return model.SerializeToString()


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_first_index_is_the_class(count):
    graph = network()
    plain, images = graph.model(), graph.images(40)
    expected = float_logits(plain, images).argmax(axis=1)
    for outputs in (("classes",), ("largest", "classes")):
        data = listed(graph, count, outputs)
        reading = Reading(output=None if len(outputs) == 1 else "classes")
        found = OnnxClassifier(data, reading=reading)
        assert np.array_equal(found.classify(images), expected)
        assert np.array_equal(found.logits(images), expected)
        assert found.classes is None
        compilation = compile_model(data, images, reading=reading)
        assert compilation.digest == compile_model(plain, images).digest
        asked = AskedFile(model_file(data), "classes").outputs(images)[0]
        assert np.array_equal(asked, expected)


def test_equal_scores_are_listed_from_the_lowest_index():
    graph = Graph((1, 2, 2))
    graph.op("Flatten", axis=1)
    weight = np.zeros((3, 4), np.float32)
    weight[1:] = 1
    graph.op("Gemm", graph.last, graph.constant(weight), transB=1)
    data, images = listed(graph), graph.images(8)
    assert OnnxClassifier(data).classify(images).tolist() == [1] * 8
    assert classify(compile_model(data, images).circuit, images).tolist() == [1] * 8


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"outputs": ("largest",)}, "answers with the largest scores and not with their classes"),
        ({"largest": 0}, "lists the smallest scores, or in no order"),
        ({"sorted": 0}, "lists the smallest scores, or in no order"),
        ({"outputs": ("largest", "classes")}, "--output"),
    ],
)
def test_lists_that_begin_with_another_number(settings, words):
    graph = network()
    data, images = listed(graph, **settings), graph.images()
    for ask in (
        OnnxClassifier,
        lambda d: AskedFile(model_file(d)),
        lambda d: compile_model(d, images),
    ):
        with pytest.raises(InputError, match=words):
            ask(data)


def test_a_list_in_the_middle_is_refused_by_name():
    graph = network()
    model = onnx.load_from_string(listed(graph, outputs=("largest",)))
    model.graph.node.append(helper.make_node("Neg", ["largest"], ["turned"]))
    model.graph.output[0].name = "turned"
    with pytest.raises(InputError, match=r"only as the last operator.*TopK|TopK.*only as the last"):
        compile_model(model.SerializeToString(), graph.images())
