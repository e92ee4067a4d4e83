"""One setting over its seeds: what each attack leaves, with the least and the most beside it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from wmproof.experiments.findings import Results, attacked, lives
from wmproof.experiments.plan import MARKED, Plan
from wmproof.experiments.tables import table

Runs = Sequence[tuple[Plan, Results]]


class Spread(NamedTuple):
    """A number that each seed gave."""

    values: tuple[float, ...]
    """In the order of the seeds, at least one."""

    @property
    def mean(self) -> float:
        """Their mean."""
        return sum(self.values) / len(self.values)

    def text(self, form: str) -> str:
        """Write the mean, and in brackets the least and the most where there are more."""
        text = f"{self.mean:{form}}"
        if len(self.values) == 1:
            return text
        return f"{text} ({min(self.values):{form}} to {max(self.values):{form}})"


def spread(values: Iterable[float]) -> Spread | None:
    """Collect numbers; None where there are none."""
    kept = tuple(values)
    return Spread(kept) if kept else None


def families(runs: Runs) -> dict[str, Runs]:
    """Group the settings that differ in their seed only, by what they have in common."""
    found: dict[tuple[str, str], list[tuple[Plan, Results]]] = {}
    for plan, results in runs:
        setting = plan.setting
        images = "all" if setting.data.training is None else f"{setting.data.training:,}"
        width = "" if setting.width is None else f" of width {setting.width}"
        title = f"{setting.network}{width}, {images} images, {setting.recipe.epochs} epochs"
        found.setdefault((setting.name.partition("-seed-")[0], title), []).append((plan, results))
    return {title: family for (_, title), family in found.items()}


class Left(NamedTuple):
    """What is left of the owner's mark in a network that an attack made."""

    name: str
    """Of the attack and its strength."""
    points: Spread
    """Of test accuracy, against the network that was attacked in the same seed."""
    share: Spread
    bits: Spread
    """share and bits: of the triggers that are hit, and what a claim about them is worth."""
    cost: float
    """Passes over training images as a share of the owner's."""


def left(runs: Runs) -> list[Left]:
    """Collect what attacks left of FromScratch's mark in networks that live, the least first."""
    found: dict[str, list[tuple[float, Mapping[str, Any]]]] = {}
    for plan, results in runs:
        if "FromScratch" not in results:
            continue
        before = results["FromScratch"]["test_accuracy"]
        for name, strength, row in attacked(plan, results):
            title = f"{name}, {strength}" if strength else name
            found.setdefault(title, []).append((before, row))
    lines = []
    for name, rows in found.items():
        if sum(lives(before, row["test_accuracy"]) for before, row in rows) * 2 > len(rows):
            keys = [row["keys"]["TS-Orig"] for _, row in rows]
            points = Spread(tuple(100 * (row["test_accuracy"] - before) for before, row in rows))
            share = Spread(tuple(float(key["accuracy"]) for key in keys))
            bits = Spread(tuple(float(key["bits"]) for key in keys))
            lines.append(Left(name, points, share, bits, float(rows[0][1]["cost"])))
    return sorted(lines, key=lambda line: line.bits.mean)


def accuracies(runs: Runs) -> str:
    """Write what the networks are worth that nobody attacked, over the seeds."""
    lines = []
    for name in ("No-WM", *MARKED):
        rows = [results[name] for _, results in runs if name in results]
        keys = [row["keys"]["TS-Orig"] for row in rows]
        if (tests := spread(100 * row["test_accuracy"] for row in rows)) is not None:
            share = Spread(tuple(100 * key["accuracy"] for key in keys))
            worth = Spread(tuple(key["bits"] for key in keys))
            texts = (tests.text(".2f"), share.text(".1f"), worth.text(".0f"))
            lines.append([name, str(len(rows)), *texts])
    return table(["model", "seeds", "test, %", "triggers, %", "claim, bits"], lines)


def left_table(runs: Runs) -> str:
    """Write what attacks left of FromScratch's mark in networks that live, the least first."""
    rows = [
        [
            line.name,
            str(len(line.bits.values)),
            line.points.text("+.1f"),
            line.share.text(".0%"),
            line.bits.text(".0f"),
            f"{line.cost:.0%}",
        ]
        for line in left(runs)
    ]
    heads = ["done to the model", "seeds", "test, points", "triggers left", "bits left", "cost"]
    return table(heads, rows)
