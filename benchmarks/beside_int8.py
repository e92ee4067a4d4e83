"""How far circuits are from the float model, beside ONNX Runtime's int8: one row a network.

    python -m benchmarks.beside_int8 mobilenet_v2 resnet50 --seeds 0 1 --pictures 600
    python -m benchmarks.beside_int8 trained/efficientnet_lite0 --pictures 600

Networks are those of `benchmarks.coverage`, with random weights of each seed, statistics of real
pictures and a fitted last layer, or trained ones. Both are calibrated with the same pictures and
asked about others. *Error* is the root mean square of what the logits are off, each picture's mean
taken off, as a part of their spread over the pictures; margins, between the float model's two
largest logits, are parts of that spread too.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.coverage.__main__ import chosen
from benchmarks.coverage.networks import Network, settle
from benchmarks.coverage.pictures import SOURCES, Pictures, crops, noise
from benchmarks.coverage.row import READING, export, int8_of
from wmproof.circuit.calibrate import Settings
from wmproof.circuit.compile import compile_model
from wmproof.circuit.report import circuit_logits
from wmproof.models.file import model_file
from wmproof.models.onnx_file import open_model

_LEARNING, _TRIGGERS, _BATCH = 256, 8, 16
_HEADS = (
    *(
        "network",
        "seed",
        "bits",
        "lookups",
        "pictures: circuit",
        "int8",
        "outside",
        "error",
        "int8",
    ),
    *("median margin", "largest that changed", "noise: circuit", "int8"),
)


def row(network: Network, seed: int, asked: argparse.Namespace, folder: Path) -> list[str]:
    """Build, compile and compare one network."""
    module, size = network.build(seed)
    calibration, _ = crops(asked.calibration, size, seed=1 + 100 * seed)
    if not network.trained:
        learning, names = crops(_LEARNING, size, seed=2 + 100 * seed)
        labels = np.random.default_rng(seed).integers(0, SOURCES, _TRIGGERS)
        triggers = noise(_TRIGGERS, size, seed=5 + 100 * seed)
        settle(module, learning, names, (triggers, labels))
    path = folder / "model.onnx"
    export(module, size, "legacy", path)
    circuit = compile_model(
        model_file(path, "model"), calibration, settings=Settings(bits=asked.bits), reading=READING
    )
    cells = [str(network), seed, max(circuit.circuit.largest).bit_length()]
    cells.append(f"{circuit.circuit.lookups():,}")
    int8 = int8_of(path, calibration)
    testing, _ = crops(asked.pictures, size, seed=3 + 100 * seed)
    expected, theirs = _runtime(path, testing), _runtime(int8, testing)
    ours, inside = circuit_logits(circuit.circuit, testing)
    same = inside & (ours.argmax(axis=1) == expected.argmax(axis=1))
    cells += [_share(same), _share(theirs.argmax(axis=1) == expected.argmax(axis=1))]
    cells.append(int((~inside).sum()))
    scale = circuit.layers[-1].scale
    cells += [f"{_error(logits, expected):.3f}" for logits in (ours * scale, theirs)]
    top = np.sort(expected, axis=1)
    margins = (top[:, -1] - top[:, -2]) / _spread(expected)
    cells += [f"{x:.3f}" for x in (np.median(margins), margins[~same].max(initial=0.0))]
    noises = noise(asked.noise, size, seed=4 + 100 * seed)
    expected, theirs = _runtime(path, noises), _runtime(int8, noises)
    ours, inside = circuit_logits(circuit.circuit, noises)
    answers = np.where(inside, ours.argmax(axis=1), -1)
    cells += [_share(x == expected.argmax(axis=1)) for x in (answers, theirs.argmax(axis=1))]
    return [str(cell) for cell in cells]


def _runtime(path: Path, pictures: Pictures) -> NDArray[np.float64]:
    """Logits in ONNX Runtime, sums of int8 products exact: not every processor has them so."""
    shape = pictures.shape[1:]
    return open_model(path, input_shape=shape, batch=_BATCH, reading=READING).logits(pictures)


def _spread(logits: NDArray[np.float64]) -> float:
    centred = logits - logits.mean(axis=1, keepdims=True)
    return float(np.std(centred - centred.mean(axis=0)))


def _error(found: NDArray[np.float64], expected: NDArray[np.float64]) -> float:
    away = found - expected
    return float(np.std(away - away.mean(axis=1, keepdims=True))) / _spread(expected)


def _share(agreeing: NDArray[np.bool_]) -> str:
    return f"{100 * agreeing.mean():.1f} %"


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("networks", nargs="+", metavar="NAME", help="names or patterns")
    options.add_argument("--seeds", nargs="+", type=int, default=[0], help="of weights, pictures")
    options.add_argument("--pictures", type=int, default=600, help="to compare on")
    options.add_argument("--noise", type=int, default=100, help="images of noise to compare on")
    options.add_argument("--calibration", type=int, default=64, help="pictures that calibrate")
    options.add_argument("--bits", type=int, help="of activations, else the compiler chooses")
    asked = options.parse_args()
    torch.set_num_threads(1)
    for cells in (_HEADS, ["---"] * len(_HEADS)):
        print(f"| {' | '.join(cells)} |", flush=True)
    for network in chosen(asked.networks):
        for seed in asked.seeds:
            with tempfile.TemporaryDirectory() as folder:
                print(f"| {' | '.join(row(network, seed, asked, Path(folder)))} |", flush=True)


if __name__ == "__main__":
    main()
