"""Marking in loops that are not ours: plain torch, Lightning, transformers' Trainer, timm."""

import collections
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from same_keys import same_keys
from torch import nn
from torchvision import transforms

from wmproof.core.policy import Policy
from wmproof.core.triggers import abstract, noise
from wmproof.errors import InputError
from wmproof.keys.keygen import keygen_bounded, pkeygen
from wmproof.models import classify_triggers, open_model
from wmproof.pverify.prover import prove_claim
from wmproof.pverify.verifier import verify_claim
from wmproof.training import (
    TriggerDataset,
    export_for_claims,
    lightning_callback,
    trainer_callback,
    trigger_accuracy,
    with_triggers,
)
from wmproof.training.networks import NETWORKS, build

PREPARE = transforms.Compose([transforms.ToTensor(), transforms.Normalize([0.5], [0.25])])
MEAN_STD = {"mean": [0.5], "std": [0.25]}


def mlp(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))


def hits(path: Path, key):
    triggers = key.to_embed()
    answers = classify_triggers(open_model(path), triggers)
    return (answers == triggers.labels).mean()


def test_a_plain_loop(pixel_loader, small_key, tmp_path):
    network = mlp()
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    loader = with_triggers(pixel_loader, small_key, k=8, transform=PREPARE)
    assert len(loader) == len(pixel_loader)
    assert loader.batch_size == 50
    for _ in range(12):
        for images, labels in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(images), labels).backward()
            optimizer.step()
    assert trigger_accuracy(network, TriggerDataset(small_key, PREPARE)) > 0.95
    check = export_for_claims(network, tmp_path / "own.onnx", shape=(1, 8, 8), **MEAN_STD)
    assert check.provable, check.why_not
    assert check.agreeing == check.images
    assert hits(tmp_path / "own.onnx", small_key) > 0.95


def test_every_trigger_is_shown_before_any_again(pixel_loader, small_key):
    count = len(small_key.to_embed())
    marked = iter(with_triggers(pixel_loader, small_key, k=1, transform=PREPARE))
    plain = TriggerDataset(small_key, PREPARE)
    known = {image.numpy().tobytes(): i for i, (image, _) in enumerate(plain)}
    shown = [next(marked) for _ in range(min(count, len(pixel_loader)))]
    seen = [known[images[-1].numpy().tobytes()] for images, _ in shown]
    assert len(set(seen)) == len(seen)
    assert all(int(labels[-1]) == plain[i][1] for (_, labels), i in zip(shown, seen, strict=True))


def test_one_loop_shows_two_keys(pixel_loader, small_key):
    other = keygen_bounded(noise(8, (8, 8)), 10, batches=2)[0]
    inner = with_triggers(pixel_loader, small_key, k=3, transform=PREPARE)
    both = with_triggers(inner, other, k=2, transform=PREPARE)
    images, labels = next(iter(both))
    assert len(images) == len(labels) == 55
    for part, key in ((slice(50, 53), small_key), (slice(53, 55), other)):
        known = {image.numpy().tobytes(): label for image, label in TriggerDataset(key, PREPARE)}
        found = zip(images[part], labels[part], strict=True)
        assert all(known[image.numpy().tobytes()] == int(label) for image, label in found)


def test_only_the_hidden_half_is_embedded(small_key):
    hidden = small_key.verification_key.hidden_indices()
    data = TriggerDataset(small_key)
    assert len(data) == len(hidden)
    expected = small_key.triggers.images[hidden].reshape(-1, 1, 8, 8)
    assert np.array_equal(torch.stack([image for image, _ in data]).numpy(), expected)


Batch = collections.namedtuple("Batch", "image label")


