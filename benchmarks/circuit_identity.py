"""Three evaluators, one result: every logit and every committed byte, compared on many images.

For each model: the NumPy int64 reference, the fast evaluator, and the exported graph in ONNX
Runtime. Weights are random (seeded); half of the images are noise and half are smooth, so that
deep layers see different inputs. Prints one JSON object a model and stops with an error at the
first difference; `--device cuda` runs the exported graph there. The reference is slow on purpose:
minutes for the larger models, so name the models to run on the command line. Needs the extra
`train` and onnxscript, to build and export.
"""

import argparse
import json
import time
from collections.abc import Callable

import numpy as np
import torch
import torchvision
from numpy.typing import NDArray
from torch import nn

from wmproof.circuit.compile import compile_model
from wmproof.circuit.evaluate import Evaluator
from wmproof.circuit.ir import Circuit
from wmproof.circuit.probes import draw_probes
from wmproof.circuit.reference import evaluate_reference
from wmproof.circuit.runtime import Device, RuntimeEvaluator
from wmproof.training.export import to_onnx
from wmproof.training.networks import build
from wmproof.training.normalization import Normalization, Normalized

ZOO = {"mlp": None, "lenet5": None, "vgg11": None, "resnet18-w16": 16}
TORCHVISION: dict[str, Callable[..., nn.Module]] = {
    "torchvision-resnet18": torchvision.models.resnet18,
    "torchvision-vgg11_bn": torchvision.models.vgg11_bn,
    "torchvision-mobilenet_v2": torchvision.models.mobilenet_v2,
}
CASES = [*(f"{name}-{side}" for name in TORCHVISION for side in (32, 64))]
CASES += [f"{name}-{side}" for name, side in (("mlp", 28), ("lenet5", 28))]
CASES += [f"{name}-32" for name in ("vgg11", "resnet18-w16")]
BATCH = 20


def network(case: str) -> tuple[bytes, tuple[int, int, int]]:
    """The ONNX model of a case, with random weights, and the shape of its images."""
    name, side = case.rsplit("-", 1)
    shape = (1 if side == "28" else 3, int(side), int(side))
    torch.manual_seed(0)
    if name in TORCHVISION:
        model = TORCHVISION[name](weights=None, num_classes=10)
    else:
        model = build(name.split("-")[0], shape, 10, width=ZOO[name])
    with torch.no_grad():
        _warm_up(model, shape)
    normalization = Normalization((0.5,) * shape[0], (0.25,) * shape[0])
    if name not in TORCHVISION:
        return to_onnx(model, normalization, shape), shape
    # The exporter that can express an adaptive average pool of 1x1 or 2x2 to 7x7.
    program = torch.onnx.export(
        Normalized(model, normalization).eval(),
        (torch.zeros((2, *shape), dtype=torch.uint8),),
        dynamo=True,
        verbose=False,
        input_names=["images"],
        dynamic_shapes=({0: torch.export.Dim("N")},),
    )
    assert program is not None
    return program.model_proto.SerializeToString(), shape


def _warm_up(model: nn.Module, shape: tuple[int, int, int]) -> None:
    """Give batch normalisation statistics that keep a random network's activations alive."""
    model.train()
    for _ in range(20):
        model(torch.randn((32, *shape)))


def pictures(count: int, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Probe pictures that calibration did not see, and noise."""
    half = count // 2
    drawn = draw_probes(2 * half + 64, shape)[64 : 64 + half]
    generator = np.random.default_rng(1)
    noise = generator.integers(0, 256, (count - half, *shape), dtype=np.uint8)
    return np.concatenate([drawn, noise])


def compare(circuit: Circuit, images: NDArray[np.uint8], device: Device) -> dict[str, object]:
    """Run all three; raises `AssertionError` at the first difference."""
    fast, exported = Evaluator(circuit), RuntimeEvaluator(circuit, device=device)
    seconds = {"reference": 0.0, "fast": 0.0, "exported": 0.0}
    compared = 0
    for first in range(0, len(images), BATCH):
        batch = images[first : first + BATCH]
        start = time.perf_counter()
        logits, committed = evaluate_reference(circuit, batch)
        seconds["reference"] += time.perf_counter() - start
        for name, evaluate in (("fast", fast), ("exported", exported)):
            start = time.perf_counter()
            other = evaluate(batch)
            seconds[name] += time.perf_counter() - start
            np.testing.assert_array_equal(logits, other.logits)
            assert set(committed) == set(other.committed)
            for index, values in committed.items():
                np.testing.assert_array_equal(values, other.committed[index])
        compared += logits.size + sum(values.size for values in committed.values())
    return {
        "values_compared": compared,
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
    }


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=CASES, help=f"of {', '.join(CASES)}")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    arguments = parser.parse_args()
    for case in arguments.cases:
        model, shape = network(case)
        images = pictures(arguments.images, shape)
        compilation = compile_model(model, images[:1])
        circuit = compilation.circuit
        result = {
            "model": case,
            "images": len(images),
            "weights": circuit.weights(),
            "lookups_per_image": circuit.lookups(),
            **compare(circuit, images, arguments.device),
            "digest": compilation.digest.hex(),
        }
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
