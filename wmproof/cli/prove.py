"""`wmproof prove`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wmproof._files import check_target, write_file
from wmproof.cli.options import (
    FILE,
    MEMORY,
    ask_passphrase,
    force_option,
    json_option,
    passphrase_option,
    pixels_option,
    public_key_option,
    tolerance_option,
)
from wmproof.cli.output import print_json, print_verdict
from wmproof.keys import load_marking_key, load_public_key

if TYPE_CHECKING:
    from wmproof.pverify.prover import Progress


@click.command()
@click.argument("model", type=FILE, metavar="MODEL.onnx")
@click.option("--key", "mk_path", required=True, type=FILE, metavar="KEY.mk", help="The owner's.")
@public_key_option
@click.option("-o", "--out", type=FILE, metavar="CLAIM.proof", help="The claim file.")
@click.option("--listen", metavar="HOST:PORT", help="Prove to one verifier that connects instead.")
@click.option("--threshold", type=click.IntRange(1), help="Hits to claim, instead of --tolerance.")
@tolerance_option
@click.option(
    "--chunk",
    type=click.Choice([str(1 << bits) for bits in range(9)]),
    help="Triggers that share an instance, 256 by default; fewer need less memory.",
)
@click.option(
    "--max-memory",
    "most_bytes",
    type=MEMORY,
    metavar="SIZE",
    help="Memory to stay within, such as 4G or 800M; less of it takes longer.",
)
@pixels_option
@passphrase_option
@force_option
@json_option
def prove(
    model: Path,
    mk_path: Path,
    pvk_path: Path,
    out: Path | None,
    listen: str | None,
    threshold: int | None,
    tolerance: Fraction,
    chunk: str | None,
    most_bytes: int | None,
    pixels: str,
    passphrase_file: Path | None,
    force: bool,
    as_json: bool,
) -> int:
    """Prove in zero knowledge that a model answers hidden triggers with their labels.

    The claim shows nothing of the triggers, and the same key serves for any number of claims.
    """
    from wmproof.cli.claim_summary import print_claim
    from wmproof.pverify.prover import prepare_claim
    from wmproof.pverify.session import parse_address
    from wmproof.pverify.session_prover import prove_session, serve_once
    from wmproof.pverify.statement import INTERACTIVE, NON_INTERACTIVE

    if (out is None) == (listen is None):
        raise click.UsageError("give either --out or --listen")
    if listen is not None:
        parse_address(listen)
    public_key = load_public_key(pvk_path)
    if out is not None:
        check_target(out, overwrite=force)
    key = load_marking_key(mk_path, ask_passphrase(passphrase_file))
    started = time.monotonic()
    with _progress(quiet=as_json) as progress:
        prepared = prepare_claim(
            model,
            key,
            public_key,
            threshold=threshold,
            tolerance=tolerance,
            chunk_bits=None if chunk is None else int(chunk).bit_length() - 1,
            most_bytes=most_bytes,
            pixels=pixels,
            progress=progress,
        )
        if out is not None:
            claim = prepared.to_bytes()
            write_file(out, claim, overwrite=force)
            security, size = NON_INTERACTIVE, len(claim)
        else:
            size = serve_once(
                listen or "",
                lambda stream: prove_session(stream, prepared),
                lambda address: click.echo(f"listening on {address}", err=True),
            )
            security = INTERACTIVE
    seconds = time.monotonic() - started
    report = prepared.report(security, argument_bytes=size, seconds=seconds)
    if as_json:
        print_json(report.fields() | {"claim": None if out is None else str(out)})
    else:
        print_claim(report)
        print_verdict(True, f"the claim is in {out}" if out else "the verifier is convinced")
    return 0


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Progress]:
    """A bar for each phase, with the time left, on standard error."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description:24}"),
        BarColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    terminal = Console(stderr=True)
    disable = quiet or not terminal.is_terminal
    with Progress(*columns, console=terminal, disable=disable) as bars:
        tasks: dict[str, Any] = {}

        def report(phase: str, done: float) -> None:
            if phase not in tasks:
                for task in tasks.values():
                    bars.update(task, completed=1)
                tasks[phase] = bars.add_task(phase, total=1)
            bars.update(tasks[phase], completed=done)

        yield report
        for task in tasks.values():
            bars.update(task, completed=1)
