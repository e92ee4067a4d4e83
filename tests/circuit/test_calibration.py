"""Calibration: the same inputs give the same digest, and probes leave room for other pictures."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from circuit_graphs import (
    Graph,
    assert_close_to_float,
    assert_same_bits,
    float_logits,
    integer_logits,
)
from own_process import python

from wmproof.circuit import ir, measure
from wmproof.circuit.balance import Balance
from wmproof.circuit.calibrate import Settings, calibration, fit
from wmproof.circuit.compile import compile_model
from wmproof.circuit.evaluate import Evaluator
from wmproof.circuit.frontend.compose import as_linear_source
from wmproof.circuit.plan import LinearPlan
from wmproof.circuit.product_scales import TooFineError
from wmproof.circuit.quantise import Encoding, quantise_linear
from wmproof.errors import InputError

ROOT = Path(__file__).parents[2]
IN_ANOTHER_PROCESS = """
import sys
from pathlib import Path
sys.path[:0] = ["tests", "tests/circuit"]
from test_calibration import network
from wmproof._base import threads
from wmproof.circuit.compile import compile_model
assert threads.thread_count() == int(sys.argv[1])
graph = network()
print(compile_model(graph.model(), graph.images()).digest.hex())
"""


def network() -> Graph:
    graph = Graph(seed=11)
    graph.normalise()
    graph.conv(8)
    graph.batch_norm()
    graph.op("Relu")
    graph.conv(8, strides=(2, 2))
    graph.op("Gelu")
    graph.conv(6)
    graph.op("HardSigmoid")
    graph.op("GlobalAveragePool")
    graph.shape = (6, 1, 1)
    graph.classify()
    return graph


def _in_process(cores: list[int]) -> str:
    threads = str(len(cores))
    names = "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "PYTHONHASHSEED"
    return python(
        IN_ANOTHER_PROCESS,
        threads,
        cwd=ROOT,
        env=dict.fromkeys(names, threads),
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    ).stdout.strip()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs CPU affinity")
def test_the_number_of_threads_changes_nothing():
    cores = sorted(os.sched_getaffinity(0))[:2]
    graph = network()
    expected = compile_model(graph.model(), graph.images()).digest.hex()
    assert _in_process(cores[:1]) == expected
    assert _in_process(cores) == expected


def test_the_order_of_images_changes_nothing():
    graph = network()
    model, images = graph.model(), graph.images()
    digest = compile_model(model, images).digest
    assert compile_model(model, images[::-1]).digest == digest
    assert compile_model(model, np.roll(images, 7, axis=0)).digest == digest


def test_every_input_counts():
    graph = network()
    model, images = graph.model(), graph.images()
    kinds = [
        compile_model(model, images).digest,
        compile_model(model, images, settings=Settings(probes=63)).digest,
        compile_model(model, images, settings=Settings(headroom=1.25)).digest,
        compile_model(model, images, settings=Settings(shift=9)).digest,
        compile_model(model, images, settings=Settings(bits=12)).digest,
        compile_model(model, np.full_like(images, 255)).digest,
    ]
    assert len(set(kinds)) == len(kinds)


def test_each_layer_is_computed_once_and_tried_on_a_few_pictures(monkeypatch):
    """All pictures once, and 16 probes in the trial, whatever is looked up."""
    pictures: dict[int, int] = {}
    plain = LinearPlan.for_each_block

    def counted(self, values, record):
        pictures[id(self)] = len(next(iter(values.values())))
        plans.append(self)  # so that no other plan gets its identity
        plain(self, values, record)

    plans: list[LinearPlan] = []
    monkeypatch.setattr(LinearPlan, "for_each_block", counted)
    graph = Graph(seed=14)
    for _ in range(3):
        graph.conv(4)
        graph.op("Relu")
    graph.classify()
    compile_model(graph.model(), graph.images(24))
    assert len(plans) == len(pictures)
    assert sorted(pictures.values()) == [16] * 4 + [64 + 24] * 4


def test_accumulators_that_are_not_kept_give_the_same_circuit(monkeypatch):
    graph = network()
    expected = compile_model(graph.model(), graph.images()).digest
    monkeypatch.setattr(measure, "_KEPT", 0)
    assert compile_model(graph.model(), graph.images()).digest == expected


def test_bits_balance_weights_and_activations():
    """Sums over 9 numbers have large weights and want fine activations, sums over 576 do not."""

    def largest(channels: int, group: int, **chosen: int) -> int:
        graph = Graph((3, 8, 8), seed=15)
        graph.conv(channels)
        for _ in range(3):
            graph.op("Relu")
            graph.conv(channels, group=group)
        graph.op("Relu")
        graph.op("GlobalAveragePool")
        graph.shape = (channels, 1, 1)
        graph.classify()
        settings = Settings(**chosen)
        return max(compile_model(graph.model(), graph.images(8), settings=settings).circuit.largest)

    assert largest(64, 1) < largest(64, 64)
    assert largest(8, 1, bits=8) == 255
    assert largest(8, 1, bits=12) == 4095


def test_a_branch_counts_by_its_share_of_the_sum():
    """Weights that are rounded to little, where what they add is little, cost a bit, not four."""

    def largest(gain: float | None) -> int:
        graph = Graph((3, 8, 8), seed=15)
        graph.conv(16)
        for _ in range(3):
            graph.op("Relu")
            straight = graph.last
            graph.conv(16, group=16)
            if gain is not None:
                deep = graph.last
                graph.op("Conv", straight, graph.constant(weight * gain), pads=[1, 1, 1, 1])
                graph.op("Add", deep, graph.last)
        graph.op("Relu")
        graph.op("GlobalAveragePool")
        graph.shape = (16, 1, 1)
        graph.classify()
        return max(compile_model(graph.model(), graph.images(8)).circuit.largest)

    weight = np.random.default_rng(16).normal(size=(16, 16, 3, 3))
    assert largest(1e-3) >= largest(None) // 2


def test_errors_of_what_is_taken_off_count_by_its_share():
    """The mean before a normalisation has weights of 1; they decided, and cost two bits."""

    def bits(mean: bool) -> int:
        balance = Balance()
        balance.add_moved(0, [])
        for index in (0, 1):
            if index:
                balance.add_layer(1, _sum({0: 8}), np.ones(1))
            balance.add_numbers(index, random.integers(0, 1024, (16, 1, 8, 8)), index > 0)
        balance.add_layer(2, _sum({1: 1}), np.ones(1))
        balance.add_numbers(2, random.integers(0, 64, (16, 1, 8, 8)), True)
        balance.add_layer(3, _sum({1: 1000, 2: -1000} if mean else {1: 1000}), np.ones(1))
        return balance.bits(3, 10)

    random = np.random.default_rng(5)
    assert bits(True) == bits(False)


def _sum(weights: dict[int, int]) -> ir.Linear:
    terms = (ir.Conv(s, np.full((1, 1, 1, 1), w, np.int32), (1, 1)) for s, w in weights.items())
    return ir.Linear(np.zeros((1, 1, 1), np.int32), tuple(terms))


def test_products_that_do_not_fit_with_many_bits_get_fewer(monkeypatch):
    """A gate's product with numbers of 11 bits was refused, where 10 bits fit."""
    monkeypatch.setattr(Balance, "bits", lambda *_: 12)
    fitting = fit.fitting_factor

    def narrow(steps, raw, most, shift, settings, zero):
        if most >= 2**18:
            raise TooFineError("sums so many products")
        return fitting(steps, raw, most, shift, settings, zero)

    monkeypatch.setattr(fit, "fitting_factor", narrow)
    graph = Graph((3, 8, 8), seed=2)
    graph.conv(16)
    gated = graph.last
    graph.op("GlobalAveragePool")
    graph.op("Mul", gated, graph.op("Sigmoid"))
    graph.op("GlobalAveragePool")
    graph.shape = (16, 1, 1)
    graph.classify()
    compiled = compile_model(graph.model(), graph.images(8))
    assert max(compiled.circuit.largest) < 2**10
    with pytest.raises(TooFineError):
        compile_model(graph.model(), graph.images(8), settings=Settings(bits=11))
    # A trial that counts tables has the bits that were asked for, not more that would not fit.
    monkeypatch.setattr(calibration, "_lookups", lambda network: 2**22)
    monkeypatch.setattr(calibration, "_TRIAL_BITS", 12)
    compile_model(graph.model(), graph.images(8), settings=Settings(bits=9))


