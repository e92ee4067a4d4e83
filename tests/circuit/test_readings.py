"""Files as people export them: layout, type, batch and ending mean one thing to all commands."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from wmproof.circuit.compile import compile_model
from wmproof.circuit.images import read_images
from wmproof.circuit.report import circuit_answers
from wmproof.core.reading import Reading
from wmproof.errors import InputError
from wmproof.models import OnnxClassifier
from wmproof.models.interface import Interface

SHAPE = (3, 8, 6)
NUMPY = {
    TensorProto.FLOAT: np.float32,
    TensorProto.DOUBLE: np.float64,
    TensorProto.FLOAT16: np.float16,
    TensorProto.UINT8: np.uint8,
}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def pictures(count: int = 200, shape=SHAPE) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (count, *shape), dtype=np.uint8)


def model(
    layout="NCHW", kind=TensorProto.FLOAT, batch="N", shape=SHAPE, classes=5, ending=(), white=255.0
) -> bytes:
    """A small convolutional network whose input has a layout, a type and a batch."""
    random = np.random.default_rng(1)
    dtype = np.float16 if kind == TensorProto.FLOAT16 else np.float32
    channels, height, width = shape
    sizes = {
        "NCHW": shape,
        "NHWC": (height, width, channels),
        "NHW": (height, width),
        "flat": (int(np.prod(shape)),),
    }[layout]
    nodes, constants, last = [], [], "x"

    def constant(array):
        constants.append(numpy_helper.from_array(np.asarray(array), f"c{len(constants)}"))
        return constants[-1].name

    def op(name, *more, **attributes):
        nonlocal last
        nodes.append(helper.make_node(name, [last, *more], [f"t{len(nodes)}"], **attributes))
        last = nodes[-1].output[0]

    if kind in (TensorProto.UINT8, TensorProto.DOUBLE):
        op("Cast", to=TensorProto.FLOAT)
    if layout == "NHWC":
        op("Transpose", perm=[0, 3, 1, 2])
    elif layout != "NCHW":
        op("Reshape", constant(np.array([batch if isinstance(batch, int) else 0, *shape])))
    op("Div", constant(np.array(white, dtype)))
    weight = random.normal(size=(6, channels, 3, 3)) / 3
    op("Conv", constant(weight.astype(dtype)), constant(random.normal(size=6).astype(dtype)))
    op("Relu")
    op("Flatten")
    dense = random.normal(size=(6 * (height - 2) * (width - 2), classes)) / 8
    dense -= dense.mean(axis=0)  # or one class would win for every picture
    op("Gemm", constant(dense.astype(dtype)), constant(np.zeros(classes, dtype)))
    nodes.append(helper.make_node("Shape", ["x"], ["dead"]))
    nodes.append(helper.make_node("NonZero", ["dead"], ["of no use"]))
    for name, attributes in ending:
        attributes = dict(attributes)
        more = [constant(np.array(v)) for v in attributes.pop("inputs", ())]
        op(name, *more, **attributes)
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", kind, [batch, *sizes])],
        [helper.make_empty_tensor_value_info(last)],
        constants,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return made.SerializeToString()


def runtime(data: bytes, fed: np.ndarray) -> np.ndarray:
    """What ONNX Runtime makes of it, asked directly."""
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0]
    step = entry.shape[0] if isinstance(entry.shape[0], int) else len(fed)
    parts = [session.run(None, {"x": fed[i : i + step]})[0] for i in range(0, len(fed), step)]
    return np.concatenate(parts)


def agree(data: bytes, expected: np.ndarray, images: np.ndarray, reading: Reading) -> None:
    """`verify`'s classifier answers as expected; so does the circuit, but for close calls."""
    shape = images.shape[1:]
    found = OnnxClassifier(data, input_shape=shape, reading=reading).classify(images)
    assert np.array_equal(found, expected)
    planes = images if images.ndim == 4 else images[:, None]
    circuit = compile_model(data, planes[:16], reading=reading).circuit
    assert (circuit_answers(circuit, planes) == expected).mean() > 0.9
    assert len(np.unique(expected)) > 1


@pytest.mark.parametrize("layout", ["NCHW", "NHWC", "NHW", "flat"])
@pytest.mark.parametrize("batch", ["N", 1, 8])
def test_layouts_and_batches(layout, batch):
    shape = (1, 8, 6) if layout in ("NHW", "flat") else SHAPE
    images, data = pictures(shape=shape), model(layout, batch=batch, shape=shape)
    fed = images.astype(np.float32)
    fed = fed.transpose(0, 2, 3, 1) if layout == "NHWC" else fed
    fed = fed[:, 0] if layout == "NHW" else fed.reshape(200, -1) if layout == "flat" else fed
    expected = runtime(data, np.ascontiguousarray(fed)).argmax(axis=1)
    agree(data, expected, images[:, 0] if layout == "NHW" else images, Reading())


