"""A setting's graph of units: who is trained, and who attacks whom."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase

from wmproof.experiments.later_units import attack_units, capacity_units, help_units
from wmproof.experiments.setting import Setting
from wmproof.experiments.unit import (
    Unit,
    check_graph,
    fine_tuning_unit,
    fingerprints,
    key_unit,
    mark_unit,
    with_needs,
)
from wmproof.training.attacks.finetuning import FINE_TUNINGS
from wmproof.training.recipe import Recipe

MARKED = ("FromScratch", "PreTrained")


@dataclass(frozen=True)
class Plan:
    """A setting and its units, in an order in which they can be done."""

    setting: Setting
    units: tuple[Unit, ...]

    def fingerprints(self) -> dict[str, str]:
        """Return what tells each unit's work from other work."""
        return fingerprints(self.units, self.setting.common())

    def only(self, items: Collection[int] = (), names: Collection[str] = ()) -> Plan:
        """Keep these items, or the units of these names, and what they build upon.

        Parameters
        ----------
        items : collection of int
            All where there are none.
        names : collection of str
            Patterns as a shell has them (`fnmatch`); all where there are none.
        """
        wanted = {
            unit.name
            for unit in self.units
            if (not items or unit.item in items)
            and (not names or any(fnmatchcase(unit.name, name) for name in names))
        }
        return Plan(self.setting, tuple(with_needs(self.units, wanted)))


def plan_of(setting: Setting) -> Plan:
    """Expand a setting into its units.

    Returns
    -------
    Plan
        Keys and item 1 first, then the items in order.
    """
    units = list(_all_units(setting))
    check_graph(units)
    wanted = {unit.name for unit in units if unit.item in setting.items}
    return Plan(setting, tuple(with_needs(units, wanted)))


def _all_units(setting: Setting) -> Iterator[Unit]:
    yield key_unit("TS-Orig", setting.key)
    yield Unit("No-WM", "train", 1, {"seed": setting.seed}, ("TS-Orig",))
    yield mark_unit("FromScratch", 1, setting.recipe, "TS-Orig")
    yield Unit(
        "PreTrained",
        "mark",
        1,
        {"recipe": setting.recipe.fields(), "key": "TS-Orig", "start": "No-WM"},
        ("TS-Orig", "No-WM"),
    )
    for owner in MARKED:
        for method in FINE_TUNINGS:
            yield fine_tuning_unit(owner, method, 2, setting.recipe.at_last_rate(), ("TS-Orig",))
    yield key_unit("TS-New", setting.key)
    yield from _piracy("Pirated", setting, setting.recipe)
    gently = replace(setting.recipe, learning_rate=setting.recipe.learning_rate / 10)
    yield from _piracy("Pirated gently", setting, gently)
    if setting.target is not None:
        recipe = setting.recipe.at_last_rate(setting.transfer_epochs)
        options = {"recipe": recipe.fields(), "target": asdict(setting.target)}
        yield Unit("Transfer", "transfer", 4, options, ("FromScratch", "TS-Orig"))
    yield from attack_units(setting)
    yield from capacity_units(setting)
    yield from help_units(setting)


def _piracy(name: str, setting: Setting, recipe: Recipe) -> Iterator[Unit]:
    """Embed TS-New, by the owner's recipe or at lower rates, then fine-tune as in figure 7."""
    keys = ("TS-Orig", "TS-New")
    options = {"recipe": recipe.fields(), "key": "TS-New", "keys": list(keys)}
    yield Unit(name, "pirate", 3, options, ("FromScratch", *keys))
    for method in ("FTAL", "RTAL"):
        yield fine_tuning_unit(name, method, 3, setting.recipe.at_last_rate(), keys)
