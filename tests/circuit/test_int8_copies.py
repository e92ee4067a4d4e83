"""What ONNX Runtime's quantiser writes into static copies, beside what `verify` runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from circuit_graphs import Graph, assert_same_bits, integer_logits
from numpy.typing import NDArray
from onnx import helper

from wmproof.circuit.calibrate import Settings, shared_tables
from wmproof.circuit.compile import compile_model
from wmproof.errors import InputError
from wmproof.models.onnx_file import OnnxClassifier

Names = tuple[str, str]


def _numbers(graph: Graph, scale: float, zero: int) -> Names:
    return graph.constant(np.float32(scale)), graph.constant(np.uint8(zero))


def _pair(graph: Graph, scale: float, zero: int, value: str = "") -> str:
    """QuantizeLinear and DequantizeLinear of a tensor, the newest if none is named."""
    names = _numbers(graph, scale, zero)
    graph.op("QuantizeLinear", value or graph.last, *names)
    return graph.op("DequantizeLinear", graph.last, *names)


def _scores(model: bytes, images: NDArray[np.uint8], batch: int = 16) -> NDArray[Any]:
    """What `verify` is answered."""
    shape = images.shape[1:]
    return OnnxClassifier(model, input_shape=shape, batch=batch).scores(images)


def _rounded(values: NDArray[Any], scale: float, zero: int) -> NDArray[np.float32]:
    """Quantised and dequantised as the standard says."""
    step = np.float32(scale)
    whole = np.clip(np.rint(values.astype(np.float32) / step) + zero, 0, 255)
    return np.asarray((whole - zero).astype(np.float32) * step)


@pytest.mark.parametrize("first", [(1.5, 3), (3.1, 0), (0.9, 1)])
@pytest.mark.parametrize("second", [(2.7, 9), (1.1, 20), (1.5, 5)])
def test_a_second_rounding_is_a_step_of_its_own(
    first: tuple[float, int], second: tuple[float, int]
) -> None:
    """By itself ONNX Runtime makes one step of two, with a scale that neither pair has."""
    graph = Graph((1, 16, 16))
    _pair(graph, *first)
    _pair(graph, *second)
    graph.op("Flatten", axis=1)
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    images = np.concatenate([pixels, graph.images(9)])
    model = graph.model()
    expected = _rounded(_rounded(images, *first), *second).reshape(len(images), -1)
    np.testing.assert_array_equal(_scores(model, images), expected)
    found = integer_logits(compile_model(model, graph.images()), images)
    np.testing.assert_allclose(found, expected, rtol=0, atol=second[0] / 100)


def test_what_is_joined_is_quantised_again() -> None:
    """Blocks of DenseNet join everything before them: each part has a scale, and so has the sum."""
    graph = Graph((2, 6, 6))
    first = _pair(graph, 1.9, 0)
    second = _pair(graph, 2.3, 7, graph.op("Sub", first, graph.constant(np.float32(31))))
    joined = graph.op("Concat", first, second, axis=1)
    for scale, zero in ((2.9, 11), (3.7, 40)):
        _pair(graph, scale, zero, joined)
        joined = graph.op("Concat", graph.last, first, axis=1)
    _pair(graph, 2.1, 15)
    graph.op("Flatten", axis=1)
    model, images = graph.model(), graph.images(32, seed=4)
    compilation = compile_model(model, graph.images())
    expected = _scores(model, images)
    found = integer_logits(compilation, images)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2.1 / 100)
    assert_same_bits(compilation, images[:5])


def _tokens(*, scales: int = 1, on_integers: bool = False) -> Graph:
    """A class token for each image, heads beside the batch, and attention, all quantised.

    With several `scales` the token's numbers have one for each image.
    """
    graph = Graph((2, 4, 8))
    graph.op("Div", graph.last, graph.constant(np.float32(64)))
    tokens = graph.op("Reshape", graph.last, graph.constant(np.array([0, 4, 16])))
    _pair(graph, 1 / 60, 3, graph.op("Transpose", tokens, perm=[0, 2, 1]))
    tokens = graph.last
    count = graph.op("Shape", "images", end=1)
    shape = graph.op("Concat", count, graph.constant(np.array([1, 4])), axis=0)
    token = graph.constant(graph.random.normal(size=(1, 1, 4)))
    _pair(graph, 0.02, 128, token)
    graph.op("Expand", graph.last, shape)
    step, zero = np.full(scales, 0.021, np.float32), np.full(scales, 127, np.uint8)
    names = [graph.constant(v if scales > 1 else v[0]) for v in (step, zero)]
    axes = {"axis": 0} if scales > 1 else {}
    graph.op("QuantizeLinear", graph.last, *names, **axes)
    graph.op("DequantizeLinear", graph.last, *names, **axes)
    _pair(graph, 0.03, 120, graph.op("Concat", graph.last, tokens, axis=1))
    graph.op("MatMul", graph.last, graph.constant(graph.random.normal(size=(4, 12)) / 2))
    _pair(graph, 0.05, 130)
    graph.op("Reshape", graph.last, graph.constant(np.array([0, 17, 3, 2, 2])))
    if on_integers:
        names = list(_numbers(graph, 0.05, 130))
        whole = graph.op("QuantizeLinear", graph.last, *names)
        graph.op("Transpose", whole, perm=[2, 0, 3, 1, 4])
        graph.op("DequantizeLinear", graph.last, *names)
    else:
        _pair(graph, 0.05, 130, graph.op("Transpose", graph.last, perm=[2, 0, 3, 1, 4]))
    parts = ["q", "k", "v"]
    graph.nodes.append(helper.make_node("Split", [graph.last], parts, axis=0, num_outputs=3))
    axis = graph.constant(np.array([0]))
    q, k, v = (_pair(graph, 0.05, 130, graph.op("Squeeze", part, axis)) for part in parts)
    graph.op("MatMul", q, graph.op("Transpose", k, perm=[0, 1, 3, 2]))
    _pair(graph, 0.2, 128)
    shares = _pair(graph, 1 / 255, 0, graph.op("Softmax", axis=-1))
    _pair(graph, 0.04, 128, graph.op("MatMul", shares, v))
    graph.op("Transpose", graph.last, perm=[0, 2, 1, 3])
    graph.op("Reshape", graph.last, graph.constant(np.array([0, 68])))
    graph.shape = (68,)
    graph.gemm(5)
    return graph


@pytest.mark.parametrize("on_integers", [False, True])
def test_class_tokens_and_heads_are_quantised_beside_an_open_batch(on_integers: bool) -> None:
    graph = _tokens(on_integers=on_integers)
    model, images = graph.model(), graph.images(48, seed=6)
    compilation = compile_model(model, graph.images())
    found = integer_logits(compilation, images)
    for batch in (1, 3, 48):
        expected = _scores(model, images, batch)
        np.testing.assert_allclose(found, expected, rtol=0, atol=0.05 * np.ptp(expected))
        assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.9
    assert_same_bits(compilation, images[:5])


def test_a_scale_for_each_image_is_refused() -> None:
    with pytest.raises(InputError, match="number of images"):
        compile_model(_tokens(scales=2).model(), Graph((2, 4, 8)).images())


def _many_scales(count: int) -> Graph:
    """Layers whose numbers have a scale each, as EfficientNet's: so each has a table of its own."""
    graph = Graph((1, 8, 8))
    for layer in range(count):
        _pair(graph, (1 + layer / count) ** 0.5, layer % 7)
    graph.op("Flatten", axis=1)
    return graph


