"""Weights that are worse for the triggers: what is changed, how far, and what stays as it was."""

import copy
import dataclasses

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from wmproof.errors import InputError
from wmproof.training import Perturbation, mark, perturbed_loss, preset
from wmproof.training.attacks.random_triggers import random_triggers
from wmproof.training.normalization import Normalization
from wmproof.training.perturbation import perturbed
from wmproof.training.recipe import Recipe
from wmproof.training.sources import PixelDataset

COUNT = 12


@pytest.fixture
def network():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        layers = nn.Sequential(
            nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.5), nn.Flatten()
        )
        model = nn.Sequential(layers, nn.Linear(6 * 36, 5))
        model(torch.randn(40, 1, 8, 8))
    return model


@pytest.fixture
def triggers():
    generator = torch.Generator().manual_seed(4)
    images = torch.randn(COUNT, 1, 8, 8, generator=generator)
    return images, torch.randint(0, 5, (COUNT,), generator=generator)


def state(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def loss_at(network, triggers, perturbation):
    changed = perturbed(network, *triggers, COUNT, perturbation)
    logits = torch.func.functional_call(network, changed, (triggers[0],))
    return float(cross_entropy(logits, triggers[1]).detach())


def test_the_perturbation_raises_the_loss_and_a_random_one_of_its_size_hardly_does(
    network, triggers
):
    network.eval()
    before = float(cross_entropy(network(triggers[0]), triggers[1]).detach())
    away = loss_at(network, triggers, Perturbation(size=0.05, direction="adversarial"))
    torch.manual_seed(0)
    anywhere = [
        loss_at(network, triggers, Perturbation(size=0.05, direction="random")) for _ in range(8)
    ]
    assert away > before + 0.1
    assert max(abs(loss - before) for loss in anywhere) < (away - before) / 3


@pytest.mark.parametrize("direction", ["adversarial", "random"])
def test_each_weight_moves_by_its_share_and_nothing_else_moves(network, triggers, direction):
    network[0][0].weight.requires_grad_(False)
    perturbation = Perturbation(size=0.03, direction=direction)
    changed = perturbed(network, *triggers, COUNT, perturbation)
    assert set(changed) == {"1.weight"}
    weight = network[1].weight
    moved = (changed["1.weight"] - weight).norm() / weight.norm()
    assert float(moved) == pytest.approx(0.03, rel=1e-4)


def test_weights_averages_and_modes_are_as_before(network, triggers):
    network.train()
    network[0][3].eval()
    modes, before = [module.training for module in network.modules()], state(network)
    perturbed_loss(
        network, *triggers, 5, Perturbation(size=0.1, direction="adversarial")
    ).backward()
    assert [module.training for module in network.modules()] == modes
    after = network.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    network(triggers[0])
    changed = [name for name, tensor in before.items() if not torch.equal(after[name], tensor)]
    assert "0.1.running_mean" in changed  # as an ordinary step changes them


def test_the_gradient_is_that_of_the_perturbed_network_on_the_triggers(network, triggers):
    network.train()
    network[0][3].eval()
    perturbation = Perturbation(0.05, 0.7, direction="adversarial")
    perturbed_loss(network, *triggers, 5, perturbation).backward()
    moved = copy.deepcopy(network)
    moved.load_state_dict(perturbed(moved, *triggers, 5, perturbation), strict=False)
    moved.zero_grad(set_to_none=True)
    (0.7 * cross_entropy(moved(triggers[0])[-5:], triggers[1][-5:])).backward()
    for (name, here), (_, there) in zip(
        network.named_parameters(), moved.named_parameters(), strict=True
    ):
        torch.testing.assert_close(here.grad, there.grad, msg=name)


def test_where_nothing_is_left_to_learn_nothing_moves():
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    with torch.no_grad():
        network[1].weight[:] = torch.tensor([[1e4] * 4, [-1e4] * 4])
    images, labels = torch.ones(3, 1, 2, 2), torch.zeros(3, dtype=torch.int64)
    loss = perturbed_loss(network, images, labels, 3, Perturbation(0.03, direction="adversarial"))
    loss.backward()
    assert float(loss.detach()) == 0
    assert all(bool(torch.isfinite(p.grad).all()) for p in network.parameters())


def test_numbers_out_of_range_are_refused():
    for change in (
        {"size": -0.1},
        {"weight": 0},
        {"size": float("nan")},
        {"weight": -1},
        {"start": 1},
    ):
        with pytest.raises(InputError, match="must be"):
            Perturbation(**change)
    with pytest.raises(InputError, match="direction"):
        Perturbation(direction="up")


def test_the_recipe_says_when_and_reads_its_own_fields():
    recipe = preset("robust")
    steps = [recipe.perturbs(step, 10) for step in range(10)]
    assert steps == [step >= 10 * recipe.perturbation.start for step in range(10)]
    assert Recipe(**recipe.fields()) == recipe
    assert recipe.at_last_rate().perturbation is None
    assert "perturbation" not in preset("paper").fields()


@pytest.mark.parametrize("weight", [0.5, 3.0])
def test_by_size_0_one_pass_weighs_triggers_as_a_second_one_at_the_same_weights_would(weight):
    """Batch normalisation among the layers: the second pass sees the same batch."""
    generator = torch.Generator().manual_seed(7)
    images = torch.randint(0, 256, (60, 1, 6, 6), generator=generator, dtype=torch.uint8)
    data = PixelDataset(images, torch.randint(0, 4, (60,), generator=generator))
    triggers = random_triggers(8, (1, 6, 6), 4, seed=8)
    network = nn.Sequential(nn.Flatten(), nn.Linear(36, 16), nn.BatchNorm1d(16), nn.Linear(16, 4))

    def trained(size):
        recipe = Recipe(
            epochs=2,
            batch_size=20,
            triggers_per_batch=4,
            learning_rate=0.05,
            perturbation=size if size is None else Perturbation(size, weight, start=0.5),
        )
        result = mark(
            network, data, triggers, recipe=recipe, device="cpu",
            normalization=Normalization((128.0,), (64.0,)),
        )  # fmt: skip
        return torch.cat([parameter.flatten() for parameter in result.model.parameters()])

    one, two, without = trained(0.0), trained(1e-9), trained(None)
    torch.testing.assert_close(one, two)
    assert (one - without).norm() > 100 * (one - two).norm()


def test_marking_with_it_learns_and_differs_from_its_control():
    generator = torch.Generator().manual_seed(5)
    labels = torch.randint(0, 5, (200,), generator=generator)
    images = (40 * labels[:, None, None, None] + torch.zeros(200, 1, 8, 8)).to(torch.uint8)
    data, triggers = PixelDataset(images, labels), random_triggers(20, (1, 8, 8), 5, seed=6)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 5))
    recipe = dataclasses.replace(
        preset("quick"),
        epochs=30,
        triggers_per_batch=10,
        perturbation=Perturbation(0.05, direction="adversarial"),
    )
    control = dataclasses.replace(recipe, perturbation=Perturbation(0.05, direction="random"))
    found = [
        mark(
            network,
            data,
            triggers,
            recipe=one,
            normalization=Normalization((128.0,), (64.0,)),
            device="cpu",
        )
        for one in (recipe, recipe, control)
    ]
    assert found[0].history[-1].trigger_accuracy == 1
    weights = [torch.cat([p.flatten() for p in one.model.parameters()]) for one in found]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])

    # What it is for: on the way to the control's worst neighbour, its triggers are held longer.
    def held(result):
        normalised = (torch.tensor(triggers.images).float() - 128) / 64
        pair = (normalised, torch.from_numpy(triggers.labels))
        return loss_at(result.model, pair, Perturbation(size=0.1, direction="adversarial"))

    assert held(found[0]) < held(found[2])
