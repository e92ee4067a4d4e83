"""What units do: each task reads a unit's options and a bench, and returns what it found."""

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


def task(name: str) -> Task:
    """Look up a task by its name."""
    from wmproof.experiments.tasks import attacks, claims, paper

    return {**paper.TASKS, **attacks.TASKS, **claims.TASKS}[name]
