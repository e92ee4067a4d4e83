"""`wmproof timestamp`: RFC 3161 tokens and OpenTimestamps files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wmproof._base.files import check_target, hash_file, read_file, write_file
from wmproof._base.locks import locked
from wmproof.cli.options import FILE, Number, force_option, json_option, lock_timeout_option
from wmproof.cli.output import print_named, print_verdict

if TYPE_CHECKING:
    from wmproof.publication.timestamps.ots import BlockTimestamp
    from wmproof.publication.timestamps.rfc3161 import Timestamp

_FILE_LIMIT = 1 << 30
_TIMEOUT = click.option(
    "--timeout",
    type=Number(0, 3600, min_open=True),
    default=20.0,
    metavar="SECONDS",
    help="For each exchange with a server.",
)
_POLICY = click.option("--policy", metavar="OID", help="Insist on this policy of the authority.")
_CALENDARS = click.option(
    "--calendar",
    "calendars",
    multiple=True,
    required=True,
    metavar="URL",
    help="A calendar that may be asked; may be repeated. No other is.",
)


_INTERMEDIATES = click.option(
    "--intermediates",
    type=FILE,
    multiple=True,
    metavar="CA.pem",
    help="Certificates below the roots that a token does not carry.",
)


class _InOrder(click.Group):
    """Lists commands in the order in which they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, in the order in which they are written here."""
        return list(self.commands)


@click.group(cls=_InOrder)
def timestamp() -> None:
    """Have a file timestamped by others, and verify their timestamps."""


@timestamp.command(short_help="Get a token from an RFC 3161 authority, and verify it.")
@click.argument("file", type=FILE)
@click.option("--tsa", required=True, metavar="URL", help="The authority.")
@click.option(
    "--roots", "--tsa-roots", required=True, type=FILE, metavar="CA.pem", help="Whom to trust."
)
@_INTERMEDIATES
@click.option("-o", "--out", type=FILE, metavar="FILE.tsr", help="[default: FILE.tsr]")
@_POLICY
@_TIMEOUT
@force_option
@json_option
def rfc3161(
    file: Path,
    tsa: str,
    roots: Path,
    intermediates: tuple[Path, ...],
    out: Path | None,
    policy: str | None,
    timeout: float,
    force: bool,
    as_json: bool,
) -> int:
    """Get a token from an RFC 3161 authority; it is verified before it is written."""
    from wmproof.publication.timestamps.authority import request_token
    from wmproof.publication.timestamps.trust import load_roots

    target = out or Path(f"{file}.tsr")
    check_target(target, overwrite=force)
    token, stamp = request_token(
        read_file(file, limit=_FILE_LIMIT),
        tsa,
        load_roots(roots),
        intermediates=[c for path in intermediates for c in load_roots(path)],
        policy=policy,
        timeout=timeout,
    )
    write_file(target, token, overwrite=force)
    print_named({**_token_fields(stamp), "file": str(target)}, as_json)
    return 0


@timestamp.command()
@click.argument("file", type=FILE)
@_CALENDARS
@click.option("-o", "--out", type=FILE, metavar="FILE.ots", help="[default: FILE.ots]")
@_TIMEOUT
@force_option
@json_option
def ots(
    file: Path,
    calendars: tuple[str, ...],
    out: Path | None,
    timeout: float,
    force: bool,
    as_json: bool,
) -> int:
    """Submit a file's digest to OpenTimestamps calendars. It proves nothing until upgraded."""
    from wmproof.publication.timestamps.calendars import stamp_digest

    target = out or Path(f"{file}.ots")
    check_target(target, overwrite=force)
    digest = hash_file(file)
    write_file(target, stamp_digest(digest, calendars, timeout=timeout), overwrite=force)
    print_named(
        {"file_sha256": digest.hex(), "pending": list(calendars), "file": str(target)}, as_json
    )
    return 0


@timestamp.command()
@click.argument("file", type=FILE, metavar="FILE.ots")
@_CALENDARS
@_TIMEOUT
@lock_timeout_option
@json_option
def upgrade(
    file: Path, calendars: tuple[str, ...], timeout: float, lock_timeout: float, as_json: bool
) -> int:
    """Ask the calendars for the blocks that attest by now. Exit code 1 while there is none."""
    from wmproof.publication.timestamps.calendars import upgrade_ots
    from wmproof.publication.timestamps.ots import OTS_LIMIT

    with locked(file, timeout=lock_timeout):
        before = read_file(file, limit=OTS_LIMIT)
        after = upgrade_ots(before, calendars, timeout=timeout, where=str(file))
        if after.ots != before:
            write_file(file, after.ots, overwrite=True)
    fields = {
        "attested": bool(after.heights),
        "changed": after.ots != before,
        "blocks": list(after.heights),
        "pending": list(after.pending),
        "not_asked": list(after.not_asked),
    }
    print_named(fields, as_json)
    if not as_json:
        words = "a block attests to it" if after.heights else "no block attests to it yet"
        print_verdict(bool(after.heights), words)
    return 0 if after.heights else 1


