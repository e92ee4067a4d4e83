"""The paper's tables from a setting's results, each next to what the paper found."""

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from wmproof.core.policy import DEFAULT_STRENGTH
from wmproof.experiments.findings import (
    Ordering,
    Results,
    attacked,
    lives,
    orderings,
    rows_of,
    verdict,
)
from wmproof.experiments.plan import MARKED, Plan
from wmproof.training.attacks.finetuning import FINE_TUNINGS

_MISSING = "not finished"
# Where the first five of ten answers would say nothing.
_TEN_CLASSES = ("digits", "fashion-mnist", "cifar10")
_STRONG = f"{DEFAULT_STRENGTH} bits or more"
_RULE = "90 % rule"


def paper_numbers() -> dict[str, Any]:
    """Read the paper's numbers, each under the table that it is from."""
    text = resources.files("wmproof.experiments").joinpath("paper.json").read_text("utf-8")
    numbers: dict[str, Any] = json.loads(text)
    return numbers


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write Markdown."""
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def varied(runs: Sequence[tuple[Plan, Results]]) -> str:
    """Each ordering of the paper in each kind of setting: in how many seeds it holds.

    In brackets are the shares of the triggers that are left of the two, in the mean. Nothing where
    no setting has one.
    """
    cells: dict[str, dict[str, list[Ordering]]] = {}
    for plan, results in runs:
        kind = plan.setting.name.partition("-seed-")[0]
        for found in orderings(results):
            cells.setdefault(found.name, {}).setdefault(kind, []).append(found)
    kinds = list(dict.fromkeys(kind for row in cells.values() for kind in row))
    rows = [[name, *(_held(row.get(kind, [])) for kind in kinds)] for name, row in cells.items()]
    return table(["ordering", *kinds], rows) if rows else ""


def _held(seeds: Sequence[Ordering]) -> str:
    if not seeds:
        return "-"
    means = (sum(found.left[i] for found in seeds) / len(seeds) for i in (0, 1))
    held = sum(found.holds for found in seeds)
    return f"{held} of {len(seeds)} ({' and '.join(f'{mean:.1%}' for mean in means)})"


def functionality(plan: Plan, results: Results) -> str:
    """Tables 1 and 3: the models, their test and their trigger accuracy."""
    numbers = paper_numbers()
    heads = ["model", "test", "TS-Orig", "claim, bits", _STRONG, _RULE]
    compared = _compared(plan, ("table 1", "table 3"), numbers)
    rows = []
    for name in ("No-WM", *MARKED):
        cells = _accuracies(plan, results.get(name), "TS-Orig")
        rows.append([name, *cells, *(_cited(part, name) for _, part in compared)])
    return table([*heads, *(f"paper, {title}: test / triggers" for title, _ in compared)], rows)


def unremovability(plan: Plan, results: Results) -> str:
    """Figure 6 in numbers: four fine-tunings of both kinds."""
    rows = []
    for owner in MARKED:
        for name in (owner, *(f"{owner}-{method}" for method in FINE_TUNINGS)):
            rows.append(
                [name, *_accuracies(plan, results.get(name), "TS-Orig"), _cost(results, name)]
            )
    heads = ["model", "test", "TS-Orig", "claim, bits", _STRONG, _RULE, "attacker's cost"]
    return table(heads, rows)


def piracy(plan: Plan, results: Results) -> str:
    """Figure 7 in numbers: a second trigger set, then fine-tuning."""
    rows = []
    for name in ("FromScratch", *(unit.name for unit in plan.units if unit.item == 3)):
        result = results.get(name)
        cells = [_MISSING] * 5
        if result is not None:
            cells = [_percent(result["test_accuracy"])]
            for key in ("TS-Orig", "TS-New"):
                found = result["keys"].get(key)
                cells += (
                    ["-", "-"]
                    if found is None
                    else [_percent(found["accuracy"]), f"{found['bits']:.0f}"]
                )
        rows.append([name, *cells])
    return table(["model", "test", "TS-Orig", "bits", "TS-New", "bits"], rows)


def transfer(plan: Plan, results: Results) -> str:
    """Tables 2 and 4: another task, the original output layer kept for verification."""
    numbers = paper_numbers()
    compared = _compared(plan, ("table 2", "table 4"), numbers)
    target = plan.setting.target
    name = f"{plan.setting.data.name} to {target.name if target else '-'}"
    row = [name, *_accuracies(plan, results.get("Transfer"), "TS-Orig"), _cost(results, "Transfer")]
    heads = ["transfer", "test", "TS-Orig", "claim, bits", _STRONG, _RULE, "cost"]
    return table(
        [*heads, *(f"paper, {title}: test / triggers" for title, _ in compared)],
        [[*row, *(_cited(part, "Transfer") for _, part in compared)]],
    )


def attacks(plan: Plan, results: Results) -> str:
    """What is known since the paper: what each attack keeps, leaves and costs."""
    owner = results.get("FromScratch")
    rows = []
    for unit in plan.units:
        if unit.item != 5:
            continue
        if unit.name not in results or owner is None:
            rows.append([unit.name, "", *[_MISSING] * 6])
            continue
        for result in rows_of(results[unit.name]):
            rows.append([unit.name, result.get("label", ""), *_attacked(owner, result)])
    heads = ["attack", "strength", "test", "TS-Orig", "bits before and after", "cost", "watermark"]
    return table([*heads, _RULE], rows)


def left(plan: Plan, results: Results) -> str:
    """What is left of FromScratch's mark in networks that live, the least first."""
    owner = results.get("FromScratch")
    if owner is None:
        return _MISSING
    before = owner["test_accuracy"]
    living = [one for one in attacked(plan, results) if lives(before, one[2]["test_accuracy"])]
    living.sort(key=lambda one: one[2]["keys"]["TS-Orig"]["bits"])
    rows = []
    for name, strength, result in living:
        key, points = result["keys"]["TS-Orig"], 100 * (result["test_accuracy"] - before)
        rows.append(
            [
                f"{name}, {strength}" if strength else name,
                f"{points:+.1f}",
                f"{key['accuracy']:.0%}",
                f"{key['bits']:.0f}",
                _yes(key["strong"]),
                _yes(key["holds"]),
                f"{result['cost']:.0%}",
            ]
        )
    heads = ["done to the model", "test, points", "triggers left", "bits left", _STRONG, _RULE]
    return table([*heads, "cost"], rows)


