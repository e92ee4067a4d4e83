"""What units do: each task reads a unit's options and a bench, and returns what it found."""

from wmproof.experiments.tasks import attacks, claims, paper
from wmproof.experiments.tasks.outcome import Task


def task(name: str) -> Task:
    """Look up a task by its name."""
    return {**paper.TASKS, **attacks.tasks(), **claims.TASKS}[name]
