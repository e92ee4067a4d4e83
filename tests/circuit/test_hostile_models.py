"""Files of few bytes that ask for much, or that read other files: refused at once."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from own_process import python

from wmproof.circuit.compile import compile_model
from wmproof.errors import InputError
from wmproof.models import OnnxClassifier

IMAGES = np.zeros((2, 1, 4, 4), dtype=np.uint8)


def build(nodes, constants=(), functions=(), batch="N", shape=(1, 4, 4)) -> bytes:
    graph = helper.make_graph(
        [*nodes],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", "K"])],
        [
            c if isinstance(c, TensorProto) else numpy_helper.from_array(np.asarray(c[1]), c[0])
            for c in constants
        ],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    model = helper.make_model(graph, opset_imports=opsets, functions=functions, ir_version=8)
    return model.SerializeToString()


def function(name: str, *nodes):
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    return helper.make_function("own", name, ["a"], ["o"], nodes, opsets)


def call(name: str, source: str, result: str):
    return helper.make_node(name, [source], [result], domain="own")


FLATTEN = helper.make_node("Flatten", ["x"], ["y"])


def external(name: str) -> TensorProto:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4, 1, 4, 4])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", name), ("length", "256")):
        tensor.external_data.add(key=key, value=value)
    return tensor


def test_bytes_read_no_file(tmp_path, monkeypatch):
    """Whoever gives bytes gives no folder: the file would be one of whoever runs the check."""
    monkeypatch.chdir(tmp_path)
    np.ones(64, np.float32).tofile("weights")
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"]), helper.make_node("Flatten", ["c"], ["y"])]
    data = build(nodes, [external("weights")])
    with pytest.raises(InputError, match="another file"):
        compile_model(data, IMAGES)
    with pytest.raises(InputError, match="another file"):
        OnnxClassifier(data)


def test_nor_from_within_a_function():
    constant = helper.make_node("Constant", [], ["w"], value=external("weights"))
    inner = function("f", constant, helper.make_node("Conv", ["a", "w"], ["o"]))
    data = build([call("f", "x", "c"), helper.make_node("Flatten", ["c"], ["y"])], (), [inner])
    with pytest.raises(InputError, match="another file"):
        OnnxClassifier(data)


@pytest.mark.parametrize("evaluate", [lambda d: compile_model(d, IMAGES), OnnxClassifier])
def test_functions_that_call_each_other_twice_each(evaluate):
    doubling = [
        function(f"f{i}", call(f"f{i + 1}", "a", "t"), call(f"f{i + 1}", "t", "o"))
        for i in range(40)
    ]
    doubling.append(function("f40", helper.make_node("Relu", ["a"], ["o"])))
    nodes = [call("f0", "x", "r"), helper.make_node("Flatten", ["r"], ["y"])]
    with pytest.raises(InputError, match="operators; 131072 are the most"):
        evaluate(build(nodes, (), doubling))
    with pytest.raises(InputError, match="call themselves"):
        evaluate(build(nodes, (), [function("f0", call("f0", "a", "o"))]))


@pytest.mark.parametrize(
    ("node", "constants"),
    [
        (("ConstantOfShape", ["s"]), [("s", [2**20, 2**20])]),
        (("Expand", ["one", "s"]), [("one", np.float32([1])), ("s", [2**20, 2**20])]),
        (("Tile", ["one", "s"]), [("one", np.float32([[1]])), ("s", [2**20, 2**20])]),
        (("Pad", ["one", "s"]), [("one", np.float32([1])), ("s", [0, 2**40])]),
        (("Range", ["a", "s", "b"]), [("a", 0), ("s", 2**40), ("b", 1)]),
        (("Mul", ["a", "b"]), [("a", np.ones((2**17, 1))), ("b", np.ones((1, 2**17)))]),
    ],
)
def test_constants_of_any_size(node, constants):
    made = helper.make_node(*node, ["large"])
    used = [
        helper.make_node("Size", ["large"], ["size"]),
        helper.make_node("Cast", ["size"], ["number"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["x", "number"], ["sum"]),
        helper.make_node("Flatten", ["sum"], ["y"]),
    ]
    with pytest.raises(InputError, match="2\\^28 elements are the most"):
        compile_model(build([made, *used], constants), IMAGES)


def test_windows_and_sums_of_any_size():
    pool = helper.make_node(
        "AveragePool", ["x"], ["p"], kernel_shape=[2**20] * 2, pads=[2**19] * 4, count_include_pad=1
    )
    with pytest.raises(InputError, match="beyond 2\\^28 elements"):
        compile_model(build([pool, helper.make_node("Flatten", ["p"], ["y"])]), IMAGES)
    names = ["x", *(f"s{i}" for i in range(60))]
    sums = [helper.make_node("Add", [a, a], [b]) for a, b in pairwise(names)]
    with pytest.raises(InputError, match="terms; 1024 are the most"):
        compile_model(build([*sums, helper.make_node("Flatten", ["s59"], ["y"])]), IMAGES)


@pytest.mark.parametrize(
    ("batch", "shape", "words"),
    [(2**40, (1, 4, 4), "images at once"), ("N", (1, 2**20, 2**20), "over 67108864 bytes")],
)
def test_inputs_of_any_size(batch, shape, words):
    with pytest.raises(InputError, match=words):
        OnnxClassifier(build([FLATTEN], batch=batch, shape=shape))


def conv(*inputs: str):
    nodes = [
        helper.make_node("Conv", ["x", *inputs], ["c"]),
        helper.make_node("Relu", ["c"], ["r"]),
    ]
    return [*nodes, helper.make_node("Flatten", ["r"], ["y"])]


def test_arrays_that_do_not_fit_are_named():
    weight = ("w", np.ones((4, 1, 3, 3), np.float32))
    long = numpy_helper.from_array(weight[1], "w")
    long.raw_data += b"\0"
    cases = [
        (build(conv("w"), [long]), "initializer w: cannot be decoded"),
        (build(conv("w", "b"), [weight, ("b", np.ones((4, 1), np.float32))]), "its bias has shape"),
        (build(conv("w", "b"), [weight, ("b", np.ones(3, np.float32))]), "its bias has shape"),
    ]
    gemm = [
        helper.make_node("Flatten", ["x"], ["f"]),
        helper.make_node("Gemm", ["f", "m", "b"], ["y"]),
    ]
    arrays = [("m", np.ones((16, 3), np.float32)), ("b", np.ones(5, np.float32))]
    cases.append((build(gemm, arrays), "ONNX's own checks|do not fit each other"))
    for data, words in cases:
        with pytest.raises(InputError, match=words):
            compile_model(data, IMAGES)


def test_a_name_that_is_no_text():
    last = helper.make_node("Flatten", ["r"], ["y"])
    unknown = build([helper.make_node("Erf", ["x"], ["r"], name="NAME"), last])
    with pytest.raises(InputError, match="not UTF-8"):
        compile_model(unknown.replace(b"NAME", b"\xff\xfe\xfd\xfc"), IMAGES)


LEVELS = [("s", np.float32(0.1)), ("z", np.uint8(3)), ("none", np.int8(0))]
LEVELS += [("w", np.ones((8, 8, 1, 1), np.int8)), ("v", np.ones((8, 1, 1, 1), np.int8))]


def pooled(between: bool, **layout) -> bytes:
    """An average over windows that do not fit into the picture: there is nothing to divide by."""
    micro = {"domain": "com.microsoft", "kernel_shape": [5, 5]}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["levels"]),
        helper.make_node("QLinearConv", ["levels", *"szv", "s", "none", *"sz"], ["wide"]),
        helper.make_node("QLinearAveragePool", ["wide", *"szsz"], ["pool"], **micro, **layout),
        helper.make_node("QLinearConv", ["pool", *"szw", "s", "none", *"sz"], ["behind"]),
        helper.make_node("Flatten", ["behind" if between else "pool"], ["flat"]),
        helper.make_node("DequantizeLinear", ["flat", *"sz"], ["y"]),
    ]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = onnx.load_from_string(build(nodes if between else [*nodes[:3], *nodes[4:]], LEVELS))
    del model.opset_import[:]
    model.opset_import.extend(opsets)
    return model.SerializeToString()


@pytest.mark.parametrize("between", [False, True])
@pytest.mark.parametrize("last", [False, True])
def test_pools_that_would_end_the_process_are_refused(tmp_path, between, last):
    """ONNX Runtime turns pools between convolutions round by itself, if it is let."""
    (tmp_path / "pool.onnx").write_bytes(pooled(between, channels_last=int(last)))
    program = (
        "from wmproof.errors import InputError\nfrom wmproof.models import open_model\n"
        f"try:\n    open_model({str(tmp_path / 'pool.onnx')!r})\n"
        "except InputError as error:\n    print(error)"
    )
    said = python(program).stdout
    assert ("channels last" in said) == last
    assert said
