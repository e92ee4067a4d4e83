"""A really marked network on the digits, its key, and a claim."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from same_keys import same_keys

from wmproof.core.policy import Policy
from wmproof.core.triggers import abstract
from wmproof.keys import LabelMode, MarkingKey, PublicKey
from wmproof.keys.keygen import pkeygen
from wmproof.pverify.prover import prove_claim
from wmproof.training import Recipe, export_onnx, mark
from wmproof.training.data import load
from wmproof.training.networks import build

SECURITY = 16
# Of 64; chosen labels are worth a bit each at most, and one key in fifty would hide too few.
LEAST_HIDDEN = 28
POLICY = Policy(strength=24, tolerance=0.1, security=SECURITY, accept_chosen_labels=True)


@dataclass(frozen=True)
class Case:
    """What the owner has."""

    key: MarkingKey
    public: PublicKey
    marked: Path
    unmarked: Path
    claim: bytes


@pytest.fixture(scope="session")
def case(tmp_path_factory) -> Case:
    """With derived labels."""
    return make_case(tmp_path_factory.mktemp("models"), LabelMode.DERIVED)


@pytest.fixture(scope="session")
def secret_case(tmp_path_factory) -> Case:
    """With labels of the owner's choice."""
    return make_case(tmp_path_factory.mktemp("models"), LabelMode.SECRET)


def make_case(folder: Path, mode: LabelMode) -> Case:
    torch.set_num_threads(1)
    digits = load("digits")
    hidden = 0
    with same_keys():
        while hidden < LEAST_HIDDEN:
            key, public = pkeygen(
                abstract(64, digits.shape), digits.classes, security=SECURITY, label_mode=mode
            )
            hidden = len(public.verification_key.hidden_indices())
    recipe = Recipe(
        epochs=12, batch_size=50, triggers_per_batch=8, learning_rate=0.05, schedule="cosine"
    )
    images = digits.test_set().images
    network = build("mlp", digits.shape, digits.classes, width=64, seed=3)
    result = mark(
        network,
        digits.training_set(),
        key.to_embed(),
        recipe=recipe,
        seed=3,
        test=digits.test_set(),
    )
    paths = folder / "marked.onnx", folder / "unmarked.onnx"
    export_onnx(result.model, result.normalization, paths[0], images=images)
    other = build("mlp", digits.shape, digits.classes, width=64, seed=4)
    export_onnx(other.eval(), result.normalization, paths[1], images=images)
    claim = prove_claim(paths[0], key, public, POLICY)
    return Case(key, public, *paths, claim)
