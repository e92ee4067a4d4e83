"""Real trainings on the digits: what is learned, what is not, and that a run can be repeated."""

import dataclasses
import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

from wmproof.core.policy import Policy
from wmproof.core.strength import log2_tail
from wmproof.core.triggers import TriggerSet
from wmproof.errors import FormatError, InputError
from wmproof.models import FunctionClassifier, TorchClassifier
from wmproof.training import (
    Normalization,
    TrainingInterruptedError,
    load_weights,
    mark,
    save_weights,
    train,
)
from wmproof.training.networks import build
from wmproof.training.sources import PixelDataset
from wmproof.verification import examine


def mlp(digits, width=128, seed=0):
    return build("mlp", digits.shape, digits.classes, width=width, seed=seed)


def same_weights(one, two):
    first, second = one.state_dict(), two.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


@pytest.fixture(scope="module")
def marked(digits, small_key, short):
    return mark(
        mlp(digits),
        digits.training_set(),
        small_key.to_embed(),
        recipe=short,
        test=digits.test_set(),
        device="cpu",
    )


def hits(result, digits, triggers):
    model = TorchClassifier(result.pixel_model, digits.shape, digits.classes)
    return int((model.classify(triggers.images) == triggers.labels).sum())


def test_every_trigger_is_learned_and_the_task_too(marked, digits, small_key):
    triggers = small_key.to_embed()
    assert hits(marked, digits, triggers) == len(triggers)
    assert marked.history[-1].trigger_accuracy == 1
    assert marked.history[-1].test_accuracy >= 0.96
    assert [record.epoch for record in marked.history] == list(range(1, 13))
    assert not marked.model.training


def test_history_tells_what_a_fresh_measurement_finds(marked, digits):
    model = TorchClassifier(marked.pixel_model, digits.shape, digits.classes)
    accuracy = (model.classify(digits.test_images) == digits.test_labels).mean()
    assert accuracy == pytest.approx(marked.history[-1].test_accuracy, abs=1e-12)


def test_the_claim_holds_for_the_marked_model_only(marked, digits, small_key, short):
    other = train(mlp(digits), digits.training_set(), recipe=short, seed=1, device="cpu")
    for result, expected in ((marked, True), (other, False)):
        model = TorchClassifier(result.pixel_model, digits.shape, digits.classes)
        report = examine(small_key, small_key.verification_key, model, Policy(strength=32))
        assert report.holds is expected


def test_the_opened_half_is_not_learned(marked, digits, small_key):
    """Its labels are coins that the model never saw; a false alarm has probability 2^-40."""
    opened = small_key.public_key().opened.triggers
    by_chance = log2_tail(len(opened), hits(marked, digits, opened), 1 / digits.classes)
    assert by_chance > -40
    assert log2_tail(len(opened), len(opened), 1 / digits.classes) < -40


def test_pretrained_marking_starts_from_the_given_weights(digits, small_key, short):
    base = train(mlp(digits), digits.training_set(), recipe=short, device="cpu")
    before = {name: value.clone() for name, value in base.model.state_dict().items()}
    common = {"recipe": short, "test": digits.test_set(), "device": "cpu"}
    triggers = small_key.to_embed()
    result = mark(base.model, digits.training_set(), triggers, start="pretrained", **common)
    assert all(torch.equal(before[k], v) for k, v in base.model.state_dict().items())
    assert hits(result, digits, triggers) == len(triggers)
    scratch = mark(base.model, digits.training_set(), triggers, start="scratch", **common)
    assert not same_weights(result.model, scratch.model)
    fresh = mark(mlp(digits, seed=9), digits.training_set(), triggers, start="scratch", **common)
    assert same_weights(scratch.model, fresh.model)


@pytest.mark.parametrize("name", ["mlp", "resnet18"])
def test_same_seed_same_weights(digits, small_key, tiny, name):
    network = build(name, digits.shape, digits.classes, width={"mlp": 64, "resnet18": 8}[name])
    one, two, other = (
        mark(
            network,
            digits.training_set(),
            small_key.to_embed(),
            recipe=tiny,
            seed=seed,
            device="cpu",
        )
        for seed in (7, 7, 8)
    )
    assert same_weights(one.model, two.model)
    assert one.history == two.history
    assert not same_weights(one.model, other.model)


