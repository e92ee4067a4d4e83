"""Attacks of those who know the method, one after the other, and around the network."""

import numpy as np
import pytest
import torch
from torch import nn

from wmproof.experiments.bench import Means
from wmproof.experiments.setting import DataSpec, KeySpec, Setting
from wmproof.models import TorchClassifier
from wmproof.training.attacks.knowing import Levelling, Unlearning, random_directions
from wmproof.training.attacks.registry import attacks
from wmproof.training.attacks.rewriting import rescale
from wmproof.training.attacks.wrappers import loud, suspicious
from wmproof.training.networks import build
from wmproof.training.normalization import Normalization, Normalized

NORMALIZATION = Normalization((60.0,), (80.0,))


def test_the_registry_has_them():
    names = {attack.task for attack in attacks()}
    assert {"unlearn", "level", "tilt-over", "wrap", "rescale", "prune-finetune"} <= names
    assert {"distill-finetune"} <= names
    kept = [attack.task for attack in attacks() if attack.trains_on]
    assert "wrap" not in kept
    assert len(kept) == len(set(kept)) == 7


def test_unlearning_is_least_where_noise_means_nothing(digits):
    images = torch.tensor(digits.train_images[:60]).float()
    inputs, labels = (images - 60) / 80, torch.tensor(digits.train_labels[:60])
    loss = Unlearning(NORMALIZATION)

    class Fixed(nn.Module):
        def __init__(self, sure):
            super().__init__()
            self.sure = sure

        def forward(self, batch):
            logits = torch.zeros(len(batch), 10)
            logits[60:120, 3] = self.sure  # what it says of noise
            return logits

    torch.manual_seed(1)
    flat = float(loss(Fixed(0.0), inputs, labels))
    torch.manual_seed(1)
    assert float(loss(Fixed(5.0), inputs, labels)) > flat + 1
    assert flat == pytest.approx(3 * np.log(10), rel=1e-5)


def test_levelling_moves_images_along_components_and_keeps_their_labels(digits):
    loss = Levelling(digits.train_images, NORMALIZATION, 0.5)
    seen = {}

    def network(batch):
        seen["batch"] = batch
        return torch.zeros(len(batch), 10)

    inputs = (torch.tensor(digits.train_images[:80]).float() - 60) / 80
    torch.manual_seed(2)
    loss(network, inputs, torch.tensor(digits.train_labels[:80]))
    still, moved = seen["batch"][:80], seen["batch"][80:]
    assert torch.equal(still, inputs)
    change = (moved - still).flatten(1).norm(dim=1) / still.flatten(1).norm(dim=1)
    assert 0.05 < float(change.median()) < 1.5


def test_a_suspicious_service_lets_its_own_images_pass_and_refuses_the_rest(digits):
    network = build("mlp", digits.shape, 10, width=16, seed=2)
    stolen = TorchClassifier(Normalized(network, NORMALIZATION).eval(), digits.shape, 10)
    images = digits.train_images
    plain = stolen.classify(images)
    noise = np.random.default_rng(3).integers(0, 256, (200, *digits.shape), np.uint8)
    for answer in ("refuse", "randomise"):
        wrapped = suspicious(stolen, images, answer=answer, classes=10)
        assert (wrapped.classify(images) == plain).mean() > 0.97
        answers = wrapped.classify(noise)
        assert np.array_equal(answers, wrapped.classify(noise))
        if answer == "refuse":
            assert (answers == -1).all()
        else:
            assert np.bincount(answers, minlength=10).min() > 5


def test_of_loud_pictures_one_is_heard_in_a_sum_and_no_single_answer_changes(digits):
    network = build("mlp", digits.shape, 10, width=16, seed=2)
    stolen = TorchClassifier(Normalized(network, NORMALIZATION).eval(), digits.shape, 10)
    images = digits.train_images[:64]
    wrapped = loud(stolen)
    assert np.array_equal(wrapped.classify(images), stolen.classify(images))
    ratio = (wrapped.scores(images) / stolen.scores(images))[:, 0]
    assert ratio.min() >= 1
    assert ratio.max() < 1e20
    answers = wrapped.scores(images).reshape(8, 8, 10).sum(axis=1).argmax(axis=1)
    loudest = ratio.reshape(8, 8).argmax(axis=1) + 8 * np.arange(8)
    assert (answers == stolen.classify(images)[loudest]).mean() >= 0.75


def test_rescaled_filters_compute_the_same_from_other_weights(digits):
    network = build("resnet18", digits.shape, 10, width=4, seed=4)
    network.train()
    inputs = (torch.tensor(digits.train_images[:64]).float() - 60) / 80
    network(inputs)
    network.eval()
    changed = rescale(network, digits.shape, seed=5)
    with torch.no_grad():
        before, after = network(inputs), changed(inputs)
    torch.testing.assert_close(after, before, rtol=2e-3, atol=2e-3)
    weights = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d)]
    others = [m.weight for m in changed.modules() if isinstance(m, nn.Conv2d)]
    ratios = torch.cat([(b / a).flatten() for a, b in zip(weights, others, strict=True)])
    assert float(ratios.max()) == 64


def test_a_thiefs_own_directions_are_groups(digits):
    triggers = random_directions(digits.train_images, 5, 10, seed=1)
    assert (triggers.coins, triggers.classes) == (5, 10)


def test_every_new_attack_runs_as_a_unit_and_is_measured_by_groups(tmp_path):
    """All of item 7's attacks on a mark of directions, for one epoch on a few images."""
    from wmproof.experiments import plan_of
    from wmproof.experiments.runner import run
    from wmproof.experiments.setting import Sweeps
    from wmproof.experiments.store import Store
    from wmproof.training.recipe import Recipe

    setting = Setting(
        name="digits-seed-0",
        data=DataSpec("digits", training=300, test=100),
        network="mlp",
        width=16,
        recipe=Recipe(epochs=1, batch_size=50, triggers_per_batch=4, augment=False),
        key=KeySpec(16),
        items=(7,),
        attacks="robust",
        sweeps=Sweeps(helps=("directions by 0.4",), every_attack=True, innocents=1),
    )
    plan = plan_of(setting)
    run([plan], tmp_path / "out", "robust", Means(device="cpu"))
    store, marks = Store(tmp_path / "out" / setting.name), plan.fingerprints()
    found = {unit.name: store.read(unit.name, marks[unit.name]) for unit in plan.units}
    assert all(one is not None for one in found.values())
    tasks = {unit.task for unit in plan.units}
    assert {"unlearn", "level", "tilt-over", "distill", "extract", "distill-finetune"} <= tasks
    for unit in plan.units:
        if unit.name.startswith("FromScratch"):
            results = found[unit.name]["results"]
            for row in results.get("rows", [results]):
                (key,) = row["keys"].values()
                assert key["triggers"] == 40
