import re
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from wmproof.errors import InputError
from wmproof.models import open_model
from wmproof.training import Normalization, export_onnx, train
from wmproof.training.export import compare_with_torch, to_onnx
from wmproof.training.networks import NETWORKS, build

# Not narrower: torch 2.14.1 crashes on some processors training a ResNet-18 of width 4.
WIDTHS = {"mlp": 32, "lenet5": 6, "vgg11": 4, "resnet18": 8}
OPERATORS = {
    "mlp": {"Cast", "Sub", "Mul", "Flatten", "Gemm", "Relu"},
    "lenet5": {"Cast", "Sub", "Mul", "Conv", "Relu", "MaxPool", "Flatten", "Gemm"},
    "vgg11": {"Cast", "Sub", "Mul", "Conv", "Relu", "MaxPool", "Flatten", "Gemm"},
    "resnet18": {
        "Cast", "Sub", "Mul", "Conv", "Relu", "Add", "GlobalAveragePool", "Flatten", "Gemm"
    },
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_trained_network_in_onnx_runtime(digits, tiny, tmp_path, name):
    network = build(name, digits.shape, 10, width=WIDTHS[name])
    result = train(network, digits.training_set(), recipe=tiny, device="cpu")
    path = tmp_path / "model.onnx"
    images = digits.test_set().images
    check = export_onnx(result.model, result.normalization, path, images=images)
    assert (check.images, check.agreeing) == (449, 449)
    assert check.largest_difference < 1e-3
    model = open_model(path)
    assert (model.input_shape, model.classes) == ((1, 8, 8), 10)
    with torch.inference_mode():
        expected = result.pixel_model(images).argmax(dim=1).numpy()
    assert np.array_equal(model.classify(digits.test_images), expected)
    assert np.array_equal(model.classify(digits.test_images[:1]), expected[:1])


@pytest.mark.parametrize("name", NETWORKS)
def test_graphs_are_clean(name):
    network = build(name, (3, 32, 32), 10, width=WIDTHS[name]).eval()
    exported = onnx.load_from_string(
        to_onnx(network, Normalization((1.0, 2.0, 3.0), (4.0, 5.0, 6.0)), (3, 32, 32))
    )
    graph = exported.graph
    assert {node.op_type for node in graph.node} == OPERATORS[name]
    assert [node.op_type for node in graph.node[:3]] == ["Cast", "Sub", "Mul"]
    assert [i.version for i in exported.opset_import] == [17]
    assert [i.name for i in graph.input] == ["images"]
    tensor = graph.input[0].type.tensor_type
    assert tensor.elem_type == onnx.TensorProto.UINT8
    assert [d.dim_param or d.dim_value for d in tensor.shape.dim] == ["batch", 3, 32, 32]
    assert not any(i.external_data for i in graph.initializer)


def test_the_model_is_left_as_it_was():
    network = build("mlp", (1, 8, 8), 10, width=8).train()
    to_onnx(network, Normalization((0.0,), (1.0,)), (1, 8, 8))
    assert network.training


def test_same_model_same_bytes():
    network = build("resnet18", (1, 8, 8), 10, width=2)
    arguments = network, Normalization((0.0,), (1.0,)), (1, 8, 8)
    assert to_onnx(*arguments) == to_onnx(*arguments)


def test_disagreement_is_an_error(digits):
    one, two = (build("mlp", digits.shape, 10, width=32, seed=s).eval() for s in (0, 1))
    normalization = Normalization((80.0,), (90.0,))
    exported = to_onnx(one, normalization, digits.shape)
    with pytest.raises(InputError, match="disagree"):
        compare_with_torch(exported, two, normalization, digits.test_set().images)


class Inexpressible(nn.Module):
    def forward(self, images):
        return torch.linalg.svd(images.flatten(1))[0][:, :2]


def test_what_onnx_cannot_say_is_refused():
    with pytest.raises(InputError, match="cannot be exported"):
        to_onnx(Inexpressible(), Normalization((0.0,), (1.0,)), (1, 8, 8))


def test_existing_files_are_kept(digits, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"precious")
    network = build("mlp", digits.shape, 10, width=8)
    images = digits.test_set().images[:5]
    with pytest.raises(InputError, match="exists already"):
        export_onnx(network, Normalization((0.0,), (1.0,)), path, images=images)
    assert path.read_bytes() == b"precious"


@pytest.mark.parametrize(("mean", "std"), [((), ()), ((1.0,), (1.0, 2.0)), ((1.0,), (0.0,))])
def test_impossible_normalizations(mean, std):
    with pytest.raises(InputError):
        Normalization(mean, std)


def test_the_export_of_the_page_runs(tmp_path, monkeypatch):
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (block,) = [block for block in blocks if "torch.onnx.export" in block]
    monkeypatch.chdir(tmp_path)
    exec(block, {"__name__": "page"})  # noqa: S102 - our own page
    model = open_model("own.onnx")
    assert (model.input_shape, model.classes) == ((1, 8, 8), 10)
    assert model.classify(np.zeros((3, 1, 8, 8), np.uint8)).shape == (3,)
