"""Figures 6 and 7 of the paper, pruning, and bits against accuracy, as SVG and PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wmproof.core.policy import DEFAULT_STRENGTH
from wmproof.experiments import marks, seeds
from wmproof.experiments.data import classes_of
from wmproof.experiments.findings import DEAD_BITS, Results, attacked
from wmproof.experiments.plan import MARKED, Plan
from wmproof.experiments.worth import hits_for
from wmproof.training.attacks.finetuning import FINE_TUNINGS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = ("#1a73e8", "#d93025", "#e8a33d", "#188038", "#8e24aa", "#5f6368")
_SHAPES = "os^Dv*XP"


def unremovability(plan: Plan, results: Results) -> Figure | None:
    """Figure 6: test and trigger accuracy of both kinds after each fine-tuning."""
    groups = ("none", *FINE_TUNINGS)
    series = {
        owner: [results.get(owner if g == "none" else f"{owner}-{g}") for g in groups]
        for owner in MARKED
    }
    if not any(any(values) for values in series.values()):
        return None
    figure, (left, right) = _panels(("test set", "trigger set"))
    _bars(left, groups, {n: [_test(r) for r in v] for n, v in series.items()})
    _bars(right, groups, {n: [_trigger(r, "TS-Orig") for r in v] for n, v in series.items()})
    return figure


def piracy(plan: Plan, results: Results) -> Figure | None:
    """Figure 7: test, TS-New and TS-Orig without and after fine-tuning."""
    names = {"no fine-tuning": "Pirated", "FTAL": "Pirated-FTAL", "RTAL": "Pirated-RTAL"}
    if not any(name in results for name in names.values()):
        return None
    figure, (axes,) = _panels(("a second trigger set",))
    series = {
        label: [
            _test(results.get(name)),
            _trigger(results.get(name), "TS-New"),
            _trigger(results.get(name), "TS-Orig"),
        ]
        for label, name in names.items()
    }
    _bars(axes, ("test set", "TS-New", "TS-Orig"), series)
    return figure


def pruning(plan: Plan, results: Results) -> Figure | None:
    """Test and trigger accuracy over the share that is pruned."""
    present = [name for name in ("Pruning", "Filter pruning") if name in results]
    if not present:
        return None
    figure, panels = _panels(
        [{"Pruning": "weights", "Filter pruning": "filters"}[n] for n in present]
    )
    classes = classes_of(plan.setting.data)
    for axes, name in zip(panels, present, strict=True):
        rows: Sequence[Mapping[str, Any]] = results[name]["rows"]
        shares = [float(row["label"].rstrip("%")) for row in rows]
        axes.plot(shares, [_test(row) for row in rows], "o-", color=_COLOURS[0], label="test set")
        triggers = [_trigger(row, "TS-Orig") for row in rows]
        axes.plot(shares, triggers, "s-", color=_COLOURS[1], label="TS-Orig")
        key = rows[0]["keys"]["TS-Orig"]
        needed = 100 * hits_for(DEFAULT_STRENGTH, key["triggers"], classes) / key["triggers"]
        style: dict[str, Any] = {"color": "#5f6368", "linewidth": 0.8}
        axes.axhline(needed, linestyle="--", label=f"{DEFAULT_STRENGTH} bits", **style)
        axes.axhline(90, linestyle=":", label="90 % rule", **style)
        axes.set_xlabel("percent pruned")
        axes.legend()
    return figure


def bits(plan: Plan, results: Results) -> Figure | None:
    """Bits left against points of accuracy, a mark for each network made of FromScratch."""
    owner = results.get("FromScratch")
    found = list(attacked(plan, results)) if owner else []
    if owner is None or not found:
        return None
    names = list(dict.fromkeys(name for name, _, _ in found))
    figure, axes = _figure(7.8, max(4.6, 0.2 * len(names)))  # else their list leaves no room
    for number, name in enumerate(names):
        rows = [row for other, _, row in found if other == name]
        points = [_test(row) - _test(owner) for row in rows]
        height = [float(row["keys"]["TS-Orig"]["bits"]) for row in rows]
        style = _style(number) | {"linestyle": "none", "label": name, "markersize": 5}
        axes.plot(points, height, **style)
    _levels(axes)
    axes.set_xscale("symlog", linthresh=5)
    axes.set_xlabel("test accuracy against FromScratch's, points")
    axes.set_ylabel("bits left of TS-Orig")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize="small")
    return figure


def bits_over_seeds(runs: seeds.Runs) -> Figure | None:
    """Bits against points, with the least and the most of all seeds, where a tenth is lost."""
    lines = [line for line in seeds.left(runs) if line.share.mean < 0.9]
    if not lines:
        return None
    figure, axes = _figure(9.0, 4.6)
    for number, line in enumerate(lines):
        style = _style(number) | {"label": line.name}
        _crossed(axes, line.points, line.bits, style)
    _levels(axes)
    axes.set_xlabel("test accuracy against FromScratch's, points")
    axes.set_ylabel("bits left of TS-Orig")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize="x-small")
    return figure


def frontier(runs: seeds.Runs) -> Figure | None:
    """What each kind of mark costs, in points, and what each attack leaves of it, in bits."""
    found = {name: one for name, one in marks.frontier(runs).items() if one[1]}
    attacks = list(dict.fromkeys(name for _, bits in found.values() for name in bits))
    if not attacks:
        return None
    figure, axes = _figure(8.6, 5.4)
    for number, attack in enumerate(attacks):
        style = _style(number) | {"label": attack}
        for points, bits in found.values():
            if attack in bits:
                _crossed(axes, seeds.Spread((points,)), bits[attack], style)
                style = style | {"label": None}
    places = [points for points, _ in found.values()]
    for place in places:
        axes.axvline(place, color="#dadce0", linewidth=0.8, zorder=0)
    axes.secondary_xaxis("top").set_xticks(
        places, list(found), rotation=50, ha="left", rotation_mode="anchor", fontsize="x-small"
    )
    _levels(axes)
    axes.set_yscale("symlog", linthresh=20)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("test accuracy against innocent networks, points")
    axes.set_ylabel("bits left")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize="small")
    return figure


def _style(number: int) -> dict[str, Any]:
    shape = _SHAPES[number // len(_COLOURS) % len(_SHAPES)]
    return {"color": _COLOURS[number % len(_COLOURS)], "marker": shape}


def _crossed(axes: Axes, across: seeds.Spread, up: seeds.Spread, style: Mapping[str, Any]) -> None:
    """Draw a mean with bars to the least and the most, both ways."""
    bars = [[[one.mean - min(one.values)], [max(one.values) - one.mean]] for one in (across, up)]
    fixed: dict[str, Any] = {"linestyle": "none", "markersize": 5, "elinewidth": 0.8}
    axes.errorbar([across.mean], [up.mean], bars[1], bars[0], **fixed, **style)


def _levels(axes: Axes) -> None:
    for level in (DEFAULT_STRENGTH, DEAD_BITS):
        axes.axhline(level, color="#5f6368", linewidth=0.8, linestyle="--")
        axes.text(0.01, level, f"{level} bits", va="bottom", transform=axes.get_yaxis_transform())
    axes.axvline(0, color="#5f6368", linewidth=0.8)


def encoded(figure: Figure, kind: str) -> bytes:
    """Write a figure; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    figure.savefig(buffer, format=kind, metadata=metadata, dpi=100)
    return buffer.getvalue()


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = _canvas(width, height)
    return figure, figure.add_subplot()


