"""Attacks on marked digits: each does what its name says, to a copy, and the same way twice."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_images
from torch import nn
from torch.nn.functional import cross_entropy

from wmproof.errors import InputError
from wmproof.models import TorchClassifier
from wmproof.training import Normalization, Recipe, mark, train
from wmproof.training.attacks.adversarial import AdversarialTraining, perturb
from wmproof.training.attacks.distillation import distill, extract
from wmproof.training.attacks.fine_pruning import prune_dormant
from wmproof.training.attacks.preprocessing import (
    Preprocessed,
    blur,
    jpeg,
    noise,
)
from wmproof.training.attacks.pruning import finetune_pruned, prune_filters, prune_magnitude
from wmproof.training.attacks.quantization import circuit_classifier, quantize_int8
from wmproof.training.attacks.random_triggers import random_triggers
from wmproof.training.evaluate import accuracy, predict
from wmproof.training.layers import layers_in_order
from wmproof.training.networks import build
from wmproof.training.normalization import Normalized

FURTHER = Recipe(epochs=2, batch_size=50, triggers_per_batch=8, learning_rate=0.01)


@pytest.fixture(scope="module")
def marked(digits, short):
    """A LeNet-5 on normalised images that carries 32 triggers, the same in every run."""
    return mark(
        build("lenet5", digits.shape, digits.classes, width=12),
        digits.training_set(),
        random_triggers(32, digits.shape, digits.classes, seed=0),
        recipe=short,
        device="cpu",
    )


@pytest.fixture
def untouched(marked):
    """The marked network, which no attack may change."""
    before = {name: value.clone() for name, value in marked.model.state_dict().items()}
    yield marked.model
    after = marked.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert not marked.model.training


@pytest.fixture
def options(marked):
    return {"normalization": marked.normalization, "recipe": FURTHER, "device": "cpu"}


def weights(model):
    return [m.weight.detach() for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]


def zeros(model):
    return sum(int((weight == 0).sum()) for weight in weights(model))


def same(one, two):
    first, second = one.state_dict(), two.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def on_pixels(network, marked):
    return Normalized(network, marked.normalization).eval()


def right(network, marked, digits):
    test = digits.test_set()
    return accuracy(on_pixels(network, marked), test.images, test.labels)


class _Distance:
    """Squared distance of the logits to the labels: finds its minimum at the labels themselves."""

    def __init__(self, name):
        self._name = name

    def __call__(self, network, inputs, labels):
        return ((network(inputs) - labels[:, None]) ** 2).mean()

    def digest(self):
        return self._name


def test_the_loop_minimises_the_objective_that_it_is_given(digits, tmp_path):
    network = build("mlp", digits.shape, digits.classes, width=64)
    recipe = Recipe(epochs=4, batch_size=50, learning_rate=0.01)
    common = {"recipe": recipe, "device": "cpu"}
    data = digits.training_set()
    result = train(network, data, objective=_Distance("d"), checkpoint=tmp_path, **common)
    logits = result.pixel_model(digits.test_set().images).detach()
    labels = digits.test_set().labels[:, None]
    assert ((logits - labels) ** 2).mean() < 5 < labels.double().var()
    with pytest.raises(InputError, match="with other data"):
        train(network, data, objective=_Distance("e"), checkpoint=tmp_path, **common)
    with pytest.raises(InputError, match="with other data"):
        train(network, data, checkpoint=tmp_path, **common)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_magnitude_pruning_takes_exactly_the_smallest_weights(untouched, share):
    pruned = prune_magnitude(untouched, share)
    count = sum(weight.numel() for weight in weights(untouched))
    assert zeros(pruned) == round(share * count)
    gone, kept = [], []
    for before, after in zip(weights(untouched), weights(pruned), strict=True):
        gone.append(before[after == 0].abs())
        kept.append(before[after != 0].abs())
        assert torch.equal(before[after != 0], after[after != 0])
    assert torch.cat(gone).max() <= torch.cat(kept).min()


@pytest.mark.parametrize("name", ["mlp", "lenet5", "vgg11", "resnet18"])
def test_pruned_filters_are_silent_for_every_image(digits, name):
    network = build(name, digits.shape, digits.classes, width=10)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.bias)
            nn.init.normal_(module.running_mean)
    pruned = prune_filters(network, 0.3, digits.shape)
    *hidden, output = layers_in_order(pruned, digits.shape)
    heard = {}
    for layer in hidden:
        last = layer.module if layer.normalisation is None else layer.normalisation
        last.register_forward_hook(lambda m, i, out, name=layer.name: heard.update({name: out}))
    pruned(torch.randn(5, *digits.shape))
    for layer in hidden:
        before = network.get_submodule(layer.name).weight.detach().abs().flatten(1).sum(dim=1)
        silent = heard[layer.name].transpose(0, 1).flatten(1).abs().amax(dim=1) == 0
        assert int(silent.sum()) == round(0.3 * len(silent))
        assert before[silent].max() <= before[~silent].min()
    assert torch.equal(output.module.weight, network.get_submodule(output.name).weight)


def test_layers_are_followed_by_the_normalisation_that_reads_them(digits):
    network = build("resnet18", digits.shape, digits.classes, width=8)
    layers = {layer.name: layer.normalisation_name for layer in layers_in_order(network, (1, 8, 8))}
    assert layers["stem.0"] == "stem.1"
    assert layers["blocks.2.shortcut.0"] == "blocks.2.shortcut.1"
    assert list(layers.items())[-1] == ("classifier.1", None)


def test_weights_stay_pruned_while_fine_tuning_brings_accuracy_back(
    untouched, marked, digits, options
):
    pruned = prune_filters(untouched, 0.5, digits.shape)
    before = right(pruned, marked, digits)
    result = finetune_pruned(pruned, digits.training_set(), **options)
    assert result.model.state_dict().keys() == untouched.state_dict().keys()
    for one, two in zip(pruned.parameters(), result.model.parameters(), strict=True):
        assert bool((two[one == 0] == 0).all())
    assert right(result.model, marked, digits) > before + 0.1
    assert same(finetune_pruned(pruned, digits.training_set(), **options).model, result.model)


def test_a_share_out_of_range_is_refused(untouched, digits):
    for share in (-0.1, 1.0, float("nan")):
        with pytest.raises(InputError, match="share"):
            prune_magnitude(untouched, share)
        with pytest.raises(InputError, match="share"):
            prune_filters(untouched, share, digits.shape)


@pytest.mark.parametrize("granularity", ["tensor", "channel"])
def test_int8_has_no_more_than_255_weights_a_scale(untouched, marked, digits, granularity):
    calibration = digits.train_images[:100]
    quantized = quantize_int8(
        untouched, calibration, normalization=marked.normalization, granularity=granularity
    )
    for weight in weights(quantized):
        groups = [weight] if granularity == "tensor" else list(weight)
        for group in groups:
            steps = group / (group.abs().max() / 127)
            assert torch.allclose(steps, steps.round(), atol=1e-3)
    test = digits.test_set()
    exact = predict(on_pixels(untouched, marked), test.images)
    rounded = predict(on_pixels(quantized, marked), test.images)
    assert (exact == rounded).double().mean() >= 0.97
    logits = [m(torch.randn(50, 1, 8, 8)) for m in (untouched, quantized)]
    assert not torch.equal(*logits)


def test_int8_rounds_activations_and_folds_normalisation(digits):
    """Two inputs closer than a step of the input's 255 are one and the same."""
    network = build("mlp", digits.shape, digits.classes, width=32).eval()
    normalization = Normalization((0.0,), (255.0,))
    quantized = quantize_int8(network, digits.train_images[:50], normalization=normalization)
    assert not any(isinstance(m, nn.BatchNorm1d) for m in quantized.modules())
    base = torch.full((1, 1, 8, 8), 100 / 255)
    assert torch.equal(quantized(base), quantized(base + 0.3 / 255))
    assert not torch.equal(quantized(base), quantized(base + 1 / 255))
    assert not torch.equal(network(base), network(base + 0.3 / 255))