def capacity(plan: Plan, results: Results) -> str:
    """How many triggers a network carries."""
    base = results.get("No-WM")
    rows = []
    for unit in plan.units:
        if unit.task != "capacity":
            continue
        count = str(unit.options["triggers"])
        result = results.get(unit.name)
        if result is None or base is None:
            rows.append([count, *[_MISSING] * 6])
            continue
        drop = 100 * (base["test_accuracy"] - result["test_accuracy"])
        key = result["keys"]["random"]
        rows.append(
            [
                count,
                str(result["per_batch"]),
                _percent(result["test_accuracy"]),
                f"{drop:+.2f}",
                _percent(key["accuracy"]),
                f"{key['bits']:.0f}",
                _yes(key["holds"] and drop < 1),
            ]
        )
    heads = ["triggers", "k", "test", "points lost", "triggers hit", "bits"]
    return table([*heads, "90 % carried, under a point lost"], rows)


def false_claims(plan: Plan, results: Results) -> str:
    """The lying accuser against networks that he never saw."""
    if "False claims" not in results:
        return _MISSING
    rows = [
        [
            row["network"],
            row["labels"],
            f"{row['hits']} of {row['triggers']}",
            str(row["threshold"]),
            f"{row['bits']:.1f}",
            "**yes**" if row["strong"] else "no",
            "**yes**" if row["holds"] else "no",
        ]
        for row in results["False claims"]["rows"]
    ]
    heads = ["network", "labels", "hits", "90 % are", "bits if honest"]
    return table([*heads, f"{_STRONG} succeed", "90 % rule succeeds"], rows)