def _canvas(width: float, height: float) -> Figure:
    # No pyplot: it keeps global state and may want a display.
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "wmproof"
    return Figure(figsize=(width, height), layout="constrained")


def _panels(titles: Sequence[str]) -> tuple[Figure, list[Axes]]:
    figure = _canvas(5.2 * len(titles), 3.6)
    panels = []
    for place, title in enumerate(titles, start=1):
        axes = figure.add_subplot(1, len(titles), place)
        axes.set_title(title)
        axes.set_ylim(0, 105)
        axes.set_ylabel("accuracy, percent")
        panels.append(axes)
    return figure, panels


def _bars(axes: Axes, groups: Sequence[str], series: Mapping[str, Sequence[float]]) -> None:
    places, width = np.arange(len(groups)), 0.8 / len(series)
    for number, (name, values) in enumerate(series.items()):
        offset = (number - (len(series) - 1) / 2) * width
        axes.bar(places + offset, values, width, label=name, color=_COLOURS[number])
    axes.set_xticks(places, groups)
    axes.legend(loc="lower right")


def _test(result: Mapping[str, Any] | None) -> float:
    return np.nan if result is None else 100 * float(result["test_accuracy"])


def _trigger(result: Mapping[str, Any] | None, key: str) -> float:
    return np.nan if result is None else 100 * float(result["keys"][key]["accuracy"])
