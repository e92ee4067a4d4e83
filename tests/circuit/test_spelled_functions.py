"""Activation functions that exporters spell out are found, in each of their spellings."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from circuit_graphs import Graph, assert_close_to_float, assert_same_bits

from wmproof.circuit.compile import compile_model
from wmproof.circuit.product import Product


def _gelu(graph: Graph) -> None:
    x = graph.last
    graph.op("Div", x, graph.constant(math.sqrt(2)))
    graph.op("Erf")
    graph.op("Add", graph.last, graph.constant(1.0))
    graph.op("Mul", x, graph.last)
    graph.op("Mul", graph.last, graph.constant(0.5))


def _gelu_halved_first(graph: Graph) -> None:
    x = graph.last
    half = graph.op("Mul", graph.constant(0.5), x)
    graph.op("Mul", x, graph.constant(1 / math.sqrt(2)))
    graph.op("Erf")
    graph.op("Add", graph.constant(1.0), graph.last)
    graph.op("Mul", half, graph.last)


def _gelu_tanh(graph: Graph) -> None:
    x = graph.last
    cube = graph.op("Pow", x, graph.constant(3.0))
    graph.op("Mul", cube, graph.constant(0.044715))
    graph.op("Add", x, graph.last)
    graph.op("Mul", graph.last, graph.constant(math.sqrt(2 / math.pi)))
    graph.op("Tanh")
    graph.op("Add", graph.last, graph.constant(1.0))
    graph.op("Mul", x, graph.last)
    graph.op("Mul", graph.last, graph.constant(0.5))


def _silu(graph: Graph) -> None:
    x = graph.last
    graph.op("Mul", x, graph.op("Sigmoid", x))


def _hard_swish(graph: Graph) -> None:
    x = graph.last
    graph.op("Add", x, graph.constant(3.0))
    graph.op("Clip", graph.last, graph.constant(0.0), graph.constant(6.0))
    graph.op("Mul", x, graph.last)
    graph.op("Div", graph.last, graph.constant(6.0))


def _hard_swish_by_sigmoid(graph: Graph) -> None:
    x = graph.last
    graph.op("Mul", graph.op("HardSigmoid", x, alpha=1 / 6, beta=0.5), x)


def _relu6_by_min(graph: Graph) -> None:
    graph.op("Min", graph.op("Relu"), graph.constant(6.0))


SPELLINGS: dict[str, tuple[Callable[[Graph], None], str]] = {
    "gelu": (_gelu, "gelu"),
    "gelu halved first": (_gelu_halved_first, "gelu"),
    "gelu tanh": (_gelu_tanh, "gelu_tanh"),
    "silu": (_silu, "silu"),
    "hard swish": (_hard_swish, "hard_swish"),
    "hard swish by sigmoid": (_hard_swish_by_sigmoid, "hard_swish"),
    "relu6": (_relu6_by_min, "clamp"),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_spelling(name: str) -> None:
    spell, table = SPELLINGS[name]
    graph = Graph(seed=7)
    graph.normalise()
    graph.conv(6)
    spell(graph)
    graph.conv(4)
    graph.op("Relu")
    graph.classify()
    model, images = graph.model(), graph.images()
    compilation = compile_model(model, images)
    assert compilation.layers[0].table == table
    assert compilation.circuit.lookups() == 10 * 64
    assert_same_bits(compilation, images)
    assert_close_to_float(compilation, model, images)


def test_a_function_without_a_table_is_a_product() -> None:
    graph = Graph(seed=8)
    graph.conv(4)
    x = graph.last
    graph.op("Mul", x, graph.op("Tanh", x))
    graph.classify()
    model, images = graph.model(), graph.images()
    compilation = compile_model(model, images)
    assert any(isinstance(node, Product) for node in compilation.circuit.nodes)
    assert_same_bits(compilation, images)
    assert_close_to_float(compilation, model, images)


class _Net(torch.nn.Module):
    def __init__(self, activation: torch.nn.Module) -> None:
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.Conv2d(3, 6, 3, padding=1),
            activation,
            torch.nn.Conv2d(6, 6, 3, padding=1, groups=6),
            activation,
            torch.nn.AdaptiveAvgPool2d(2),
            torch.nn.Flatten(),
            torch.nn.Linear(24, 5),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.body((images.float() - 120) / 60)
        return logits


@pytest.mark.parametrize(
    "activation",
    [
        torch.nn.GELU(),
        torch.nn.GELU(approximate="tanh"),
        torch.nn.SiLU(),
        torch.nn.Hardswish(),
        torch.nn.Hardsigmoid(),
        torch.nn.ReLU6(),
        torch.nn.LeakyReLU(0.1),
        torch.nn.Hardtanh(-0.5, 0.75),
        torch.nn.Softplus(),
        torch.nn.ELU(),
    ],
    ids=str,
)
def test_as_torch_exports_it(activation: torch.nn.Module) -> None:
    torch.manual_seed(3)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Net(activation).eval(),
            (torch.zeros((2, 3, 8, 8), dtype=torch.uint8),),
            buffer,
            dynamo=False,
            opset_version=17,
            input_names=["images"],
            dynamic_axes={"images": {0: "N"}},
        )
    images = Graph().images()
    compilation = compile_model(buffer.getvalue(), images)
    assert_same_bits(compilation, images)
    assert_close_to_float(compilation, buffer.getvalue(), images)
    assert np.ptp(compilation.layers[-1].real) > 0
