"""Constants that a file computes: the same for every runtime, or refused."""

from __future__ import annotations

import contextlib

import numpy as np
import onnx
import onnxruntime
import pytest
from circuit_graphs import assert_close_to_float
from onnx import TensorProto, helper, numpy_helper
from test_same_meaning import FLAT, IMAGES, build, node

from wmproof.circuit.compile import compile_model
from wmproof.circuit.frontend.load import open_graph
from wmproof.circuit.frontend.rounded_constants import SUMMED, room_of_rounding, summed
from wmproof.circuit.frontend.translate import _Translation
from wmproof.circuit.frontend.values import Constant
from wmproof.core.reading import Reading
from wmproof.errors import InputError

RANDOM = np.random.default_rng(0)
LINE = np.linspace(-3, 3, 100).astype(np.float32)
MOSTLY, STEP = "mostly rounding", "which side of a step"


def added(*nodes: onnx.NodeProto) -> list[onnx.NodeProto]:
    """A classifier that adds a line, times the number "s" that the nodes compute."""
    return [FLAT, *nodes, node("Mul", ["s", "line"], ["t"]), node("Add", ["a", "t"], ["b"])]


def cast(name: str, to: int, result: str) -> onnx.NodeProto:
    return node("Cast", [name], [result], to=to)


HUGE = np.float32([2**30, 1, -(2**30)])
# Nodes, constants, words. Each was a number for ONNX Runtime and another one for the compiler.
APART = {
    "a sum that cancels": ([node("ReduceSum", ["c"], ["s"], keepdims=0)], {"c": HUGE}, MOSTLY),
    "a mean that cancels": ([node("ReduceMean", ["c"], ["s"], keepdims=0)], {"c": HUGE}, MOSTLY),
    "a product that cancels": (
        [node("MatMul", ["c", "d"], ["s"])],
        {"c": HUGE[None], "d": np.ones((3, 1), np.float32)},
        MOSTLY,
    ),
    "the last digit of a function": (
        [
            node("Tanh", ["c"], ["u"]),
            node("Sub", ["u", "d"], ["v"]),
            node("Mul", ["v", "e"], ["s"]),
        ],
        {"c": np.float32(0.7), "d": np.float32(np.tanh(0.7)), "e": np.float32(2**24)},
        MOSTLY,
    ),
    "a function that is all but 0": (
        [node("Sigmoid", ["c"], ["u"]), node("Mul", ["u", "d"], ["s"])],
        {"c": np.float32(-30), "d": np.float32(2**40)},
        MOSTLY,
    ),
    "the side of a step": (
        [node("ReduceSum", ["c"], ["u"], keepdims=0), node("Floor", ["u"], ["s"])],
        {"c": np.full(10, 0.1, np.float32)},
        STEP,
    ),
    "an integer of a sum": (
        [
            node("ReduceSum", ["c"], ["u"], keepdims=0),
            cast("u", TensorProto.INT64, "i"),
            cast("i", TensorProto.FLOAT, "s"),
        ],
        {"c": np.full(10, 0.1, np.float32)},
        STEP,
    ),
    "a range of fractions": (
        [
            node("Range", ["zero", "c", "d"], ["r"]),
            node("ReduceMax", ["r"], ["m"], keepdims=0),
            node("Sub", ["m", "c"], ["s"]),
        ],
        {"zero": np.float32(0), "c": np.float32(1e4), "d": np.float32(0.1)},
        "counts in fractions",
    ),
    "integers that wrap": (
        [node("ReduceSum", ["c"], ["i"], keepdims=0), cast("i", TensorProto.FLOAT, "s")],
        {"c": np.int32([2**30, 2**30])},
        "wraps or rounds",
    ),
    "integers that a power rounds": (
        [node("Pow", ["c", "two"], ["i"]), cast("i", TensorProto.FLOAT, "s")],
        {"c": np.int64([94906267]), "two": np.int64([2])},
        "wraps or rounds",
    ),
    "the shape without no axis": (
        [
            node("Squeeze", ["c", "d"], ["u"]),
            node("Shape", ["u"], ["v"]),
            node("ReduceMax", ["v"], ["i"], keepdims=0),
            cast("i", TensorProto.FLOAT, "s"),
        ],
        {"c": np.zeros((1, 3), np.float32), "d": np.zeros(0, np.int64)},
        "squeezes no axis",
    ),
    "a number in letters": (
        [cast("c", TensorProto.FLOAT, "s")],
        {"c": np.array(["1_0"], object)},
        "computes with texts",
    ),
    "a sum in float16, which a runtime may leave in float32": (
        [
            node("Add", ["c", "d"], ["u"]),
            node("Sub", ["u", "c"], ["v"]),
            cast("v", TensorProto.FLOAT, "s"),
        ],
        {"c": np.float16(2048), "d": np.float16(1)},
        MOSTLY,
    ),
    "a root in float16": (
        [
            node("Sqrt", ["c"], ["u"]),
            node("Mul", ["u", "u"], ["v"]),
            node("Sub", ["v", "c"], ["w"]),
            node("Mul", ["w", "d"], ["x16"]),
            cast("x16", TensorProto.FLOAT, "s"),
        ],
        {"c": np.float16(3), "d": np.float16(512)},
        MOSTLY,
    ),
    "two numbers in one place": (
        [
            node("ScatterND", ["c", "d", "e"], ["u"]),
            node("ReduceMax", ["u"], ["s"], keepdims=0),
        ],
        {"c": np.zeros(4, np.float32), "d": np.int64([[1], [-3]]), "e": np.float32([1, 2])},
        "twice into one place",
    ),
    "a number that is rounded twice": (
        [
            cast("c", TensorProto.FLOAT16, "h"),
            cast("h", TensorProto.FLOAT, "f"),
            node("Sub", ["f", "d"], ["u"]),
            node("Mul", ["u", "e"], ["s"]),
        ],
        {
            "c": np.float64(1 + 2**-11 + 2**-40),
            "d": np.float32(1),
            "e": np.float32(1024),
        },
        "once or twice",
    ),
}


