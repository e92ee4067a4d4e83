"""Every failure of a command, as one message and one exit code."""

import io
import os
import sys
from pathlib import Path
from typing import Any, NoReturn, TextIO

import click

from wmproof._base.text import one_line
from wmproof.cli.output import print_json
from wmproof.errors import InputError, VerificationError, WmproofError

INTERRUPTED = 130
_EXTRAS = {
    "torch": "train",
    "torchvision": "train",
    "sklearn": "demo",
    "onnxscript": "train",
    "numba": "prove",
    "matplotlib": "plots",
    "fastapi": "serve",
    "jinja2": "serve",
    "limits": "serve",
    "starlette": "serve",
    "uvicorn": "serve",
    "anyio": "timestamps",
    "bitcoin": "timestamps",
    "httpx": "timestamps",
    "opentimestamps": "timestamps",
    "rfc3161_client": "timestamps",
    "ray": "experiments",
}


class UsageError(InputError):
    """The command line is not one that the command understands."""


def run(command: click.Command, arguments: list[str] | None) -> NoReturn:
    """Run a command and exit with its code; nothing gets past this function as a traceback.

    `WMPROOF_DEBUG=1` shows the traceback all the same, for whoever mends a bug.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    _prepare_output()
    try:
        code = _attempt(command, arguments)
    except OSError as error:  # the output itself is broken, so the answer was not given
        code = 2
        _abandon(sys.stdout)
        try:
            if not isinstance(error, BrokenPipeError):
                _print_error(_from_os_error(error))
        except OSError:
            _abandon(sys.stderr)
    sys.exit(code)


def _prepare_output() -> None:
    """Give every process output streams that take any character, closed ones a place to go."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - open until the end
        if isinstance(stream := getattr(sys, name), io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _attempt(command: click.Command, arguments: list[str]) -> int:
    """Run, report and flush; only what breaks the output itself is raised."""
    as_json = "--json" in arguments
    try:
        result = command.main(arguments, prog_name="wmproof", standalone_mode=False)
        code = result if isinstance(result, int) else 0
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except WmproofError as error:
        code = _report(error, as_json=as_json)
    except click.exceptions.Exit as error:
        code = error.exit_code
    except click.ClickException as error:
        code = _report_usage(error, as_json=as_json)
    except SystemExit as error:  # click's own ways out: completion, and 1 for a closed output
        if error.code:
            raise BrokenPipeError from error
        code = 0
    except Exception as error:
        # click takes every end of a file for Ctrl-D at a question; only there has it no cause.
        cause = error.__cause__ if isinstance(error, click.Abort) else error
        if isinstance(cause, Exception):
            if os.environ.get("WMPROOF_DEBUG"):
                raise
            code = _report(_translate(cause), as_json=as_json)
        else:
            code = _interrupted()
    except KeyboardInterrupt:
        code = _interrupted()
    sys.stdout.flush()
    return code


def _interrupted() -> int:
    print("\ninterrupted", file=sys.stderr)
    return INTERRUPTED


def _translate(error: Exception) -> WmproofError:
    if isinstance(error, ModuleNotFoundError):
        return _missing_module(error)
    if isinstance(error, MemoryError):
        return InputError("there is not enough memory", remedy="Close other programs and try again")
    if isinstance(error, OSError):
        return _from_os_error(error)
    return WmproofError(
        f"an unexpected failure ({type(error).__name__}: {error})",
        remedy="This is a bug in wmproof; run again with WMPROOF_DEBUG=1 and report what it shows",
    )


def _from_os_error(error: OSError) -> InputError:
    where = str(error.filename) if error.filename else None
    return InputError(f"the system refuses ({error.strerror or error})", where=where)


def _missing_module(error: ModuleNotFoundError) -> WmproofError:
    missing = (error.name or "").partition(".")[0]
    if missing in _EXTRAS:
        return InputError(
            f"this needs the package {missing}, which is not installed",
            remedy=f"Install the extra: pip install 'wmproof[{_EXTRAS[missing]}]'",
        )
    return InputError(f"the installation is incomplete ({error})", remedy="Install wmproof again")


def _report_usage(error: click.ClickException, *, as_json: bool) -> int:
    context = error.ctx if isinstance(error, click.UsageError) else None
    command = context.command_path if context else "wmproof"
    said = error.format_message()
    if as_json:
        remedy = f"`{command} --help` lists what can be given"
        return _report(UsageError(said.rstrip("."), remedy=remedy), as_json=True)
    if context:
        print(f"{context.get_usage()}\nTry '{command} --help' for help.\n", file=sys.stderr)
    print(f"Error: {one_line(said)}", file=sys.stderr)
    return 2


def _report(error: WmproofError, *, as_json: bool) -> int:
    if as_json:
        print_json({"error": describe(error), "holds": _holds(error)})
    else:
        _print_error(error)
    return error.exit_code


def _holds(error: WmproofError) -> bool | None:
    """False where a check failed; None where it could not be carried out."""
    return False if isinstance(error, VerificationError) else None


def describe(error: WmproofError) -> dict[str, Any]:
    """Return an error as JSON knows it."""
    fields: dict[str, Any] = {
        "kind": type(error).__name__,
        "what": error.what,
        "where": error.where,
        "remedy": error.remedy,
    }
    if isinstance(error, VerificationError):
        fields |= {"check": error.check, "numbers": error.numbers}
    return fields


def _print_error(error: WmproofError) -> None:
    from rich.console import Console
    from rich.text import Text

    failed = isinstance(error, VerificationError)
    text = Text("does not hold: " if failed else "error: ", style="bold red")
    if isinstance(error, VerificationError):
        text.append(f"[{one_line(error.check)}] ", style="bold")
    what = f"{error.where}: {error.what}" if error.where else error.what
    text.append(one_line(what), style="not bold")
    if error.remedy:
        text.append(f"\n{one_line(error.remedy)}", style="dim")
    Console(stderr=True, highlight=False).print(text, soft_wrap=True)


def _abandon(stream: TextIO) -> None:
    """Point a stream nowhere, so that the interpreter's last flush cannot fail again."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)
