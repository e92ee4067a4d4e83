"""The zero-knowledge claim about a network, end to end; prints JSON.

`python -m benchmarks.pverify [NETWORK[,NETWORK ...]] [TRIGGERS ...]`, of resnet18, resnet18-w16,
vgg11, lenet5, narrow and wide

The networks are not trained (cost does not depend on that), so the threshold is a single hit. Keys
are drawn until exactly the given number of triggers is hidden, one of which is hit. `narrow` and
`wide` have the same activations, but `wide` has 64 times the weights. A small claim is proved
first, which compiles every kernel. With several networks or numbers, the peak of memory is that of
all so far.
"""

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
from wmproof.core.policy import Policy
from wmproof.core.reading import Reading
from wmproof.core.triggers import noise
from wmproof.keys import MarkingKey
from wmproof.keys.keygen import pkeygen
from wmproof.pverify.statement import NON_INTERACTIVE, open_public_model
from wmproof.relation.claim.prover import ClaimProof
from wmproof.relation.claim.statement import ClaimStatement
from wmproof.training.export import to_onnx
from wmproof.training.networks import build
from wmproof.training.normalization import Normalization

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
    entry = session.get_inputs()[0]
    # A file for one picture of floats gets one; each costs the same.
    one = entry.type == "tensor(float)"
    fed = images[:1].astype(np.float32) / np.float32(255) if one else images
    feed = {entry.name: fed}
    session.run(None, feed)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        session.run(None, feed)
        times.append(time.perf_counter() - start)
    return min(times) * len(images) / len(fed)


class _Phases:
    """When each phase began."""

    def __init__(self) -> None:
        self._begun: list[tuple[str, float, float]] = []

    def __call__(self, phase: str, done: float) -> None:
        if not self._begun or self._begun[-1][0] != phase:
            self._begun.append((phase, time.perf_counter(), time.process_time()))

    def seconds(self) -> tuple[dict[str, float], dict[str, float]]:
        """Of the wall, and of all cores together, until now."""
        self("", 0)
        pairs = list(zip(self._begun, self._begun[1:], strict=False))
        wall = {begun[0]: ended[1] - begun[1] for begun, ended in pairs}
        return wall, {begun[0]: ended[2] - begun[2] for begun, ended in pairs}


def measure(name: str, triggers: int) -> dict[str, Any]:
    """Prove and verify once."""
    model, shape = _model(name)
    return measure_model(name, model, shape, triggers)


def measure_model(
    name: str,
    model: bytes,
    shape: tuple[int, ...],
    triggers: int,
    reading: Reading = Reading(),  # noqa: B008 - frozen
) -> dict[str, Any]:
    """Prove and verify a claim about a model once."""
    policy = Policy(reading=reading)
    while True:
        key = _key(shape, triggers)
        start = time.perf_counter()
        public = open_public_model(model, key.public_key(), policy)
        compile_seconds = time.perf_counter() - start
        hidden = key.to_embed()
        if (classify(public.circuit, hidden.images.reshape(-1, *shape)) == hidden.labels).any():
            break
    vk = key.verification_key
    phases = _Phases()
    start, cpu_start = time.perf_counter(), time.process_time()
    proof = ClaimProof(
        public.circuit, vk, 1, key.embedded(), context=public.context, progress=phases
    )
    argument = prove(proof, proof.witness(), NON_INTERACTIVE)
    prove_seconds, prove_cpu = time.perf_counter() - start, time.process_time() - cpu_start
    by_phase, cpu_by_phase = phases.seconds()
    peak = peak_megabytes()
    statement = ClaimStatement(public.circuit, vk, 1, context=public.context, inner=proof.inner)
    start, cpu_start = time.perf_counter(), time.process_time()
    verify_proof(statement, argument, NON_INTERACTIVE)
    verify_seconds, verify_cpu = time.perf_counter() - start, time.process_time() - cpu_start
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
        "prove_cpu_seconds": prove_cpu,
        "phase_seconds": by_phase,
        "phase_cpu_seconds": cpu_by_phase,
        "share_of_openings": by_phase["proving the openings"] / prove_seconds,
        "verify_seconds": verify_seconds,
        "verify_cpu_seconds": verify_cpu,
        "proof_bytes": len(proof.inner or b"") + len(argument),
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