@pytest.mark.parametrize("name", APART)
def test_what_runtimes_compute_otherwise_is_refused(name: str) -> None:
    nodes, constants, words = APART[name]
    data = build(added(*nodes), {**constants, "line": LINE}, 100)
    with pytest.raises(InputError, match=words):
        compile_model(data, IMAGES)


def test_truth_values_beyond_one() -> None:
    """Of 256 the last byte is left in a runtime, and all of it in NumPy."""
    data = onnx.load_from_string(
        build(added(cast("c", TensorProto.FLOAT, "s")), {"line": LINE, "c": np.array([True])}, 100)
    )
    tensor = next(t for t in data.graph.initializer if t.name == "c")
    tensor.ClearField("raw_data")
    tensor.int32_data.append(256)
    with pytest.raises(InputError, match="other than 0 and 1"):
        compile_model(data.SerializeToString(), IMAGES)


def test_a_last_cast_that_makes_scores_equal() -> None:
    data = onnx.load_from_string(build([FLAT, node("Identity", ["a"], ["b"])], {}, 100))
    data.graph.node[-1].output[0] = "scores"
    data.graph.initializer.append(numpy_helper.from_array(np.float32(2e4), "much"))
    data.graph.node.extend(
        [node("Add", ["scores", "much"], ["sum"]), cast("sum", TensorProto.FLOAT16, "y")]
    )
    data.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    with pytest.raises(InputError, match="in float16"):
        compile_model(data.SerializeToString(), IMAGES)


