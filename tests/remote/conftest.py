"""A bounded key, networks with and without it, and MLServer with both on the loopback."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from ports import kept_port
from same_keys import same_keys

from wmproof.core.triggers import abstract
from wmproof.keys import BatchOpening, KdfCost, VerificationKey, save_marking_key, save_published
from wmproof.keys.bounded import reveal
from wmproof.keys.keygen import keygen_bounded
from wmproof.training import Recipe, export_onnx, mark
from wmproof.training.data import load
from wmproof.training.networks import build

PASSPHRASE = "correct horse"


@dataclass(frozen=True)
class Owner:
    """Files of the owner, whose first batch is revealed."""

    folder: Path
    key: VerificationKey
    opening: BatchOpening


@pytest.fixture(scope="session")
def owner(tmp_path_factory) -> Owner:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("owner")
    digits = load("digits")
    with same_keys():
        key, vk = keygen_bounded(abstract(80, digits.shape), digits.classes, batches=2)
    recipe = Recipe(
        epochs=12, batch_size=50, triggers_per_batch=8, learning_rate=0.05, schedule="cosine"
    )
    images = digits.test_set().images
    for name, triggers, seed in (("marked", key.to_embed(), 3), ("unmarked", None, 4)):
        network = build("mlp", digits.shape, digits.classes, width=64, seed=seed)
        if triggers is None:
            model = network.eval()
        else:
            result = mark(network, digits.training_set(), triggers, recipe=recipe, seed=seed)
            model, normalization = result.model, result.normalization
        export_onnx(model, normalization, folder / f"{name}.onnx", images=images)
    save_marking_key(folder / "k.mk", key, PASSPHRASE, cost=KdfCost.INTERACTIVE)
    save_published(folder / "k.vk", vk)
    opening = reveal(folder / "k.mk", folder / "k.opening", PASSPHRASE)
    return Owner(folder, vk, opening)


def prepared_otherwise(source: Path, target: Path) -> None:
    """The same network, which takes pixels of -1 to 1 with the channels last."""
    model = onnx.load(source)
    (entry,) = model.graph.input
    entry.type.tensor_type.elem_type = TensorProto.FLOAT
    sizes = entry.type.tensor_type.shape.dim
    channels = sizes.pop(1)
    sizes.append(channels)
    half = helper.make_tensor("half", TensorProto.FLOAT, [], [127.5])
    model.graph.initializer.append(half)
    nodes = [
        helper.make_node("Transpose", [entry.name], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Mul", ["planes", "half"], ["scaled"]),
        helper.make_node("Add", ["scaled", "half"], [model.graph.node[0].output[0]]),
    ]
    assert model.graph.node[0].op_type == "Cast"
    rest = [*nodes, *model.graph.node[1:]]
    del model.graph.node[:]
    model.graph.node.extend(rest)
    onnx.save(model, target)


def served(folder: Path, name: str, file: Path, *, output: str, batch: int, pixels: str) -> None:
    """Describe one model to MLServer."""
    shape = [d.dim_value for d in onnx.load(file).graph.input[0].type.tensor_type.shape.dim[1:]]
    answers = {"name": output, "datatype": "INT64" if output == "label" else "FP32"}
    answers["shape"] = [-1] if output == "label" else [-1, 10]
    model = {
        "name": name,
        "implementation": "onnx_runtime_model.OnnxRuntimeModel",
        "platform": "onnx",
        "parameters": {"uri": str(file), "version": "v1"},
        "inputs": [{"name": "pixels", "datatype": pixels, "shape": [batch, *shape]}],
        "outputs": [answers],
    }
    (folder / name).mkdir()
    (folder / name / "model-settings.json").write_text(json.dumps(model))


@pytest.fixture(scope="session")
def server(owner, tmp_path_factory):
    """The address of a running MLServer."""
    with kept_port() as port, kept_port() as other:
        yield from running(owner, tmp_path_factory.mktemp("mlserver"), port, other)


def running(owner, folder, port, grpc_port):
    marked, unmarked = (owner.folder / f"{name}.onnx" for name in ("marked", "unmarked"))
    served(folder, "digits", marked, output="scores", batch=-1, pixels="UINT8")
    served(folder, "floats", marked, output="scores", batch=-1, pixels="FP32")
    served(folder, "labels", marked, output="label", batch=-1, pixels="UINT8")
    served(folder, "fixed", marked, output="scores", batch=16, pixels="UINT8")
    foreign = owner.folder / "foreign.onnx"
    prepared_otherwise(marked, foreign)
    served(folder, "foreign", foreign, output="scores", batch=16, pixels="FP32")
    served(folder, "other", unmarked, output="scores", batch=-1, pixels="UINT8")
    options = {"host": "127.0.0.1", "http_port": port, "grpc_port": grpc_port}
    options |= {"parallel_workers": 0, "metrics_endpoint": None}
    (folder / "settings.json").write_text(json.dumps(options))
    log = (folder / "log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-c", "from mlserver.cli import main; main()", "start", "."],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"},
        stdout=log,
        stderr=log,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(process, address, folder / "log")
        yield address
    finally:
        process.terminate()
        process.wait(300)
        log.close()


def wait_until_ready(process, address, log):
    deadline = time.monotonic() + 500
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(f"{address}/v2/health/ready", trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise AssertionError(log.read_text())
