"""What a unit's work leaves."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from wmproof.experiments.bench import Bench
from wmproof.experiments.unit import Unit


@dataclass(frozen=True)
class Outcome:
    """What a unit leaves."""

    results: dict[str, Any]
    """As JSON knows it."""
    model: nn.Module | None = None
    """Of the setting's architecture, where later units build on it."""


Task = Callable[[Unit, Bench], Outcome]
