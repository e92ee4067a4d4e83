"""Fine-tuning, piracy and transfer learning: what they change, and what they must not."""

import copy

import pytest
import torch
from torch import nn

from wmproof.errors import InputError
from wmproof.models import TorchClassifier
from wmproof.training import Recipe, mark
from wmproof.training.attacks.finetuning import FINE_TUNINGS, fine_tune
from wmproof.training.attacks.random_triggers import random_triggers
from wmproof.training.attacks.transfer import transfer
from wmproof.training.heads import fresh_head, split_head
from wmproof.training.networks import build
from wmproof.training.normalization import Normalized
from wmproof.training.sources import PixelDataset

RECIPE = Recipe(
    epochs=12,
    batch_size=50,
    triggers_per_batch=8,
    learning_rate=0.05,
    schedule="cosine",
    augment=False,
)
LATER = RECIPE.at_last_rate(2)


@pytest.fixture(scope="module")
def marked(digits, small_key):
    network = build("mlp", digits.shape, digits.classes, width=128)
    triggers = small_key.to_embed()
    return mark(network, digits.training_set(), triggers, recipe=RECIPE, device="cpu")


def same(one, two):
    first, second = one.state_dict(), two.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def right(model, normalization, images, labels):
    classifier = TorchClassifier(Normalized(model, normalization).eval(), images.shape[1:], 10)
    return float((classifier.classify(images) == labels).mean())


def tune(marked, digits, method, **more):
    options = {"normalization": marked.normalization, "recipe": LATER, "device": "cpu"} | more
    return fine_tune(marked.model, digits.training_set(), method, **options)


@pytest.mark.parametrize("method", FINE_TUNINGS)
def test_each_method_trains_what_it_says(marked, digits, method):
    before = copy.deepcopy(marked.model)
    result = tune(marked, digits, method)
    assert same(marked.model, before)
    old, new = split_head(before), split_head(result.model)
    assert same(old.body, new.body) is method.endswith("LL")
    assert not same(old.head, new.head)
    accuracy = right(result.model, result.normalization, digits.test_images, digits.test_labels)
    # Two epochs at the last rate do not finish a fresh output layer.
    assert accuracy > (0.9 if method.startswith("FT") else 0.7)
    assert all(parameter.requires_grad for parameter in result.model.parameters())
    assert same(result.model, tune(marked, digits, method).model)


@pytest.mark.parametrize("method", ["FTLL", "RTLL"])
def test_features_computed_once_give_what_the_whole_network_gives(marked, digits, method):
    """The second path is the training loop over the whole network with a frozen body."""
    cached = tune(marked, digits, method)
    plain = PixelDataset(digits.train_images, digits.train_labels)
    recipe = Recipe(epochs=2, batch_size=50, learning_rate=LATER.learning_rate, schedule="constant")
    whole = fine_tune(
        marked.model, plain, method,
        normalization=marked.normalization, recipe=recipe, device="cpu",
    )  # fmt: skip
    assert same(split_head(cached.model).body, split_head(whole.model).body)
    for one, two in zip(
        split_head(cached.model).head.parameters(),
        split_head(whole.model).head.parameters(),
        strict=True,
    ):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


def test_the_last_rate_is_the_papers():
    paper = Recipe(epochs=60).at_last_rate()
    assert (paper.epochs, paper.rate(0, 10), paper.rate(9, 10)) == (60, 0.001, 0.001)
    assert paper.at_last_rate().learning_rate == 0.001
    cosine = RECIPE.at_last_rate(3)
    assert cosine.epochs == 3
    assert cosine.rate(0, 6) == cosine.rate(5, 6) == pytest.approx(0.0005)


def test_a_pirate_learns_his_triggers(marked, digits):
    before = copy.deepcopy(marked.model)
    new = random_triggers(20, digits.shape, digits.classes, seed=3)
    result = mark(
        marked.model, digits.training_set(), new, start="pretrained",
        normalization=marked.normalization, recipe=RECIPE, device="cpu",
    )  # fmt: skip
    assert same(marked.model, before)
    assert right(result.model, result.normalization, new.images, new.labels) == 1


def test_transfer_keeps_the_original_output_layer(marked, digits):
    before = copy.deepcopy(marked.model)
    halves = PixelDataset(digits.train_images, digits.train_labels % 2)
    moved = transfer(
        marked.model, halves, 2,
        normalization=marked.normalization, recipe=LATER, device="cpu",
    )  # fmt: skip
    assert same(marked.model, before)
    assert split_head(moved.result.model).head.out_features == 2
    assert same(split_head(moved.verified).head, split_head(before).head)
    assert same(split_head(moved.verified).body, split_head(moved.result.model).body)
    assert not same(split_head(moved.verified).body, split_head(before).body)


def test_a_network_is_its_body_and_its_head(digits):
    for name in ("mlp", "lenet5", "resnet18"):
        network = build(name, digits.shape, 10, width=8).eval()
        parts = split_head(network)
        inputs = torch.randn(3, *digits.shape)
        with torch.inference_mode():
            assert torch.equal(parts.head(parts.body(inputs)), network(inputs))
            assert torch.equal(parts.with_head(parts.head)(inputs), network(inputs))
    assert fresh_head(parts.head, 1, 4).out_features == 4
    assert same(fresh_head(parts.head, 1), fresh_head(parts.head, 1))
    assert not same(fresh_head(parts.head, 1), fresh_head(parts.head, 2))


def test_bad_input(marked, digits):
    with pytest.raises(InputError, match="FTLL, FTAL, RTLL, RTAL"):
        tune(marked, digits, "FTFL")
    with pytest.raises(InputError, match="fully connected"):
        split_head(nn.Sequential(nn.Flatten(), nn.ReLU()))
