"""A file means to the compiler what it means to ONNX Runtime, or it is refused by name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from circuit_graphs import Graph, float_array
from onnx import TensorProto, helper, numpy_helper

from wmproof.circuit.compile import compile_model
from wmproof.circuit.evaluate import classify
from wmproof.circuit.rounding import LARGEST_SCORE
from wmproof.errors import InputError

Build = Callable[[Graph], None]


def _graph(build: Build) -> Graph:
    graph = Graph((2, 8, 8), seed=30)
    graph.normalise()
    build(graph)
    return graph


def _then(build: Build) -> Build:
    """A convolution, the operators in question, and a classifier."""

    def whole(graph: Graph) -> None:
        graph.conv(4)
        build(graph)
        graph.op("Relu")
        graph.classify(5)

    return whole


def _ending(*steps: tuple[str, dict[str, object]]) -> Build:
    def whole(graph: Graph) -> None:
        graph.conv(4)
        graph.op("Relu")
        graph.classify(5)
        for kind, attributes in steps:
            given = dict(attributes)
            other = [graph.constant(np.float32(given.pop("by")))] if "by" in given else []
            graph.op(kind, graph.last, *other, **given)

    return whole


def _small_logits(*steps: tuple[str, dict[str, object]]) -> Build:
    """Logits that no image makes large, and their ending."""

    def whole(graph: Graph) -> None:
        graph.conv(4)
        graph.op("Clip", graph.last, graph.constant(0.0), graph.constant(3.0))
        graph.op("GlobalAveragePool")
        graph.shape = (4, 1, 1)
        graph.classify(5)
        graph.op("Mul", graph.last, graph.constant(0.5))
        for kind, attributes in steps:
            graph.op(kind, **attributes)

    return whole


def _constants(*steps: tuple[str, float]) -> Build:
    def block(graph: Graph) -> None:
        for kind, value in steps:
            graph.op(kind, graph.last, graph.constant(np.float32(value)))

    return _then(block)


def _reshape_across(graph: Graph) -> None:
    graph.op("Reshape", graph.last, graph.constant(np.array([4, -1])))
    graph.op("Reshape", graph.last, graph.constant(np.array([-1, 4, 8, 8])))


def _softmax_across(graph: Graph) -> None:
    """Joining all images and parting them again is nothing; what happens between is not."""
    graph.op("Reshape", graph.last, graph.constant(np.array([1, -1])))
    graph.op("Softmax", axis=-1)
    graph.op("Reshape", graph.last, graph.constant(np.array([-1, 4, 8, 8])))


def _batch_arithmetic(graph: Graph) -> None:
    value = graph.last
    count = graph.op("Gather", graph.op("Shape", value), graph.constant(np.array(0)))
    graph.op("Mul", value, graph.op("Cast", count, to=TensorProto.FLOAT))


def _squeeze_all(graph: Graph) -> None:
    graph.op("GlobalAveragePool")
    graph.op("Squeeze")
    graph.op("Reshape", graph.last, graph.constant(np.array([-1, 4])))
    graph.shape = (4,)


def _reduce_batch(graph: Graph) -> None:
    graph.op("ReduceMean", graph.last, graph.constant(np.array([0])), keepdims=1)


def _half(graph: Graph) -> None:
    graph.op("Cast", to=TensorProto.FLOAT16)
    graph.op("Add", graph.last, graph.constant(np.float16(3000)))
    graph.op("Sub", graph.last, graph.constant(np.float16(3000)))
    graph.op("Cast", to=TensorProto.FLOAT)


def _random_dropout(graph: Graph) -> None:
    ratio, training = graph.constant(np.float32(0.5)), graph.constant(np.array(True))
    graph.op("Dropout", graph.last, ratio, training)


def _pool(**attributes: object) -> Build:
    def block(graph: Graph) -> None:
        graph.op("MaxPool", kernel_shape=[3, 3], strides=[2, 2], **attributes)
        graph.conv_shape_from_runtime()

    return _then(block)


def _sparse(kind: str, mode: str, stride: int = 4) -> Build:
    """Windows of one element, so far apart that the last one ends before the picture does."""

    def block(graph: Graph) -> None:
        weight = [graph.constant(np.eye(4)[:, :, None, None])] if kind == "Conv" else []
        window = {"kernel_shape": [1, 1], "strides": [stride, stride], "auto_pad": mode}
        graph.op(kind, graph.last, *weight, **window)
        graph.shape = (4, 8 // stride, 8 // stride)

    return _then(block)


def _sparse_rows(mode: str) -> Build:
    def block(graph: Graph) -> None:
        graph.op("Reshape", graph.last, graph.constant(np.array([0, 4, 64])))
        weight = graph.constant(np.eye(4)[:, :, None])
        graph.op("Conv", graph.last, weight, kernel_shape=[1], strides=[5], auto_pad=mode)
        graph.conv_shape_from_runtime()

    return _then(block)


def _rows_of_two_scales(graph: Graph) -> None:
    start = graph.last
    left = graph.op("Sigmoid", start)
    right = graph.op("Mul", graph.op("Relu", start), graph.constant(np.float32(0.02)))
    graph.op("Concat", left, right, axis=2)
    graph.op("GlobalMaxPool")
    graph.shape = (4, 1, 1)


def _nearly_relu(graph: Graph) -> None:
    """A relu on [-10, 10] and zero from 50 on: sampling does not tell them apart."""
    x = graph.op("Relu")
    over = graph.op("Relu", graph.op("Sub", x, graph.constant(np.float32(50))))
    graph.op("Min", over, graph.constant(np.float32(50)))
    graph.op("Sub", x, graph.last)
    graph.op("Max", graph.last, graph.constant(np.float32(0)))


REFUSED: dict[str, tuple[Build, str]] = {
    "large constant that cancels": (_constants(("Add", 1e11), ("Sub", 1e11)), "adds a constant"),
    "in three steps": (_constants(("Add", 1e9), ("Mul", 0.5), ("Sub", 5e8)), "adds a constant"),
    "in a spelled relu": (
        _constants(("Add", 1e9), ("Sub", 1e9), ("Max", 0.0)),
        "adds a constant",
    ),
    "overflow in a spelled relu": (
        _constants(*[("Mul", 1e15)] * 3, *[("Mul", 1e-15)] * 3, ("Max", 0.0)),
        "overflow or vanish",
    ),
    "overflow": (_constants(*[("Mul", 1e15)] * 3, *[("Mul", 1e-15)] * 3), "overflow or vanish"),
    "vanishing": (_constants(*[("Mul", 1e-15)] * 3, *[("Mul", 1e15)] * 3), "overflow or vanish"),
    "absurd factor": (_constants(("Mul", 1e30), ("Mul", 1e-30)), "has a constant of 1e.30"),
    "float16": (_then(_half), r"adds a constant that is 3e\+03 beside .* in float16"),
    "dropout in training": (_then(_random_dropout), "drops out at random"),
    "reshape across the batch": (_then(_reshape_across), "mixes the images of a batch"),
    "softmax across the batch": (_then(_softmax_across), "number of images"),
    "number of images": (_then(_batch_arithmetic), "number of images"),
    "squeeze of the batch": (_then(_squeeze_all), "removes every axis of length 1"),
    "mean over the batch": (_then(_reduce_batch), "across the images of a batch"),
    "maximum of two scales": (_then(_rows_of_two_scales), "maximum of values on different scales"),
    "sigmoid at the end": (_ending(("Sigmoid", {})), "ends in Sigmoid"),
    "tanh at the end": (_ending(("Tanh", {})), "ends in Tanh"),
    "sigmoid and a factor": (
        _ending(("Sigmoid", {}), ("Neg", {}), ("Neg", {})),
        "ends in Sigmoid",
    ),
    "softmax of logits that vanish": (
        _ending(("Mul", {"by": 1e-7}), ("Softmax", {})),
        "ends in Softmax.*they reach over",
    ),
    "sigmoid of logits that vanish": (
        _ending(("Mul", {"by": 1e-7}), ("Sigmoid", {}), ("ArgMax", {"axis": 1})),
        "ends in Sigmoid.*they reach over",
    ),
    "softmax in float16": (
        _ending(("Softmax", {}), ("Cast", {"to": TensorProto.FLOAT16})),
        "makes different ones equal",
    ),
    "softmax as integers": (
        _ending(("Softmax", {}), ("Cast", {"to": TensorProto.INT32})),
        "makes different ones equal",
    ),
    "argmax as a truth value": (
        _ending(("ArgMax", {"axis": 1}), ("Cast", {"to": TensorProto.BOOL})),
        "makes different ones equal",
    ),
    "argmax over the batch": (_ending(("ArgMax", {"axis": 0})), "not the classes' axis"),
    "argmax of argmax": (
        _ending(("ArgMax", {"axis": 1}), ("ArgMax", {"axis": 1})),
        "largest of one class",
    ),
    "last of ties": (
        _ending(("ArgMax", {"axis": 1, "select_last_index": 1})),
        "ties to the last class",
    ),
    "SAME with dilations": (
        _pool(auto_pad="SAME_UPPER", dilations=[2, 2]),
        "auto_pad with|own checks",
    ),
    "SAME with ceil_mode": (_pool(auto_pad="SAME_LOWER", ceil_mode=1), "auto_pad with"),
    "convolution SAME with gaps": (_sparse("Conv", "SAME_UPPER"), "end before an axis"),
    "rows SAME with gaps": (_sparse_rows("SAME_LOWER"), "end before an axis"),
    "average SAME with gaps": (_sparse("AveragePool", "SAME_UPPER"), "end before an axis"),
    "maximum SAME with gaps": (_sparse("MaxPool", "SAME_LOWER"), "end before an axis"),
}

ACCEPTED: dict[str, Build] = {
    "ordinary constants": _constants(("Add", 30.0), ("Mul", 1e-3), ("Sub", 0.02), ("Mul", 300.0)),
    "clip without a minimum": _then(
        lambda g: g.op("Clip", g.last, "", g.constant(np.float32(0.5))) and None
    ),
    "clip within a maximum": _then(
        lambda g: (
            g.op(
                "Max",
                g.op("Clip", g.last, "", g.constant(np.float32(0.5))),
                g.constant(np.float32(-1e9)),
            )
            and None
        )
    ),
    "pool dilated in ceil_mode": _pool(dilations=[2, 2], ceil_mode=1),
    "pool in ceil_mode with a border": _pool(ceil_mode=1, pads=[1, 1, 1, 1]),
    "pool SAME": _pool(auto_pad="SAME_LOWER"),
    "convolution SAME of each second element": _sparse("Conv", "SAME_UPPER", 2),
    "the same, lower": _sparse("Conv", "SAME_LOWER", 2),
    "pool SAME of each second element": _sparse("AveragePool", "SAME_LOWER", 2),
    "not quite a relu": _then(_nearly_relu),
    "sigmoid of small logits": _small_logits(("Sigmoid", {})),
    "tanh of small logits": _small_logits(("Tanh", {}), ("Identity", {})),
    "class by sigmoid": _small_logits(("Sigmoid", {}), ("ArgMax", {"axis": 1})),
    "class in a byte": _ending(("ArgMax", {"axis": 1}), ("Cast", {"to": TensorProto.UINT8})),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(name: str) -> None:
    build, words = REFUSED[name]
    graph = _graph(build)
    with pytest.raises(InputError, match=words):
        compile_model(graph.model(), graph.images())


def assert_same_classes(model: bytes, images: np.ndarray, least: float = 0.95) -> None:
    circuit = compile_model(model, images[:16]).circuit
    output = float_array(model, images)
    expected = output if output.dtype.kind in "iu" else output.reshape(len(images), -1).argmax(1)
    assert np.mean(expected.reshape(-1) == classify(circuit, images)) >= least


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted_and_the_same(name: str) -> None:
    graph = _graph(ACCEPTED[name])
    try:
        assert_same_classes(graph.model(), graph.images(200))
    except InputError as error:
        assert name == "not quite a relu", error  # noqa: PT017  refusing it is right as well


@pytest.mark.parametrize("kind", LARGEST_SCORE)
def test_scores_of_separate_logits_are_not_equal(kind: str) -> None:
    """In ONNX Runtime, wherever a last Sigmoid or Tanh is dropped."""
    reach = LARGEST_SCORE[kind]
    graph = Graph((1, 2, 2), uint8=False)
    graph.op(kind)
    lower = np.random.default_rng(0).uniform(-reach, reach * (1 - 2**-8), (25000, 1, 2, 2))
    pairs = [float_array(graph.model(), x.astype(np.float32)) for x in (lower, lower + reach / 256)]
    assert (pairs[0] < pairs[1]).all()


def _model() -> onnx.ModelProto:
    return onnx.load_from_string(_graph(_then(lambda graph: None)).model())


def _shadow(domain: str, name: str) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        body = [helper.make_node("Neg", ["a"], ["o"])]
        opsets = [helper.make_opsetid("", 20)]
        model.functions.append(helper.make_function(domain, name, ["a"], ["o"], body, opsets))
        if domain:
            model.opset_import.append(helper.make_opsetid(domain, 1))

    return change


def _another_opset(model: onnx.ModelProto) -> None:
    _shadow("own", "f")(model)
    model.functions[0].opset_import[0].version = 13


def _twice(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(
        numpy_helper.from_array(np.zeros((2, 1, 1), np.float32), model.graph.initializer[0].name)
    )


CHANGES: dict[str, tuple[Callable[[onnx.ModelProto], None], str]] = {
    "a function named Relu": (_shadow("", "Relu"), "domain of built-in operators"),
    "a function named ai.onnx.Relu": (_shadow("ai.onnx", "Relu"), "built-in|two of the"),
    "a contrib function": (_shadow("com.microsoft", "Gelu"), "domain of built-in operators"),
    "a training function": (_shadow("ai.onnx.ml", "Binarizer"), "domain of built-in operators"),
    "a function of another version": (_another_opset, "uses operator set 13, the model uses 20"),
    "one domain twice": (
        lambda m: m.opset_import.append(helper.make_opsetid("ai.onnx", 13)),
        "two of the operator set 'ai.onnx'",
    ),
    "an initializer twice": (_twice, "two of the initializer"),
    "an attribute twice": (
        lambda m: m.graph.node[3].attribute.append(helper.make_attribute("group", 2)),
        "two of the attribute 'group'",
    ),
    "an old operator set": (
        lambda m: setattr(m.opset_import[0], "version", 6),
        "operator set 6; 7 is the oldest",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_names_that_two_readers_take_differently(name: str) -> None:
    change, words = CHANGES[name]
    model = _model()
    change(model)
    with pytest.raises(InputError, match=words):
        compile_model(model.SerializeToString(), Graph((2, 8, 8)).images())


def test_arithmetic_on_bytes_is_refused() -> None:
    """uint8 sums wrap around in ONNX Runtime."""
    graph = Graph((1, 4, 4))
    graph.last, graph.nodes = "images", []
    graph.op("Add", graph.last, graph.constant(np.array([200], np.uint8)))
    graph.op("Cast", to=TensorProto.FLOAT)
    graph.classify(3)
    with pytest.raises(InputError, match="computes in ONNX type 2, which wraps or rounds"):
        compile_model(graph.model(), graph.images())


def test_a_fixed_batch_may_be_written_into_shapes() -> None:
    graph = _graph(_then(_reshape_across))
    model = onnx.load_from_string(graph.model())
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    del model.graph.value_info[:]
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    model.graph.output[0].ClearField("type")
    compile_model(onnx.shape_inference.infer_shapes(model).SerializeToString(), graph.images())


@pytest.mark.parametrize("layout", ["two axes", "three axes"])
def test_wide_scalars_do_not_hide_in_a_spelled_function(layout: str) -> None:
    """One number of more axes than its tensor makes the result's shape another one."""
    shape = (1, 1) if layout == "two axes" else (1, 1, 1)
    graph = Graph((1, 4, 4), seed=31)
    graph.op("Flatten")
    graph.gemm(6)
    graph.op("Max", graph.last, graph.constant(np.zeros(shape, np.float32)))
    if len(shape) == 3:
        graph.op("Reshape", graph.last, graph.constant(np.array([-1, 6])))
        with pytest.raises(InputError, match="would widen a tensor"):
            compile_model(graph.model(), graph.images())
    graph.gemm(3)
    if len(shape) == 2:
        assert_same_classes(graph.model(), graph.images(100))
