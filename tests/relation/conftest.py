"""A small network with every kind of layer, and claims about it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from wmproof.circuit.calibrate import Settings
from wmproof.circuit.compile import compile_model
from wmproof.circuit.evaluate import classify
from wmproof.circuit.ir import Circuit
from wmproof.keygen import pkeygen
from wmproof.keys import LabelMode, MarkingKey
from wmproof.relation.claim_prover import ClaimProof
from wmproof.training.export import to_onnx
from wmproof.training.normalization import Normalization
from wmproof.triggers import noise

SHAPE, CLASSES = (2, 9, 7), 3
CONTEXT = bytes(range(32))


class EveryLayer(nn.Module):
    """Strides, padding, dilation, groups, a residual, concatenation, pools, three activations."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 6, 3, stride=(1, 2), padding=1)
        self.grouped = nn.Conv2d(6, 6, 3, padding=2, dilation=2, groups=3)
        self.side = nn.Conv2d(6, 3, 1)
        self.leaky = nn.LeakyReLU(0.25)
        self.maximum = nn.MaxPool2d(2, stride=2)
        self.average = nn.AvgPool2d(2, stride=1)
        self.dense = nn.Linear(9 * 3, 5)
        self.out = nn.Linear(5, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.first(x))
        x = torch.relu(self.grouped(x) + x)
        x = torch.cat([x, torch.sigmoid(self.side(x))], dim=1)
        x = self.average(self.maximum(self.leaky(x)))
        return self.out(torch.relu(self.dense(x.flatten(1))))


@pytest.fixture(scope="session")
def circuit() -> Circuit:
    """Compiled, with small tables."""
    torch.manual_seed(5)
    model = to_onnx(EveryLayer().eval(), Normalization((127.0,) * 2, (64.0,) * 2), SHAPE)
    images = np.random.default_rng(1).integers(0, 256, (64, *SHAPE), dtype=np.uint8)
    return compile_model(model, images, settings=Settings(shift=4, min_table_bits=12)).circuit


@pytest.fixture(scope="session", params=list(LabelMode), ids=lambda mode: mode.name.lower())
def key(request: pytest.FixtureRequest, circuit: Circuit) -> MarkingKey:
    """A key whose chunk has dummy slots, of which the untrained network hits and misses some.

    It hits the first trigger, which dummies repeat.
    """
    while True:
        key, _ = pkeygen(noise(24, SHAPE), CLASSES, security=6, label_mode=request.param)
        hidden = key.to_embed()
        hits = classify(circuit, hidden.images) == hidden.labels
        if len(hidden) in (9, 11, 13) and hits[0] and 1 < hits.sum() < len(hidden):
            return key


@pytest.fixture
def make_claim(circuit: Circuit, key: MarkingKey) -> Callable[..., ClaimProof]:
    """Make a claim at a threshold; by default at exactly the hits that there are."""

    def make(threshold: int | None = None, **options: object) -> ClaimProof:
        def at(value: int) -> ClaimProof:
            return ClaimProof(
                circuit,
                key.verification_key,
                value,
                key.embedded(),
                context=CONTEXT,
                **options,  # type: ignore[arg-type]
            )

        return at(threshold) if threshold else at(at(1).hits)

    return make
