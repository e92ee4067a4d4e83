"""Whether what the paper found is found again, in sentences made from the results."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from wmproof.core.policy import DEFAULT_STRENGTH

if TYPE_CHECKING:
    from wmproof.experiments.plan import Plan

Results = Mapping[str, Mapping[str, Any]]
_LIVES = 0.05
DEAD_BITS = 20


def triggers_of(result: Mapping[str, Any], key: str) -> float:
    """Accuracy on a trigger set."""
    return float(result["keys"][key]["accuracy"])


class Ordering(NamedTuple):
    """What the paper found to be left of two marks, of which the first outlives the second."""

    name: str
    """Which, under what, and in which figure."""
    left: tuple[float, float]
    """Shares of the triggers that are left of them."""
    of: tuple[str, str] = ("", " of the triggers")
    """What each is a share of, where these differ."""

    @property
    def holds(self) -> bool:
        """Whether it is so here."""
        return self.left[0] >= self.left[1]


def sentences(results: Results) -> Iterator[str]:
    """Compare with sections 5.3 to 5.5 of the paper, as far as units are finished."""
    for name in ("FromScratch", "PreTrained"):
        if name in results and "No-WM" in results:
            change = results[name]["test_accuracy"] - results["No-WM"]["test_accuracy"]
            yield (
                f"Functionality: {name} has {100 * change:+.2f} points of No-WM's test accuracy "
                f"and {triggers_of(results[name], 'TS-Orig'):.1%} of its triggers "
                "(paper: within 0.4 points, 100%)."
            )
    for found in orderings(results):
        yield (
            f"{found.name}: {'holds' if found.holds else '**does not hold**'}, "
            f"{found.left[0]:.1%}{found.of[0]} and {found.left[1]:.1%}{found.of[1]}."
        )


def orderings(results: Results) -> Iterator[Ordering]:
    """Give the paper's orderings, as far as units are finished."""
    for method in ("FTLL", "FTAL", "RTLL", "RTAL"):
        pair = [f"{owner}-{method}" for owner in ("FromScratch", "PreTrained")]
        if all(name in results for name in pair):
            scratch, trained = (triggers_of(results[name], "TS-Orig") for name in pair)
            name = f"FromScratch at least as robust as PreTrained under {method} (figure 6)"
            yield Ordering(name, (scratch, trained))
    for owner, method in itertools.product(("Pirated", "Pirated gently"), ("FTAL", "RTAL")):
        if (result := results.get(f"{owner}-{method}")) is not None:
            old, new = (triggers_of(result, key) for key in ("TS-Orig", "TS-New"))
            name = f"TS-Orig outlives TS-New under {method}, {owner.lower()} (figure 7)"
            yield Ordering(name, (old, new), (" of TS-Orig", " of TS-New"))


def verdict(before: float, test_accuracy: float, key: Mapping[str, Any]) -> str:
    """Say what an attack did to a claim, and to the model.

    A claim holds by its strength in bits. The model lives if it loses at most five points. Fewer
    than 20 bits are no evidence; what lies between them and 128 is a weakened watermark.
    """
    if key["strong"]:
        return "claim holds"
    alive = lives(before, test_accuracy)
    if key["bits"] >= DEAD_BITS:
        return f"below {DEFAULT_STRENGTH} bits, model {'lives' if alive else 'dies'}"
    return "**dies while the model lives**" if alive else "dies with the model"


def rows_of(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Give what a unit measured: a row for each network that it made."""
    rows: list[Mapping[str, Any]] = result.get("rows", [result])
    return rows


def attacked(plan: Plan, results: Results) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Give all that was made of FromScratch for its own task: unit, strength and what was found."""
    for unit in plan.units:
        stolen = unit.needs[:1] == ("FromScratch",) and unit.item in (2, 3, 5)
        if (stolen or unit.item == 3) and unit.name in results:
            for row in rows_of(results[unit.name]):
                yield unit.name, row.get("label", ""), row


def lives(before: float, test_accuracy: float) -> bool:
    """Tell whether a model lost at most five points of test accuracy."""
    return before - test_accuracy <= _LIVES
