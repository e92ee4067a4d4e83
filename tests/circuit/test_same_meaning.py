"""Uses of operators that one could take for others: read as ONNX Runtime does, or refused."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest
from circuit_graphs import assert_close_to_float, integer_logits
from onnx import TensorProto, helper, numpy_helper

from wmproof.circuit.compile import compile_model
from wmproof.errors import InputError

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (64, 1, 10, 10), dtype=np.uint8)
node = helper.make_node


def build(nodes, constants, features: int, batch: int | str = "N") -> bytes:
    """A classifier that reads 1/255 of the pixels as x, (N, 1, 10, 10), and ends in rows "b"."""
    weight = RANDOM.normal(size=(features, 5)).astype(np.float32)
    arrays = {"W": weight, "unit": np.float32(1 / 255), **constants}
    first = [
        node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
        node("Mul", ["pixels", "unit"], ["x"]),
    ]
    graph = helper.make_graph(
        [*first, *nodes, node("Gemm", ["b", "W"], ["y"])],
        "g",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, [batch, 1, 10, 10])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 5])],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=8)
    return model.SerializeToString()


@pytest.mark.parametrize("scale", [0.7, 0.9, 1.4, 2.3])
def test_lengths_of_a_resize_are_products_in_float32(scale: float) -> None:
    nodes = [
        node(
            "Resize",
            ["x", "", "scales"],
            ["r"],
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        ),
        node("ReduceSum", ["r", "axis"], ["s"], keepdims=0),  # which no length changes the shape of
        node("Flatten", ["s"], ["b"]),
    ]
    data = build(nodes, {"scales": np.float32([1, 1, scale, 1]), "axis": np.int64([2])}, 10)
    assert_close_to_float(compile_model(data, IMAGES), data, IMAGES, 0.02)


def test_shares_that_are_nearly_alike_multiply() -> None:
    """What lies far from 0 has its range around itself, but a factor needs the number for 0."""
    nodes = [
        node("Squeeze", ["x", "one"], ["s"]),
        node("Mul", ["s", "little"], ["l"]),
        node("Softmax", ["l"], ["shares"], axis=-1),
        node("MatMul", ["shares", "s"], ["m"]),
        node("Flatten", ["m"], ["b"]),
    ]
    data = build(nodes, {"one": np.int64([1]), "little": np.float32(1e-2)}, 100)
    assert_close_to_float(compile_model(data, IMAGES), data, IMAGES)


def test_a_flag_that_a_function_is_given_is_one_too() -> None:
    pool = node("AveragePool", ["i"], ["o"], kernel_shape=[3, 3], strides=[3, 3])
    pool.attribute.add(name="ceil_mode", ref_attr_name="how", type=onnx.AttributeProto.INT)
    nodes = [node("Pooled", ["x"], ["p"], domain="own", how=2), node("Flatten", ["p"], ["b"])]
    data = onnx.load_from_string(build(nodes, {}, 16))
    imports = [helper.make_opsetid("", 19)]
    data.functions.append(
        helper.make_function("own", "Pooled", ["i"], ["o"], [pool], imports, attributes=["how"])
    )
    data.opset_import.append(helper.make_opsetid("own", 1))
    with pytest.raises(InputError, match="ceil_mode = 2"):
        compile_model(data.SerializeToString(), IMAGES)


def test_a_mean_over_no_axes_named_is_one_over_all() -> None:
    """Of one image it has a shape, and what is gathered may be anything."""
    nodes = [
        node("Flatten", ["x"], ["f"]),
        node("Gather", ["f", "places"], ["g"], axis=1),
        node("ReduceMean", ["g", "none"], ["m"]),
        node("Add", ["m", "line"], ["b"]),
    ]
    constants = {
        "places": np.arange(100)[::-1].copy(),
        "none": np.zeros(0, np.int64),
        "line": np.linspace(0, 1, 100, dtype=np.float32)[None],
    }
    data = onnx.load_from_string(build(nodes, constants, 100, batch=1))
    data.graph.initializer.append(numpy_helper.from_array(np.zeros(5, np.float32), "bias"))
    data.graph.node[-1].input.append("bias")
    with pytest.raises(InputError, match="or over none"):
        compile_model(data.SerializeToString(), IMAGES)


@pytest.mark.parametrize("batch", [1, "N"])
def test_one_image_gathers_from_all_places(batch: int | str) -> None:
    """PyTorch writes `as_strided` so; of several images it would take the first one's."""
    nodes = [
        node("Reshape", ["x", "all"], ["f"]),
        node("Gather", ["f", "places"], ["b"]),
    ]
    places = np.arange(100)[None, ::-3].copy()
    data = build(nodes, {"all": np.int64([-1]), "places": places}, places.size, batch)
    if batch == 1:
        session = onnxruntime.InferenceSession(data)
        expected = [session.run(None, {"images": image[None]})[0][0] for image in IMAGES]
        actual = integer_logits(compile_model(data, IMAGES), IMAGES)
        assert np.allclose(actual, expected, atol=0.02 * np.std(expected))
        return
    with pytest.raises(InputError, match="number of images"):
        compile_model(data, IMAGES)


