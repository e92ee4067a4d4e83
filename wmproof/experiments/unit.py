"""One piece of work with a name, and the graph that such pieces form."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wmproof.errors import InputError
from wmproof.experiments.setting import KeySpec
from wmproof.training.recipe import Recipe


@dataclass(frozen=True)
class Unit:
    """A piece of work that is done as a whole or not at all."""

    name: str
    """Unique within a setting; also the name of its files."""
    task: str
    """Which function does it, a key of `wmproof.experiments.tasks.TASKS`."""
    item: int
    """The part of the suite: 1 functionality, 2 unremovability, 3 piracy, 4 transfer, 5 attacks
    known since, 6 capacity and false claims, 7 what helps; 0 for keys."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What the function reads, as JSON knows it."""
    needs: tuple[str, ...] = ()
    """Units whose results it reads."""


def key_unit(name: str, key: KeySpec) -> Unit:
    """Make a key."""
    return Unit(name, "key", 0, key.fields())


def mark_unit(name: str, item: int, recipe: Recipe, key: str) -> Unit:
    """Mark a network from scratch."""
    return Unit(name, "mark", item, {"recipe": recipe.fields(), "key": key}, (key,))


def fine_tuning_unit(
    owner: str, method: str, item: int, recipe: Recipe, keys: tuple[str, ...]
) -> Unit:
    """Train a marked network on."""
    options = {"recipe": recipe.fields(), "method": method, "keys": list(keys)}
    return Unit(f"{owner}-{method}", "fine-tune", item, options, (owner, *keys))


def check_graph(units: Sequence[Unit]) -> None:
    """Raise InputError unless names are unique and each unit comes after all that it needs."""
    seen: set[str] = set()
    for unit in units:
        if unit.name in seen:
            raise InputError("there are two units of this name", where=unit.name)
        missing = [name for name in unit.needs if name not in seen]
        if missing:
            raise InputError(f"needs {missing[0]!r}, which does not come before", where=unit.name)
        seen.add(unit.name)


def fingerprints(units: Sequence[Unit], common: Mapping[str, Any]) -> dict[str, str]:
    """Tell each unit's work from all other work: its options, and all that it builds upon.

    Parameters
    ----------
    units : Sequence of Unit
        In an order that `check_graph` accepts.
    common : Mapping
        What all units read, as JSON knows it.

    Returns
    -------
    dict of str to str
        64 hex digits for each name.
    """
    marks: dict[str, str] = {}
    for unit in units:
        below = [marks[name] for name in unit.needs]
        facts = [common, unit.task, dict(unit.options), below]
        text = json.dumps(facts, sort_keys=True, allow_nan=False)
        marks[unit.name] = hashlib.sha256(text.encode()).hexdigest()
    return marks


def with_needs(units: Sequence[Unit], wanted: set[str]) -> list[Unit]:
    """Keep the wanted units and, for each, all that it builds upon."""
    kept = set(wanted)
    for unit in reversed(units):
        if unit.name in kept:
            kept.update(unit.needs)
    return [unit for unit in units if unit.name in kept]


def hanging_together(units: Sequence[Unit]) -> list[set[str]]:
    """Part units into the groups within which each needs, or is needed by, another."""
    groups: list[set[str]] = []
    for unit in units:
        own = {unit.name, *unit.needs}
        joined = [group for group in groups if group & own]
        groups = [group for group in groups if not group & own]
        groups.append(own.union(*joined))
    return groups
