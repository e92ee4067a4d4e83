"""Weights of the logits, and accumulators of circuits of many lookups are fine."""

from __future__ import annotations

import numpy as np
import pytest
from circuit_graphs import Graph, assert_same_bits, cancelling, float_logits, integer_logits

from wmproof.circuit import product_scales
from wmproof.circuit.calibrate import Settings, calibration
from wmproof.circuit.calibrate.settings import bits_for
from wmproof.circuit.compile import Compilation, compile_model
from wmproof.circuit.frontend.load import open_graph
from wmproof.circuit.frontend.translate import translate
from wmproof.circuit.linear import ACCUMULATOR_LIMIT
from wmproof.circuit.product import Product
from wmproof.circuit.reference import evaluate_reference
from wmproof.core.reading import Reading
from wmproof.relation.hits.statement import SCORE_LIMIT


def _pooled(activation: str = "Relu") -> Graph:
    """Logits that are means of 256 places."""
    graph = Graph((3, 16, 16), seed=4)
    graph.normalise()
    graph.conv(48)
    graph.op(activation)
    graph.op("GlobalAveragePool")
    graph.shape = (48, 1, 1)
    graph.classify(40)
    return graph


def _compiled(graph: Graph, **settings: int) -> Compilation:
    return compile_model(graph.model(), graph.images(16), settings=Settings(**settings))


def _error(graph: Graph, compilation: Compilation) -> float:
    images = graph.images(64, seed=7)
    found, expected = integer_logits(compilation, images), float_logits(graph.model(), images)
    away, expected = (x - x.mean(axis=1, keepdims=True) for x in (found - expected, expected))
    return float(np.std(away) / np.std(expected - expected.mean(axis=0)))


def test_classes_behind_a_large_pool_are_told_apart():
    """Their weights, a share of a mean of hundreds of places, were hardly more than 1."""
    graph = _pooled()
    compilation, coarse = _compiled(graph), _compiled(graph, logit_bits=20)
    assert _error(graph, compilation) < 0.5 * _error(graph, coarse)
    output = compilation.circuit.output
    assert output.bound(compilation.circuit.largest) < 2**28
    assert_same_bits(compilation, graph.images(4))


def test_no_image_brings_a_group_of_logits_beyond_its_bound():
    graph = _pooled()
    for group in (1, 16, 2**12):
        circuit = _compiled(graph, group=group).circuit
        assert group * circuit.output.bound(circuit.largest) < SCORE_LIMIT <= ACCUMULATOR_LIMIT


@pytest.mark.parametrize("activation", ["Relu", "HardSwish"])
def test_where_there_is_room_numbers_and_weights_are_finer(activation, monkeypatch):
    graph = _pooled(activation)
    plain = _compiled(graph)
    monkeypatch.setattr(calibration, "_lookups", lambda network: 2**22)
    roomy = _compiled(graph)
    assert {table.bits for table in roomy.circuit.tables} == {24}
    assert roomy.circuit.lookups() == plain.circuit.lookups()
    assert _error(graph, roomy) < 0.7 * _error(graph, plain)
    assert_same_bits(roomy, graph.images(4))


def test_what_is_finer_is_coarser_again_before_it_is_refused(monkeypatch):
    """Weights that cancel on all images but bring others to 2^30, if accumulators are finer."""
    graph, grey = cancelling(10.0001)
    monkeypatch.setattr(calibration, "_lookups", lambda network: 2**22)
    circuit = compile_model(graph.model(), grey, settings=Settings(probes=0)).circuit
    first = circuit.nodes[1].linear.bound(circuit.largest)
    assert {table.bits for table in circuit.tables} == {24}
    assert ACCUMULATOR_LIMIT // 2 <= first < ACCUMULATOR_LIMIT


