"""Options and questions that several commands share."""

from __future__ import annotations

import functools
import math
import os
import re
import sys
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import click

from wmproof._base.files import read_file
from wmproof._base.locks import LOCK_TIMEOUT
from wmproof.core.strength import as_share, as_tolerance
from wmproof.core.triggers import parse_shape
from wmproof.errors import InputError, PassphraseError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

PASSPHRASE_VARIABLE = "WMPROOF_PASSPHRASE"  # noqa: S105 - the name of it
SIGNING_VARIABLE = "WMPROOF_SIGNING_PASSPHRASE"
_PASSPHRASE_LIMIT = 4096

_Command = TypeVar("_Command", bound=Callable[..., Any])
_Value = TypeVar("_Value")
Option: TypeAlias = Callable[[Any], Any]
"""The decorator that gives a command an option."""


class _File(click.Path):
    """A path; `-` is standard input, or standard output where something is written."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if value == "-":
            written = {"--out", "--html", "--contact-sheet"} & set(getattr(param, "opts", ()))
            value = "/dev/stdout" if written else "/dev/stdin"
        return super().convert(value, param, ctx)


FILE = _File(path_type=Path)


class Number(click.FloatRange):
    """A number in a range: NaN is in none, and would switch a limit off."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """As click's, and fail for NaN."""
        found = super().convert(value, param, ctx)
        return self.fail(f"{value!r} is no number", param, ctx) if math.isnan(found) else found


class _Parsed(click.ParamType[_Value]):
    """What a function reads; its InputError says what is wrong with an option."""

    def __init__(self, name: str, parse: Callable[[str], _Value]) -> None:
        self.name, self._parse = name, parse

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        try:
            return self._parse(value) if isinstance(value, str) else value
        except InputError as error:
            self.fail(". ".join(filter(None, (error.what, error.remedy))), param, ctx)


def _share(text: str) -> Fraction:
    if not re.fullmatch(r"0?\.\d{1,9}|1(\.0*)?", text) or not Fraction(text):
        raise InputError(f"{text!r} is not a share above 0 and at most 1, such as 0.9")
    return Fraction(text)


def _triggers(text: str) -> int | str:
    if text in ("auto", "all"):
        return text
    if not re.fullmatch(r"[1-9]\d{0,5}", text):
        raise InputError(f"{text!r} is not auto, all or a number from 1")
    return int(text)


def _memory(text: str) -> int:
    found = re.fullmatch(r"(\d{1,18}(?:\.\d+)?)([KMG]?)B?", text.strip().upper())
    if not found:
        raise InputError(f"{text!r} is not a size such as 4G or 800M")
    return int(float(found[1]) * {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}[found[2]])


SHAPE = _Parsed("shape", parse_shape)
MEMORY = _Parsed("size", _memory)
TOLERANCE, AGREEMENT = _Parsed("share", as_tolerance), _Parsed("share", as_share)
SHARE, TRIGGERS = _Parsed("share", _share), _Parsed("triggers", _triggers)


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
force_option = click.option("--force", is_flag=True, help="Replace files that exist.")
lock_timeout_option = click.option(
    "--lock-timeout",
    type=Number(0),
    default=LOCK_TIMEOUT,
    metavar="SECONDS",
    help="Give up when another process holds the file's lock for longer.",
)
reference_option = click.option(
    "--reference",
    type=FILE,
    metavar="MODEL.onnx",
    help="A model whose answers stand in for the ground truth.",
)
public_key_option = click.option(
    "--public-key",
    "pvk_path",
    required=True,
    type=FILE,
    metavar="KEY.pvk",
    help="The key as it was published.",
)
class_names_option = click.option(
    "--class-names", type=FILE, metavar="FILE", help="Names of the classes, one a line."
)
passphrase_option = click.option(
    "--passphrase-file",
    type=FILE,
    metavar="FILE",
    help="Read the marking key's passphrase from a file; "
    f"otherwise from ${PASSPHRASE_VARIABLE} or by asking.",
)
signing_option = click.option(
    "--sign-with",
    type=FILE,
    metavar="KEY.pem",
    help="Sign what is published with this Ed25519 private key (PEM or OpenSSH); "
    f"its passphrase comes from ${SIGNING_VARIABLE} or by asking.",
)


