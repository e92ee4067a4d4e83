"""`wmproof log serve`."""

from __future__ import annotations

from pathlib import Path

import click

from wmproof.cli.log.options import VKEY, witness_option
from wmproof.cli.options import FILE, json_option, minimum_security_option
from wmproof.cli.output import console, print_json
from wmproof.publication.log.note import VerifierKey
from wmproof.publication.web.settings import LOOPBACK_NAMES, Settings

_MIB = 2**20


@click.command()
@click.argument("folder", type=FILE, metavar="LOG")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True)
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="HOST",
    help="A host name that visitors may ask for besides the loopback's; may be repeated.",
)
@click.option("--log-key", type=VKEY, metavar="VKEY", help="Serve this log and no other.")
@witness_option
@minimum_security_option
@click.option(
    "--upload-limit", type=click.IntRange(1), default=256, show_default=True, metavar="MIB"
)
@click.option(
    "--memory-limit",
    type=click.IntRange(512),
    default=6144,
    show_default=True,
    metavar="MIB",
    help="Address space of the process that checks a claim.",
)
@click.option(
    "--time-limit",
    type=click.IntRange(1),
    default=300,
    show_default=True,
    metavar="SECONDS",
    help="Time of the process that checks a claim.",
)
@json_option
def serve(
    folder: Path,
    host: str,
    port: int,
    names: tuple[str, ...],
    log_key: VerifierKey | None,
    witnesses: tuple[VerifierKey, ...],
    minimum_security: int,
    upload_limit: int,
    memory_limit: int,
    time_limit: int,
    as_json: bool,
) -> None:
    """Show a log to people: its keys, its proofs, and a form that checks claims.

    Needs no private key, and writes nothing. For the world, put a web server with TLS before it.
    """
    from wmproof.publication.web.app import create_app
    from wmproof.publication.web.server import bind, run

    settings = Settings(
        folder,
        log_key=log_key,
        witnesses=witnesses,
        names=(*LOOPBACK_NAMES, *names),
        minimum_security=minimum_security,
        upload_bytes=upload_limit * _MIB,
        claim_bytes=memory_limit * _MIB,
        claim_seconds=time_limit,
    )
    app = create_app(settings)
    with bind(host, port) as listener:
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listener.getsockname()[1]}/"
        if as_json:
            print_json({"address": address})
        else:
            console().print(f"serving {folder} at {address}", markup=False)
        run(app, listener)
