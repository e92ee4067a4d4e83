"""`wmproof log serve`."""

from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import click

from wmproof.cli.log.options import VKEY, witness_option
from wmproof.cli.options import FILE, json_option
from wmproof.cli.output import console, print_json
from wmproof.cli.policy_options import PolicyFor, policy_options
from wmproof.publication.log.note import VerifierKey
from wmproof.publication.web.settings import LOOPBACK_NAMES, Settings

_MIB = 2**20


class _Network(click.ParamType[str]):
    name = "network"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        try:
            return str(ip_network(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command()
@click.argument("folder", type=FILE, metavar="LOG")
@click.option("--host", default="127.0.0.1", help="The address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080)
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="HOST",
    help="A host name that visitors may ask for besides the loopback's; may be repeated.",
)
@click.option(
    "--trusted-proxy",
    "trusted_proxies",
    type=_Network(),
    multiple=True,
    metavar="ADDRESS",
    help="Believe what this web server (an address or a network) says of its visitors' addresses; "
    "may be repeated.  [default: nobody]",
)
@click.option("--log-key", type=VKEY, metavar="VKEY", help="Serve this log and no other.")
@witness_option
@policy_options("security", "strength")
@click.option("--upload-limit", type=click.IntRange(1), default=256, metavar="MIB")
@click.option(
    "--memory-limit",
    type=click.IntRange(512),
    default=6144,
    metavar="MIB",
    help="Address space of the process that checks a claim.",
)
@click.option(
    "--time-limit",
    type=click.IntRange(1),
    default=300,
    metavar="SECONDS",
    help="Time of the process that checks a claim.",
)
@json_option
def serve(
    folder: Path,
    host: str,
    port: int,
    names: tuple[str, ...],
    trusted_proxies: tuple[str, ...],
    log_key: VerifierKey | None,
    witnesses: tuple[VerifierKey, ...],
    policy_for: PolicyFor,
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
        policy=policy_for(()),
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
        if not ip_address(listener.getsockname()[0]).is_loopback:
            click.echo(
                "warning: this is not the loopback, and the server has no TLS and waits for silent "
                "connections. For the world put a web server before it: docs/nginx.conf",
                err=True,
            )
        run(app, listener, trusted_proxies)