def gathered(
    name: str, options: Iterable[Option], make: Callable[[dict[str, Any]], Any]
) -> Callable[[_Command], _Command]:
    """Add options, and pass one argument instead of them.

    Parameters
    ----------
    name : str
        The argument.
    options : iterable of decorators
        In the order of the help.
    make : callable
        Takes what belongs to it out of all that was given, and returns the argument.
    """

    def add(command: _Command) -> _Command:
        @functools.wraps(command)  # and with it the options that the command has already
        def collected(**given: Any) -> Any:
            made = make(given)
            return command(**given, **{name: made})

        wrapped: Any = collected
        for option in reversed([*options]):
            wrapped = option(wrapped)
        result: _Command = wrapped
        return result

    return add


def ask_passphrase(file: Path | None, key: Path | None = None, *, confirm: bool = False) -> str:
    """Find the passphrase of a marking key: in a file, in the environment, or by asking.

    PassphraseError if there is none, it is empty, or nobody can be asked.
    """
    if file is not None:
        return _passphrase_from(file)
    from_environment = os.environ.get(PASSPHRASE_VARIABLE)
    if from_environment is not None:
        if not from_environment:
            raise PassphraseError("the passphrase is empty", where=f"${PASSPHRASE_VARIABLE}")
        return from_environment
    if not sys.stdin.isatty():
        raise PassphraseError(
            "no passphrase was given, and nobody can be asked for it",
            remedy=f"Use --passphrase-file or set {PASSPHRASE_VARIABLE}",
        )
    whose = "the marking key" if key is None else str(key)
    answer: str = click.prompt(
        f"Passphrase of {whose}", hide_input=True, confirmation_prompt=confirm, err=True
    )
    return answer


def _passphrase_from(file: Path) -> str:
    """Read a passphrase file: UTF-8, one line, whose end is not part of the passphrase."""
    try:
        text = read_file(file, limit=_PASSPHRASE_LIMIT).decode("utf-8-sig")  # editors leave a mark
    except UnicodeDecodeError:
        raise PassphraseError("the passphrase is not UTF-8 text", where=str(file)) from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text or "\n" in text:
        raise PassphraseError("the file must hold one line, the passphrase", where=str(file))
    return text


def read_signing_key(path: Path | None) -> bytes | None:
    """Read the Ed25519 private key of --sign-with; return its seed."""
    from wmproof.keys.signature import ed25519_seed

    return None if path is None else ed25519_seed(read_private_key(path), str(path))


def read_private_key(path: Path) -> PrivateKeyTypes:
    """Read a private key of any algorithm, asking for its passphrase if it has one."""
    from wmproof.keys.signature import load_private_key

    given = os.environ.get(SIGNING_VARIABLE)
    try:
        return load_private_key(path, _encoded(given) if given else None)
    except PassphraseError:
        if given or not sys.stdin.isatty():
            raise
    answer: str = click.prompt("Passphrase of the signing key", hide_input=True, err=True)
    return load_private_key(path, _encoded(answer))


def signing_passphrase() -> bytes | None:
    """Find the passphrase for a new signing key: in the environment, or by asking; None for none.

    Where nobody can be asked, a log that runs by itself has a key without one.
    """
    given = os.environ.get(SIGNING_VARIABLE)
    if given is not None or not sys.stdin.isatty():
        return _encoded(given) if given else None
    answer: str = click.prompt(
        "Passphrase of the new signing key (empty for none)",
        default="",
        show_default=False,
        hide_input=True,
        confirmation_prompt=True,
        err=True,
    )
    return _encoded(answer) or None


def _encoded(passphrase: str) -> bytes:
    """Bytes that are not UTF-8 are kept as they came: a key may have been made with them."""
    return passphrase.encode("utf-8", "surrogateescape")
