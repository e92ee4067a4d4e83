import numpy as np
import onnx
import pytest
from core_support import mlp_onnx, random_layers
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from wmproof.core.triggers import TriggerSet, noise
from wmproof.errors import FormatError, InputError
from wmproof.models import (
    FunctionClassifier,
    OnnxClassifier,
    TorchClassifier,
    classify_triggers,
    open_model,
)


def expected(layers, images):
    h = images.reshape(len(images), layers[0][0].shape[0]).astype(np.float32) / 255
    for i, (w, b) in enumerate(layers):
        h = h @ w.astype(np.float32) + b.astype(np.float32)
        h = np.maximum(h, 0) if i < len(layers) - 1 else h
    return h.argmax(axis=1)


@given(
    st.sampled_from([(4, 5), (3, 4, 5), (1, 6, 6)]),
    st.sampled_from([TensorProto.UINT8, TensorProto.FLOAT]),
    st.sampled_from(["N", 1, 7]),
    st.sampled_from(["logits", "label"]),
    st.integers(0, 20),
)
@settings(max_examples=40, deadline=None)
def test_answers_do_not_depend_on_the_form_of_the_file(shape, dtype, batch, output, count):
    layers = random_layers(shape, 6)
    data = mlp_onnx(layers, shape, batch=batch, dtype=dtype, output=output).SerializeToString()
    model = OnnxClassifier(data, batch=8)
    assert model.input_shape == shape
    assert model.classes == (6 if output == "logits" else None)
    images = np.random.default_rng(count).integers(0, 256, (count, *shape), dtype=np.uint8)
    answers = model.classify(images)
    assert answers.dtype == np.int64
    assert np.array_equal(answers, expected(layers, images))


def test_open_dimensions_are_filled_by_the_caller():
    layers = random_layers((4, 5), 3)
    data = mlp_onnx(layers, (4, 5), declared_shape=("H", "W")).SerializeToString()
    with pytest.raises(InputError, match="open"):
        OnnxClassifier(data)
    assert OnnxClassifier(data, input_shape=(4, 5)).input_shape == (4, 5)
    with pytest.raises(InputError, match="fails on images"):
        OnnxClassifier(data, input_shape=(4, 6))


def test_files_that_are_no_models_are_refused(tmp_path):
    good = mlp_onnx(random_layers((4, 4), 3), (4, 4)).SerializeToString()
    cases = {
        "empty": b"",
        "text": b"hello world" * 20,
        "half": good[: len(good) // 2],
        "short": good[:40],
    }
    for name, data in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(FormatError) as caught:
            open_model(tmp_path / name)
        assert name in caught.value.where
    with pytest.raises(InputError, match="No such file"):
        open_model(tmp_path / "missing.onnx")
    with pytest.raises(InputError):
        open_model(tmp_path)


def test_unknown_operators_are_refused():
    model = mlp_onnx(random_layers((4, 4), 3), (4, 4))
    model.graph.node[-1].op_type = "Frobnicate"
    with pytest.raises(FormatError, match="ONNX Runtime"):
        OnnxClassifier(model.SerializeToString())


def test_weights_in_another_file_must_be_given(tmp_path):
    model = mlp_onnx(random_layers((4, 4), 3), (4, 4))
    onnx.save(
        model,
        tmp_path / "m.onnx",
        save_as_external_data=True,
        location="weights",
        size_threshold=0,
        convert_attribute=False,
    )
    assert open_model(tmp_path / "m.onnx").classes == 3
    (tmp_path / "weights").rename(tmp_path / "moved")
    with pytest.raises(InputError, match=r"weights, with weights of .*m\.onnx: cannot be read"):
        open_model(tmp_path / "m.onnx")
    with pytest.raises(FormatError, match="another file, 'weights', which was not given"):
        OnnxClassifier((tmp_path / "m.onnx").read_bytes())


def graph(inputs, outputs, nodes, initializers=()):
    made = helper.make_graph(nodes, "g", inputs, outputs, initializers)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model.SerializeToString()


def value(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            graph(
                [
                    value("a", TensorProto.FLOAT, ["N", 2, 2]),
                    value("b", TensorProto.FLOAT, ["N", 2, 2]),
                ],
                [value("c", TensorProto.FLOAT, None)],
                [helper.make_node("Add", ["a", "b"], ["c"])],
            ),
            "2 inputs",
        ),
        (
            graph(
                [value("a", TensorProto.INT64, ["N", 2, 2])],
                [value("c", TensorProto.INT64, None)],
                [helper.make_node("Identity", ["a"], ["c"])],
            ),
            "not uint8 or float pixels",
        ),
        (
            graph(
                [value("a", TensorProto.FLOAT, ["N", 4])],
                [value("c", TensorProto.FLOAT, None)],
                [helper.make_node("Identity", ["a"], ["c"])],
            ),
            "shape of its images open",
        ),
        (
            graph(
                [value("a", TensorProto.FLOAT, ["N", 2, 2])],
                [value("c", TensorProto.FLOAT, None)],
                [helper.make_node("Identity", ["a"], ["c"])],
            ),
            "neither scores",
        ),
        (
            graph(
                [value("a", TensorProto.FLOAT, ["N", 2, 2])],
                [value("c", TensorProto.FLOAT, None)],
                [helper.make_node("ReduceMean", ["a"], ["c"], keepdims=0)],
            ),
            "does not answer",
        ),
    ],
    ids=["inputs", "type", "rank", "images out", "scalar out"],
)
def test_models_that_are_no_classifiers_are_refused(data, words):
    with pytest.raises(InputError, match=words):
        OnnxClassifier(data)


