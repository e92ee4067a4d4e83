"""What counted hits are worth: in bits, by the exact tail, and by the paper's rule beside them."""

import bisect
from collections.abc import Mapping
from typing import Any

from wmproof.core.policy import DEFAULT_STRENGTH
from wmproof.core.strength import required_hits, strength_bits


def claim(hits: int, triggers: int, classes: int) -> dict[str, Any]:
    """Say what so many hits are worth.

    Returns, as JSON knows it: `hits`, `triggers` and their quotient `accuracy`; `bits`, the
    strength of `wmproof.core.strength`, and `strong`, whether they are the 128 by which a claim
    holds; `threshold` and `holds`, the paper's rule that 90 % must be hit.
    """
    threshold = required_hits(triggers)
    bits = strength_bits(triggers, hits, classes)
    return {
        "hits": hits,
        "triggers": triggers,
        "accuracy": hits / triggers,
        "threshold": threshold,
        "bits": round(bits, 2),
        "strong": bits >= DEFAULT_STRENGTH,
        "holds": hits >= threshold,
    }


def hits_for(bits: float, triggers: int, classes: int) -> int:
    """Return the fewest hits that are worth so many bits; one more than all where none are."""
    return bisect.bisect_left(
        range(triggers + 1), bits, key=lambda hits: strength_bits(triggers, hits, classes)
    )


def judged(found: Any, classes: int) -> Any:
    """Return results in which all worth is computed anew from the counts, whoever wrote it.

    Parameters
    ----------
    found : JSON value
        Each mapping in it that counts `hits` of `triggers` gets the fields of `claim`.
    classes : int
        Of the keys.
    """
    if isinstance(found, list):
        return [judged(one, classes) for one in found]
    if not isinstance(found, Mapping):
        return found
    inner = {name: judged(value, classes) for name, value in found.items()}
    if {"hits", "triggers"} <= inner.keys():
        inner |= claim(inner["hits"], inner["triggers"], classes)
    return inner