def test_averages_on_the_scale_of_their_source_keep_its_bits(monkeypatch):
    """Where a pool's border is not counted, its numbers are on the scale of those before it."""
    graph = Graph((3, 17, 17), seed=4)
    graph.normalise()
    graph.conv(24)
    graph.op("Relu")
    graph.op("AveragePool", kernel_shape=(2, 2), strides=(3, 3), pads=(0, 0, 1, 1))
    graph.op("GlobalAveragePool")
    graph.shape = (24, 1, 1)
    graph.classify(10)
    monkeypatch.setattr(calibration, "_lookups", lambda network: 2**22)
    roomy = _compiled(graph)
    source, average = roomy.circuit.largest[1:]
    assert average == source
    assert _error(graph, roomy) < 0.006


def test_lookups_are_counted_before_anything_is_calibrated():
    graph = _pooled()
    graph.op("Softmax")
    network = translate(open_graph(graph.model(), Reading(), None))
    assert calibration._lookups(network) == _compiled(graph).circuit.lookups()


def test_circuits_of_many_lookups_fill_longer_tables():
    usual = Settings()
    assert usual.for_lookups(2**20 - 1) is usual
    fine = usual.for_lookups(2**20)
    assert (fine.shift, fine.min_table_bits, fine.longer, fine.finer) == (12, 22, 0, 2)
    chosen = Settings(min_table_bits=21)
    assert chosen.for_lookups(2**23) is chosen
    # A shift that was asked for is no smaller, and leaves room for numbers of ten bits.
    assert [Settings(shift=s).filled(22).shift for s in (4, 11, 12, 13, 14)] == [6, 12, 12, 13, 14]


def test_tables_are_as_long_as_a_claim_of_few_images_affords():
    for lookups in 2 ** np.arange(20, 29):
        for tables in range(1, 49):
            bits = bits_for(int(lookups), tables)
            assert 22 <= bits <= 24
            afforded = 16 * lookups
            assert bits == 22 or (tables + 1) * 2**bits <= afforded
            assert bits == 24 or (tables + 1) * 2 ** (bits + 1) > afforded


def test_a_divisors_table_is_short(monkeypatch):
    """Its few numbers are no finer with a million entries, which were proved for each layer."""
    monkeypatch.setattr(calibration, "_lookups", lambda network: 2**22)
    graph = Graph((3, 5, 5), seed=2)
    graph.normalise()
    graph.conv(16)
    graph.op(
        "InstanceNormalization",
        graph.last,
        graph.constant(np.ones(16, np.float32)),
        graph.constant(np.zeros(16, np.float32)),
    )
    graph.op("Relu")
    graph.classify(10)
    compilation = _compiled(graph)
    bits = {table.name.split()[-1]: table.bits for table in compilation.circuit.tables}
    assert bits.pop("reciprocal_root") <= 20
    assert set(bits.values()) == {24}
    assert_same_bits(compilation, graph.images(4))
    monkeypatch.setattr(product_scales, "_POLE_BITS", 22)
    assert _error(graph, compilation) < 1.05 * _error(graph, _compiled(graph))


@pytest.mark.parametrize("count", [13, 17, 29, 120])
def test_shares_of_many_add_up_to_one(count):
    """The weight of a number in their sum was 1.9 for 17 of them, and was rounded to 2."""
    graph = Graph((1, count, 4), seed=3)
    graph.op("Mul", graph.last, graph.constant(np.float32(0.004)))
    graph.op("Softmax", axis=2)
    graph.op("Flatten")
    graph.shape = (4 * count,)
    graph.gemm(10)
    compilation = _compiled(graph)
    nodes = compilation.circuit.nodes
    shares = max(index for index, node in enumerate(nodes) if isinstance(node, Product))
    scale = [r.scale for r in compilation.layers if r.name == nodes[shares].name][-1]
    _, committed = evaluate_reference(compilation.circuit, graph.images(8, seed=7))
    numbers = committed[shares]
    totals = numbers.sum(axis=numbers.shape.index(count, 1)) * scale[0]
    np.testing.assert_allclose(totals, 1, atol=0.025)
    assert abs(totals.mean() - 1) < 0.005
