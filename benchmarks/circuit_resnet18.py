"""Full-width ResNet-18 for 3x32x32: time to compile, and to evaluate with every activation.

Both evaluations are given as ratios to ONNX Runtime on the float model, taken in the same run on
the same cores. The network has random weights: time depends on shapes alone. Prints one JSON
object. Needs the extra `train`, only to build and export the network.
"""

import argparse
import json
import os
import resource
import time
from collections.abc import Callable

import numpy as np
import onnxruntime
import torch

from wmproof.circuit.compile import compile_model
from wmproof.circuit.evaluate import Evaluator
from wmproof.circuit.runtime import RuntimeEvaluator
from wmproof.training.export import to_onnx
from wmproof.training.networks import build
from wmproof.training.normalization import Normalization

SHAPE = (3, 32, 32)


def best_of(repeats: int, work: Callable[[], object]) -> float:
    """Shortest of several runs, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=2)
    arguments = parser.parse_args()

    torch.manual_seed(0)
    network = build("resnet18", SHAPE, 10, width=arguments.width)
    model = to_onnx(network, Normalization((0.5,) * 3, (0.25,) * 3), SHAPE)
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (arguments.images, *SHAPE), dtype=np.uint8)

    small = compile_model(model, images[:2])  # loads what is compiled on first use
    Evaluator(small.circuit)(images[:2])
    start = time.perf_counter()
    compilation = compile_model(model, images)
    compile_seconds = time.perf_counter() - start
    circuit = compilation.circuit

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = arguments.threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    fast = Evaluator(circuit)
    exported = RuntimeEvaluator(circuit, threads=arguments.threads)

    def plain() -> None:
        for first in range(0, len(images), 32):
            session.run(None, {"images": images[first : first + 32]})

    seconds = {
        "float": best_of(arguments.repeats, plain),
        "fast": best_of(arguments.repeats, lambda: fast(images)),
        "exported": best_of(arguments.repeats, lambda: exported(images)),
    }
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    result = {
        "cores": os.cpu_count(),
        "images": arguments.images,
        "weights": circuit.weights(),
        "lookups_per_image": circuit.lookups(),
        "compile_seconds": round(compile_seconds, 2),
        "float_seconds": round(seconds["float"], 3),
        "fast_ratio": round(seconds["fast"] / seconds["float"], 2),
        "exported_ratio": round(seconds["exported"] / seconds["float"], 2),
        "peak_gigabytes": round(peak / 1e9, 2),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