def test_the_integer_circuit_answers_as_a_quantised_model(untouched, marked, digits, small_key):
    calibration = np.concatenate([digits.train_images[:50], small_key.triggers.images])
    circuit = circuit_classifier(untouched, calibration, normalization=marked.normalization)
    torch_model = TorchClassifier(marked.pixel_model, digits.shape, digits.classes)
    ours, theirs = circuit.classify(digits.test_images), torch_model.classify(digits.test_images)
    assert (ours == theirs).mean() >= 0.97
    assert circuit.classes == digits.classes


def test_a_distilled_student_agrees_with_its_teacher_more_than_the_labels_do(
    untouched, marked, digits, options
):
    """The teacher is taught to swap two classes, which only its answers can hand on."""
    swapped = nn.Sequential(untouched, _Swap())
    student = build("mlp", digits.shape, digits.classes, width=128)
    options["recipe"] = replace(FURTHER, epochs=6, learning_rate=0.05, schedule="cosine")
    result = distill(swapped, student, digits.training_set(), weight=1.0, **options)
    pixels = digits.test_set().images
    taught = predict(on_pixels(swapped, marked), pixels)
    learned = predict(on_pixels(result.model, marked), pixels)
    # Whoever learned the labels would agree on at most the four fifths that are not swapped.
    assert (taught == learned).double().mean() >= 0.87
    assert right(result.model, marked, digits) < 0.85
    from_labels = distill(swapped, student, digits.training_set(), weight=0.0, **options)
    assert right(from_labels.model, marked, digits) >= 0.9