def test_a_channel_that_calibration_does_not_excite_has_room():
    """A channel sees what two colours differ by, on pictures that are grey: its weights count."""
    graph = Graph((2, 4, 4), seed=16)
    weight = np.array([[-1, 1], [0.5, 0.5], [0.25, 0.75]])[:, :, None, None]
    graph.op("Conv", graph.last, graph.constant(weight), graph.constant(np.zeros(3)))
    graph.shape = (3, 4, 4)
    graph.op("Relu")
    graph.classify()
    model, pictures = graph.model(), graph.images()
    grey = np.repeat(pictures[:, :1], 2, axis=1)
    grey[:, 1] |= 1
    expected = float_logits(model, pictures)

    def error(floor: float) -> float:
        settings = Settings(probes=0, channel_floor=floor)
        compilation = compile_model(model, grey, settings=settings)
        return float(np.abs(integer_logits(compilation, pictures) - expected).max())

    assert error(Settings().channel_floor) < 0.02 * np.ptp(expected)
    with pytest.raises(InputError, match="outside table"):
        error(2.0**-10)


def test_probes_leave_room_for_pictures_unlike_the_calibration_images():
    """Calibrated on grey, a circuit refuses a black and white picture; with probes it answers."""
    graph = network()
    model = graph.model()
    grey = graph.images() // 16 + 120
    pictures = np.zeros((4, *graph.input_shape), np.uint8)
    pictures[1] = 255
    pictures[2, :, ::2] = 255
    pictures[3, 0] = 255
    bare = compile_model(model, grey, settings=Settings(probes=0, min_table_bits=12))
    with pytest.raises(InputError, match="outside table"):
        Evaluator(bare.circuit)(pictures)
    probed = compile_model(model, grey, settings=Settings(min_table_bits=12))
    assert_same_bits(probed, pictures)
    expected = float_logits(model, pictures)
    np.testing.assert_allclose(integer_logits(probed, pictures), expected, atol=0.02)


