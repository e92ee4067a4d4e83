"""A small network with every kind of layer, and claims about it."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from sampled import CONTEXT, SAMPLE, places_of, size_of
from torch import nn

from wmproof.circuit.calibrate import Settings
from wmproof.circuit.compile import compile_model
from wmproof.circuit.evaluate import classify
from wmproof.circuit.ir import Circuit
from wmproof.commitment import Scheme
from wmproof.core.triggers import noise
from wmproof.keys import LabelMode, MarkingKey
from wmproof.keys.keygen import pkeygen
from wmproof.relation.claim.prover import ClaimProof
from wmproof.training.export import to_onnx
from wmproof.training.normalization import Normalization

SHAPE, CLASSES = (2, 9, 7), 3


class EveryLayer(nn.Module):
    """Strides, padding, dilation, groups, a residual, concatenation, pools, two products."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 6, 3, stride=(1, 2), padding=1)
        self.grouped = nn.Conv2d(6, 6, 3, padding=2, dilation=2, groups=3)
        self.side = nn.Conv2d(6, 3, 1)
        self.leaky = nn.LeakyReLU(0.25)
        self.maximum = nn.MaxPool2d(2, stride=2)
        self.average = nn.AvgPool2d(2, stride=1)
        self.gate = nn.Conv2d(9, 9, 1)
        self.dense = nn.Linear(9 * 9, 5)
        self.out = nn.Linear(5, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.first(x))
        x = torch.relu(self.grouped(x) + x)
        x = torch.cat([x, torch.sigmoid(self.side(x))], dim=1)
        x = self.average(self.maximum(self.leaky(x)))
        x = x * torch.sigmoid(self.gate(x.mean((2, 3), keepdim=True)))
        x = x @ x.transpose(2, 3)
        return self.out(torch.relu(self.dense(x.flatten(1))))


@pytest.fixture(scope="session")
def circuit() -> Circuit:
    """Compiled, with small tables."""
    torch.manual_seed(5)
    model = to_onnx(EveryLayer().eval(), Normalization((127.0,) * 2, (64.0,) * 2), SHAPE)
    images = np.random.default_rng(1).integers(0, 256, (64, *SHAPE), dtype=np.uint8)
    settings = Settings(shift=4, min_table_bits=12)
    return compile_model(model, images, settings=settings).circuit


# Plain SHA-256 with secret labels has commitments of both kinds.
KEYS = [
    (LabelMode.DERIVED, Scheme.SHA256_SIS),
    (LabelMode.SECRET, Scheme.SHA256_SIS),
    (LabelMode.SECRET, Scheme.SHA256),
]


@pytest.fixture(scope="session", params=KEYS, ids=lambda p: f"{p[0].name.lower()}-{p[1].label}")
def key(request: pytest.FixtureRequest, circuit: Circuit) -> MarkingKey:
    """A key whose chunk has dummy slots, of which the untrained network hits and misses some.

    It hits the first trigger, which dummies repeat.
    """
    while True:
        mode, scheme = request.param
        key, _ = pkeygen(noise(24, SHAPE), CLASSES, security=6, label_mode=mode, scheme=scheme)
        hidden = key.to_embed()
        if len(hidden) not in (SAMPLE + 2, SAMPLE + 4):
            continue
        hits = (classify(circuit, hidden.images) == hidden.labels)[places_of(circuit, key)]
        if hits[0] and 1 < hits.sum() < len(hits):
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
                triggers=size_of(key),
                **options,  # type: ignore[arg-type]
            )

        return at(threshold) if threshold else at(at(1).hits)

    return make