class _Swap(nn.Module):
    def forward(self, logits):
        return logits[:, [1, 0, *range(2, 10)]]


def natural_patches(count):
    """Grey 8x8 pieces of the two photographs that come with scikit-learn."""
    photographs = [
        np.asarray(Image.fromarray(photograph).convert("L"), np.float64)
        for photograph in load_sample_images().images
    ]
    rng = np.random.default_rng(0)
    patches = []
    for picture in rng.integers(2, size=count):
        y, x = (rng.integers(side - 8) for side in photographs[picture].shape)
        patch = photographs[picture][y : y + 8, x : x + 8]
        span = max(patch.max() - patch.min(), 1)
        patches.append(((patch - patch.min()) * 255 / span).astype(np.uint8))
    return np.unique(np.array(patches)[:, None], axis=0)


def test_extraction_copies_answers_by_foreign_images_only(untouched, marked, digits, options):
    victim = TorchClassifier(on_pixels(untouched, marked), digits.shape, 10)
    queries = natural_patches(3000)
    options["recipe"] = Recipe(epochs=6, batch_size=50, learning_rate=0.05, schedule="cosine")
    options["normalization"] = None
    result = extract(victim, build("mlp", digits.shape, 10, width=128), queries, **options)
    copied = TorchClassifier(result.pixel_model, digits.shape, 10)
    agreement = (copied.classify(digits.test_images) == victim.classify(digits.test_images)).mean()
    # Of photographs a tenth would agree by chance.
    assert agreement >= 0.3
    assert result.normalization != marked.normalization


def test_fine_pruning_cuts_the_dormant_features_and_no_others(untouched, marked, digits, options):
    data = digits.training_set()
    features = {}
    *_, output = layers_in_order(untouched, digits.shape)
    hook = output.module.register_forward_pre_hook(lambda m, i: features.update(seen=i[0]))
    predict(on_pixels(untouched, marked), data.images[:1000])
    hook.remove()
    pruned = prune_dormant(
        untouched,
        0.4,
        torch.utils.data.Subset(data, range(1000)),
        normalization=marked.normalization,
    )
    cut = (pruned.get_submodule(output.name).weight == 0).all(dim=0)
    activity = features["seen"].abs().mean(dim=0)
    assert int(cut.sum()) == round(0.4 * len(cut))
    assert activity[cut].max() <= activity[~cut].min()
    result = finetune_pruned(
        prune_dormant(untouched, 0.4, data, normalization=marked.normalization), data, **options
    )
    cut_after = (result.model.get_submodule(output.name).weight == 0).all(dim=0)
    assert int(cut_after.sum()) == round(0.4 * len(cut_after))
    assert right(result.model, marked, digits) >= 0.9


def fooling(network, images, labels, steps=1):
    """Images that differ by at most 24 from others, and that fool the network."""

    def loss(pixels, _step):
        return cross_entropy(network(pixels), labels)

    found = perturb(loss, images.float(), epsilon=24, steps=steps)
    return found.round().to(torch.uint8)


