"""The units of item 5: each leaves rows, one for each strength that was tried."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from torch import nn

from wmproof.errors import InputError
from wmproof.experiments.bench import Bench, claim
from wmproof.experiments.tasks import Outcome, Task
from wmproof.experiments.tasks.paper import cost_of, length
from wmproof.experiments.unit import Unit
from wmproof.models import TorchClassifier
from wmproof.models.base import Classifier, classify_triggers
from wmproof.training.attacks import preprocessing
from wmproof.training.attacks.adversarial import adversarial_finetune
from wmproof.training.attacks.distillation import distill, extract
from wmproof.training.attacks.fine_pruning import fine_prune
from wmproof.training.attacks.piracy import embed_another
from wmproof.training.attacks.preprocessing import Preprocessed, Transform
from wmproof.training.attacks.pruning import prune_filters, prune_magnitude
from wmproof.training.attacks.quantization import circuit_classifier, quantize_int8
from wmproof.training.attacks.random_triggers import random_images, random_triggers
from wmproof.training.loop import TrainingResult
from wmproof.training.normalization import Normalized
from wmproof.training.recipe import Recipe
from wmproof.training.sources import PixelDataset

_CALIBRATION = 64


def prune(unit: Unit, bench: Bench) -> Outcome:
    """Prune weights at several shares."""
    model = bench.model(unit.needs[0])
    shares: list[float] = unit.options["shares"]
    return _rows(unit, bench, ((f"{s:.0%}", prune_magnitude(model, s)) for s in shares))


def prune_structured(unit: Unit, bench: Bench) -> Outcome:
    """Prune filters at several shares."""
    model, shape = bench.model(unit.needs[0]), bench.data.shape
    shares: list[float] = unit.options["shares"]
    return _rows(unit, bench, ((f"{s:.0%}", prune_filters(model, s, shape)) for s in shares))


def quantize(unit: Unit, bench: Bench) -> Outcome:
    """Quantise to 8 bits, with one scale a tensor or one a channel."""
    model, images = bench.model(unit.needs[0]), _pixels(bench.data.training)[:_CALIBRATION]
    return _rows(
        unit,
        bench,
        (
            (
                f"by {one}",
                quantize_int8(model, images, normalization=bench.normalization, granularity=one),
            )
            for one in unit.options["granularities"]
        ),
    )


def compile_circuit(unit: Unit, bench: Bench) -> Outcome:
    """Answer by the integer circuit."""
    calibration = _pixels(bench.data.training)[:_CALIBRATION]
    circuit = circuit_classifier(
        bench.model(unit.needs[0]), calibration, normalization=bench.normalization
    )
    count: int = unit.options["images"]
    test = bench.data.test
    images, labels = _pixels(test)[:count], _labels(test)[:count]
    right = int((circuit.classify(images) == labels).sum())
    name = unit.needs[1]
    row = {
        "label": f"{len(labels)} test images",
        "test_accuracy": right / len(labels),
        "keys": {name: _ask(circuit, bench, name)},
        "cost": 0.0,
    }
    return Outcome({"rows": [row]})


def preprocess(unit: Unit, bench: Bench) -> Outcome:
    """Change the pixels in front of the network."""
    model = bench.model(unit.needs[0])
    pairs: list[tuple[str, float]] = unit.options["transforms"]
    return _rows(
        unit,
        bench,
        (
            (
                f"{kind} {strength:g}",
                Preprocessed(model, bench.normalization, _transform(kind, strength)),
            )
            for kind, strength in pairs
        ),
    )


def fine_prune_stolen(unit: Unit, bench: Bench) -> Outcome:
    """Cut off dormant features and fine-tune."""
    recipe = bench.recipe(unit.options["recipe"])
    result = fine_prune(
        bench.model(unit.needs[0]),
        unit.options["share"],
        bench.data.training,
        recipe=recipe,
        **bench.training_options(unit.name),
    )
    return _trained_row(unit, bench, result, f"{unit.options['share']:.0%} of features", recipe)


def fine_tune_adversarially(unit: Unit, bench: Bench) -> Outcome:
    """Fine-tune on adversarial examples."""
    recipe = bench.recipe(unit.options["recipe"])
    epsilon: float = unit.options["epsilon"]
    result = adversarial_finetune(
        bench.model(unit.needs[0]),
        bench.data.training,
        recipe=recipe,
        epsilon=epsilon,
        **bench.training_options(unit.name),
    )
    # One pass for the perturbation, one for each of the image and its adversarial example.
    return _trained_row(unit, bench, result, f"epsilon {epsilon:g}", recipe, passes=3)


def overwrite_stolen(unit: Unit, bench: Bench) -> Outcome:
    """Train in random triggers with random labels."""
    recipe = bench.recipe(unit.options["recipe"])
    count: int = unit.options["triggers"]
    shape, classes = bench.data.shape, bench.data.classes
    result = embed_another(
        bench.model(unit.needs[0]),
        bench.data.training,
        random_triggers(count, shape, classes, seed=bench.setting.seed + 1),
        recipe=recipe,
        **bench.training_options(unit.name),
    )
    return _trained_row(unit, bench, result, f"{count} random triggers", recipe)


def distill_stolen(unit: Unit, bench: Bench) -> Outcome:
    """Teach a fresh student by soft answers on the task's images."""
    recipe = bench.recipe(unit.options["recipe"])
    result = distill(
        bench.model(unit.needs[0]),
        bench.network(),
        bench.data.training,
        recipe=recipe,
        **bench.training_options(unit.name),
    )
    return _trained_row(unit, bench, result, "soft answers", recipe)


