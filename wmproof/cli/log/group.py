"""The group of the log's commands."""

from __future__ import annotations

import click

from wmproof.cli.lazy import Commands, LazyGroup

_COMMANDS: Commands = {
    "init": ("wmproof.cli.log.write", "init", "Make an empty log."),
    "append": (
        "wmproof.cli.log.write",
        "append",
        "Append keys, durably; the next checkpoint publishes them.",
    ),
    "checkpoint": (
        "wmproof.cli.log.write",
        "checkpoint",
        "Sign and publish everything that was appended.",
    ),
    "prove-inclusion": (
        "wmproof.cli.log.prove",
        "prove_inclusion",
        "Prove that a key is in the log.",
    ),
    "prove-consistency": (
        "wmproof.cli.log.prove",
        "prove_consistency",
        "Prove that the log only grew since an old checkpoint.",
    ),
    "verify": ("wmproof.cli.log.verify", "verify", "Verify such a proof, or a whole log."),
    "serve": ("wmproof.cli.log.serve", "serve", "Show the log to people: pages and an API."),
    "witness": (
        "wmproof.cli.log.witness",
        "witness",
        "Cosign a checkpoint of a log that only grew.",
    ),
}


@click.group(cls=LazyGroup, lazy=_COMMANDS)
def log() -> None:
    """Publish keys in an append-only log, and verify that they are there."""