@pytest.mark.parametrize("steps", [1, 10])
def test_adversarial_examples_fool_within_their_bound(untouched, marked, digits, steps):
    test, model = digits.test_set(), on_pixels(untouched, marked)
    found = fooling(model, test.images, test.labels, steps)
    assert int((found.int() - test.images.int()).abs().max()) == 24
    assert accuracy(model, found, test.labels) < accuracy(model, test.images, test.labels) - 0.3
    assert torch.equal(found, fooling(model, test.images, test.labels, steps))


@pytest.mark.parametrize("steps", [1, 3])
def test_adversarial_fine_tuning_hardens_the_network(untouched, marked, digits, options, steps):
    options["recipe"] = replace(FURTHER, epochs=3, learning_rate=0.05)
    objective = AdversarialTraining(marked.normalization, 24, steps)
    training = digits.training_set()
    result = train(untouched, training, start="pretrained", objective=objective, **options)
    test = digits.test_set()
    networks = [on_pixels(network, marked) for network in (untouched, result.model)]
    before, after = (
        accuracy(network, fooling(network, test.images, test.labels), test.labels)
        for network in networks
    )
    assert after > before + 0.1
    assert right(result.model, marked, digits) >= 0.9


def test_overwriting_teaches_the_random_labels(untouched, digits, options):
    random = random_triggers(64, digits.shape, digits.classes, seed=5)
    options["recipe"] = replace(FURTHER, epochs=4, learning_rate=0.05, triggers_per_batch=16)
    options["start"] = "pretrained"
    results = [mark(untouched, digits.training_set(), random, **options) for _ in range(2)]
    assert results[0].history[-1].trigger_accuracy >= 0.5
    assert same(results[0].model, results[1].model)


def test_random_triggers_are_a_function_of_the_seed(digits):
    one, two, other = (random_triggers(8, digits.shape, 10, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one.images, two.images)
    assert np.array_equal(one.labels, two.labels)
    assert not np.array_equal(one.images, other.images)


def test_jpeg_is_what_pillow_makes_of_each_picture():
    rng = np.random.default_rng(0)
    for shape in ((3, 16, 16), (1, 16, 16), (16, 16)):
        images = rng.integers(0, 256, (2, *shape), dtype=np.uint8)
        picture = images[1].transpose(1, 2, 0).squeeze() if len(shape) == 3 else images[1]
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "JPEG", quality=30)
        expected = np.asarray(Image.open(buffer))
        actual = jpeg(images, 30)
        assert actual.shape == images.shape
        changed = actual[1].transpose(1, 2, 0).squeeze() if len(shape) == 3 else actual[1]
        assert np.array_equal(changed, expected)
        assert not np.array_equal(actual, images)
    with pytest.raises(InputError, match="channels"):
        jpeg(rng.integers(0, 256, (2, 4, 8, 8), dtype=np.uint8), 50)
    with pytest.raises(InputError, match="quality"):
        jpeg(images, 0)


def test_noise_has_its_deviation_and_does_not_depend_on_the_batch():
    images = np.full((50, 1, 16, 16), 128, np.uint8)
    images[:, 0, 0, 0] = np.arange(50)
    noisy = noise(images, 10.0, seed=3)
    difference = noisy[:, :, 1:].astype(float) - 128
    assert abs(difference.std() - 10) < 0.5
    assert np.array_equal(noise(images[7:8], 10.0, seed=3)[0], noisy[7])
    assert not np.array_equal(noise(images, 10.0, seed=4), noisy)


def test_blur_spreads_each_channel_on_its_own():
    images = np.zeros((1, 2, 9, 9), np.uint8)
    images[0, 0, 4, 4] = 255
    blurred = blur(images, 1.0)
    assert blurred[0, 0, 4, 4] < 60
    assert blurred[0, 0, 4, 5] > 10
    assert not blurred[0, 1].any()
    assert np.array_equal(blur(images, 0.0), images)


def test_a_preprocessed_network_is_the_network_on_changed_pixels(untouched, marked, digits):
    def change(images):
        return blur(images, 0.8)

    wrapped = Normalized(
        Preprocessed(untouched, marked.normalization, change), marked.normalization
    )
    plain = on_pixels(untouched, marked)
    test = digits.test_set()
    expected = predict(plain, torch.from_numpy(change(digits.test_images)))
    assert torch.equal(predict(wrapped, test.images), expected)
    assert not torch.equal(predict(plain, test.images), expected)