def test_small_tables_may_be_many() -> None:
    graph = _many_scales(60)
    model, images = graph.model(), graph.images(32, seed=3)
    compilation = compile_model(model, graph.images())
    assert len(compilation.circuit.tables) > 48
    expected = _scores(model, images)
    found = integer_logits(compilation, images)
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.02)


def test_too_many_tables_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    tenth = (shared_tables._MOST_TABLES << Settings().max_table_bits) // 10
    monkeypatch.setattr(shared_tables, "_LEAST_ENTRIES", tenth)
    graph = _many_scales(12)
    with pytest.raises(InputError, match="needs more than 10 tables"):
        compile_model(graph.model(), graph.images())


def test_integers_whose_batch_is_not_in_front_are_no_answer() -> None:
    graph = Graph((2, 4, 8))
    _pair(graph, 1.5, 3)
    graph.op("Reshape", graph.last, graph.constant(np.array([0, 64])))
    graph.op("Transpose", graph.last, perm=[1, 0])
    graph.op("QuantizeLinear", graph.last, *_numbers(graph, 1.5, 3))
    with pytest.raises(InputError):
        compile_model(graph.model(), graph.images())


def _divided(zero: int = 0) -> Graph:
    """Pixels over their mean, which is quantised, as GRN's divisor is in ConvNeXtV2."""
    graph = Graph((2, 4, 8))
    pixels = _pair(graph, 1.0, 0)
    mean = graph.op("ReduceMean", pixels, graph.constant(np.array([1, 2, 3])), keepdims=1)
    whole = graph.op("Add", mean, graph.constant(np.float32(1e-6 - zero)))
    divisor = _pair(graph, 1.0, zero, whole)
    _pair(graph, 0.02, 0, graph.op("Div", pixels, divisor))
    graph.op("Flatten", axis=1)
    return graph


_NO_PROBES = Settings(probes=0, bits=10)  # which are as dark as pictures can be


@pytest.mark.parametrize("zero", [0, 3])
def test_what_was_quantised_divides(zero: int) -> None:
    """A picture whose divisor is 0 or less, for which a runtime says anything, has no answer."""
    graph = _divided(zero)
    model, images = graph.model(), graph.images(64, seed=2)
    images = images[images.mean(axis=(1, 2, 3)) > 60]
    compilation = compile_model(model, images[:16], settings=_NO_PROBES)
    expected, found = _scores(model, images), integer_logits(compilation, images)
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.02 * np.ptp(expected))
    greys = np.arange(zero + 2, dtype=np.uint8)[:, None, None, None]
    greys = np.broadcast_to(greys, (zero + 2, 2, 4, 8)).copy()
    assert_same_bits(compilation, np.concatenate([images[:5], greys[-1:]]))
    for grey in greys[:-1]:
        with pytest.raises(InputError, match="outside table counted"):
            integer_logits(compilation, grey[None])


def test_calibration_must_not_see_what_divides_by_0() -> None:
    graph = _divided()
    dark = np.zeros((1, 2, 4, 8), np.uint8)
    with pytest.raises(InputError, match="calibration sees at 0"):
        compile_model(graph.model(), np.concatenate([graph.images(), dark]), settings=_NO_PROBES)
