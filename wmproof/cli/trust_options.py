"""Options that say whom a verifier of evidence trusts."""

import functools
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from wmproof._base.files import read_file
from wmproof.cli.log.options import VKEY, quorum_option, witness_option
from wmproof.cli.options import FILE, Number, gathered
from wmproof.cli.policy_options import CIRCUIT, PUBLIC_KEY, PolicyFor, policy_options
from wmproof.core.triggers import Shape
from wmproof.errors import InputError
from wmproof.publication.bundle.trust import Required, Trust
from wmproof.publication.log.note import VerifierKey
from wmproof.publication.log.tlog_proof import PROOF_LIMIT

_FIRST_YEAR = 1970
TrustFor = Callable[[Shape], Trust]
"""Trust, once the shape of the key's images is known."""


class _Time(click.ParamType[datetime]):
    name = "time"

    def convert(self, value: Any, param: Any, ctx: Any) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            time = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a time like 2026-05-01T12:00:00Z", param, ctx)
        if time.tzinfo is None:
            self.fail(f"{value!r} has no time zone; UTC is written Z", param, ctx)
        if time.year < _FIRST_YEAR:
            self.fail(f"{value!r} is before {_FIRST_YEAR}", param, ctx)
        if time > datetime.now(UTC):
            self.fail(f"{value!r} is in the future: nobody has seen anything then", param, ctx)
        return time.astimezone(UTC)


_OPTIONS = (
    click.option(
        "--log-key",
        "log_keys",
        type=VKEY,
        multiple=True,
        metavar="VKEY",
        help="The public key of a log that you trust, or a file of it; may be repeated.",
    ),
    click.option(
        "--origin",
        "origins",
        multiple=True,
        metavar="KEY=ORIGIN",
        help="The origin of a log, where it is not the name of its key.",
    ),
    witness_option,
    quorum_option,
    click.option(
        "--log-now",
        type=FILE,
        multiple=True,
        metavar="FILE",
        help="Fresh from a log: its checkpoint, or a consistency proof since the bundle's.",
    ),
    click.option(
        "--tsa-roots",
        type=FILE,
        multiple=True,
        metavar="CA.pem",
        help="Roots of timestamp authorities that you trust.",
    ),
    click.option(
        "--intermediates",
        "tsa_intermediates",
        type=FILE,
        multiple=True,
        metavar="CA.pem",
        help="Certificates below those roots that a timestamp does not carry.",
    ),
    click.option("--headers", type=FILE, metavar="FILE", help="Block headers that you trust."),
    click.option(
        "--minimum-difficulty",
        type=Number(0, min_open=True),
        metavar="D",
        help="Refuse headers of less work.  [default: 1e13]",
    ),
    click.option(
        "--model-seen",
        type=_Time(),
        metavar="TIME",
        help="When you know the model to have been seen: 2026-05-01T12:00:00Z.",
    ),
    click.option(
        "--without",
        type=click.Choice([item.value for item in Required]),
        multiple=True,
        help="Accept a bundle that does not show this.",
    ),
)
_NAMES = (
    *("log_keys", "origins", "witnesses", "quorum", "log_now", "tsa_roots"),
    *("tsa_intermediates", "headers"),
    *("minimum_difficulty", "model_seen", "without", "policy_for"),
)


def _take_trust(given: dict[str, Any]) -> TrustFor:
    return functools.partial(_trust, **{name: given.pop(name) for name in _NAMES})


def _trust(
    shape: Shape,
    *,
    log_keys: tuple[VerifierKey, ...],
    origins: tuple[str, ...],
    witnesses: tuple[VerifierKey, ...],
    quorum: int | None,
    log_now: tuple[Path, ...],
    tsa_roots: tuple[Path, ...],
    tsa_intermediates: tuple[Path, ...],
    headers: Path | None,
    minimum_difficulty: float | None,
    model_seen: datetime | None,
    without: tuple[str, ...],
    policy_for: PolicyFor,
) -> Trust:
    return Trust(
        log_keys=log_keys,
        origins=dict(_origin(text) for text in origins),
        witnesses=witnesses,
        quorum=quorum,
        log_now=tuple(read_file(path, limit=PROOF_LIMIT) for path in log_now),
        tsa_roots=_roots(tsa_roots),
        tsa_intermediates=_roots(tsa_intermediates),
        block_headers=_headers(headers),
        minimum_difficulty=minimum_difficulty,
        model_seen=model_seen,
        without=frozenset(Required(item) for item in without),
        policy=policy_for(shape),
    )


def _origin(text: str) -> tuple[str, str]:
    name, mark, origin = text.partition("=")
    if not (name and mark and origin):
        raise InputError(f"{text!r} is not of the form KEY=ORIGIN", where="--origin")
    return name, origin


def _roots(paths: tuple[Path, ...]) -> tuple[Any, ...]:
    if not paths:
        return ()
    from wmproof.publication.timestamps.trust import load_roots

    return tuple(root for path in paths for root in load_roots(path))


def _headers(path: Path | None) -> dict[int, bytes]:
    if path is None:
        return {}
    from wmproof.publication.timestamps.block_headers import load_headers

    return load_headers(path)


trust_options = gathered(
    "trust_for", (*_OPTIONS, policy_options(*PUBLIC_KEY, *CIRCUIT)), _take_trust
)