def test_what_replaces_no_numbers_does_not_widen() -> None:
    nodes = [
        node("Softmax", ["x"], ["p"], axis=-1),
        node("IsNaN", ["p"], ["q"]),
        node("Where", ["q", "c", "p"], ["w"]),  # three channels, of one
        node("ReduceSum", ["w", "one"], ["r"], keepdims=0),
        node("Flatten", ["r"], ["b"]),
    ]
    constants = {"c": np.zeros((3, 10, 10), np.float32), "one": np.int64([1])}
    with pytest.raises(InputError, match="no integer form"):
        compile_model(build(nodes, constants, 100), IMAGES)


def read(*nodes: onnx.NodeProto, opset: int, **constants: np.ndarray) -> bytes:
    """A classifier that adds the size "i" of a constant, made by an older opset."""
    number = [node("Size", ["u"], ["i"]), cast("i", TensorProto.FLOAT, "s")]
    data = build(added(*nodes, *number), {**constants, "line": LINE}, 100)
    found = onnx.load_from_string(data)
    found.opset_import[0].version = opset
    return found.SerializeToString()


THREE = np.float32([1, 2, 3])
BEYOND = {
    "a slice backwards that starts before its axis": (
        [node("Slice", ["c", "from", "to", "axis", "step"], ["u"])],
        19,
        {"from": np.int64([-9]), "to": np.int64([-20])},
    ),
    "a slice backwards that ends behind its axis": (
        [node("Slice", ["c", "from", "to", "axis", "step"], ["u"])],
        19,
        {"from": np.int64([2]), "to": np.int64([2**63 - 1])},
    ),
    "the shape up to before the first axis": ([node("Shape", ["c"], ["u"], end=-5)], 19, {}),
    "axes that are not in order": ([node("Unsqueeze", ["c"], ["u"], axes=[2, 0])], 11, {}),
    "axes from the end": ([node("Unsqueeze", ["c"], ["u"], axes=[-2, -1])], 11, {}),
    "a power of another shape": ([node("Pow", ["c", "two"], ["u"])], 19, {}),
}


@pytest.mark.parametrize("name", BEYOND)
def test_what_onnx_and_a_runtime_make_of_odd_ends(name: str) -> None:
    """Of each, NumPy or onnx makes a tensor of another shape than ONNX Runtime."""
    nodes, opset, constants = BEYOND[name]
    constants = {"axis": np.int64([0]), "step": np.int64([-1]), "c": THREE} | constants
    constants["two"] = np.full((1, 1, 1), 2, np.float32)
    with pytest.raises(InputError, match=r"beyond an axis|widens a constant"):
        compile_model(read(*nodes, opset=opset, **constants), IMAGES)


def test_a_constant_that_is_turned_round() -> None:
    constants = {"axis": np.int64([0]), "step": np.int64([-1]), "c": THREE}
    constants |= {"from": np.int64([-1]), "to": np.int64([-(2**31)])}
    data = read(node("Slice", ["c", "from", "to", "axis", "step"], ["u"]), opset=19, **constants)
    assert_close_to_float(compile_model(data, IMAGES), data, IMAGES)


def long_sum(*nodes: onnx.NodeProto) -> list[onnx.NodeProto]:
    """The sum "s" of 2^18 tenths, of which runtimes lose 2^-13; "c" is what it is."""
    tenth = numpy_helper.from_array(np.float32([0.1]))
    made = node("ConstantOfShape", ["many"], ["tenths"], value=tenth)
    return [FLAT, made, node("ReduceSum", ["tenths"], ["s"], keepdims=0), *nodes]