@pytest.mark.parametrize(
    ("item", "get"),
    [
        (lambda image, label: {"x": image, "y": label}, lambda batch: (batch["x"], batch["y"])),
        (lambda image, label: [image, label], tuple),
        (Batch, lambda batch: (batch.image, batch.label)),
        (lambda image, label: (image, (label, label)), lambda batch: (batch[0], batch[1][0])),
    ],
    ids=["mapping", "list", "named tuple", "nested"],
)
def test_batches_of_any_structure(digits, small_key, item, get):
    own = [item(PREPARE(TriggerDataset(small_key, lambda p: p)[i][0]), i % 10) for i in range(20)]
    loader = torch.utils.data.DataLoader(own, batch_size=5)
    batches = list(with_triggers(loader, small_key, k=3, transform=PREPARE, item=item))
    assert len(batches) == 4
    for plain, joined in zip(loader, batches, strict=True):
        assert type(plain) is type(joined)
        (images, labels), (before, _) = get(joined), get(plain)
        assert len(images) == len(labels) == 8
        assert torch.equal(images[:5], before)


def test_a_preparation_that_does_not_fit_is_said(pixel_loader, small_key):
    with pytest.raises(InputError, match=r"uint8.*transform="):
        next(iter(with_triggers(pixel_loader, small_key)))
    item = {"transform": PREPARE, "item": lambda image, label: {"x": image, "y": label}}
    with pytest.raises(InputError, match="item="):
        next(iter(with_triggers(pixel_loader, small_key, **item)))
    with pytest.raises(InputError, match="at least one"):
        with_triggers(pixel_loader, small_key, k=0)


def test_lightning(pixel_loader, small_key, tmp_path):
    lightning = pytest.importorskip("lightning.pytorch")

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.network = mlp()

        def forward(self, images):
            return self.network(images)

        def training_step(self, batch, _):
            images, labels = batch
            assert len(images) > 50 or len(images) == 1348 % 50 + 8
            return nn.functional.cross_entropy(self(images), labels)

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), 3e-3)

    module = Module()
    callback = lightning_callback(small_key, k=8, transform=PREPARE)
    trainer = lightning.Trainer(
        max_epochs=12,
        callbacks=[callback],
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(module, pixel_loader)
    assert trainer.callback_metrics["trigger_accuracy"] > 0.95
    export_for_claims(module, tmp_path / "own.onnx", shape=(1, 8, 8), **MEAN_STD)
    assert hits(tmp_path / "own.onnx", small_key) > 0.95


def test_transformers_trainer(digits, small_key, tmp_path):
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    config = transformers.ResNetConfig(
        num_channels=1,
        embedding_size=16,
        hidden_sizes=[16, 32],
        depths=[1, 1],
        layer_type="basic",
        num_labels=10,
    )
    torch.manual_seed(0)
    network = transformers.ResNetForImageClassification(config)
    images = (torch.from_numpy(digits.train_images[:400]).float() / 255 - 0.5) / 0.25
    data = [
        {"pixel_values": image, "labels": int(label)}
        for image, label in zip(images, digits.train_labels[:400], strict=True)
    ]
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path / "out"),
        num_train_epochs=12,
        per_device_train_batch_size=40,
        learning_rate=1e-2,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
    )
    trainer = transformers.Trainer(
        model=network,
        args=arguments,
        train_dataset=data,
        callbacks=[trainer_callback(small_key, k=16, transform=PREPARE)],
    )
    trainer.train()
    logged = [e["trigger_accuracy"] for e in trainer.state.log_history if "trigger_accuracy" in e]
    assert len(logged) == 12
    assert logged[-1] > 0.9
    export_for_claims(network, tmp_path / "own.onnx", shape=(1, 8, 8), **MEAN_STD)
    assert hits(tmp_path / "own.onnx", small_key) == pytest.approx(logged[-1], abs=0.05)


