"""Kinds of marks against attacks, in bits and points, over the seeds of a preset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from wmproof.experiments.findings import Results, rows_of
from wmproof.experiments.plan import Plan
from wmproof.experiments.tables import table

Runs = Sequence[tuple[Plan, Results]]
Cells = dict[str, list[Mapping[str, Any]]]


def families(runs: Runs) -> dict[str, Runs]:
    """Group the settings that differ in their seed only, by what they have in common."""
    found: dict[str, list[tuple[Plan, Results]]] = {}
    for plan, results in runs:
        setting = plan.setting
        if setting.sweeps.every_attack:
            images = "all" if setting.data.training is None else f"{setting.data.training:,}"
            width = "" if setting.width is None else f" of width {setting.width}"
            name = f"{setting.network}{width}, {images} images, {setting.recipe.epochs} epochs"
            found.setdefault(name, []).append((plan, results))
    return dict(found)


def against_attacks(runs: Runs) -> str:
    """Write a row for each kind of mark: what it costs, and what each attack leaves of it.

    A cell has the mean over the seeds, and in brackets the least and the most where there are
    more; after a stroke by how many points the attack changed the test accuracy.
    """
    marked = _marked(runs)
    attacks = list(dict.fromkeys(name for cells in marked.values() for name in cells if name))
    free = [row["test_accuracy"] for row in _innocents(runs)]
    base = sum(free) / len(free) if free else None
    rows = []
    for owner, cells in marked.items():
        own = cells.get("", [])
        start = _mean(row["test_accuracy"] for row in own)
        line = [owner, str(len(own)), _points(own, base), _bits(own)]
        rows.append([*line, *(_cell(cells.get(attack, []), start) for attack in attacks)])
    heads = ["mark", "seeds", "points against innocents", "own bits", *attacks]
    return table(heads, rows)


def innocents(runs: Runs) -> str:
    """Say in a sentence how accurate the innocent networks are, and how near to a claim."""
    rows = list(_innocents(runs))
    if not rows:
        return "No innocent network is finished."
    accuracies = [100 * row["test_accuracy"] for row in rows]
    most = max(key["bits"] for row in rows for key in row["keys"].values())
    return (
        f"{len(rows)} innocent networks: {sum(accuracies) / len(rows):.2f}% of the test images "
        f"({min(accuracies):.2f} to {max(accuracies):.2f}), at most {most:.1f} bits of an owner's "
        "triggers."
    )


def _innocents(runs: Runs) -> Iterable[Mapping[str, Any]]:
    for plan, results in runs:
        for unit in plan.units:
            if unit.name.startswith("Innocent ") and unit.name in results:
                yield results[unit.name]


def _marked(runs: Runs) -> dict[str, Cells]:
    """Collect what the seeds gave, for each kind of mark and each attack; '' is no attack."""
    found: dict[str, Cells] = {}
    for plan, results in runs:
        for name in plan.setting.sweeps.helps:
            owner = f"FromScratch, {name}"
            cells = found.setdefault(name, {})
            for unit in plan.units:
                if unit.name in results and (unit.name == owner or owner in unit.needs):
                    attack = unit.name.removeprefix(owner).removeprefix("-")
                    cells.setdefault(attack, []).extend(rows_of(results[unit.name]))
    return {name: cells for name, cells in found.items() if cells}


def _bits(rows: Sequence[Mapping[str, Any]]) -> str:
    values = [key["bits"] for row in rows for key in row["keys"].values()]
    if not values:
        return "-"
    text = f"{sum(values) / len(values):.0f}"
    return text if len(values) == 1 else f"{text} ({min(values):.0f} to {max(values):.0f})"


def _cell(rows: Sequence[Mapping[str, Any]], start: float) -> str:
    if not rows:
        return "-"
    return f"{_bits(rows)} / {100 * (_mean(row['test_accuracy'] for row in rows) - start):+.1f}"


def _points(rows: Sequence[Mapping[str, Any]], base: float | None) -> str:
    if base is None or not rows:
        return "-"
    values = [100 * (row["test_accuracy"] - base) for row in rows]
    text = f"{sum(values) / len(values):+.2f}"
    return text if len(values) == 1 else f"{text} ({min(values):+.2f} to {max(values):+.2f})"


def _mean(values: Iterable[float]) -> float:
    known = list(values)
    return sum(known) / len(known) if known else 0.0
