"""Weights of small kernels are rounded together, and where clips lie far inside a table."""

from __future__ import annotations

import numpy as np
import pytest
from circuit_graphs import Graph, assert_same_bits

from wmproof.circuit.calibrate import Settings, calibration
from wmproof.circuit.calibrate.moments import tap_moments
from wmproof.circuit.calibrate.scales import Share, clip_scale
from wmproof.circuit.compile import compile_model
from wmproof.circuit.network import Clamp, FloatConv, FloatLinear
from wmproof.circuit.quantise import Encoding, mean_values, quantise_linear
from wmproof.circuit.tables import clamp_table, clamp_width

_SHAPE = (6, 12, 12)


def _values(seed: int) -> np.ndarray:
    """Pictures whose neighbouring pixels go up and down together."""
    random = np.random.default_rng(seed)
    light = random.uniform(20, 200, (64, 1, 1, 1)) + random.normal(0, 6, (64, *_SHAPE))
    return np.clip(np.rint(light), 0, 255).astype(np.uint8)


def _layer(groups: int) -> tuple[FloatLinear, list[Encoding], np.ndarray]:
    weight = np.random.default_rng(2).normal(0, 1, (12, 6 // groups, 3, 3))
    conv = FloatConv(0, weight, (3, 3), np.full(6, 0.25), (1, 1), (1, 1, 1, 1), groups=groups)
    linear = FloatLinear(np.zeros((12, 1, 1)), (conv,), (12, *_SHAPE[1:]))
    return linear, [Encoding(np.full(_SHAPE, 0.5), np.zeros(_SHAPE))], np.full(12, 20.0)


def _quantised(linear: FloatLinear, encodings: list[Encoding], factor, together: bool):
    values = {0: _values(0)}
    moments = tap_moments(linear, values, encodings) if together else None
    means = {0: mean_values(values[0])}
    return quantise_linear(linear, encodings, factor, np.zeros(12), "layer", means, moments)


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_errors_of_weights_that_meet_take_each_other_away(groups):
    linear, encodings, factor = _layer(groups)
    seen = np.lib.stride_tricks.sliding_window_view(_values(1)[:, :, 1:-1, 1:-1], (3, 3), (2, 3))
    seen = seen - _values(0).mean()
    exact = linear.terms[0].weight * 0.5 * factor[:, None, None, None]
    errors = []
    for together in (True, False):
        off = _quantised(linear, encodings, factor, together).terms[0].weight - exact
        assert np.abs(off).max() < 1
        away = np.stack(
            [
                np.einsum("ncpqij,cij->npq", seen[:, first : first + 6 // groups], off[o])
                for o in range(12)
                for first in [o // (12 // groups) * (6 // groups)]
            ]
        )
        errors.append(float(np.sqrt(np.mean(away**2))))
    assert errors[0] < 0.5 * errors[1]


def test_moments_are_the_same_in_any_order_of_the_images():
    linear, encodings, _ = _layer(2)
    values = _values(0)
    one, other = (tap_moments(linear, {0: v}, encodings)[0] for v in (values, values[::-1]))
    np.testing.assert_array_equal(one, other)


def test_large_layers_and_pools_are_rounded_one_by_one():
    shape = (300, 2, 2)
    encodings = [Encoding(np.ones(shape), np.zeros(shape))]
    values = {0: np.ones((4, *shape), np.uint8)}
    for weight, kernel in (((8, 300, 1, 1), (1, 1)), ((300, 1, 1, 1), (2, 2))):
        groups = 300 // weight[1]
        conv = FloatConv(0, np.ones(weight), kernel, np.zeros(300), groups=groups)
        size = (weight[0], 3 - kernel[0], 3 - kernel[1])
        linear = FloatLinear(np.zeros((weight[0], 1, 1)), (conv,), size)
        assert tap_moments(linear, values, encodings) == [None]


def test_a_clip_far_inside_a_table_has_all_the_room_there_is():
    """A power of two left up to half of it, which made the first layer the coarsest of all."""
    settings = Settings().for_lookups(2**22)
    share = Share(np.ones(1), np.zeros(1, np.int64), 1.0, False, False)
    for most in np.geomspace(100, 1000, 20):
        real = np.array([[-most, most / 2]])
        scale, _, shift, quarters = clip_scale(Clamp(0.0, 6.0), real, share, settings, 11, 511)
        reach = most * settings.table_headroom / scale[0] * clamp_width(shift, quarters)
        assert 0.79 * 2**21 < reach <= 2**21
    assert clip_scale(Clamp(0.0, 6.0), real, share, Settings(), 10, 511)[3] == 4


@pytest.mark.parametrize("quarters", [4, 5, 6, 7])
def test_a_table_of_any_width_rounds_to_the_nearest(quarters):
    table, width = clamp_table(14, 5, 100, quarters), clamp_width(5, quarters)
    assert width == 8 * quarters
    z = np.arange(table.low, table.high + 1)
    expected = np.clip(np.floor(z / width + 0.5), 0, 100)
    np.testing.assert_array_equal(table.values, expected)


def test_evaluators_agree_where_steps_are_no_power_of_two(monkeypatch):
    monkeypatch.setattr(calibration, "_lookups", lambda network: 2**22)
    graph = Graph((3, 16, 16), seed=5)
    graph.conv(24)  # of bytes as they are: far beyond 6
    graph.op("Mul", graph.last, graph.constant(np.float32(1.6)))
    graph.op("Clip", graph.last, graph.constant(np.float32(0)), graph.constant(np.float32(6)))
    graph.classify(10)
    compilation = compile_model(graph.model(), graph.images(16), settings=Settings(bits=10))
    (table,) = compilation.circuit.tables
    width = table.steps[2][0] - table.steps[1][0]
    assert width & (width - 1)
    assert_same_bits(compilation, graph.images(4))
