"""The units of item 6: how many triggers a network carries, and the lying accuser."""

from typing import Any

import torch
from torch import nn

from wmproof.experiments.bench import Bench
from wmproof.experiments.measure import count_triggers
from wmproof.experiments.tasks.outcome import Outcome, Task
from wmproof.experiments.unit import Unit
from wmproof.experiments.worth import claim
from wmproof.keys.verification_key import LabelMode
from wmproof.training.attacks.random_triggers import random_triggers
from wmproof.training.embedding import mark
from wmproof.training.false_claims import accuse, forge_triggers
from wmproof.training.normalization import Normalized
from wmproof.training.reproducible import permutation
from wmproof.training.sources import PixelDataset

_ROLLS = 20


def measure_capacity(unit: Unit, bench: Bench) -> Outcome:
    """Mark a network with so many random triggers, each shown as often as in other networks."""
    recipe = bench.recipe(unit.options["recipe"])
    count: int = unit.options["triggers"]
    shape, classes = bench.data.shape, bench.data.classes
    triggers = random_triggers(count, shape, classes, seed=bench.setting.seed)
    result = mark(
        bench.network(),
        bench.data.training,
        triggers,
        recipe=recipe,
        **bench.training_options(unit.name),
    )
    found = bench.measure(result.model, [])
    right = count_triggers(result.model, bench.normalization, triggers, bench.means.device)
    found["keys"] = {"random": claim(right.first, count, classes)}
    return Outcome(found | {"per_batch": recipe.triggers_per_batch})


def claim_falsely(unit: Unit, bench: Bench) -> Outcome:
    """Forge triggers against the accuser's networks, and claim networks that he never saw."""
    *accusers, first, second = unit.needs
    options = unit.options
    *sources, judge = (_pixel_model(bench, name) for name in accusers)
    images, truth = _images_of(bench, options["images"])
    forgery = forge_triggers(
        sources,
        [judge],
        images.numpy(),
        truth.numpy(),
        count=options["count"],
        epsilon=options["epsilon"],
        steps=options["steps"],
        shift=1,
        seed=bench.setting.seed,
    )
    modes = {"secret": accuse(forgery, LabelMode.SECRET)}
    modes["derived"] = accuse(forgery, LabelMode.DERIVED, rolls=_ROLLS)
    rows: list[dict[str, Any]] = []
    for name in (first, second):
        model = bench.model(name)
        for mode, key in modes.items():
            right = count_triggers(model, bench.normalization, key.triggers, bench.means.device)
            found = claim(right.first, len(key.triggers), key.classes)
            rows.append({"network": name, "labels": mode} | found)
    return Outcome({"rows": rows, "rolls": _ROLLS, "confidence": forgery.confidence})


def _pixel_model(bench: Bench, name: str) -> nn.Module:
    return Normalized(bench.model(name), bench.normalization).eval()


def _images_of(bench: Bench, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    dataset = bench.data.training
    assert isinstance(dataset, PixelDataset)  # noqa: S101 - ImageNet has no item 6
    chosen = permutation(len(dataset), bench.setting.seed, "accuser")[:count]
    return dataset.images[chosen], dataset.labels[chosen]


TASKS: dict[str, Task] = {"capacity": measure_capacity, "false-claims": claim_falsely}