def test_shape_and_class_count_must_fit_the_key():
    triggers = TriggerSet(noise(5, (4, 4)), np.zeros(5, np.int64), 6)
    wide = mlp_onnx(random_layers((4, 5), 6), (4, 5)).SerializeToString()
    many = mlp_onnx(random_layers((4, 4), 7), (4, 4)).SerializeToString()
    with pytest.raises(InputError, match="4x5"):
        classify_triggers(OnnxClassifier(wide), triggers)
    with pytest.raises(InputError, match="7 classes"):
        classify_triggers(OnnxClassifier(many), triggers)


def test_a_single_channel_is_the_same_as_none():
    layers = random_layers((4, 4), 6)
    model = OnnxClassifier(mlp_onnx(layers, (1, 4, 4)).SerializeToString())
    triggers = TriggerSet(noise(5, (4, 4)), np.zeros(5, np.int64), 6)
    assert np.array_equal(classify_triggers(model, triggers), expected(layers, triggers.images))


def test_ties_go_to_the_lower_index_and_nan_is_no_answer():
    scores = np.array([[1, 3, 3], [2, 2, 2], [np.nan, 1, 0], [0, 1, np.inf]], dtype=np.float32)
    model = FunctionClassifier(lambda x: scores[: len(x)], (2, 2), 3)
    assert model.classify(np.zeros((4, 2, 2), np.uint8)).tolist() == [1, 0, -1, 2]


@pytest.mark.parametrize(
    "result",
    [
        np.zeros(3),
        np.zeros((2, 5)),
        np.zeros((3, 4)),
        np.zeros((3, 5, 1)),
        "text",
        np.zeros(2, np.int64),
        np.array([["a"] * 5] * 3),
    ],
)
def test_functions_that_answer_nonsense_are_refused(result):
    model = FunctionClassifier(lambda _: result, (2, 2), 5)
    with pytest.raises(InputError, match="returned"):
        model.classify(np.zeros((3, 2, 2), np.uint8))


def test_torch_modules_are_asked_in_evaluation_mode():
    torch = pytest.importorskip("torch")
    layers = random_layers((3, 4, 4), 6)
    module = torch.nn.Sequential(
        torch.nn.Flatten(),
        torch.nn.Linear(48, 16),
        torch.nn.ReLU(),
        torch.nn.Dropout(0.5),
        torch.nn.Linear(16, 6),
    )
    with torch.no_grad():
        for layer, (w, b), scale in ((module[1], layers[0], 255), (module[4], layers[1], 1)):
            layer.weight.copy_(torch.from_numpy(w.T / scale))
            layer.bias.copy_(torch.from_numpy(b))
    module.train()
    images = noise(50, (3, 4, 4))
    model = TorchClassifier(module, (3, 4, 4), 6, batch=16)
    assert np.array_equal(model.classify(images), expected(layers, images))
    assert module.training
    assert model.classify(images[:0]).shape == (0,)


def test_only_bytes_are_pixels():
    """Pixels of 0.0 to 1.0 would be cast to black pictures, which every model answers somehow."""
    import torch

    layers = random_layers((4, 4), 6)
    models = [
        OnnxClassifier(mlp_onnx(layers, (4, 4)).SerializeToString()),
        FunctionClassifier(lambda images: np.zeros(len(images), np.int64), (4, 4)),
        TorchClassifier(torch.nn.Flatten(), (4, 4)),
    ]
    for model in models:
        for images in (np.zeros((2, 4, 4)), [[0]]):
            with pytest.raises(InputError, match="uint8"):
                model.classify(images)


def test_pixels_of_0_to_1(tmp_path):
    layers = random_layers((4, 4), 6)
    images = noise(20, (4, 4))
    model = mlp_onnx(layers, (4, 4), dtype=TensorProto.FLOAT)
    white = next(one for one in model.graph.initializer if one.name == "white")
    white.CopyFrom(onnx.numpy_helper.from_array(np.array(1, dtype=np.float32), "white"))
    onnx.save(model, tmp_path / "unit.onnx")
    opened = open_model(tmp_path / "unit.onnx", pixels="unit")
    assert (opened.classify(images) == expected(layers, images)).all()
    with pytest.raises(InputError, match="'raw' or 'unit'"):
        open_model(tmp_path / "unit.onnx", pixels="255")
