"""Few pictures that move a network far more than others do not make its circuit coarse."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from circuit_graphs import integer_logits
from torch import nn

from benchmarks.coverage.networks import normalised, settle
from benchmarks.coverage.pictures import SOURCES, crops
from benchmarks.coverage.row import READING, export
from wmproof.circuit.calibrate import Settings
from wmproof.circuit.calibrate.scales import Share, clamp_scale
from wmproof.circuit.compile import compile_model
from wmproof.circuit.network import Clamp
from wmproof.circuit.quantise import mean_values
from wmproof.circuit.reach import Seen, finer_bits
from wmproof.models.file import model_file

SIZE = 32
STEP, HEADROOM = 3 / 1023, 3.0


class _Gated(nn.Module):
    """An inverted residual with hard swish and squeeze-and-excitation, as in MobileNetV3."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        wide = 3 * channels
        self.widen = nn.Sequential(
            nn.Conv2d(channels, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.Hardswish()
        )
        self.spread = nn.Sequential(
            nn.Conv2d(wide, wide, 3, padding=1, groups=wide, bias=False),
            nn.BatchNorm2d(wide),
            nn.Hardswish(),
        )
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(wide, channels, 1),
            nn.ReLU(),
            nn.Conv2d(channels, wide, 1),
            nn.Hardsigmoid(),
        )
        self.narrow = nn.Sequential(
            nn.Conv2d(wide, channels, 1, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = self.spread(self.widen(x))
        return x + self.narrow(inner * self.gate(inner))


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """The file of a random network with statistics of pictures, and what calibrates it."""
    torch.set_num_threads(1)
    torch.manual_seed(3)
    network = nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.Hardswish(),
        *(_Gated(16) for _ in range(8)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, SOURCES),
    )
    pictures, names = crops(128, SIZE, seed=2)
    assert settle(network, pictures, names, (pictures[:2], names[:2]))
    path = tmp_path_factory.mktemp("gated") / "model.onnx"
    export(network, SIZE, "legacy", path)
    return network, path, crops(32, SIZE, seed=1)[0]


def test_gates_and_hard_swish_on_pictures_that_nobody_has_seen(network):
    """Probes move this network ten times as far as pictures, whose logits were 40 % off for it."""
    network, path, calibration = network
    compilation = compile_model(model_file(path, "model"), calibration, reading=READING)
    unseen, _ = crops(100, SIZE, seed=3)
    found = integer_logits(compilation, unseen)
    with torch.no_grad():
        expected = network(normalised(unseen)).numpy()
    found, expected = (x - x.mean(axis=1, keepdims=True) for x in (found, expected))
    spread = np.std(expected - expected.mean(axis=0))
    assert np.std(found - expected) < 0.2 * spread


def _layer(wild: float, share: int) -> tuple[np.ndarray, np.ndarray]:
    """Activations of 64 images, `share` of which are `wild` times as large."""
    values = np.maximum(np.random.default_rng(1).normal(size=(64, 8, 50)), 0)
    values[:share] *= wild
    values /= values.max()
    return values, np.array([[0.0, HEADROOM]] * 8)


def test_numbers_keep_the_headroom_where_images_are_alike():
    values, ends = _layer(1.0, 0)
    assert finer_bits(values, ends, STEP, HEADROOM) == 0


def test_the_wildest_do_not_decide():
    """Fifty times larger: without them there were 5.6 bits more. A half of all images decides."""
    assert 4 <= finer_bits(*_layer(50.0, 4), STEP, HEADROOM) <= 5
    assert finer_bits(*_layer(50.0, 40), STEP, HEADROOM) <= 2


def test_probes_count_less_than_images_that_are_given():
    values, ends = _layer(50.0, 24)
    given = finer_bits(values, ends, STEP, HEADROOM)
    assert finer_bits(values, ends, STEP, HEADROOM, 24) > given
    assert finer_bits(values[::-1], ends, STEP, HEADROOM, 24) <= given
    assert finer_bits(values, ends, STEP, HEADROOM, 64) == given


def test_the_wildest_hardly_move_the_mean():
    """Of rounding, what is left at the mean is nothing: with a plain one, of checks only."""
    random = np.random.default_rng(1)
    values = random.integers(0, 20, (64, 4, 5, 5)).astype(np.uint16)
    calm, plain = mean_values(values[8:]), values[8:].mean(axis=0) * 2**8
    np.testing.assert_allclose(calm, plain, rtol=0.1)
    values[:8] *= 50
    found, plain = mean_values(values), values.mean(axis=0) * 2**8
    assert np.abs(found - calm).mean() < 0.1 * np.abs(plain - calm).mean()
    np.testing.assert_array_equal(mean_values(values[::-1]), found)


def test_finer_numbers_are_reached():
    """A floor for accumulators, as in tables that had not grown, kept them from it."""
    values, _ = _layer(50.0, 4)
    ends = np.stack([-values.max(axis=(0, 2)), values.max(axis=(0, 2))], axis=1)
    settings = Settings()
    share = Share(np.ones(8), np.arange(8), 2.0**-10, multiplied=False, summed=False)
    scale, _, finer = clamp_scale(Clamp(0.0), Seen(ends, values), share, settings, 10)
    assert finer >= 4
    np.testing.assert_allclose(scale * 1023, ends[:, 1] * settings.headroom / 2**finer)


def test_fine_numbers_lose_no_image():
    """Where rounding hardly matters nothing is cut off for it."""
    assert finer_bits(*_layer(8.0, 4), STEP / 64, HEADROOM) == 0


def test_the_order_of_images_changes_nothing():
    values, ends = _layer(50.0, 4)
    assert finer_bits(values[::-1], ends, STEP, HEADROOM) == finer_bits(
        values, ends, STEP, HEADROOM
    )
