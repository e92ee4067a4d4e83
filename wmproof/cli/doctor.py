"""`wmproof doctor`: whether this installation works, and with what."""

import importlib.metadata
import importlib.util
import os
import platform
from collections.abc import Callable
from typing import Any

import click

from wmproof._base.compilation import announced
from wmproof._base.threads import thread_count
from wmproof._base.version import __version__
from wmproof.cli.options import json_option
from wmproof.cli.output import print_fields, print_json, print_verdict

_PACKAGES = ("numpy", "onnx", "onnxruntime", "cryptography", "blake3", "pynacl", "pillow")
# What each extra is known by, and what is done with it.
_EXTRAS = {
    "prove": ("numba", "make zero-knowledge claims"),
    "train": ("torch", "train models, and export them"),
    "demo": ("sklearn", "run the demonstration"),
    "serve": ("fastapi", "show a log in a browser"),
    "timestamps": ("rfc3161_client", "get and read timestamps"),
    "remote": ("httpx", "ask a model behind an endpoint"),
    "experiments": ("ray", "repeat the experiments on many machines"),
}


@click.command()
@json_option
def doctor(as_json: bool) -> int:
    """Check this installation: versions, threads, optional parts, and the work itself.

    A key is made and checked, and the evidence that comes with the package is verified; with the
    extra `prove` a small claim is proved too. Show what it prints when you report a bug: there is
    nothing secret in it. Exit code 1: something does not work.
    """
    versions = _versions()
    missing = [
        f"{name} ({use})"
        for name, (module, use) in _EXTRAS.items()
        if importlib.util.find_spec(module) is None
    ]
    with announced(quiet=as_json):
        checks = {name: _attempt(check) for name, check in _CHECKS.items()}
    works = all(answer in ("works", _ABSENT) for answer in checks.values())
    if as_json:
        print_json({"works": works, **versions, "missing_extras": missing, "checks": checks})
        return 0 if works else 1
    print_fields(versions)
    print_fields({"not installed": ", ".join(missing) or "nothing"})
    print_fields(checks)
    print_verdict(works, "this installation works" if works else "something does not work")
    return 0 if works else 1


def _versions() -> dict[str, Any]:
    packages = {name: _version(name) for name in (*_PACKAGES, "numba", "torch")}
    return {
        "wmproof": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "threads": f"{thread_count()} of {os.cpu_count()}",
        "packages": ", ".join(f"{name} {version}" for name, version in packages.items() if version),
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


_ABSENT = "needs the extra prove"


def _attempt(check: Callable[[], None]) -> str:
    try:
        check()
    except ModuleNotFoundError as error:
        if error.name == "numba":
            return _ABSENT
        return f"fails: {error}"
    except Exception as error:  # whatever it is, it is what is asked for here
        return f"fails: {type(error).__name__}: {error}"
    return "works"


def _key() -> None:
    from wmproof.core.policy import DEFAULT_SECURITY
    from wmproof.core.triggers import abstract
    from wmproof.keys.check import check_public_key
    from wmproof.keys.keygen import pkeygen

    _, public = pkeygen(abstract(4 * DEFAULT_SECURITY, (8, 8)), 10)
    check_public_key(public)


def _claim() -> None:
    from wmproof.pverify.warm_up import warm_up

    warm_up()


def _evidence() -> None:
    from wmproof.cli.specimen import verify_specimen

    verify_specimen()


_CHECKS: dict[str, Callable[[], None]] = {
    "make and check a key": _key,
    "verify a claim that somebody else proved": _evidence,
    "prove a claim": _claim,
}
