"""The zero-knowledge claim about a network, end to end; prints JSON.

`python -m benchmarks.pverify [NETWORK[,NETWORK ...]] [TRIGGERS ...]`, of resnet18, resnet18-w16,
vgg11, lenet5, narrow and wide

The networks are not trained (cost does not depend on that), so the threshold is a single hit. Keys
are drawn until exactly the given number of triggers is hidden, one of which is hit. `narrow` and
`wide` have the same activations, but `wide` has 64 times the weights. A small claim is proved
first, which compiles every kernel. With several networks or numbers, the peak of memory is that of
all so far.
"""

from __future__ import annotations

import sys
import time
from fractions import Fraction
from typing import Any

import numpy as np
import onnxruntime
import torch

from benchmarks._harness import peak_megabytes, report
from wmproof.argument.soundness import bits
from wmproof.argument.system.prover import prove
from wmproof.argument.system.statement import error_table, prepare
from wmproof.argument.system.verifier import verify_proof
from wmproof.circuit.evaluate import classify
from wmproof.keygen import pkeygen
from wmproof.keys import MarkingKey
from wmproof.pverify.statement import NON_INTERACTIVE, open_public_model
from wmproof.relation.claim import ClaimStatement
from wmproof.relation.claim_prover import ClaimProof
from wmproof.training.export import to_onnx
from wmproof.training.networks import build
from wmproof.training.normalization import Normalization
from wmproof.triggers import noise

CLASSES = 10
_CIFAR, _MNIST = (3, 32, 32), (1, 28, 28)


class _Convolutions(torch.nn.Module):
    """Two layers of 16 channels: kernels of 1x1, or of 8x8 with the same activations."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        pads = ((kernel - 1) // 2, kernel // 2) * 2
        self.body = torch.nn.Sequential(
            torch.nn.ZeroPad2d(pads),
            torch.nn.Conv2d(3, 64, kernel),
            torch.nn.ReLU(),
            torch.nn.ZeroPad2d(pads),
            torch.nn.Conv2d(64, 64, kernel),
            torch.nn.ReLU(),
            torch.nn.AdaptiveAvgPool2d(1),
            torch.nn.Flatten(),
            torch.nn.Linear(64, CLASSES),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


def _network(name: str) -> tuple[torch.nn.Module, tuple[int, ...]]:
    if name in ("narrow", "wide"):
        torch.manual_seed(0)
        return _Convolutions(1 if name == "narrow" else 8), _CIFAR
    zoo, shape, width = {
        "resnet18": ("resnet18", _CIFAR, 64),
        "resnet18-w16": ("resnet18", _MNIST, 16),
        "vgg11": ("vgg11", _CIFAR, 64),
        "lenet5": ("lenet5", _MNIST, 6),
        "mlp": ("mlp", (1, 8, 8), 64),
    }[name]
    return build(zoo, shape, CLASSES, width=width, seed=0), shape


def _key(shape: tuple[int, ...], hidden: int) -> MarkingKey:
    while True:
        key, _ = pkeygen(noise(2 * hidden, shape), CLASSES, security=hidden // 2)
        if len(key.verification_key.hidden_indices()) == hidden:
            return key


def _model(name: str) -> tuple[bytes, tuple[int, ...]]:
    network, shape = _network(name)
    normalization = Normalization((127.5,) * shape[0], (63.75,) * shape[0])
    return to_onnx(network.eval(), normalization, shape), shape


def _inference_seconds(model: bytes, images: np.ndarray) -> float:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: images}
    session.run(None, feed)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        session.run(None, feed)
        times.append(time.perf_counter() - start)
    return min(times)


class _Phases:
    """When each phase began."""

    def __init__(self) -> None:
        self._begun: list[tuple[str, float]] = []

    def __call__(self, phase: str, done: float) -> None:
        if not self._begun or self._begun[-1][0] != phase:
            self._begun.append((phase, time.perf_counter()))

    def seconds(self) -> dict[str, float]:
        ends = [start for _, start in self._begun[1:]] + [time.perf_counter()]
        pairs = zip(self._begun, ends, strict=True)
        return {phase: end - start for (phase, start), end in pairs}


def measure(name: str, triggers: int) -> dict[str, Any]:
    """Prove and verify once."""
    model, shape = _model(name)
    while True:
        key = _key(shape, triggers)
        start = time.perf_counter()
        public = open_public_model(model, key.public_key())
        compile_seconds = time.perf_counter() - start
        hidden = key.to_embed()
        if (classify(public.circuit, hidden.images.reshape(-1, *shape)) == hidden.labels).any():
            break
    vk = key.verification_key
    phases = _Phases()
    start = time.perf_counter()
    proof = ClaimProof(
        public.circuit, vk, 1, key.embedded(), context=public.context, progress=phases
    )
    argument = prove(proof, proof.witness(), NON_INTERACTIVE)
    prove_seconds = time.perf_counter() - start
    by_phase = phases.seconds()
    peak = peak_megabytes()
    statement = ClaimStatement(public.circuit, vk, 1, context=public.context)
    start = time.perf_counter()
    verify_proof(statement, argument, NON_INTERACTIVE)
    verify_seconds = time.perf_counter() - start
    setup = prepare(statement, NON_INTERACTIVE)
    inference = _inference_seconds(model, hidden.images.reshape(-1, *shape))
    return {
        "network": name,
        "weights": public.circuit.weights(),
        "lookups_an_image": public.circuit.lookups(),
        "triggers": triggers,
        "witness_entries": proof.layout.entries,
        "compile_seconds": compile_seconds,
        "prove_seconds": prove_seconds,
        "phase_seconds": by_phase,
        "share_of_openings": by_phase["proving the openings"] / prove_seconds,
        "verify_seconds": verify_seconds,
        "proof_bytes": len(argument),
        "peak_megabytes": peak,
        "security_bits": bits(sum(error_table(statement, setup).values(), Fraction(0))),
        "inference_seconds": inference,
        "ratio_to_inference": prove_seconds / inference,
    }


def main(networks: str = "lenet5", *triggers: str) -> None:
    measure("mlp", 64)
    for name in networks.split(","):
        for count in triggers or ("256",):
            report("pverify", measure(name, int(count)))


if __name__ == "__main__":
    main(*sys.argv[1:])