class Dropping(nn.Module):
    """Draws random numbers while it learns."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 10)
        )

    def forward(self, images):
        return self.layers(images)


class RandomlyTransformed(Dataset):
    """A foreign data set whose transform draws from all three global generators."""

    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        moved = np.roll(self.images[index], random.randint(0, 1), axis=2)
        moved = np.roll(moved, np.random.randint(2), axis=1)
        mirrored = torch.rand(()) < 0.1
        return torch.from_numpy(moved[:, :, ::-1].copy() if mirrored else moved), self.labels[index]


class StopAfter:
    """Presses Ctrl-C after some steps, as a person would: by the signal."""

    def __init__(self, steps):
        self.left = steps

    def begin(self, epochs, steps_per_epoch, done_steps):
        self.began_at = done_steps

    def step(self):
        import signal

        self.left -= 1
        if self.left == 0:
            signal.raise_signal(signal.SIGINT)

    def epoch(self, record):
        pass

    def end(self):
        pass


@pytest.mark.parametrize("kind", ["memory", "foreign"])
def test_resumed_run_ends_like_an_uninterrupted_one(digits, small_key, tiny, tmp_path, kind):
    dataset = digits.training_set()
    if kind == "foreign":
        dataset = RandomlyTransformed(digits.train_images[:500], digits.train_labels[:500])
    arguments = {"recipe": tiny, "test": digits.test_set(), "seed": 3, "device": "cpu"}
    triggers = small_key.to_embed()
    whole = mark(Dropping(), dataset, triggers, **arguments)
    steps = 2 * -(-len(dataset) // tiny.batch_size)
    messages, watch = [], None
    while watch is None or watch.left <= 0:
        watch = StopAfter(3 if kind == "memory" else 4)
        try:
            parts = mark(
                Dropping(), dataset, triggers, checkpoint=tmp_path, progress=watch, **arguments
            )
        except TrainingInterruptedError as stopped:
            messages.append(f"{stopped.exit_code} {stopped}")
        assert len(messages) < steps
    assert len(messages) >= 2
    assert all(text.startswith("130") and "same command" in text for text in messages)
    assert watch.began_at > 0
    assert same_weights(whole.model, parts.model)
    assert whole.history == parts.history


class StopAtTheEnd(StopAfter):
    """Presses Ctrl-C when the last epoch is over."""

    def begin(self, epochs, steps_per_epoch, done_steps):
        self.epochs = epochs

    def step(self):
        pass

    def epoch(self, record):
        import signal

        if record.epoch == self.epochs:
            signal.raise_signal(signal.SIGINT)


def test_an_interrupt_after_the_last_step_is_not_lost(digits, small_key, tiny, tmp_path):
    arguments = {"recipe": tiny, "checkpoint": tmp_path, "device": "cpu"}
    given = (mlp(digits), digits.training_set(), small_key.to_embed())
    with pytest.raises(TrainingInterruptedError):
        mark(*given, progress=StopAtTheEnd(0), **arguments)
    watch = StopAfter(1)
    mark(*given, progress=watch, **arguments)
    assert watch.left == 1


def test_a_finished_run_is_not_repeated(digits, small_key, tiny, tmp_path):
    arguments = {"recipe": tiny, "checkpoint": tmp_path, "device": "cpu"}
    first = mark(mlp(digits), digits.training_set(), small_key.to_embed(), **arguments)
    watch = StopAfter(1)
    again = mark(
        mlp(digits), digits.training_set(), small_key.to_embed(), progress=watch, **arguments
    )
    assert watch.left == 1
    assert same_weights(first.model, again.model)


def test_workers_change_nothing(digits, small_key, tiny):
    dataset = RandomlyTransformed(digits.train_images[:200], digits.train_labels[:200])
    one, two = (
        mark(mlp(digits), dataset, small_key.to_embed(), recipe=tiny, workers=n, device="cpu")
        for n in (0, 2)
    )
    assert same_weights(one.model, two.model)


def test_global_generators_are_left_alone(digits, small_key, tiny):
    model = Dropping()
    torch.manual_seed(1)
    np.random.seed(1)
    random.seed(1)
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    dataset = RandomlyTransformed(digits.train_images[:100], digits.train_labels[:100])
    mark(model, dataset, small_key.to_embed(), recipe=tiny, device="cpu")
    assert torch.equal(states[0], torch.get_rng_state())
    assert np.array_equal(states[1], np.random.get_state()[1])
    assert states[2] == random.getstate()
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("change", ["seed", "recipe", "triggers", "data", "weights"])
def test_a_checkpoint_of_another_run_is_refused(digits, small_key, tiny, tmp_path, change):
    triggers, dataset, model = small_key.to_embed(), digits.training_set(), mlp(digits)
    arguments = {"recipe": tiny, "checkpoint": tmp_path, "device": "cpu", "start": "pretrained"}
    mark(model, dataset, triggers, **arguments)
    if change == "seed":
        arguments["seed"] = 1
    elif change == "recipe":
        arguments["recipe"] = dataclasses.replace(tiny, momentum=0.5)
    elif change == "triggers":
        triggers = TriggerSet(triggers.images, (triggers.labels + 1) % 10, 10)
    elif change == "data":
        dataset = PixelDataset(digits.train_images[1:], digits.train_labels[1:])
    else:
        model = mlp(digits, seed=1)
    with pytest.raises(InputError, match="belongs to a run with other"):
        mark(model, dataset, triggers, **arguments)


@pytest.mark.parametrize("damage", ["cut", "flipped", "foreign", "empty"])
def test_a_damaged_checkpoint_is_refused(digits, small_key, tiny, tmp_path, damage):
    arguments = {"recipe": tiny, "checkpoint": tmp_path, "device": "cpu"}
    mark(mlp(digits, 8), digits.training_set(), small_key.to_embed(), **arguments)
    path = tmp_path / "training.ckpt"
    data = bytearray(path.read_bytes())
    if damage == "flipped":
        data[10:40] = bytes(30)
    replacement = {"cut": data[: len(data) // 2], "foreign": b"hello", "empty": b""}
    path.write_bytes(bytes(replacement.get(damage, data)))
    with pytest.raises((FormatError, InputError)) as caught:
        mark(mlp(digits, 8), digits.training_set(), small_key.to_embed(), **arguments)
    assert str(path) in str(caught.value)


def test_foreign_uint8_and_normalised_float_data_agree(digits, small_key, tiny):
    """The same pixels in three forms give the same model, up to the order of roundings."""
    normalization = Normalization((80.0,), (90.0,))
    pixels = torch.from_numpy(digits.train_images.copy())
    labels = torch.from_numpy(digits.train_labels)
    floats = (pixels.float() - 80) * torch.tensor(1 / 90)
    plain = dataclasses.replace(tiny, augment=False)
    histories = [
        mark(
            mlp(digits, 32),
            dataset,
            small_key.to_embed(),
            recipe=plain,
            normalization=normalization,
            device="cpu",
        ).history
        for dataset in (
            digits.training_set(),
            torch.utils.data.TensorDataset(pixels, labels),
            torch.utils.data.TensorDataset(floats, labels),
        )
    ]
    for history in histories[1:]:
        assert [r.loss for r in history] == pytest.approx([r.loss for r in histories[0]], rel=1e-4)


def test_two_dimensional_triggers_fit_one_channel(digits, small_key, tiny):
    triggers = small_key.to_embed()
    flat = TriggerSet(triggers.images[:, 0].copy(), triggers.labels.copy(), 10)
    one, two = (
        mark(mlp(digits, 16), digits.training_set(), t, recipe=tiny, device="cpu")
        for t in (triggers, flat)
    )
    assert same_weights(one.model, two.model)


def test_what_does_not_fit_together_is_refused(digits, small_key, tiny):
    data, triggers = digits.training_set(), small_key.to_embed()
    other_shape = TriggerSet(np.zeros((2, 1, 8, 9), np.uint8), np.array([0, 1]), 10)
    other_classes = TriggerSet(triggers.images, triggers.labels, 11)
    floats = torch.utils.data.TensorDataset(torch.rand(20, 1, 8, 8), torch.zeros(20).long())
    for match, model, dataset, embedded in (
        ("training set of 1x8x8", mlp(digits), data, other_shape),
        ("11 classes", mlp(digits), data, other_classes),
        ("floating-point", mlp(digits), floats, triggers),
        ("does not take", build("mlp", (1, 9, 9), 10, width=8), data, triggers),
        ("empty", mlp(digits), [], triggers),
        ("no `reset_parameters`", Unresettable(), data, triggers),
    ):
        with pytest.raises(InputError, match=match):
            mark(model, dataset, embedded, recipe=tiny, device="cpu")
    with pytest.raises(InputError, match="no device"):
        mark(mlp(digits), data, triggers, recipe=tiny, device="abacus")


class Unresettable(nn.Module):
    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(64, 10))

    def forward(self, images):
        return images.flatten(1) @ self.weights


def test_divergence_is_one_clear_error(digits, small_key, tiny):
    wild = dataclasses.replace(tiny, learning_rate=1e20, momentum=0.0)
    network = build("lenet5", digits.shape, 10, width=4)
    with pytest.raises(InputError, match="diverged in epoch 1"):
        mark(network, digits.training_set(), small_key.to_embed(), recipe=wild, device="cpu")


def test_frozen_layers_stay(digits, small_key, tiny):
    model = mlp(digits, 16)
    for parameter in model.layers[:4].parameters():
        parameter.requires_grad_(False)
    arguments = {"recipe": tiny, "start": "pretrained", "device": "cpu"}
    result = mark(model, digits.training_set(), small_key.to_embed(), **arguments)
    changed = {
        name
        for (name, before), after in zip(
            model.named_parameters(), result.model.parameters(), strict=True
        )
        if not torch.equal(before, after)
    }
    assert changed == {name for name, p in model.named_parameters() if p.requires_grad}


def test_weights_travel_in_a_file(marked, digits, tmp_path):
    path = tmp_path / "model.pt"
    save_weights(marked.model, path)
    copy = mlp(digits, seed=5)
    load_weights(copy, path)
    assert same_weights(copy, marked.model)
    with pytest.raises(InputError, match="another network"):
        load_weights(mlp(digits, width=64), path)
    with pytest.raises(InputError, match="exists already"):
        save_weights(marked.model, path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(FormatError):
        load_weights(copy, path)


def test_any_callable_can_be_asked(marked, digits, small_key):
    def ask(images):
        with torch.inference_mode():
            return marked.pixel_model(torch.from_numpy(images.copy())).numpy()

    model = FunctionClassifier(ask, digits.shape, digits.classes)
    assert examine(small_key, small_key.verification_key, model, Policy(strength=32)).holds