@pytest.mark.parametrize("kind", [TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.UINT8])
def test_types(kind):
    images, data = pictures(), model(kind=kind)
    expected = runtime(data, images.astype(NUMPY[kind])).argmax(axis=1)
    agree(data, expected, images, Reading())


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.FLOAT16])
def test_means_and_deviations(layout, kind):
    images, data = pictures(), model(layout, kind=kind, white=1.0)
    fed = (images / 255 - np.reshape(MEAN, (3, 1, 1))) / np.reshape(STD, (3, 1, 1))
    fed = fed.transpose(0, 2, 3, 1) if layout == "NHWC" else fed
    fed = np.ascontiguousarray(fed.astype(np.float32).astype(NUMPY[kind]))
    agree(data, runtime(data, fed).argmax(axis=1), images, Reading(mean=MEAN, std=STD))


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_blue_first(layout):
    images, data = pictures(), model(layout, white=1.0)
    fed = (images[:, ::-1] / 255 - np.reshape(MEAN, (3, 1, 1))) / np.reshape(STD, (3, 1, 1))
    fed = fed.transpose(0, 2, 3, 1) if layout == "NHWC" else fed
    expected = runtime(data, np.ascontiguousarray(fed.astype(np.float32))).argmax(axis=1)
    agree(data, expected, images, Reading(mean=MEAN, std=STD, blue_first=True))


@pytest.mark.parametrize("blue_first", [False, True])
def test_floats_as_the_model_takes_them_are_the_pictures(tmp_path, blue_first):
    """As bytes they have red first, as every picture has: feed and circuit turn them again."""
    images, reading = pictures(), Reading(mean=MEAN, std=STD, blue_first=blue_first)
    np.savez(tmp_path / "f.npz", images=Interface("NCHW", SHAPE, None).feed(images, reading, "f4"))
    np.savez(tmp_path / "b.npz", images=images)
    for name in "fb":
        assert np.array_equal(read_images(tmp_path / f"{name}.npz", SHAPE, reading).images, images)


ONE_SCORE = {
    "logit": (),
    "probability": (("Sigmoid", {}),),
    "without an axis": (("Squeeze", {"inputs": [[1]]}),),
    "probability without one": (("Squeeze", {"inputs": [[1]]}), ("Sigmoid", {})),
    "in double": (("Sigmoid", {}), ("Cast", {"to": TensorProto.DOUBLE})),
}


@pytest.mark.parametrize("name", ONE_SCORE)
def test_one_score(name):
    data, images = model(classes=1, ending=ONE_SCORE[name]), pictures()
    scores = runtime(data, images.astype(np.float32)).reshape(-1)
    middle = 0.5 if "Sigmoid" in dict(ONE_SCORE[name]) else 0.0
    # The network has no bias: the median of its scores is moved to the threshold.
    loaded = onnx.load_from_string(data)
    before = np.median(runtime(model(classes=1), images.astype(np.float32)))
    bias = next(t for t in loaded.graph.initializer if list(t.dims) == [1] and t.data_type == 1)
    bias.CopyFrom(numpy_helper.from_array(np.array([-before], np.float32), bias.name))
    data = loaded.SerializeToString()
    scores = runtime(data, images.astype(np.float32)).reshape(-1)
    assert OnnxClassifier(data).classes == 2
    agree(data, (scores > middle).astype(np.int64), images, Reading())


def test_two_sigmoids_are_no_probability():
    data = model(classes=1, ending=(("Sigmoid", {}), ("Sigmoid", {})))
    with pytest.raises(InputError, match=r"works on the answer|no integer form"):
        compile_model(data, pictures(4))


def ended(*nodes, output):
    """One score, what these nodes make of it, and a constant 1."""
    loaded = onnx.load_from_string(model(classes=1))
    last = loaded.graph.output[0].name
    for node in nodes:
        node.input[:] = [last if name == "score" else name for name in node.input]
    loaded.graph.initializer.append(numpy_helper.from_array(np.array(1, np.float32), "one"))
    loaded.graph.node.extend(nodes)
    loaded.graph.output[0].name = output
    return loaded


