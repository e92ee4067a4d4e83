"""What a claim by a key will cost, told when the key is made: before there is a model.

Two networks of the key's shape stand for what people train: they are compiled like any model, and
the prover's own planner and rehearsal say memory and size. For the time see `seconds_for`.
"""

import contextlib
import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from wmproof._base.threads import thread_count
from wmproof.argument.system.statement import prepare
from wmproof.circuit.calibrate import Settings
from wmproof.circuit.compile import compile_model
from wmproof.circuit.ir import Circuit
from wmproof.core.triggers import Shape, as_planes, format_shape
from wmproof.errors import InputError
from wmproof.keys import PublicKey, VerificationKey
from wmproof.models.written import written
from wmproof.pverify.claim_file import HEADER_BYTES
from wmproof.pverify.memory import MemoryPlan, plan_memory
from wmproof.pverify.statement import NON_INTERACTIVE
from wmproof.relation.claim.statement import ClaimStatement, inner_bytes

_UNLIMITED = 1 << 62
# Channels of each convolution, which halves the picture where its stride is 2.
_SMALL = ((16, 2), (32, 2))
# Activations of a picture: more would take longer to lay out than a key to make.
_MOST = 1 << 25
_LARGE = ((64, 1), (64, 1), (64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1))


@dataclass(frozen=True)
class Expected:
    """What a claim about all hidden triggers takes for one network."""

    network: str
    """In words."""
    lookups: int
    """Activations of the network for one picture: most costs grow with them."""
    seconds: float
    """Estimate for proving on this machine with all its threads, kernels compiled."""
    memory_bytes: int
    """Of the whole process, by the fastest plan for which this machine has the memory; if it has it
    for none, by the fastest."""
    claim_bytes: int
    """Of the claim file, at most."""


def expect(key: PublicKey) -> Iterator[Expected]:
    """Lay out a claim by this key for a small and a large network.

    A network is left out that has more activations for such pictures than one argument can count.
    """
    shape = key.verification_key.image_shape
    for name, layers in (("small", _SMALL), ("large", _LARGE)):
        if _activations(shape, layers) > _MOST:
            continue
        circuit = _compiled(key.verification_key, layers)
        words = f"a {name} network of {len(layers)} layers"
        with contextlib.suppress(InputError):
            yield expect_for(circuit, key, words)


def expect_for(circuit: Circuit, key: PublicKey, network: str) -> Expected:
    """Lay out a claim about a circuit."""
    vk = key.verification_key
    triggers = vk.hidden_coins
    try:
        plan = plan_memory(circuit, vk, triggers)
    except InputError:  # more than this machine has: then as fast as another one can
        plan = plan_memory(circuit, vk, triggers, most_bytes=_UNLIMITED)
    statement = _statement(circuit, key, plan, triggers)
    return Expected(
        network,
        circuit.lookups(),
        seconds_for(statement),
        plan.bytes,
        _claim_bytes(statement, inner_bytes(vk, triggers)),
    )


def _statement(circuit: Circuit, key: PublicKey, plan: MemoryPlan, triggers: int) -> ClaimStatement:
    return ClaimStatement(
        circuit,
        key.verification_key,
        1,
        context=bytes(32),
        chunk_bits=plan.chunk_bits,
        inner=None,
        triggers=triggers,
    )


def _claim_bytes(statement: ClaimStatement, inner: int) -> int:
    """By a rehearsal; how many hashes of the trees can be left out depends on challenges."""
    setup = prepare(statement, NON_INTERACTIVE)
    sections = setup.commitment.sections()
    fixed = sum(part.size for part in (*sections.first, *sections.last))
    trees = sections.unit * sections.most_units
    return HEADER_BYTES + inner + sum(setup.message_sizes) + fixed + trees


def entries_of(statement: ClaimStatement) -> int:
    """Field elements that a proof commits to."""
    return statement.layout.rows << statement.layout.message_bits


def seconds_for(statement: ClaimStatement) -> float:
    """Estimate proving: a line in the committed entries, fitted to real proofs.

    ``python -m benchmarks.claim_cost`` made those, and wrote what it measured into claim_cost.json
    with its own `yardstick`, by which this machine's time is scaled.
    """
    measured = json.loads(files(__package__).joinpath("claim_cost.json").read_text("utf-8"))
    cpu = measured["cpu_seconds"] + measured["cpu_seconds_an_entry"] * entries_of(statement)
    return float(cpu * yardstick() / measured["yardstick_cpu_seconds"] / thread_count())


@cache
def yardstick() -> float:
    """CPU seconds of a fixed piece of work like the prover's: products mod p, and hashing.

    It is measured once, so that what is said of two networks is on one scale.
    """
    values = np.arange(1 << 20, dtype=np.uint64)
    data = bytes(1 << 22)
    least = float("inf")
    for _ in range(3):
        started = time.process_time()
        for _ in range(4):
            values * values % np.uint64(2**31 - 1)
        hashlib.sha256(data).digest()
        least = min(least, time.process_time() - started)
    return least


def _activations(shape: Shape, layers: tuple[tuple[int, int], ...]) -> int:
    _, height, width = as_planes(shape)
    found = 0
    for channels, stride in layers:
        height, width = -(-height // stride), -(-width // stride)
        found += channels * height * width
    return found


def _compiled(key: VerificationKey, layers: tuple[tuple[int, int], ...]) -> Circuit:
    """The integer circuit of random weights; only its sizes matter."""
    image = as_planes(key.image_shape)
    pictures = np.random.default_rng(0).integers(0, 256, (1, *image), dtype=np.uint8)
    model = _model(image, key.classes, layers)
    settings = Settings(bits=8, probes=1, group=key.group)
    return compile_model(model, pictures, settings=settings).circuit


def _model(image: Shape, classes: int, layers: tuple[tuple[int, int], ...]) -> bytes:
    from onnx import TensorProto, helper

    random = np.random.default_rng(0)
    weights, nodes, before = {}, [helper.make_node("Cast", ["x"], ["h0"], to=1)], image[0]
    for i, (channels, stride) in enumerate(layers):
        spread = (2 / (9 * before)) ** 0.5
        weights[f"w{i}"] = random.normal(0, spread, (channels, before, 3, 3))
        how: dict[str, Any] = {"pads": [1, 1, 1, 1], "strides": [stride, stride]}
        nodes.append(helper.make_node("Conv", [f"h{i}", f"w{i}"], [f"z{i}"], **how))
        nodes.append(helper.make_node("Relu", [f"z{i}"], [f"h{i + 1}"]))
        before = channels
    weights["w"] = random.normal(0, before**-0.5, (before, classes))
    nodes += [
        helper.make_node("GlobalAveragePool", [f"h{len(layers)}"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w"], ["scores"]),
    ]
    ends = {"x": (TensorProto.UINT8, ["N", *image]), "scores": (TensorProto.FLOAT, ["N", classes])}
    stored = {name: weight.astype(np.float32) for name, weight in weights.items()}
    return bytes(written(nodes, ends, stored, name=format_shape(image)).SerializeToString())
