"""The units of what is known since the paper: attacks, capacity, false claims, what helps."""

import math
from collections.abc import Iterator
from dataclasses import replace

from wmproof.core.directions import GROUP
from wmproof.experiments.setting import KeySpec, Setting
from wmproof.experiments.unit import Unit, fine_tuning_unit, key_unit, mark_unit
from wmproof.training.attacks.registry import attacks
from wmproof.training.recipe import Direction, Perturbation, Recipe, Tilt

_DIRECTIONS = 40
# Tried on marks of groups only: single triggers are not copied, and are never added up.
_ON_GROUPS = ("loud", "distill", "extract", "distill-finetune")
_VICTIM = ("FromScratch", "TS-Orig")


def attack_units(setting: Setting) -> Iterator[Unit]:
    """Item 5: attacks known since the paper, on FromScratch."""
    for attack in attacks():
        for trial in attack.trials(setting.attacks, setting.recipe):
            yield Unit(trial.name, attack.task, 5, trial.options, _VICTIM)


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
        # Each trigger is shown as often as in the main experiment.
        k = max(1, math.ceil(setting.recipe.triggers_per_batch * count / embedded))
        recipe = replace(setting.recipe, triggers_per_batch=k)
        marked = {"triggers": count, "recipe": recipe.fields()}
        yield Unit(f"Capacity {count}", "capacity", 6, marked)


def help_units(setting: Setting) -> Iterator[Unit]:
    """Item 7: the same network marked otherwise, under the attack that costs a whole training.

    With `sweeps.every_attack` also under each attack of the registry that trains on the network.
    """
    for number in range(1, setting.sweeps.innocents + 1):
        innocent = {"seed": setting.seed + 200 + number}
        yield Unit(f"Innocent {number}", "train", 7, innocent, ("TS-Orig",))
    for name in setting.sweeps.helps:
        recipe, key = _changed(name, setting)
        made = f"TS {name}"
        yield key_unit(made, key)
        owner = f"FromScratch, {name}"
        yield mark_unit(owner, 7, recipe, made)
        for method, thief in (("FTAL", setting.recipe), ("RTAL", setting.recipe.at_last_rate())):
            yield fine_tuning_unit(owner, method, 7, thief, (made,))
        for attack in attacks():
            tried = attack.trains_on or (key.group > 1 and attack.task in _ON_GROUPS)
            if attack.task == "prune" or (setting.sweeps.every_attack and tried):
                for trial in attack.trials(setting.attacks, setting.recipe):
                    needs = (owner, made)
                    yield Unit(f"{owner}-{trial.name}", attack.task, 7, trial.options, needs)


def _changed(name: str, setting: Setting) -> tuple[Recipe, KeySpec]:
    """Read how item 7 marks otherwise; sizes of perturbations stand behind their names."""
    recipe, key = setting.recipe, setting.key
    what, _, number = name.partition(" by ")
    changes: dict[str, tuple[Recipe, KeySpec]] = {
        "nothing changed": (recipe, key),
        "larger k": (replace(recipe, triggers_per_batch=2 * recipe.triggers_per_batch), key),
        "longer": (replace(recipe, epochs=2 * recipe.epochs), key),
        "mixed triggers": (recipe, replace(key, pictures="mixed")),
    }
    if what in ("perturbed", "perturbed at random"):
        direction: Direction = "adversarial" if what == "perturbed" else "random"
        perturbation = Perturbation(float(number), direction=direction)
        changes[name] = (replace(recipe, perturbation=perturbation), key)
    if what == "directions":
        family = KeySpec(_DIRECTIONS * GROUP, public=False, pictures="directions", group=GROUP)
        changes[name] = (replace(recipe, tilt=Tilt(gain=float(number))), family)
    return changes[name]