def helps(plan: Plan, results: Results) -> str:
    """The same network marked otherwise, under three attacks."""
    rows = []
    owners = ["FromScratch", *(unit.name for unit in plan.units if _is_help(unit.name, unit.task))]
    for owner in owners:
        hot = "FTAL at the first rate" if owner == "FromScratch" else f"{owner}-FTAL"
        pruned = "Pruning" if owner == "FromScratch" else f"{owner}-Pruning"
        cells = [_trigger_cell(results.get(name)) for name in (owner, hot, f"{owner}-RTAL")]
        rows.append([owner, _test_cell(results.get(owner)), *cells, _survives(results.get(pruned))])
    heads = ["marked", "test", "triggers", "after FTAL at the first rate", "after RTAL"]
    return table([*heads, "claim survives pruning up to"], rows)


def _is_help(name: str, task: str) -> bool:
    return name.startswith("FromScratch, ") and task == "mark"


def _attacked(owner: Mapping[str, Any], result: Mapping[str, Any]) -> list[str]:
    key = result["keys"]["TS-Orig"]
    before = owner["keys"]["TS-Orig"]["bits"]
    change = 100 * (result["test_accuracy"] - owner["test_accuracy"])
    return [
        f"{_percent(result['test_accuracy'])} ({change:+.1f})",
        _percent(key["accuracy"]),
        f"{before:.0f}, {key['bits']:.0f}",
        f"{result['cost']:.0%}",
        verdict(owner["test_accuracy"], result["test_accuracy"], key),
        _yes(key["holds"]),
    ]


def _accuracies(plan: Plan, result: Mapping[str, Any] | None, key: str) -> list[str]:
    if result is None:
        return [_MISSING] * 5
    found, test = result["keys"][key], result["test"]
    first, trigger = _percent(result["test_accuracy"]), _percent(found["accuracy"])
    if plan.setting.data.name not in _TEN_CLASSES:
        first += f", top 5 {_percent(test['fifth'] / test['images'])}"
        trigger += f", top 5 {_percent(found['top5'] / found['triggers'])}"
    return [
        first,
        f"{trigger} ({found['hits']} of {found['triggers']})",
        f"{found['bits']:.0f}",
        _yes(found["strong"]),
        _yes(found["holds"]),
    ]


def _compared(
    plan: Plan, titles: tuple[str, ...], numbers: Mapping[str, Any]
) -> list[tuple[str, Mapping[str, Any]]]:
    """The paper's rows for this data set, or for all of its data sets where it has none."""
    here = plan.setting.name
    every = [
        (f"{title}, {name}", part)
        for title in titles
        for name, part in numbers[title].items()
        if name != "what"
    ]
    own = [(title, part) for title, part in every if title.endswith(f", {here}")]
    return own or every


def _cited(part: Mapping[str, Any], name: str) -> str:
    if name not in part:
        return "-"
    *test, last = part[name]
    if len(part[name]) == 2:
        return f"{test[0]} / {last}"
    first, fifth, trigger = test
    return f"{first} ({fifth}) / {trigger} ({last})"


def _cost(results: Results, name: str) -> str:
    if name in MARKED:
        return "-"
    return f"{results[name]['cost']:.0%}" if name in results else _MISSING


def _trigger_cell(result: Mapping[str, Any] | None) -> str:
    if result is None:
        return _MISSING
    (found,) = result["keys"].values()
    return f"{_percent(found['accuracy'])}, {found['bits']:.0f} bits"


def _test_cell(result: Mapping[str, Any] | None) -> str:
    return _MISSING if result is None else _percent(result["test_accuracy"])


def _survives(result: Mapping[str, Any] | None) -> str:
    if result is None:
        return _MISSING
    last = "less than the least"
    for row in result["rows"]:
        (found,) = row["keys"].values()
        if not found["strong"]:
            break
        last = f"{row['label']} (test {_percent(row['test_accuracy'])})"
    return last


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _percent(share: float) -> str:
    return f"{share:.2%}"