LATER = {
    "added, and taken off": [
        node("Mul", ["a", "tiny"], ["u"]),
        node("Add", ["u", "s"], ["v"]),
        node("Sub", ["v", "c"], ["w"]),
        node("Div", ["w", "tiny"], ["b"]),
    ],
    "added, cut off, and taken off": [
        node("Mul", ["a", "tiny"], ["u"]),
        node("Add", ["u", "s"], ["v"]),
        node("Relu", ["v"], ["r"]),
        node("Sub", ["r", "c"], ["w"]),
        node("Div", ["w", "tiny"], ["b"]),
    ],
    "a factor": [
        node("Mul", ["a", "s"], ["u"]),
        node("Mul", ["a", "c"], ["v"]),
        node("Sub", ["u", "v"], ["w"]),
        node("Add", ["w", "a"], ["b"]),
    ],
    "a weight": [
        node("Reshape", ["s", "ones"], ["k"]),
        node("Conv", ["x", "k"], ["y0"]),
        node("Mul", ["x", "c"], ["v"]),
        node("Sub", ["y0", "v"], ["w"]),
        node("Add", ["w", "x"], ["z"]),
        node("Flatten", ["z"], ["b"]),
    ],
    "a limit": [
        node("Mul", ["a", "c"], ["u"]),
        node("Clip", ["u", "", "s"], ["v"]),
        node("Sub", ["v", "c"], ["b"]),
    ],
}


@pytest.mark.parametrize("name", LATER)
def test_rounding_that_nothing_but_the_image_lays_open(name: str) -> None:
    """Nearly the same everywhere where it meets the image, and another answer in the end."""
    sum_ = np.float32(2**18 * np.float64(np.float32(0.1)))
    constants = {"many": np.int64([2**18]), "c": sum_, "tiny": np.float32(sum_ * 2**-5)}
    data = build(long_sum(*LATER[name]), constants | {"ones": np.int64([1, 1, 1, 1])}, 100)
    with pytest.raises(InputError, match=MOSTLY):
        compile_model(data, IMAGES)


@pytest.mark.parametrize("huge", [2.0**13, 1.5 * 2.0**13, 2.0**14])
def test_what_is_refused_once_is_refused_again(huge: float) -> None:
    """These are at the margin: of 2^-8 of the sum, rounding may be a half up to all."""
    sum_ = node("ReduceSum", ["c"], ["s"], keepdims=0)
    data = build(added(sum_), {"c": np.float32([huge, 1, -huge]), "line": LINE}, 100)
    for _ in range(10):
        with pytest.raises(InputError, match=MOSTLY):
            compile_model(data, IMAGES)


BETWEEN = {"Abs", "Add", "Concat", "Div", "Max", "Mul", "Neg", "Reciprocal", "Relu", "Sqrt", "Sub"}


def chain(random: np.random.Generator) -> tuple[list[onnx.NodeProto], dict[str, np.ndarray]]:
    """Nodes that make a constant "s" of others by operators that round, and that do not."""
    constants = {
        "c": random.normal(size=(3, 4)).astype(np.float32),
        "d": random.uniform(0.5, 2, (4, 4)).astype(np.float32),
        "e": np.float32(random.normal()),
        "first": np.int64([0]),
    }
    kinds = sorted(SUMMED - {"Log", "Pow"} | BETWEEN)
    nodes, last = [], "c"
    for i in range(int(random.integers(2, 9))):
        kind = str(random.choice(kinds))
        more = {"MatMul": ["d"], "ReduceSum": ["first"], "ReduceMean": ["first"]}.get(kind, [])
        if kind in {"Add", "Sub", "Mul", "Div", "Max"}:
            more = [str(random.choice([last, "e"]))]
        if kind == "Concat":
            more = [last]
        extra = {"axis": 0} if kind == "Concat" else {}
        nodes.append(node(kind, [last, *more], [f"t{i}"], **extra))
        last = f"t{i}"
    return [*nodes, node("ReduceMax", [last], ["s"], keepdims=0)], constants