def test_a_sigmoid_that_only_one_reader_would_see():
    """Spelled out it is found by the compiler alone: then neither may guess."""
    node = helper.make_node
    spelled = ended(
        node("Neg", ["score"], ["n"]),
        node("Exp", ["n"], ["e"]),
        node("Add", ["e", "one"], ["s"]),
        node("Reciprocal", ["s"], ["p"]),
        output="p",
    )
    with pytest.raises(InputError, match="whether it is a probability is not plain"):
        compile_model(spelled.SerializeToString(), pictures(4))


def test_a_sigmoid_in_a_function_of_the_file_is_seen_by_both_readers():
    inner = helper.make_function(
        "own",
        "end",
        ["a"],
        ["b"],
        [helper.make_node("Sigmoid", ["a"], ["b"])],
        [helper.make_opsetid("", 17)],
    )
    loaded = ended(helper.make_node("end", ["score"], ["p"], domain="own"), output="p")
    loaded.functions.append(inner)
    loaded.opset_import.append(helper.make_opsetid("own", 1))
    data, images = loaded.SerializeToString(), pictures()
    scores = runtime(data, images.astype(np.float32)).reshape(-1)
    agree(data, (scores > 0.5).astype(np.int64), images, Reading())


def test_a_doubtful_layout_is_asked_about():
    """A picture of as many rows and columns as channels fits both ways."""
    shape = (3, 3, 3)
    data = model(shape=shape)
    for ask in (
        lambda **k: OnnxClassifier(data, input_shape=shape, **k),
        lambda **k: compile_model(data, pictures(4, shape), **k),
    ):
        with pytest.raises(InputError, match="--layout NCHW or --layout NHWC"):
            ask()
        ask(reading=Reading(layout="NCHW"))
    flat = model("flat")
    with pytest.raises(InputError, match="--layout flat"):
        OnnxClassifier(flat, input_shape=SHAPE)
    with pytest.raises(InputError, match="--shape"):
        OnnxClassifier(flat)
    assert OnnxClassifier(flat, reading=Reading(layout="flat", shape=SHAPE)).classes == 5


def test_several_outputs_are_asked_about():
    loaded = onnx.load_from_string(model())
    loaded.graph.node.append(helper.make_node("Neg", [loaded.graph.output[0].name], ["less"]))
    loaded.graph.output.append(helper.make_empty_tensor_value_info("less"))
    data, images = loaded.SerializeToString(), pictures()
    for ask in (lambda: OnnxClassifier(data), lambda: compile_model(data, images[:4])):
        with pytest.raises(InputError, match="--output"):
            ask()
    least = runtime(data, images.astype(np.float32)).argmin(axis=1)
    agree(data, least, images, Reading(output="less"))
    with pytest.raises(InputError, match="no output 'most'"):
        OnnxClassifier(data, reading=Reading(output="most"))


def test_an_output_without_a_shape():
    loaded = onnx.load_from_string(model())
    loaded.graph.output[0].CopyFrom(
        helper.make_tensor_value_info(loaded.graph.output[0].name, TensorProto.FLOAT, None)
    )
    data, images = loaded.SerializeToString(), pictures()
    expected = runtime(data, images.astype(np.float32)).argmax(axis=1)
    agree(data, expected, images, Reading())


def test_a_constant_beyond_float16():
    """Without its division the network reaches numbers that float16 cannot hold."""
    data = model(kind=TensorProto.FLOAT16, white=1 / 400)
    with pytest.raises(InputError, match="float16"):
        compile_model(data, pictures(8))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"pixels": "percent"}, "'raw' or 'unit'"),
        ({"layout": "CHWN"}, "a layout is one of"),
        ({"std": (0.0,)}, "not above 0"),
        ({"mean": (float("nan"),)}, "no number"),
        ({"shape": (1, 1, 1, 1)}, "none of D"),
    ],
)
def test_readings_that_are_none(wrong, words):
    with pytest.raises(InputError, match=words):
        Reading(**wrong)


def test_as_many_numbers_as_channels():
    with pytest.raises(InputError, match="2 numbers were given for a picture of 3 channels"):
        OnnxClassifier(model(), reading=Reading(mean=(0.5, 0.5)))


@pytest.mark.parametrize("shape", [(1, 8, 6), (4, 8, 6)])
def test_blue_is_first_of_three_for_verify_and_for_compile(shape):
    reading = Reading(layout="NCHW", blue_first=True)
    words = f"takes {shape[0]} channels, and blue can be first of three"
    with pytest.raises(InputError, match=words):
        OnnxClassifier(model(shape=shape), reading=reading)
    with pytest.raises(InputError, match=words):
        compile_model(model(shape=shape), pictures(8, shape), reading=reading)
