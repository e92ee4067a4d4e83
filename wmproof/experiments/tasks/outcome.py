"""What a unit's work leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from wmproof.experiments.bench import Bench
from wmproof.experiments.unit import Unit


@dataclass(frozen=True)
class Outcome:
    """What a unit leaves.

    Parameters
    ----------
    results : dict
        As JSON knows it.
    model : nn.Module or None
        Of the setting's architecture, where later units build on it.
    """

    results: dict[str, Any]
    model: nn.Module | None = None


Task = Callable[[Unit, Bench], Outcome]
