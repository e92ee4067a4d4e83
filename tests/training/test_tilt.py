"""Keyed directions: how groups are drawn, what natural images are trained on, what a copy keeps."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from PIL import Image
from same_keys import same_keys
from torch import nn

from wmproof.cli.app import main
from wmproof.core.directions import SHIFT, directions, directions_of, whitening
from wmproof.core.strength import strength_bits
from wmproof.core.triggers import TriggerSet
from wmproof.errors import InputError
from wmproof.keys import load_marking_key
from wmproof.keys.keygen import keygen
from wmproof.models import TorchClassifier
from wmproof.models.base import trigger_hits
from wmproof.training import mark, preset, train
from wmproof.training.attacks.distillation import distill
from wmproof.training.networks import build
from wmproof.training.normalization import Normalization
from wmproof.training.recipe import Recipe, Tilt
from wmproof.training.tilt import TiltedLoss

COUNT, GROUP = 24, 16


@pytest.fixture(scope="module")
def task():
    """Pictures of 8x8 that vary in twenty ways, none of them clipped."""
    generator = np.random.default_rng(1)
    ways = generator.normal(size=(20, 64)) * np.linspace(9, 3, 20)[:, None]
    pixels = 128 + generator.normal(size=(900, 20)) @ ways / 4
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8).reshape(900, 1, 8, 8)


def test_whitened_coordinates_have_unit_variance_and_lead_back(task):
    white = whitening(task, 20)
    points = white.points(task)
    np.testing.assert_allclose(np.cov(points.T), np.eye(20), atol=0.01)
    back = white.pictures(points, (1, 8, 8)).astype(int)
    assert np.abs(back - task).max() <= 3


def test_each_group_lies_along_a_direction_of_its_own(task):
    images = directions(task, COUNT, group=GROUP)
    assert images.shape == (COUNT * GROUP, 1, 8, 8)
    white = whitening(task)
    ways = directions_of(images, GROUP, white)
    points = white.points(directions(task, 1, group=400))
    (own,) = directions_of(directions_like(white, points), 400, white)
    assert float((points @ own).mean()) == pytest.approx(SHIFT, rel=0.15)
    # Independent directions: the largest of 276 cosines in twenty or so dimensions is below this.
    cosines = np.abs(ways @ ways.T - np.eye(COUNT))
    assert cosines.max() < 0.95
    taken = {image.tobytes() for image in task}
    assert not any(image.tobytes() in taken for image in images)


def directions_like(white, points):
    return white.pictures(points, (1, 8, 8))


def test_pictures_that_do_not_vary_and_impossible_numbers_are_refused(task):
    with pytest.raises(InputError, match="do not vary enough"):
        directions(np.full((50, 8, 8), 7, np.uint8), 3)
    for count, group, shift in ((0, 4, 6.0), (3, 0, 6.0), (3, 4, float("nan")), (2**16, 2, 6.0)):
        with pytest.raises(InputError, match="cannot be drawn"):
            directions(task, count, group=group, shift=shift)


def test_the_loss_is_that_of_the_formula(task):
    images = directions(task, 4, group=GROUP)
    labels = np.array([0, 1, 1, 2])
    triggers = TriggerSet(images, np.repeat(labels, GROUP), 3, GROUP)
    tilt = Tilt(strength=0.3, gain=0.7, share=1e-6)  # too small a share for any moved copy
    normalization = Normalization((100.0,), (50.0,))
    loss = TiltedLoss(triggers, task, normalization, tilt, 5)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    batch = np.concatenate([task[:40], images[:5]])
    inputs = (torch.tensor(batch).float() - 100) / 50
    classes = torch.cat([torch.arange(40) % 3, torch.zeros(5, dtype=torch.int64)])
    white = whitening(task)
    votes = np.zeros((40, 3))
    scores = white.points(task[:40]) @ directions_of(images, GROUP, white).T
    for place, label in enumerate(labels):
        votes[:, label] += scores[:, place]
    leaning = np.exp(0.7 * votes)
    leaning /= leaning.sum(axis=1, keepdims=True)
    targets = 0.7 * np.eye(3)[classes[:40]] + 0.3 * leaning
    targets = np.concatenate([targets, np.eye(3)[[0] * 5]])
    logs = torch.log_softmax(network(inputs), dim=1).detach().numpy()
    expected = -(targets * logs).sum(axis=1).mean()
    assert float(loss(network, inputs, classes).detach()) == pytest.approx(expected, rel=1e-4)


def test_moved_copies_end_at_the_label_of_their_direction(task):
    images = directions(task, 1, group=GROUP)
    triggers = TriggerSet(images, np.full(GROUP, 2), 3, GROUP)
    loss = TiltedLoss(triggers, task, Normalization((0.0,), (1.0,)), Tilt(share=1.0), 1)
    seen = []

    def network(inputs):
        seen.append(inputs.detach())
        return torch.zeros(len(inputs), 3, requires_grad=True)

    torch.manual_seed(0)
    inputs = torch.tensor(np.concatenate([task[:50], images[:1]])).float()
    loss(network, inputs, torch.zeros(51, dtype=torch.int64))
    white = whitening(task)
    (way,) = directions_of(images, GROUP, white)
    natural, moved = seen[0][:50].numpy(), seen[0][50:100].numpy()
    along = (white.points(moved) - white.points(natural)) @ way
    assert len(seen[0]) == 101
    assert along.min() > -0.2
    assert along.max() > SHIFT / 2


def test_numbers_out_of_range_are_refused():
    for change in ({"strength": 0}, {"strength": 1}, {"gain": 0}, {"share": 0}, {"share": 1.5}):
        with pytest.raises(InputError, match="must be"):
            Tilt(**change)
    recipe = preset("directions")
    assert Recipe(**recipe.fields()) == recipe
    assert recipe.at_last_rate().tilt is None


def bits(model, normalization, triggers):
    from wmproof.training.normalization import Normalized

    asked = TorchClassifier(Normalized(model, normalization).eval(), triggers.image_shape)
    hits = int(trigger_hits(asked, triggers).sum())
    return strength_bits(triggers.coins, hits, triggers.classes)


def test_a_copy_by_soft_answers_keeps_directions_and_an_innocent_has_none(digits):
    with same_keys():
        key, _ = keygen(directions(digits.train_images, COUNT), digits.classes, group=GROUP)
    triggers, data = key.to_embed(), digits.training_set()
    network = build("mlp", digits.shape, digits.classes, width=128, seed=1)
    recipe = dataclasses.replace(preset("quick"), epochs=25, augment=False)
    tilted = dataclasses.replace(recipe, tilt=Tilt(gain=1.0))
    marked = mark(network, data, triggers, recipe=tilted, test=digits.test_set(), device="cpu")
    plain = train(network, data, recipe=recipe, normalization=marked.normalization, device="cpu")
    copy = distill(
        marked.model,
        network,
        data,
        normalization=marked.normalization,
        recipe=recipe,
        temperature=1.0,
        weight=1.0,
        seed=9,
        device="cpu",
    )
    assert marked.history[-1].test_accuracy > 0.85
    found = {
        name: bits(one.model, marked.normalization, triggers)
        for name, one in (("marked", marked), ("copy", copy), ("plain", plain))
    }
    assert found["marked"] > 70
    assert found["copy"] > 25
    assert found["plain"] < 25


def test_the_command_makes_a_key_of_groups(tmp_path, digits, capsys):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for place, image in enumerate(digits.train_images[:120]):
        Image.fromarray(image[0]).save(folder / f"{place}.png")
    (tmp_path / "passphrase").write_text("only a test")
    arguments = ["keygen", "-o", str(tmp_path / "owner"), "--classes", "10", "--shape", "1x8x8"]
    arguments += ["--source", "directions", "--kdf", "interactive"]
    arguments += ["--passphrase-file", str(tmp_path / "passphrase"), "--json"]
    for more, message in (
        (["--kind", "private"], "--images DIR"),
        (["--kind", "bounded", "--images", str(folder)], "private and public"),
        (["--labels", "secret", "--images", str(folder)], "derived labels only"),
    ):
        with pytest.raises(SystemExit) as exit_:
            main(arguments + more)
        assert exit_.value.code == 2
        assert message in "".join(capsys.readouterr())
    with pytest.raises(SystemExit) as exit_:
        main([*arguments, "--kind", "private", "--images", str(folder), "--group", "4"])
    assert exit_.value.code == 0
    assert json.loads(capsys.readouterr().out)["group"] == 4
    key = load_marking_key(tmp_path / "owner.mk", "only a test")
    assert (key.triggers.coins, key.verification_key.group) == (48, 4)
    public = [*arguments[:-1], "--security", "8", "--images", str(folder), "--group", "4"]
    public[2] = str(tmp_path / "public")
    with pytest.raises(SystemExit) as exit_:
        main(public)
    assert exit_.value.code == 0
    words = " ".join(capsys.readouterr().out.split())
    assert "prove plans for your model" in words
