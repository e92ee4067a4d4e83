"""Help fits 80 columns, shells complete, `-` is standard input, misspelt commands are known."""

import os
import shutil
import subprocess

import click
import pytest
from own_process import wmproof

from wmproof.cli import specimen
from wmproof.cli.app import cli


def all_commands(command=cli, path=()):
    yield path, command
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            yield from all_commands(
                command.get_command(click.Context(command), name), (*path, name)
            )


COMMANDS = list(all_commands())


def run(*arguments, **options):
    return wmproof(*arguments, text=False, **options)


@pytest.mark.parametrize(
    ("path", "command"), COMMANDS, ids=[" ".join(path) or "wmproof" for path, _ in COMMANDS]
)
@pytest.mark.parametrize("columns", [80, 200])
def test_help_fits_eighty_columns(path, command, columns):
    context = cli.make_context("wmproof", list(path), resilient_parsing=True)
    for name in path:
        context = click.Context(command, parent=context, info_name=name)
    context.terminal_width, context.max_content_width = (
        None,
        cli.context_settings["max_content_width"],
    )
    os.environ["COLUMNS"] = str(columns)
    try:
        lines = command.get_help(context).splitlines()
    finally:
        del os.environ["COLUMNS"]
    assert lines[0].startswith("Usage: ")
    assert max(map(len, lines)) <= 80, max(lines, key=len)


def test_the_shell_completes(tmp_path):
    places = {"XDG_DATA_HOME": str(tmp_path), "SHELL": "/bin/bash"}
    done = run("completion", env=places)
    assert done.returncode == 0, done.stderr
    script = tmp_path / "bash-completion/completions/wmproof"
    assert "_WMPROOF_COMPLETE" in script.read_text()
    words = {
        "COMP_WORDS": "wmproof verify-b",
        "COMP_CWORD": "1",
        "_WMPROOF_COMPLETE": "bash_complete",
    }
    done = run(env=places | words)
    assert (done.returncode, done.stdout) == (0, b"plain,verify-bundle\n")
    for shell in ("zsh", "fish"):
        done = run("completion", shell, "--show")
        assert b"_WMPROOF_COMPLETE" in done.stdout
    done = run("completion", env=places | {"SHELL": "/bin/tcsh"})
    assert done.returncode == 2
    assert b"wmproof completion bash" in done.stderr


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_bash_takes_the_script():
    script = run("completion", "bash", "--show").stdout
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(os.name != "posix", reason="needs /dev/stdin")
def test_a_dash_is_standard_input_and_output(tmp_path):
    data = specimen.read_specimen(specimen.EVIDENCE)
    done = run("inspect", "-", input=data)
    assert b"evidence bundle" in done.stdout
    run("inspect", "-", "--extract", tmp_path, input=data)
    sheet = run(
        "check-key",
        "-",
        "--contact-sheet",
        "-",
        "--force",
        input=(tmp_path / "key.pvk").read_bytes(),
    )
    assert b"\x89PNG\r\n" in sheet.stdout


@pytest.mark.parametrize(
    ("typed", "meant"), [("verfiy", "verify"), ("keygn", "keygen"), ("log serv", "serve")]
)
def test_a_misspelt_command_gets_a_suggestion(typed, meant):
    done = run(*typed.split())
    assert done.returncode == 2
    assert f"Did you mean '{meant}'?".encode() in done.stderr


def test_what_is_like_no_command_gets_none():
    assert b"Did you mean" not in run("xyzzy").stderr


def test_no_option_takes_what_is_no_number():
    """NaN is below no limit and above none: a least difficulty of it would be none."""
    options = {(*path, o.name): o for path, command in COMMANDS for o in command.params}
    numbers = {n: o for n, o in options.items() if isinstance(o.type, click.types.FloatParamType)}
    assert len(numbers) > 8
    assert {name for name, option in numbers.items() if takes(option, "nan")} == set()


def takes(option, value):
    try:
        option.type.convert(value, option, None)
    except click.BadParameter:
        return False
    return True