def test_runtimes_stay_between_the_ends() -> None:
    """Whatever operators on constants follow each other, in float32 as ONNX Runtime adds up."""
    seen = 0
    for seed in range(40):
        nodes, constants = chain(np.random.default_rng(seed))
        data = build(added(*nodes), constants | {"line": LINE}, 100)
        translation = _Translation(open_graph(data, Reading()))
        with contextlib.suppress(InputError), np.errstate(all="ignore"):
            translation.run()
        found = translation._values.get("s")
        if not isinstance(found, Constant) or found.ends is None:
            continue  # refused before, as a divisor that might be 0 is
        entries = [numpy_helper.from_array(v, k) for k, v in constants.items()]
        result = helper.make_tensor_value_info("s", TensorProto.FLOAT, [])
        graph = helper.make_graph(nodes, "g", [], [result], entries)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=8)
        its = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {})[0]
        assert found.ends[0] <= its <= found.ends[1]
        seen += 1
    assert seen > 12


NORMALISED = {
    "weight standardisation": [
        node("ReduceMean", ["v", "zero"], ["m"]),
        node("Sub", ["v", "m"], ["d"]),
        node("Mul", ["d", "d"], ["q"]),
        node("ReduceMean", ["q", "zero"], ["u"]),
        node("Sqrt", ["u"], ["r"]),
        node("Div", ["d", "r"], ["w"]),
    ],
    "a weight's length": [
        node("Mul", ["v", "v"], ["q"]),
        node("ReduceSum", ["q", "zero"], ["u"]),
        node("Sqrt", ["u"], ["r"]),
        node("Div", ["v", "r"], ["w"]),
    ],
    "shares": [
        node("Exp", ["v"], ["q"]),
        node("ReduceSum", ["q", "zero"], ["u"]),
        node("Div", ["q", "u"], ["w"]),
    ],
    "a spectral norm": [
        node("MatMul", ["v", "w0"], ["u"]),
        node("ReduceMax", ["u"], ["r"], keepdims=0),
        node("Div", ["v", "r"], ["w"]),
    ],
}


@pytest.mark.parametrize("name", NORMALISED)
def test_weights_that_exporters_leave_to_be_computed(name: str) -> None:
    nodes = [*NORMALISED[name], FLAT, node("MatMul", ["a", "w"], ["b"])]
    constants = {
        "v": RANDOM.normal(size=(100, 20)).astype(np.float32),
        "w0": np.abs(RANDOM.normal(size=(20, 1))).astype(np.float32),
        "zero": np.int64([0]),
    }
    data = build(nodes, constants, 20)
    assert_close_to_float(compile_model(data, IMAGES), data, IMAGES)


def _by_runtime(made: onnx.NodeProto, inputs: list[np.ndarray]) -> np.ndarray:
    entries = [numpy_helper.from_array(a, n) for a, n in zip(inputs, made.input, strict=True)]
    result = helper.make_tensor_value_info("s", TensorProto.FLOAT, None)
    graph = helper.make_graph([made], "g", [], [result], entries)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {})[0]


@pytest.mark.parametrize("operator", sorted(SUMMED))
@pytest.mark.parametrize("magnitude", [1e-3, 1.0, 30.0])
def test_runtimes_stay_within_the_room_of_rounding(operator: str, magnitude: float) -> None:
    drawn = RANDOM.normal(size=(64, 1000)) * magnitude
    numbers = drawn.clip(-80, 80).astype(np.float32)  # beyond, exp is no number
    if operator in {"Log", "Pow"}:
        numbers = abs(numbers) + np.float32(1e-6)
    second = {"MatMul": numbers[:, :50].T.copy(), "Pow": np.float32(2.7)}
    second |= {"ReduceSum": np.int64([1]), "ReduceMean": np.int64([1])}
    inputs = [numbers[:, :50].copy() if operator == "MatMul" else numbers]
    inputs += [second[operator]] if operator in second else []
    made = node(operator, ["c", "d"][: len(inputs)], ["s"])
    (ours,), its = summed(made, inputs), _by_runtime(made, inputs)
    assert (abs(ours.astype(np.float64) - its) <= room_of_rounding(made, inputs, ours)).all()
