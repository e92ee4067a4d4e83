"""How long everything on keys takes, for 512 triggers of 3x32x32; prints JSON."""

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, save

from wmproof.commitment import SCHEMES, Kind, Places, Scheme, new_key_id, new_randomness
from wmproof.core.triggers import abstract, noise
from wmproof.keys import KdfCost, decrypt_marking_key, encrypt_marking_key, parse_public_key
from wmproof.keys.check import check_public_key
from wmproof.keys.keygen import pkeygen
from wmproof.models.written import written
from wmproof.report import draw_contact_sheet

SHAPE = (3, 32, 32)
PASSPHRASE = "benchmark"  # noqa: S105


def seconds(function: Callable[[], object], repeats: int) -> float:
    """Return the median time of a call."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return round(statistics.median(times), 4)


def _committing(scheme: Scheme, messages: NDArray[np.uint8], places: Places, repeats: int) -> float:
    randomness = new_randomness(len(messages), scheme)
    return seconds(lambda: SCHEMES[scheme].commit(messages, randomness, places), repeats)


def functions(repeats: int) -> dict[str, float]:
    """Time the Python API."""
    images = abstract(512, SHAPE)
    key, public = pkeygen(images, 10)
    data = public.to_bytes()
    messages = images.reshape(512, -1)
    places = Places(new_key_id(), np.arange(512), Kind.TRIGGER)
    result = {
        "draw_abstract": seconds(lambda: abstract(512, SHAPE), repeats),
        "draw_noise": seconds(lambda: noise(512, SHAPE), repeats),
        **{
            f"commit_{scheme.label}": _committing(scheme, messages, places, repeats)
            for scheme in Scheme
        },
        "sha256_of_the_same_bytes": seconds(
            lambda: [hashlib.sha256(row).digest() for row in messages], repeats
        ),
        "pkeygen": seconds(lambda: pkeygen(images, 10), repeats),
        "parse_and_check": seconds(lambda: check_public_key(parse_public_key(data)), repeats),
        "contact_sheet": seconds(
            lambda: draw_contact_sheet(public.opened, title="t", subtitle="s"), repeats
        ),
    }
    for cost in (KdfCost.INTERACTIVE, KdfCost.MODERATE):
        sealed = encrypt_marking_key(key, PASSPHRASE, cost=cost)
        name = f"decrypt_{cost.name.lower()}"
        result[name] = seconds(lambda data=sealed: decrypt_marking_key(data, PASSPHRASE), repeats)
    return result


def commands(repeats: int) -> dict[str, float]:
    """Time whole commands, start of Python included."""
    with tempfile.TemporaryDirectory() as folder:
        subject = ["--classes", "10", "--shape", "3x32x32", "--force"]
        bounded = ["--kind", "bounded", "--batches", "8", "--triggers", "64"]
        write_linear_model(Path(folder) / "m.onnx")
        lines = {
            "help": ["--help"],
            "keygen": ["keygen", "-o", "k", *subject],
            "keygen_bounded": ["keygen", "-o", "b", *bounded, *subject],
            "check-key": ["check-key", "k.pvk"],
            "check-key_with_sheet": ["check-key", "k.pvk", "--contact-sheet", "s.png", "--force"],
            "reveal": ["reveal", "b.mk", "-o", "opening", "--force"],
            "inspect": ["inspect", "k.pvk"],
            "verify": ["verify", "m.onnx", "--key", "k.mk", "--vk", "k.pvk"],
        }
        return {
            name: seconds(lambda a=line: command(a, folder), repeats)
            for name, line in lines.items()
        }


def command(arguments: list[str], folder: str) -> None:
    """Run the command line in a process of its own."""
    root = str(Path(__file__).parents[1])
    subprocess.run(
        [sys.executable, "-c", "from wmproof.cli import main; main()", *arguments],
        cwd=folder,
        env=os.environ | {"WMPROOF_PASSPHRASE": PASSPHRASE, "PYTHONPATH": root},
        stdout=subprocess.DEVNULL,
        check=arguments[0] != "verify",  # whose claim on a random model does not hold
    )


def write_linear_model(path: Path) -> None:
    """Write a linear network of random weights: `verify` is timed, not ONNX Runtime."""
    weights = np.random.default_rng(0).normal(size=(int(np.prod(SHAPE)), 10)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["pixels"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["scores"]),
    ]
    ends = {"pixels": (TensorProto.FLOAT, ["N", *SHAPE]), "scores": (TensorProto.FLOAT, ["N", 10])}
    save(written(nodes, ends, {"w": weights}), path)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    result = {"seconds": {"api": functions(repeats), "commands": commands(repeats)}}
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
