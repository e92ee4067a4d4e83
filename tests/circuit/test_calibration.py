"""Calibration: the same inputs give the same digest, and probes leave room for other pictures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from circuit_graphs import Graph, assert_same_bits, float_logits, integer_logits

from wmproof.circuit.calibrate import Settings
from wmproof.circuit.compile import compile_model
from wmproof.circuit.evaluate import Evaluator
from wmproof.errors import InputError

ROOT = Path(__file__).parents[2]
IN_ANOTHER_PROCESS = """
import sys
from pathlib import Path
sys.path.insert(0, "tests/circuit")
from test_calibration import network
from wmproof.circuit import workers
from wmproof.circuit.compile import compile_model
assert workers.worker_count() == int(sys.argv[1])
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
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": threads}
    environment |= {"OMP_NUM_THREADS": threads, "NUMBA_NUM_THREADS": threads}
    environment["PYTHONHASHSEED"] = threads
    return subprocess.run(
        [sys.executable, "-c", IN_ANOTHER_PROCESS, threads],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
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
        compile_model(model, np.full_like(images, 255)).digest,
    ]
    assert len(set(kinds)) == len(kinds)


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
        {"probes": -1},
        {"headroom": float("nan")},
    ],
    ids=str,
)
def test_settings_out_of_range(wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))} = .* is out of range"):
        Settings(**wrong)
