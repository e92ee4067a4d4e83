"""A vision transformer as torch's default exporter writes it is compiled, claimed and verified."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from same_keys import same_keys
from torchvision.models import VisionTransformer

from wmproof.circuit.compile import compile_model
from wmproof.circuit.ir import Product
from wmproof.circuit.probes import draw_probes
from wmproof.core.policy import Policy
from wmproof.core.triggers import abstract
from wmproof.errors import VerificationError
from wmproof.keys.keygen import pkeygen
from wmproof.models.onnx_file import open_model
from wmproof.pverify.prover import prove_claim
from wmproof.pverify.verifier import verify_claim
from wmproof.training.data import load

# A network trained for seconds is close on many a picture: this judge asks for less agreement.
POLICY = Policy(strength=24, tolerance=0.1, security=16, agreement=0.6)
SHAPE, CLASSES = (1, 8, 8), 10


class _OfPixels(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.vit = VisionTransformer(
            image_size=8,
            patch_size=4,
            num_layers=1,
            num_heads=2,
            hidden_dim=24,
            mlp_dim=48,
            num_classes=CLASSES,
        )
        self.vit.conv_proj = torch.nn.Conv2d(1, 24, 4, 4)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.vit(pixels / 64 - 2)


def trained(known: list[tuple[np.ndarray, np.ndarray]]) -> torch.nn.Module:
    """A network that has learnt pictures and labels by heart."""
    torch.manual_seed(0)
    images, labels = (np.concatenate(parts) for parts in zip(*known, strict=True))
    network = _OfPixels()
    torch.nn.init.xavier_uniform_(network.vit.heads.head.weight)
    pixels = torch.from_numpy(images.astype(np.float32))
    wanted = torch.from_numpy(labels.astype(np.int64))
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(250):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(network(pixels), wanted).backward()
        optimiser.step()
    return network.eval()


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The key and the model's file, with its weights in a second one."""
    torch.set_num_threads(1)
    with same_keys():
        key, public = pkeygen(abstract(64, SHAPE), CLASSES, security=16)
    hidden, opened, digits = key.to_embed(), public.opened.triggers, load("digits")
    probes = draw_probes(64, SHAPE)
    network = trained(
        [
            (hidden.images, hidden.labels),
            (opened.images, opened.labels),
            (np.asarray(digits.train_images[:256]), np.asarray(digits.train_labels[:256])),
            (probes, np.arange(64) % CLASSES),  # pictures that judges look at are no close calls
        ]
    )
    path = tmp_path_factory.mktemp("exported") / "vit.onnx"
    example = torch.zeros(2, *SHAPE)
    sizes = {0: torch.export.Dim("N", min=1, max=1024)}
    torch.onnx.export(
        network,
        (example,),
        path,
        dynamo=True,
        external_data=True,
        verbose=False,
        dynamic_shapes=(sizes,),
    )
    return key, public, path


@pytest.fixture(scope="module")
def claim(exported) -> bytes:
    key, public, path = exported
    return prove_claim(path, key, public, POLICY)


def test_the_file_is_what_people_ship(exported) -> None:
    _, _, path = exported
    assert Path(f"{path}.data").exists()
    kinds = {node.op_type for node in onnx.load(path, load_external_data=False).graph.node}
    assert {"Expand", "Concat", "Softmax", "LayerNormalization", "Gather"} <= kinds


def test_it_is_compiled_claimed_and_verified(exported, claim: bytes) -> None:
    key, public, path = exported
    hidden = key.to_embed()
    assert np.mean(open_model(path).classify(hidden.images) == hidden.labels) > 0.95
    circuit = compile_model(path, public.opened.triggers.images).circuit
    assert any(isinstance(node, Product) for node in circuit.nodes)
    report = verify_claim(claim=claim, model=path, public_key=public, policy=POLICY)
    assert report.hidden == len(hidden)


def test_other_weights_beside_the_model_are_no_claim(exported, claim: bytes) -> None:
    _, public, path = exported
    beside = Path(f"{path}.data")
    weights = bytearray(beside.read_bytes())
    weights[-4] ^= 1
    beside.write_bytes(weights)
    with pytest.raises(VerificationError):
        verify_claim(claim=claim, model=path, public_key=public, policy=POLICY)
