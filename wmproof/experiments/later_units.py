"""The units of what is known since the paper: attacks, capacity, false claims, what helps."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from wmproof.experiments.setting import KeySpec, Setting
from wmproof.experiments.unit import Unit
from wmproof.training.recipe import Recipe

_VICTIM = ("FromScratch", "TS-Orig")


def attack_units(setting: Setting) -> Iterator[Unit]:
    """Item 5: attacks known since the paper, on FromScratch."""
    sweeps = setting.sweeps
    tried: list[tuple[str, str, dict[str, Any] | None]] = [
        ("Pruning", "prune", {"shares": list(sweeps.pruning)} if sweeps.pruning else None),
        (
            "Filter pruning",
            "prune-filters",
            {"shares": list(sweeps.structured)} if sweeps.structured else None,
        ),
        ("Int8", "quantize", {"granularities": ["tensor", "channel"]} if sweeps.int8 else None),
        (
            "Integer circuit",
            "circuit",
            {"images": sweeps.circuit_images} if sweeps.circuit_images else None,
        ),
        (
            "Pre-processing",
            "preprocess",
            {"transforms": [list(one) for one in sweeps.preprocessing]}
            if sweeps.preprocessing
            else None,
        ),
    ]
    for name, task, options in tried:
        if options is not None:
            yield Unit(name, task, 5, options, _VICTIM)
    yield from _training_attacks(setting)


def _training_attacks(setting: Setting) -> Iterator[Unit]:
    sweeps, warm = setting.sweeps, asdict(attack_recipe(setting.recipe))
    whole = asdict(setting.recipe)
    if sweeps.hot:
        options = {"recipe": whole, "method": "FTAL", "keys": ["TS-Orig"]}
        yield Unit("FTAL at the first rate", "fine-tune", 5, options, _VICTIM)
    for share in sweeps.fine_pruning:
        yield Unit(
            f"Fine-pruning {share}", "fine-prune", 5, {"share": share, "recipe": warm}, _VICTIM
        )
    for epsilon in sweeps.adversarial:
        yield Unit(
            f"Adversarial fine-tuning {epsilon}",
            "adversarial",
            5,
            {"epsilon": epsilon, "recipe": warm},
            _VICTIM,
        )
    if sweeps.overwriting:
        yield Unit(
            "Overwriting",
            "overwrite",
            5,
            {"triggers": sweeps.overwriting, "recipe": warm},
            _VICTIM,
        )
    if sweeps.distillation:
        yield Unit("Distillation", "distill", 5, {"recipe": whole}, _VICTIM)
    for queries in sweeps.extraction:
        options = {"recipe": whole, "queries": queries}
        yield Unit(f"Extraction by {queries}", "extract", 5, options, _VICTIM)


def attack_recipe(owner: Recipe) -> Recipe:
    """Return the recipe of a thief who is less patient: half the epochs at a fifth of the rate."""
    return replace(owner, epochs=-(-owner.epochs // 2), learning_rate=owner.learning_rate / 5)


def capacity_units(setting: Setting) -> Iterator[Unit]:
    """Item 6: networks with more and more triggers, and the lying accuser."""
    claims = setting.sweeps.false_claims
    accusers = [f"Accuser {number}" for number in (1, 2, 3)] if claims else []
    for number, name in enumerate(accusers, start=1):
        yield Unit(name, "train", 6, {"seed": setting.seed + 100 + number}, ("TS-Orig",))
    if claims:
        options = {
            "count": claims,
            "epsilon": setting.sweeps.false_claim_epsilon,
            "steps": 30,
            "images": 8 * claims,
        }
        needs = (*accusers, "No-WM", "FromScratch")
        yield Unit("False claims", "false-claims", 6, options, needs)
    embedded = setting.key.triggers / (2 if setting.key.public else 1)
    for count in setting.sweeps.capacity:
        # As many showings of each trigger as in the main experiment.
        k = max(1, math.ceil(setting.recipe.triggers_per_batch * count / embedded))
        recipe = replace(setting.recipe, triggers_per_batch=k)
        marked = {"triggers": count, "recipe": asdict(recipe)}
        yield Unit(f"Capacity {count}", "capacity", 6, marked)


def help_units(setting: Setting) -> Iterator[Unit]:
    """Item 7: the same network marked otherwise, under the attack that costs a whole training."""
    changes: dict[str, tuple[Recipe, KeySpec]] = {
        "larger k": (
            replace(setting.recipe, triggers_per_batch=2 * setting.recipe.triggers_per_batch),
            setting.key,
        ),
        "longer": (replace(setting.recipe, epochs=2 * setting.recipe.epochs), setting.key),
        "mixed triggers": (setting.recipe, replace(setting.key, pictures="mixed")),
    }
    for name in setting.sweeps.helps:
        recipe, key = changes[name]
        made = f"TS {name}"
        yield Unit(made, "key", 0, asdict(key))
        owner = f"FromScratch, {name}"
        yield Unit(owner, "mark", 7, {"recipe": asdict(recipe), "key": made}, (made,))
        for method, attack in (("FTAL", setting.recipe), ("RTAL", setting.recipe.at_last_rate())):
            options = {"recipe": asdict(attack), "method": method, "keys": [made]}
            yield Unit(f"{owner}-{method}", "fine-tune", 7, options, (owner, made))
        shares = {"shares": list(setting.sweeps.pruning)}
        yield Unit(f"{owner}-Pruning", "prune", 7, shares, (owner, made))