ROWS = node("Reshape", ["x", "rows"], ["r"])
ALONG_ROWS = {
    "a matrix for each": (
        [node("Transpose", ["x"], ["t"], perm=[2, 0, 1, 3]), node("Reshape", ["t", "rows"], ["q"])],
        [node("Gemm", ["q", "M"], ["o"])],
    ),
    "shares": ([node("Softmax", ["r"], ["o"], axis=0)],),
    "a mean": ([node("ReduceMean", ["r", "zero"], ["m"]), node("Add", ["r", "m"], ["o"])],),
    "a product": ([node("MatMul", ["r", "r"], ["o"])],),
    "a part": (
        [node("Slice", ["r", "two", "ten", "zero"], ["s"]), node("Sub", ["s", "c"], ["o"])],
    ),
    "halves": (
        [node("Split", ["r"], ["s", "t"], axis=0, num_outputs=2), node("Mul", ["s", "t"], ["o"])],
    ),
    "one": ([node("Gather", ["r", "last"], ["g"], axis=0), node("Mul", ["r", "g"], ["o"])],),
    "some": ([node("Gather", ["r", "some"], ["o"], axis=0)],),
    "a constant": ([node("Concat", ["c", "r"], ["o"], axis=0)],),
    "itself": ([node("Concat", ["r", "r"], ["o"], axis=0)],),
    "no axis": ([node("Squeeze", ["x", "zero"], ["s"]), node("Gather", ["s", "null"], ["o"])],),
    "the first": ([node("Gather", ["x", "null"], ["g"]), node("Softmax", ["g"], ["o"], axis=1)],),
    "with others": ([node("Mul", ["x", "r"], ["o"])],),
}


@pytest.mark.parametrize("batch", [1, "N"])
@pytest.mark.parametrize("name", ALONG_ROWS)
def test_rows_of_one_image_are_no_images(name: str, batch: int | str) -> None:
    """A batch fixed at one leaves its axis, and what was behind it is in front."""
    nodes = [ROWS, *(part for parts in ALONG_ROWS[name] for part in parts)]
    nodes.append(node("Reshape", ["o", "flat"], ["b"]))
    features = {"a part": 80, "halves": 50, "some": 40, "a constant": 110, "itself": 200}
    wide = features.get(name, 100)
    constants = {
        "rows": np.int64([-1, 10]),
        "flat": np.int64([-1, wide]),
        "M": RANDOM.normal(size=(10, 10)).astype(np.float32),
        "c": RANDOM.normal(size=(1, 10)).astype(np.float32),
        **{"zero": np.int64([0]), "two": np.int64([2]), "ten": np.int64([10])},
        **{"null": np.int64(0), "last": np.int64(-1), "some": np.int64([[3, 1], [-1, 3]])},
    }
    data = build(nodes, constants, wide, batch)
    if batch == 1:
        assert_close_to_float(compile_model(data, IMAGES), data, IMAGES)
    else:
        with pytest.raises(InputError, match=r"of a batch|number of images|whose batch|joins"):
            compile_model(data, IMAGES)