def extract_stolen(unit: Unit, bench: Bench) -> Outcome:
    """Teach a fresh student by hard answers on the thief's own queries."""
    recipe = bench.recipe(unit.options["recipe"])
    shape = bench.data.shape
    queries = _pixels(bench.data.training)
    if unit.options["queries"] == "pictures":
        queries = random_images(len(queries), shape, seed=bench.setting.seed + 2)
    result = extract(
        _classifier(bench.model(unit.needs[0]), bench),
        bench.network(),
        queries,
        recipe=recipe,
        **bench.training_options(unit.name),
    )
    return _trained_row(unit, bench, result, f"{len(queries)} queries", recipe)


def _rows(unit: Unit, bench: Bench, tried: Iterable[tuple[str, nn.Module]]) -> Outcome:
    rows = [
        {"label": label, "cost": 0.0} | bench.measure(model, [unit.needs[1]])
        for label, model in tried
    ]
    return Outcome({"rows": rows})


def _trained_row(
    unit: Unit,
    bench: Bench,
    result: TrainingResult,
    label: str,
    recipe: Recipe,
    *,
    passes: int = 1,
) -> Outcome:
    row = {"label": label} | bench.measure(result.model, [unit.needs[1]])
    return Outcome(
        {"rows": [row | cost_of(bench, passes * recipe.epochs * length(bench.data.training))]}
    )


def _ask(model: Classifier, bench: Bench, name: str) -> dict[str, Any]:
    triggers = bench.triggers(name)
    hits = int((classify_triggers(model, triggers) == triggers.labels).sum())
    return claim(hits, len(triggers), triggers.classes)


def _classifier(model: nn.Module, bench: Bench) -> TorchClassifier:
    pixel_model = Normalized(model, bench.normalization).eval()
    return TorchClassifier(pixel_model, bench.data.shape, bench.data.classes)


def _transform(kind: str, strength: float) -> Transform:
    transforms: dict[str, Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]] = {
        "noise": lambda images: preprocessing.noise(images, strength),
        "blur": lambda images: preprocessing.blur(images, strength),
        "jpeg": lambda images: preprocessing.jpeg(images, round(strength)),
    }
    return transforms[kind]


def _pixels(dataset: Any) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return _in_memory(dataset).images.numpy()


def _labels(dataset: Any) -> np.ndarray[Any, np.dtype[np.int64]]:
    return _in_memory(dataset).labels.numpy()


def _in_memory(dataset: Any) -> PixelDataset:
    if not isinstance(dataset, PixelDataset):
        raise InputError("this attack needs a data set that fits into memory")
    return dataset


TASKS: dict[str, Task] = {
    "prune": prune,
    "prune-filters": prune_structured,
    "quantize": quantize,
    "circuit": compile_circuit,
    "preprocess": preprocess,
    "fine-prune": fine_prune_stolen,
    "adversarial": fine_tune_adversarially,
    "overwrite": overwrite_stolen,
    "distill": distill_stolen,
    "extract": extract_stolen,
}
