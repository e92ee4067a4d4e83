"""`wmproof log`: the transparency log's commands."""

import click

from wmproof.cli.lazy import Commands, LazyGroup

_COMMANDS: Commands = {
    "init": ("log.write", "Make an empty log."),
    "append": ("log.write", "Append keys, durably; the next checkpoint publishes them."),
    "checkpoint": ("log.write", "Sign and publish everything that was appended."),
    "prove-inclusion": ("log.prove", "Prove that a key is in the log."),
    "prove-consistency": ("log.prove", "Prove that the log only grew since an old checkpoint."),
    "verify": ("log.verify", "Verify such a proof, or a whole log."),
    "serve": ("log.serve", "Show the log to people: pages and an API."),
    "witness": ("log.witness", "Cosign a checkpoint of a log that only grew."),
}


@click.group(cls=LazyGroup, lazy=_COMMANDS)
def log() -> None:
    """Publish keys in an append-only log, and verify that they are there."""