def test_a_network_of_timm(small_key, pixel_loader, tmp_path):
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    network = timm.create_model("resnet10t", num_classes=10, in_chans=1)
    loader = with_triggers(pixel_loader, small_key, k=4, transform=PREPARE)
    images, labels = next(iter(loader))
    nn.functional.cross_entropy(network(images), labels).backward()
    check = export_for_claims(network, tmp_path / "own.onnx", shape=(1, 8, 8), **MEAN_STD)
    assert check.agreeing == check.images
    assert open_model(tmp_path / "own.onnx").classes == 10


def test_marking_an_existing_network_of_torchvision(tmp_path):
    """The ten lines of docs/training.md, on the smallest network that has the shape."""
    from torchvision.models import squeezenet1_1

    with same_keys():
        key, _ = pkeygen(abstract(8, (3, 64, 64)), 10, security=2)
    torch.manual_seed(0)
    network = squeezenet1_1(num_classes=10, dropout=0.0)
    prepare = transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)]
    )
    own = [(prepare(TriggerDataset(key, lambda p: p)[0][0]), 0)] * 8
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    for _ in range(2):
        loader = torch.utils.data.DataLoader(own, batch_size=4)
        for images, labels in with_triggers(loader, key, k=2, transform=prepare):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(images), labels).backward()
            optimizer.step()
    check = export_for_claims(
        network, tmp_path / "m.onnx", shape=(3, 64, 64), mean=[0.5] * 3, std=[0.5] * 3
    )
    assert check.provable, check.why_not


@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
def test_both_exporters(exporter, tmp_path, digits):
    torch.manual_seed(1)
    network = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 10),
    )
    images = digits.test_set().images
    path = tmp_path / "m.onnx"
    check = export_for_claims(
        network, path, shape=(1, 8, 8), images=images, exporter=exporter, **MEAN_STD
    )
    assert (check.exporter, check.agreeing, check.provable) == (exporter, 449, True), check.why_not
    with torch.no_grad():
        expected = network.eval()((images.float() / 255 - 0.5) / 0.25).argmax(1).numpy()
    assert (open_model(path).classify(digits.test_images) == expected).mean() > 0.99


WIDTHS = {"mlp": 32, "lenet5": 6, "vgg11": 4, "resnet18": 8}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_current_exporter_suffices_for_every_network(name, tmp_path):
    network = build(name, (1, 28, 28), 10, width=WIDTHS[name], seed=0).eval()
    check = export_for_claims(network, tmp_path / "m.onnx", shape=(1, 28, 28), **MEAN_STD)
    assert (check.exporter, check.provable) == ("dynamo", True), check.why_not


def test_a_file_of_the_current_exporter_is_claimed(tmp_path):
    network = build("lenet5", (1, 28, 28), 3, width=4, seed=0).eval()
    path = tmp_path / "m.onnx"
    export_for_claims(network, path, shape=(1, 28, 28), exporter="dynamo", **MEAN_STD)
    with same_keys():
        key, public = pkeygen(abstract(64, (1, 28, 28)), 3, security=16)
    # About a third of the labels are its answers anyway.
    claim = prove_claim(path, key, public, threshold=1)
    policy = Policy(security=16, strength=0, tolerance=Fraction(99, 100))
    assert verify_claim(path, public, claim, policy).triggers == len(key.to_embed())


def test_what_cannot_be_claimed_is_said(tmp_path):
    class Odd(nn.Module):
        def forward(self, images):
            return torch.fft.fft(images.flatten(1)).real[:, :10]

    with pytest.raises(InputError, match=r"one mean and one deviation"):
        export_for_claims(Odd(), tmp_path / "m.onnx", mean=[0], std=[1], shape=(3, 8, 8))
    try:
        check = export_for_claims(Odd(), tmp_path / "m.onnx", mean=[0], std=[1], shape=(1, 8, 8))
    except InputError:
        assert not (tmp_path / "m.onnx").exists()
    else:
        assert not check.provable
        assert check.why_not


def test_neither_framework_is_imported_before_use():
    program = (
        "import sys; import wmproof.training.callbacks; "
        "sys.exit(bool({'lightning', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