def test_rounded_weights_do_not_shift_the_logits():
    """Bytes that hardly vary, times weights rounded to few bits: the mean must come out right."""
    graph = Graph((3, 16, 16), seed=12)
    graph.normalise()
    graph.conv(8)
    graph.op("Sigmoid")
    graph.op("GlobalAveragePool")
    graph.shape = (8, 1, 1)
    graph.classify()
    model, images = graph.model(), graph.images(64)
    compilation = compile_model(model, images, settings=Settings(logit_bits=12, probes=0))
    error = integer_logits(compilation, images) - float_logits(model, images)
    step = float(compilation.layers[-1].scale.max())
    assert np.abs(error.mean(axis=0)).max() < 3 * step


def _beside_large_arguments(kind: str) -> Graph:
    """A smooth function of arguments of about 1, then of about 200."""
    graph = Graph(seed=17)
    graph.normalise()
    graph.conv(8)
    graph.op(kind)
    graph.conv(8)
    graph.op("Mul", graph.last, graph.constant(200.0))
    graph.op(kind)
    graph.classify()
    return graph


@pytest.mark.parametrize("kind", ["Gelu", "HardSwish", "Tanh"])
def test_small_arguments_have_a_table_of_their_own(kind):
    """Where a function is unbounded: one step of the other table is as large as they are.

    Where it is bounded, their accumulators would be as coarse as those of the others.
    """
    graph = _beside_large_arguments(kind)
    model, images = graph.model(), graph.images()
    compilation = compile_model(model, images)
    assert_same_bits(compilation, images)
    small, large, _ = (layer.scale[0] for layer in compilation.layers)
    assert large == small if kind == "Tanh" else large / small > 50
    assert len(compilation.circuit.tables) == 2
    assert_close_to_float(compilation, model, images)


def test_layers_that_meet_keep_one_table():
    """A convolution reads both as one channel, so they need one scale."""
    graph = Graph(seed=19)
    graph.normalise()
    graph.conv(4)
    small = graph.last
    large = graph.op("Gelu", graph.op("Mul", small, graph.constant(200.0)))
    graph.op("Concat", large, graph.op("Gelu", small), axis=2)
    graph.shape = (4, 16, 8)
    graph.conv(4)
    graph.op("Relu")
    graph.classify()
    model, images = graph.model(), graph.images()
    compilation = compile_model(model, images)
    assert_same_bits(compilation, images)
    assert [table.name for table in compilation.circuit.tables] == ["gelu", "clamp"]


def test_a_clip_holds_where_arguments_are_large():
    """ReLU6 of arguments up to hundreds still ends at 6."""
    graph = Graph(seed=13)
    graph.op("Mul", graph.last, graph.constant(4.0))
    graph.conv(4)
    graph.op("Clip", graph.last, graph.constant(0.0), graph.constant(6.0))
    graph.classify()
    model, images = graph.model(), graph.images()
    compilation = compile_model(model, images)
    assert_same_bits(compilation, images)
    assert np.abs(compilation.layers[0].real).max() > 500
    expected = float_logits(model, images)
    error = integer_logits(compilation, images) - expected
    assert np.abs(error).max() < 0.02 * np.abs(expected).max()


@pytest.mark.parametrize(
    "wrong",
    [
        {"shift": 3},
        {"shift": 15},
        {"headroom": 0.9},
        {"table_headroom": 65},
        {"channel_floor": 0},
        {"min_table_bits": 23},
        {"logit_bits": 25},
        {"bits": 7},
        {"bits": 13},
        {"probes": -1},
        {"headroom": float("nan")},
    ],
    ids=str,
)
def test_settings_out_of_range(wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))} = .* is out of range"):
        Settings(**wrong)


def test_rounding_a_layer_takes_as_many_steps_for_any_number_of_groups():
    """Axes that are moved become channels of their own: there can be tens of thousands."""

    def steps(channels: int) -> int:
        shape, count = (channels, 2, 1), []
        linear = as_linear_source(0, shape)
        ones = np.ones(channels)
        means = {0: np.full(shape, 77 << 8, np.int64)}
        encodings = [Encoding(np.ones(shape), np.zeros(shape))]
        sys.setprofile(lambda *_: count.append(1))
        try:
            found = quantise_linear(linear, encodings, 2.3 * ones, 5 * ones, "layer", means)
        finally:
            sys.setprofile(None)
        assert (found.terms[0].weight == 2).all()
        assert (found.bias == 5 + round(0.3 * 77)).all()
        return len(count)

    assert steps(2**14) == steps(2**4)
