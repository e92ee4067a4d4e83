"""A command group that loads a command's module only when that command runs."""

import difflib
import importlib
import importlib.util
from collections.abc import Mapping
from typing import Any

import click

Commands = Mapping[str, tuple[str, str]]
"""name -> (module below `wmproof.cli`, what help says); its function has the command's name."""


class LazyGroup(click.Group):
    """Lists the commands of this installation without importing them."""

    def __init__(self, *args: Any, lazy: Commands, **options: Any) -> None:
        super().__init__(*args, **options)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, in the order of help."""
        return [name for name in self._lazy if self._is_installed(name)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in self._lazy or not self._is_installed(cmd_name):
            return None
        module = importlib.import_module(self._module(cmd_name))
        command = getattr(module, cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)  # noqa: S101 - a fact about this package
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the nearest command where there is none of this name."""
        name = args[0]
        close = difflib.get_close_matches(name, self.list_commands(ctx), 1)
        if name not in self.list_commands(ctx) and close and not name.startswith("-"):
            ctx.fail(f"there is no command {name!r}. Did you mean {close[0]!r}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._lazy[name][1]) for name in self.list_commands(ctx)])

    def _is_installed(self, name: str) -> bool:
        return importlib.util.find_spec(self._module(name)) is not None

    def _module(self, name: str) -> str:
        return f"wmproof.cli.{self._lazy[name][0]}"