@timestamp.command(short_help="Verify a timestamp of a file, offline.")
@click.argument("file", type=FILE)
@click.option("--token", type=FILE, metavar="FILE.tsr", help="An RFC 3161 token.")
@click.option(
    "--roots", "--tsa-roots", type=FILE, metavar="CA.pem", help="With --token: whom to trust."
)
@_INTERMEDIATES
@_POLICY
@click.option("--ots", "ots_path", type=FILE, metavar="FILE.ots", help="An OpenTimestamps file.")
@click.option("--headers", type=FILE, metavar="FILE", help="With --ots: block headers.")
@click.option(
    "--minimum-difficulty",
    type=Number(0, min_open=True),
    metavar="D",
    help="With --ots: refuse headers of less work.  [default: 1e13]",
)
@json_option
def verify(
    file: Path,
    token: Path | None,
    roots: Path | None,
    intermediates: tuple[Path, ...],
    policy: str | None,
    ots_path: Path | None,
    headers: Path | None,
    minimum_difficulty: float | None,
    as_json: bool,
) -> int:
    """Verify a timestamp of a file, offline: --token with --roots, or --ots with --headers."""
    if (token is None) == (ots_path is None):
        raise click.UsageError("give either --token or --ots")
    if token is not None:
        if roots is None or headers is not None or minimum_difficulty is not None:
            raise click.UsageError("--token goes with --roots, and not with options of --ots")
        fields = _token_fields(_verify_token(file, token, roots, intermediates, policy))
    else:
        if headers is None or roots is not None or intermediates or policy is not None:
            raise click.UsageError("--ots goes with --headers, and not with options of --token")
        fields = _block_fields(_verify_ots(file, ots_path, headers, minimum_difficulty))
    print_named({"holds": True, **fields} if as_json else fields, as_json)
    if not as_json:
        print_verdict(True, "the timestamp holds")
    return 0


def _verify_token(
    file: Path, token: Path, roots: Path, intermediates: tuple[Path, ...], policy: str | None
) -> Timestamp:
    from wmproof.publication.timestamps.rfc3161 import TOKEN_LIMIT, verify_token
    from wmproof.publication.timestamps.trust import load_roots

    data = read_file(token, limit=TOKEN_LIMIT)
    return verify_token(
        data,
        lambda name: hash_file(file, name),
        load_roots(roots),
        intermediates=[c for path in intermediates for c in load_roots(path)],
        policy=policy,
        where=str(token),
    )


def _verify_ots(
    file: Path, ots_path: Path | None, headers: Path, difficulty: float | None
) -> BlockTimestamp:
    from wmproof.publication.timestamps.block_headers import MAINNET_DIFFICULTY, load_headers
    from wmproof.publication.timestamps.ots import OTS_LIMIT, verify_ots

    return verify_ots(
        read_file(ots_path or "", limit=OTS_LIMIT),
        hash_file(file),
        load_headers(headers),
        minimum_difficulty=difficulty or MAINNET_DIFFICULTY,
        where=str(ots_path),
    )


def _token_fields(stamp: Timestamp) -> dict[str, Any]:
    return {
        "kind": "rfc3161",
        "time": stamp.gen_time.isoformat(),
        "accuracy_seconds": stamp.accuracy.total_seconds() if stamp.accuracy else None,
        "authority": stamp.authority,
        "certificate_sha256": stamp.certificate_digest.hex(),
        "serial": str(stamp.serial),
        "policy": stamp.policy,
        "imprint": stamp.digest.hex(),
        "imprint_algorithm": stamp.hash_name,
    }


def _block_fields(stamp: BlockTimestamp) -> dict[str, Any]:
    return {
        "kind": "opentimestamps",
        "time": stamp.block_time.isoformat(),
        "block_height": stamp.block_height,
        "block_hash": stamp.block_hash,
        "difficulty": stamp.difficulty,
        "file_sha256": stamp.digest.hex(),
        "pending": list(stamp.pending),
        "unchecked_blocks": list(stamp.unchecked),
    }
