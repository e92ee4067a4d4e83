"""The group of the log's commands, which loads a command's module only when it runs."""

from __future__ import annotations

import importlib

import click

# name -> (module, attribute, what help says).
_COMMANDS = {
    "init": ("write", "init", "Make an empty log."),
    "append": ("write", "append", "Append keys, durably; the next checkpoint publishes them."),
    "checkpoint": ("write", "checkpoint", "Sign and publish everything that was appended."),
    "prove-inclusion": ("prove", "prove_inclusion", "Prove that a key is in the log."),
    "prove-consistency": (
        "prove",
        "prove_consistency",
        "Prove that the log only grew since an old checkpoint.",
    ),
    "verify": ("verify", "verify", "Verify such a proof, or a whole log."),
    "serve": ("serve", "serve", "Show the log to people: pages and an API."),
    "witness": ("witness", "witness", "Cosign a checkpoint of a log that only grew."),
}


class _LogGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, attribute, _ = _COMMANDS[cmd_name]
        command = getattr(importlib.import_module(f"wmproof.cli.log.{module}"), attribute)
        assert isinstance(command, click.Command)  # noqa: S101 - a fact about this package
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_) for name, (_, _, help_) in _COMMANDS.items()])


@click.group(cls=_LogGroup)
def log() -> None:
    """Publish keys in an append-only log, and verify that they are there."""
