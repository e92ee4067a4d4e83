"""What ONNX Runtime runs is what is looked into: functions of a file, and its last operators."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from wmproof.circuit.compile import compile_model
from wmproof.core.triggers import noise
from wmproof.errors import InputError
from wmproof.models import onnx_checks
from wmproof.models.ending import find_ending, is_move
from wmproof.models.file import model_file
from wmproof.models.onnx_file import OnnxClassifier
from wmproof.models.preparations import AskedFile

SHAPE = (3, 2, 2)


def function(name, operator, domain="thief", opset=17):
    body = [helper.make_node(operator, ["a"], ["b"])]
    imports = [helper.make_opsetid("", opset)]
    return helper.make_function(domain, name, ["a"], ["b"], body, imports)


def model(*ending, functions=(), classes=4):
    """Logits z of weights, what these nodes make of them, and y as the output."""
    weights = np.random.default_rng(0).normal(size=(12, classes)).astype(np.float32) / 30
    constants = {"W": weights, "step": np.float32(1 / 256), "zero": np.uint8(0)}
    flat = helper.make_node("Flatten", ["x"], ["f"])
    product = helper.make_node("MatMul", ["f", "W"], ["z" if ending else "y"])
    graph = helper.make_graph(
        [flat, product, *ending],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *SHAPE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", classes])],
        [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()],
    )
    domains = {"": 17} | {f.domain: 1 for f in functions if f.domain}
    imports = [helper.make_opsetid(*item) for item in domains.items()]
    made = helper.make_model(graph, opset_imports=imports, functions=functions, ir_version=10)
    return made.SerializeToString()


def node(operator, outputs=("y",), inputs=("z",), **options):
    return helper.make_node(operator, inputs, outputs, **options)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (model(node("Sigmoid"), functions=[function("Sigmoid", "Relu", "")]), "built-in"),
        (model(functions=[function("MatMul", "Softmax", "")]), "built-in"),
        (
            model(node("End", domain="thief"), functions=[function("End", "Softmax", opset=13)]),
            "uses operator set 13",
        ),
        (
            model(
                node("Identity", domain="thief", inputs=()),
                functions=[function("Identity", "Relu", opset=13)],
            ),
            "uses operator set 13",
        ),
        (
            model(
                node("End", ("y", "more"), domain="thief"), functions=[function("End", "Softmax")]
            ),
            "cannot be put in",
        ),
    ],
    ids=["decoy", "decoy before", "opset", "no inputs", "more outputs"],
)
def test_functions_of_two_meanings_are_refused_by_every_reader(data, words):
    for ask in (model_file, OnnxClassifier, lambda d: compile_model(d, noise(4, SHAPE))):
        with pytest.raises(InputError, match=words):
            ask(data)


def test_few_bytes_do_not_become_many_by_functions(monkeypatch):
    monkeypatch.setattr(onnx_checks, "MODEL_LIMIT", 20_000)
    big = helper.make_node(
        "Constant", [], ["k"], value=helper.make_tensor("k", 1, [500], [0] * 500)
    )
    body = [big, node("ReduceMax", ["m"], ["k"]), node("Add", ["b"], ["a", "m"])]
    grown = helper.make_function("t", "F", ["a"], ["b"], body, [helper.make_opsetid("", 17)])
    calls = [node("F", [f"z{i + 1}"], [f"z{i}"], domain="t") for i in range(20)]
    calls[0].input[0], calls[-1].output[0] = "z", "y"
    data = model(*calls, functions=[grown])
    assert len(data) < 20_000
    with pytest.raises(InputError, match="larger than 20000 bytes once its functions are put in"):
        model_file(data)


def test_a_node_of_another_domain_is_no_move_and_no_ending():
    assert is_move(node("Reshape"))
    assert not is_move(node("Reshape", domain="thief"))
    graph = model_file(model(node("Softmax", domain="thief"))).model
    assert find_ending(graph, "y").operator == ""
    with pytest.raises(InputError, match="output q: is never computed"):
        find_ending(graph, "q")


def test_logits_in_a_function_are_what_is_added_up():
    plain, images = OnnxClassifier(model()), noise(8, SHAPE)
    hidden = model(node("End", domain="thief"), functions=[function("End", "Softmax")])
    classifier = OnnxClassifier(hidden)
    assert np.array_equal(classifier.logits(images), plain.scores(images))
    assert np.allclose(classifier.scores(images).sum(axis=1), 1)
    said, before = AskedFile(model_file(hidden)).outputs(images.astype(np.float32))
    assert np.array_equal(before, plain.scores(images).astype(np.float32))
    assert np.array_equal(said.astype(np.float64), classifier.scores(images))


def rounded(operator):
    return [
        node(operator, ["s"]),
        node("QuantizeLinear", ["q"], ["s", "step", "zero"]),
        node("DequantizeLinear", ["y"], ["q", "step", "zero"]),
    ]


@pytest.mark.parametrize(
    "ending", [rounded("Sigmoid"), rounded("HardSigmoid"), [node("HardSigmoid")]]
)
def test_one_score_that_may_be_a_probability_is_refused(ending):
    """Against 0 every answer would be class 1."""
    data = model(*ending, classes=1)
    for ask in (OnnxClassifier, lambda d: compile_model(d, noise(4, SHAPE))):
        with pytest.raises(InputError, match=r"without it|no integer form"):
            ask(data)
    with pytest.raises(InputError, match="whether it is a probability is not plain"):
        OnnxClassifier(data)
    with pytest.raises(InputError, match="whether it is a probability is not plain"):
        AskedFile(model_file(data)).outputs(noise(4, SHAPE).astype(np.float32))


def test_one_logit_behind_a_gate_is_a_logit():
    gate = [node("Sigmoid", ["g"]), node("Mul", ["h"], ["z", "g"])]
    last = [node("Concat", ["c"], ["h"] * 12, axis=1), node("MatMul", ["y"], ["c", "W"])]
    assert OnnxClassifier(model(*gate, *last, classes=1)).classes == 2
