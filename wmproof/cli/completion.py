"""`wmproof completion`: the shell completes commands and options."""

import os
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from wmproof._base.files import make_folder, write_file
from wmproof.cli.options import json_option
from wmproof.cli.output import print_json, print_named
from wmproof.errors import InputError

_VARIABLE = "_WMPROOF_COMPLETE"
_SHELLS = ("bash", "zsh", "fish")
# Where each shell looks by itself; zsh only in the folders of its fpath.
_PLACES = {
    "bash": ("XDG_DATA_HOME", ".local/share", "bash-completion/completions/wmproof"),
    "zsh": ("ZDOTDIR", "", ".zfunc/_wmproof"),
    "fish": ("XDG_CONFIG_HOME", ".config", "fish/completions/wmproof.fish"),
}


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS), required=False)
@click.option("--show", is_flag=True, help="Print the script instead of installing it.")
@json_option
def completion(shell: str | None, show: bool, as_json: bool) -> None:
    """Install completion for the shell that you use, or for another; open a new one to have it."""
    name = shell or _current_shell()
    script = _script(name)
    if show:
        print_json({"shell": name, "script": script}) if as_json else click.echo(script)
        return
    path = _place(name)
    make_folder(path.parent)
    write_file(path, script.encode(), overwrite=True)
    needs = "fpath+=" + str(path.parent) + "; autoload -Uz compinit; compinit"
    fields = {"shell": name, "file": str(path), "add_to_zshrc": needs if name == "zsh" else None}
    print_named(fields, as_json)


def _current_shell() -> str:
    name = Path(os.environ.get("SHELL", "")).name
    if name not in _SHELLS:
        raise InputError(
            f"the shell {name!r} is not one of {', '.join(_SHELLS)}"
            if name
            else "no shell is named",
            where="$SHELL",
            remedy="Name it: wmproof completion bash",
        )
    return name


def _script(shell: str) -> str:
    from wmproof.cli.app import cli

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click has these three
    return kind(cli, {}, "wmproof", _VARIABLE).source()


def _place(shell: str) -> Path:
    variable, usual, name = _PLACES[shell]
    try:
        base = Path(os.environ.get(variable) or Path.home() / usual)
    except RuntimeError as error:
        raise InputError(
            "no home is known", where="$HOME", remedy="Use --show and keep the script yourself"
        ) from error
    return base / name