@pytest.mark.parametrize("batch", [2, 3])
def test_a_matrix_for_all_images_is_refused(batch: int) -> None:
    """The images lie along the rows that the matrix multiplies."""
    nodes = [
        node("Flatten", ["x"], ["f"]),
        node("Transpose", ["f"], ["t"], perm=[1, 0]),
        node("Gemm", ["t", "M"], ["g"]),
        node("Transpose", ["g"], ["b"], perm=[1, 0]),
    ]
    matrix = RANDOM.normal(size=(batch, batch)).astype(np.float32)
    with pytest.raises(InputError, match="number of images"):
        compile_model(build(nodes, {"M": matrix}, 100, batch), IMAGES)


def test_few_slices_are_gathered_where_the_batch_is_not_in_front() -> None:
    places = np.arange(100)[::-1]
    nodes = [
        node("Reshape", ["x", "rows"], ["r"]),
        node("Transpose", ["r"], ["t"], perm=[1, 0]),
        node("Gather", ["t", "places"], ["g"]),
        node("Transpose", ["g"], ["b"], perm=[1, 0]),
    ]
    data = build(nodes, {"rows": np.int64([-1, 100]), "places": places}, 100)
    with pytest.raises(InputError, match="64 are the most"):
        compile_model(data, IMAGES)


