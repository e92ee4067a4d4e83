"""Whether what the paper found is found again, in sentences made from the results."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

Results = Mapping[str, Mapping[str, Any]]
_LIVES = 0.05
_DEAD_BITS = 20


def triggers_of(result: Mapping[str, Any], key: str) -> float:
    """Accuracy on a trigger set."""
    return float(result["keys"][key]["accuracy"])


def orderings(results: Results) -> Iterator[str]:
    """Compare with sections 5.3 to 5.5 of the paper, as far as units are finished."""
    yield from _functionality(results)
    yield from _unremovability(results)
    yield from _piracy(results)


def _functionality(results: Results) -> Iterator[str]:
    for name in ("FromScratch", "PreTrained"):
        if name in results and "No-WM" in results:
            change = results[name]["test_accuracy"] - results["No-WM"]["test_accuracy"]
            yield (
                f"Functionality: {name} has {100 * change:+.2f} points of No-WM's test accuracy "
                f"and {triggers_of(results[name], 'TS-Orig'):.1%} of its triggers "
                "(paper: within 0.4 points, 100%)."
            )


def _unremovability(results: Results) -> Iterator[str]:
    for method in ("FTLL", "FTAL", "RTLL", "RTAL"):
        pair = [f"{owner}-{method}" for owner in ("FromScratch", "PreTrained")]
        if all(name in results for name in pair):
            scratch, trained = (triggers_of(results[name], "TS-Orig") for name in pair)
            holds = "holds" if scratch >= trained else "**does not hold**"
            yield (
                f"FromScratch at least as robust as PreTrained under {method} (figure 6): {holds}, "
                f"{scratch:.1%} and {trained:.1%} of the triggers."
            )


def _piracy(results: Results) -> Iterator[str]:
    for owner, method in itertools.product(("Pirated", "Pirated gently"), ("FTAL", "RTAL")):
        name = f"{owner}-{method}"
        if name in results:
            old, new = (triggers_of(results[name], key) for key in ("TS-Orig", "TS-New"))
            holds = "holds" if old >= new else "**does not hold**"
            yield (
                f"TS-Orig outlives TS-New under {method}, {owner.lower()} (figure 7): "
                f"{holds}, {old:.1%} of TS-Orig and {new:.1%} of TS-New."
            )


def verdict(before: float, test_accuracy: float, key: Mapping[str, Any]) -> str:
    """Say what an attack did to a claim, and to the model.

    The model lives if it loses at most five points. Fewer than 20 bits are no evidence; what lies
    between them and the threshold of a claim is a weakened watermark.
    """
    if key["holds"]:
        return "claim holds"
    lives = before - test_accuracy <= _LIVES
    if key["bits"] >= _DEAD_BITS:
        return f"below the threshold, model {'lives' if lives else 'dies'}"
    return "**dies while the model lives**" if lives else "dies with the model"
