"""Kinds of marks against attacks, in bits and points, over the seeds of a preset."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from wmproof.experiments.findings import rows_of
from wmproof.experiments.seeds import Runs, Spread, spread
from wmproof.experiments.tables import table

Row = Mapping[str, Any]


class Trial(NamedTuple):
    """A network that was marked, and what an attack made of it."""

    owner: Row
    row: Row


class Marked(NamedTuple):
    """One kind of mark: its networks, one a seed, and the attacks on them by their names."""

    own: list[Row]
    attacks: dict[str, list[Trial]]


def against_attacks(runs: Runs) -> str:
    """Write a row for each kind of mark: what it costs, and what each attack leaves of it.

    A cell has the mean over the seeds, and in brackets the least and the most where there are
    more; after a stroke by how many points the attack changed the test accuracy.
    """
    marked = _marked(runs)
    attacks = list(dict.fromkeys(name for one in marked.values() for name in one.attacks))
    free = [row["test_accuracy"] for row in _innocents(runs)]
    base = sum(free) / len(free) if free else None
    rows = []
    for name, one in marked.items():
        line = [name, str(len(one.own)), _points(one.own, base), _bits(one.own)]
        rows.append([*line, *(_cell(one.attacks.get(attack, [])) for attack in attacks)])
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


def frontier(runs: Runs) -> dict[str, tuple[float, dict[str, Spread]]]:
    """For each kind of mark: its points against innocents, and the bits that each attack leaves.

    Empty where no innocent network is finished.
    """
    free = spread(100 * row["test_accuracy"] for row in _innocents(runs))
    if free is None:
        return {}
    found = {}
    for name, one in _marked(runs).items():
        tests = Spread(tuple(100 * row["test_accuracy"] for row in one.own))
        bits = {
            attack: Spread(tuple(k["bits"] for t in trials for k in t.row["keys"].values()))
            for attack, trials in one.attacks.items()
        }
        found[name] = (tests.mean - free.mean, bits)
    return found


def _innocents(runs: Runs) -> Iterable[Row]:
    for plan, results in runs:
        for unit in plan.units:
            if unit.name.startswith("Innocent ") and unit.name in results:
                yield results[unit.name]


def _marked(runs: Runs) -> dict[str, Marked]:
    """Collect what the seeds gave, for each kind of mark."""
    found: dict[str, Marked] = {}
    for plan, results in runs:
        for name in plan.setting.sweeps.helps:
            owner = f"FromScratch, {name}"
            if owner not in results:
                continue
            one = found.setdefault(name, Marked([], {}))
            one.own.append(results[owner])
            for unit in plan.units:
                if unit.name in results and owner in unit.needs:
                    trials = one.attacks.setdefault(unit.name.removeprefix(f"{owner}-"), [])
                    trials += (Trial(results[owner], row) for row in rows_of(results[unit.name]))
    return found


def _bits(rows: Sequence[Row]) -> str:
    found = spread(key["bits"] for row in rows for key in row["keys"].values())
    return "-" if found is None else found.text(".0f")


def _cell(trials: Sequence[Trial]) -> str:
    if not trials:
        return "-"
    changes = (one.row["test_accuracy"] - one.owner["test_accuracy"] for one in trials)
    change = 100 * sum(changes) / len(trials)
    return f"{_bits([one.row for one in trials])} / {change:+.1f}"


def _points(rows: Sequence[Row], base: float | None) -> str:
    if base is None:
        return "-"
    found = spread(100 * (row["test_accuracy"] - base) for row in rows)
    return "-" if found is None else found.text("+.2f")
