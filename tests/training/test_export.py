import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from wmproof.errors import InputError
from wmproof.models import open_model
from wmproof.training import Normalization, export_onnx, train
from wmproof.training.export import EXPORTERS, compare_with_torch, to_onnx
from wmproof.training.networks import NETWORKS, build

# Not narrower: torch 2.14.1 crashes on some processors training a ResNet-18 of width 4.
WIDTHS = {"mlp": 32, "lenet5": 6, "vgg11": 4, "resnet18": 8}
LAYERS = {
    "mlp": {"Gemm", "Relu"},
    "lenet5": {"Conv", "Relu", "MaxPool", "Gemm"},
    "vgg11": {"Conv", "Relu", "MaxPool", "Gemm"},
    "resnet18": {"Conv", "Relu", "Add", "Gemm"},
}
# What the exporters call flattening, and the mean of a channel.
WORDS = {"dynamo": ("Reshape", "ReduceMean"), "torchscript": ("Flatten", "GlobalAveragePool")}


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


@pytest.mark.parametrize("exporter", EXPORTERS)
@pytest.mark.parametrize("name", NETWORKS)
def test_graphs_are_clean(name, exporter):
    network = build(name, (3, 32, 32), 10, width=WIDTHS[name]).eval()
    scaling = Normalization((1.0, 2.0, 3.0), (4.0, 5.0, 6.0))
    written = to_onnx(network, scaling, (3, 32, 32), exporter=exporter)
    if (name, exporter) == ("mlp", "dynamo"):
        assert to_onnx(network, scaling, (3, 32, 32)) == written, "it is the default"
    exported = onnx.load_from_string(written)
    graph = exported.graph
    flat, mean = WORDS[exporter]
    others = {"Cast", "Sub", "Mul", flat} | ({mean} if name == "resnet18" else set())
    assert {node.op_type for node in graph.node} == LAYERS[name] | others
    assert [node.op_type for node in graph.node[:3]] == ["Cast", "Sub", "Mul"]
    assert [(i.domain, i.version) for i in exported.opset_import] == [("", 18)]
    assert [i.name for i in graph.input] == ["images"]
    tensor = graph.input[0].type.tensor_type
    assert tensor.elem_type == onnx.TensorProto.UINT8
    assert [d.dim_param or d.dim_value for d in tensor.shape.dim] == ["batch", 3, 32, 32]
    assert not any(i.external_data for i in graph.initializer)
    # Exporters write down where each node comes from, with the source's lines.
    for secret in (str(Path(__file__).parents[2]), sys.prefix, "forward", ".py", "stack_trace"):
        assert secret.encode() not in written


class Choosy(nn.Module):
    """Asks about the numbers themselves, which torch's current exporter does not follow."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(64, 10)

    def forward(self, images):
        if bool((images.abs() < 1e6).all()):
            return self.last(images.flatten(1))
        return images.flatten(1)[:, :10]


def test_the_older_exporter_helps_out(digits, tmp_path):
    images = digits.test_set().images
    arguments = Choosy(), Normalization((80.0,), (90.0,)), digits.shape
    with pytest.raises(InputError, match="cannot be exported"):
        to_onnx(*arguments, exporter="dynamo")
    assert to_onnx(*arguments) == to_onnx(*arguments, exporter="torchscript")
    check = export_onnx(*arguments[:2], tmp_path / "model.onnx", images=images)
    assert check.agreeing == len(images)


def test_what_no_one_file_can_hold_is_refused_at_once():
    network = nn.Linear(1, 1)
    network.register_buffer("table", torch.zeros(1).expand(2**29))
    with pytest.raises(InputError, match=r"2.1 GB, and one ONNX file holds 2 GB"):
        to_onnx(network, Normalization((0.0,), (1.0,)), (1, 1, 1))


def test_the_model_is_left_as_it_was():
    network = build("mlp", (1, 8, 8), 10, width=8).train()
    to_onnx(network, Normalization((0.0,), (1.0,)), (1, 8, 8), exporter="torchscript")
    assert network.training
    assert all(weight.requires_grad for weight in network.parameters())


def test_same_model_same_bytes():
    network = build("lenet5", (1, 8, 8), 10, width=2)
    arguments = network, Normalization((0.0,), (1.0,)), (1, 8, 8)
    assert to_onnx(*arguments) == to_onnx(*arguments)


def test_disagreement_is_an_error(digits):
    one, two = (build("mlp", digits.shape, 10, width=32, seed=s).eval() for s in (0, 1))
    normalization = Normalization((80.0,), (90.0,))
    exported = to_onnx(one, normalization, digits.shape, exporter="torchscript")
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
