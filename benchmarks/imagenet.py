"""Claims at the scale of ImageNet: 3x224x224, 1,000 classes; prints JSON.

`python -m benchmarks.imagenet NETWORK KEY_TRIGGERS auto|all|N [MAX_MEMORY]`, such as
`resnet50 64 24 10G`. The network is one of torchvision whose last layer is called `fc`, or one of
timm whose last layer is called `head`, such as `vit_tiny_patch16_224`.

Weights are random (no weights can be fetched), BatchNorm has the statistics of trigger pictures,
and the classifier is solved for by least squares so that it answers the hidden triggers with their
labels. Such networks are not trained: margins are thin, and the circuit answers other pictures
otherwise more often than a trained one's does, so agreement is reported and not asked for, one hit
is claimed, and the hits that there are, with what they are worth, are printed beside it. None of
this changes the cost. Nor do keys of fewer than 512 triggers, but they make the preparation
shorter. CPU seconds are of both cores.
"""

import json
import sys
import time
from fractions import Fraction
from typing import Any

import numpy as np
import timm
import torch
import torchvision
from numpy.typing import NDArray

from benchmarks._harness import peak_megabytes
from wmproof.argument.system.verifier import verify_proof
from wmproof.cli.options import MEMORY
from wmproof.core.policy import Policy
from wmproof.core.triggers import abstract
from wmproof.keys.keygen import pkeygen
from wmproof.keys.worth import claim_bits, grinding_bits, sample_size
from wmproof.pverify.claim_file import parse_claim
from wmproof.pverify.prover import prepare_claim
from wmproof.pverify.statement import NON_INTERACTIVE
from wmproof.pverify.verifier import state, verify_claim
from wmproof.relation.claim.statement import inner_bytes
from wmproof.training.export import to_onnx
from wmproof.training.normalization import Normalization

SHAPE, CLASSES, BATCH = (3, 224, 224), 1000, 16
NORMALIZATION = Normalization((123.7, 116.3, 103.5), (58.4, 57.1, 57.4))


def _inputs(images: NDArray[np.uint8]) -> torch.Tensor:
    mean = torch.tensor(NORMALIZATION.mean).reshape(3, 1, 1)
    deviation = torch.tensor(NORMALIZATION.std).reshape(3, 1, 1)
    return (torch.from_numpy(images).float() - mean) / deviation


def marked_network(name: str, images: NDArray[np.uint8], labels: NDArray[Any]) -> torch.nn.Module:
    """A network of random features whose last layer gives these images their labels."""
    torch.manual_seed(0)
    last, network = _random_network(name)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the mean over all batches
    for block in network.modules():
        # As in trained networks, no block drowns what came before it.
        norm = getattr(block, "bn3", getattr(block, "bn2", None))
        if norm is not None:
            norm.weight.data.fill_(0.25)
    classifier = getattr(network, last)
    setattr(network, last, torch.nn.Identity())
    with torch.no_grad():
        network.train()
        for first in range(0, 4 * BATCH, BATCH):
            network(_inputs(images[first : first + BATCH]))
        network.eval()
        batches = [images[i : i + BATCH] for i in range(0, len(images), BATCH)]
        features = torch.cat([network(_inputs(batch)) for batch in batches])
        mean = features.mean(dim=0)
        centred = (features - mean).double()
        targets = torch.nn.functional.one_hot(torch.from_numpy(labels), CLASSES).double()
        gram = centred @ centred.T + 1e-4 * centred.square().sum() / len(images) * torch.eye(
            len(images)
        )
        weight = (centred.T @ torch.linalg.solve(gram, targets)).T.float()
        classifier.weight.copy_(weight)
        classifier.bias.copy_(-weight @ mean)
    setattr(network, last, classifier)
    return network


def _random_network(name: str) -> tuple[str, torch.nn.Module]:
    """The name of its last layer, and the network."""
    if name in torchvision.models.list_models(module=torchvision.models):
        return "fc", torchvision.models.get_model(name, weights=None, num_classes=CLASSES)
    return "head", timm.create_model(name, pretrained=False, num_classes=CLASSES)


class _Clock:
    """Wall and CPU seconds and the peak of memory of each phase."""

    def __init__(self) -> None:
        self.phases: dict[str, dict[str, float]] = {}
        self._phase, self._begun = "", (0.0, 0.0)

    def __call__(self, phase: str, _done: float = 0) -> None:
        now = time.perf_counter(), time.process_time()
        if self._phase and self._phase != phase:
            wall, cpu = (b - a for a, b in zip(self._begun, now, strict=True))
            spent = {"wall": round(wall, 2), "cpu": round(cpu, 2), "peak_mb": peak_megabytes()}
            self.phases[self._phase] = spent
            print(f"{self._phase}: {spent}", file=sys.stderr, flush=True)
        if self._phase != phase:
            self._phase, self._begun = phase, now

    def total(self, *names: str) -> dict[str, float]:
        chosen = [spent for name, spent in self.phases.items() if name in names or not names]
        return {unit: round(sum(c[unit] for c in chosen), 1) for unit in ("wall", "cpu")}


PROVING = (
    "running the circuit",
    "committing to the witness",
    "proving the network",
    "proving the openings",
    "opening the witness",
)


def main(
    name: str = "resnet18", size: str = "64", triggers: str = "auto", memory: str = ""
) -> None:
    clock = _Clock()
    policy = Policy(security=int(size) // 4, strength=0, agreement=Fraction(0))
    clock("making the key")
    key, public = pkeygen(abstract(int(size), SHAPE), CLASSES, security=int(size) // 4)
    vk, hidden = public.verification_key, key.to_embed()
    count = {"auto": sample_size(Policy(), vk), "all": len(hidden)}.get(triggers) or int(triggers)
    clock("making the network")
    network = marked_network(name, hidden.images, hidden.labels.astype(np.int64))
    model = to_onnx(network, NORMALIZATION, SHAPE)
    del network
    plans = []
    clock("compiling the model")
    prepared = prepare_claim(
        model,
        key,
        public,
        policy,
        triggers=count,
        most_bytes=MEMORY.convert(memory, None, None) if memory else None,
        progress=clock,
        planned=plans.append,
    )
    claim = prepared.to_bytes()
    public_model = prepared.public
    circuit, layout = public_model.circuit, prepared.proof.layout
    figures = {
        "lookups_an_image": circuit.lookups(),
        "weights": circuit.weights(),
        "hits": prepared.proof.hits,
        "strength_bits_of_all_hits": claim_bits(
            vk, count, prepared.proof.hits, grinding_bits(vk, count)
        ),
        "witness_entries": layout.entries,
        "instances": [chunk.slots for chunk in prepared.proof.chunks],
        "proving_peak_megabytes": peak_megabytes(),
    }
    del prepared
    clock("verifying the argument")
    header, argument = parse_claim(claim)
    size = inner_bytes(vk, count)
    statement = state(header, public_model, public, argument[:size])
    verify_proof(statement, argument[size:], NON_INTERACTIVE)
    del statement, public_model
    clock("verifying all, with compilation")
    report = verify_claim(model, public, claim, policy)
    clock("done")
    print(
        json.dumps(
            {
                "benchmark": "imagenet",
                "network": name,
                "triggers": report.triggers,
                "hidden": report.hidden,
                "security_bits": round(report.security_bits, 2),
                "plan": str(plans[0]),
                "claim_bytes": len(claim),
                **figures,
                "proving": clock.total(*PROVING),
                "phases": clock.phases,
                "agreement": [str(item) for item in report.agreements],
                "peak_megabytes": peak_megabytes(),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