FLAT = node("Flatten", ["x"], ["a"])
MEAN = node("ReduceMean", ["a", "one"], ["m"], keepdims=1)
WIDE = [
    node("ReduceSum", ["p", "one"], ["s"], keepdims=1),
    node("Concat", ["a", "s"], ["b"], axis=1),
]
REFUSED = {
    "a length with an upper bound": (
        [
            FLAT,
            node("ReduceL2", ["a", "one"], ["l"], keepdims=1),
            node("Clip", ["l", "", "tiny"], ["c"]),
            node("Div", ["a", "c"], ["b"]),
        ],
        {"tiny": np.float32(1e-6)},
        "might be 0",
    ),
    "a power that widens": (
        [FLAT, MEAN, node("Pow", ["m", "powers"], ["p"]), *WIDE],
        {"powers": np.float32([2, 2, 2])},
        "would widen",
    ),
    "slopes that widen": (
        [FLAT, MEAN, node("PRelu", ["m", "slopes"], ["p"]), *WIDE],
        {"slopes": np.float32([0.2, 0.2, 0.2])},
        "would widen",
    ),
    "a product of every image with every other": (
        [
            node("Reshape", ["x", "windows"], ["w"]),
            node("Einsum", ["w", "w"], ["e"], equation="wd,vd->wv"),
            node("ReduceMean", ["e", "one"], ["m"], keepdims=1),
            node("Mul", ["w", "m"], ["q"]),
            node("Reshape", ["q", "rows"], ["b"]),
        ],
        {"windows": np.int64([-1, 50]), "rows": np.int64([-1, 100])},
        "number of images",
    ),
    "a flag that is neither on nor off": (
        [
            node("AveragePool", ["x"], ["p"], kernel_shape=[3, 3], strides=[3, 3], ceil_mode=2),
            node("ReduceMean", ["p", "one"], ["m"]),
            node("Flatten", ["m"], ["b"]),
        ],
        {},
        "ceil_mode = 2",
    ),
    "a cast whose first attribute is another one": (
        [
            FLAT,
            node("Cast", ["large"], ["c"], saturate=1, to=TensorProto.UINT8),
            node("Cast", ["c"], ["f"], to=TensorProto.FLOAT),
            node("Add", ["a", "f"], ["b"]),
        ],
        {"large": np.float32([3e9])},
        "beyond the range of uint8",
    ),
    "a cast of bfloat16 that machines wrap in ways of their own": (
        [
            FLAT,
            node("Cast", ["large"], ["c"], to=TensorProto.INT8),
            node("Cast", ["c"], ["f"], to=TensorProto.FLOAT),
            node("Add", ["a", "f"], ["b"]),
        ],
        {"large": np.array([300], ml_dtypes.bfloat16)},
        "beyond the range of int8",
    ),
    "a narrow zero below zero, which a runtime takes for true": (
        [
            FLAT,
            node("Cast", ["zero"], ["c"], to=TensorProto.BOOL),
            node("Where", ["c", "low", "high"], ["d"]),
            node("Add", ["a", "d"], ["b"]),
        ],
        {
            "zero": np.array([-0.0], ml_dtypes.float8_e5m2),
            "low": np.float32([0]),
            "high": np.float32([1]),
        },
        "casts float8_e5m2 to bool",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_read_is_refused(name: str) -> None:
    nodes, constants, words = REFUSED[name]
    features = 101 if "widen" in name else 100
    data = build(nodes, {**constants, "one": np.int64([1])}, features)
    with pytest.raises(InputError, match=words):
        compile_model(data, IMAGES)


@pytest.mark.parametrize(
    ("operator", "inputs"),
    [("Exp", [1e30]), ("Log", [-1.0]), ("Pow", [10.0, 1e30]), ("Pow", [1e-30, -1e30])],
)
def test_functions_of_constants_beyond_all_numbers_are_refused(
    operator: str, inputs: list[float]
) -> None:
    names = [f"c{i}" for i in range(len(inputs))]
    nodes = [FLAT, node(operator, names, ["d"]), node("Add", ["a", "d"], ["b"])]
    data = build(nodes, dict(zip(names, np.float32(inputs), strict=True)), 100)
    with pytest.raises(InputError, match="where it has no value"):
        compile_model(data, IMAGES)


def test_sums_of_many_constants_are_refused_before_they_are_made() -> None:
    nodes = [
        FLAT,
        node("ConstantOfShape", ["shape"], ["c"]),
        node("ReduceSum", ["c", "one"], ["d"], keepdims=0),
        node("ReduceMax", ["d"], ["e"], keepdims=0),
        node("Add", ["a", "e"], ["b"]),
    ]
    data = build(nodes, {"shape": np.int64([2**24 + 1, 1]), "one": np.int64([1])}, 100)
    with pytest.raises(InputError, match="more than 2\\^24 sums"):
        compile_model(data, IMAGES)


@pytest.mark.parametrize(
    ("first", "work", "count", "words"),
    [
        (node("ConstantOfShape", ["shape"], ["c"]), ("ReduceMax", ["c"]), 33, "over 2\\^31"),
        (node("Identity", ["many"], ["c"]), ("Pow", ["c", "power"]), 8, "over 2\\^19"),
    ],
)
def test_work_on_constants_is_bounded(
    first: onnx.NodeProto, work: tuple[str, list[str]], count: int, words: str
) -> None:
    """A few bytes a node ask for work on a large constant, of which little may be left."""
    operator, inputs = work
    nodes = [FLAT, first, *(node(operator, inputs, [f"d{i}"]) for i in range(count))]
    nodes.append(node("Sum", [f"d{i}" for i in range(count)], ["d"]))
    nodes += [node("ReduceMax", ["d"], ["e"], keepdims=0), node("Add", ["a", "e"], ["b"])]
    constants = {
        "shape": np.int64([2**26]),
        "many": np.arange(2**16, dtype=np.float32),
        "power": np.float32(1),
    }
    with pytest.raises(InputError, match=words):
        compile_model(build(nodes, constants, 100), IMAGES)


@pytest.mark.parametrize("moved", [False, True])
def test_float_weights_between_integers_are_rounded_by_a_runtime(moved: bool) -> None:
    """To int8 of one scale: an output of large weights takes those of all others away."""
    step = ["step", "zero"]
    nodes = [
        node("QuantizeLinear", ["x", *step], ["q"]),
        node("DequantizeLinear", ["q", *step], ["d"]),
        *([node("Transpose", ["d"], ["t"], perm=[0, 1, 3, 2])] if moved else []),
        node("Conv", ["t" if moved else "d", "k"], ["c"]),
        node("Relu", ["c"], ["r"]),
        node("QuantizeLinear", ["r", *step], ["q2"]),
        node("DequantizeLinear", ["q2", *step], ["d2"]),
        node("Flatten", ["d2"], ["b"]),
    ]
    kernel = np.full((1, 1, 2, 2), 0.2, np.float32)
    constants = {"step": np.float32(1 / 255), "zero": np.uint8(0), "k": kernel}
    compile_model(build(nodes, constants, 81), IMAGES)
    large = {**constants, "k": np.concatenate([np.full_like(kernel, 100), kernel])}
    with pytest.raises(InputError, match="float weights between integers"):
        compile_model(build(nodes, large, 162), IMAGES)
