"""`wmproof prove`."""

from __future__ import annotations

import time
from fractions import Fraction
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wmproof._base.compilation import announced
from wmproof._base.files import check_target, write_file
from wmproof._base.progress import progress_bars
from wmproof.cli.options import (
    FILE,
    MEMORY,
    SHARE,
    TRIGGERS,
    ask_passphrase,
    force_option,
    json_option,
    passphrase_option,
    public_key_option,
)
from wmproof.cli.output import print_json, print_verdict, warn
from wmproof.cli.policy_options import CIRCUIT, PolicyFor, policy_options
from wmproof.keys import load_marking_key, load_public_key
from wmproof.keys.worth import DEFAULT_HIT_RATE, sample_size

if TYPE_CHECKING:
    from wmproof.pverify.prover import PreparedClaim


@click.command()
@click.argument("model", type=FILE, metavar="MODEL.onnx")
@click.option("--key", "mk_path", required=True, type=FILE, metavar="KEY.mk", help="The owner's.")
@public_key_option
@click.option("-o", "--out", type=FILE, metavar="CLAIM.proof", help="The claim file.")
@click.option("--listen", metavar="HOST:PORT", help="Prove to one verifier that connects instead.")
@click.option(
    "--triggers",
    type=TRIGGERS,
    default="all",
    metavar="auto|all|N",
    help="How many hidden triggers, or groups, to prove; auto: as few as are enough.",
)
@click.option(
    "--hit-rate",
    type=SHARE,
    default=str(float(DEFAULT_HIT_RATE)),
    help="For auto: the share of triggers that the model is sure to hit.",
)
@click.option("--threshold", type=click.IntRange(1), help="Hits to claim, not as asked.")
@policy_options("strength", "tolerance", *CIRCUIT)
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
    help="Memory to stay within, such as 4G; by default what is free. Less takes longer.",
)
@passphrase_option
@force_option
@json_option
def prove(
    model: Path,
    mk_path: Path,
    pvk_path: Path,
    out: Path | None,
    listen: str | None,
    triggers: str | int,
    hit_rate: Fraction,
    threshold: int | None,
    policy_for: PolicyFor,
    chunk: str | None,
    most_bytes: int | None,
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
    from wmproof.pverify.statement import INTERACTIVE, NON_INTERACTIVE

    if (out is None) == (listen is None):
        raise click.UsageError("give either --out or --listen")
    if listen is not None:
        parse_address(listen)
    public_key = load_public_key(pvk_path)
    if out is not None:
        check_target(out, overwrite=force)
    key = load_marking_key(mk_path, ask_passphrase(passphrase_file))
    vk = public_key.verification_key
    policy = policy_for(vk.image_shape)
    started = time.monotonic()
    with announced(quiet=as_json) as compilation, progress_bars(quiet=as_json) as progress:
        if triggers == "auto":
            triggers = sample_size(policy, vk, hit_rate)
        prepared = prepare_claim(
            model,
            key,
            public_key,
            policy,
            triggers=None if triggers == "all" else int(triggers),
            threshold=threshold,
            chunk_bits=None if chunk is None else int(chunk).bit_length() - 1,
            most_bytes=most_bytes,
            progress=progress,
            planned=lambda plan: None if as_json else click.echo(f"plan: {plan}", err=True),
        )
        if out is not None:
            claim = prepared.to_bytes()
            write_file(out, claim, overwrite=force)
            security, size = NON_INTERACTIVE, len(claim)
        else:
            security, size = INTERACTIVE, _serve(listen or "", prepared)
    seconds = time.monotonic() - started - compilation.seconds
    report = prepared.report(security, argument_bytes=size, seconds=seconds)
    if as_json:
        claimed = {"claim": str(out) if out else None, "compilation_seconds": compilation.seconds}
        print_json(report.to_dict() | claimed)
    else:
        print_claim(report, policy)
        print_verdict(True, f"the claim is in {out}" if out else "the verifier is convinced")
    return 0


def _serve(address: str, prepared: PreparedClaim) -> int:
    """Prove to the first verifier that connects and stays; the bytes that were sent."""
    from wmproof.pverify.session_prover import prove_session, serve_once

    return serve_once(
        address,
        lambda stream: prove_session(stream, prepared),
        _announce,
        lambda peer, error: warn(f"{peer} was not served: {error}"),
    )


def _announce(address: str) -> None:
    """Say where the prover listens, and what others on the way can do."""
    warn(f"listening on {address}")
    host = address.rpartition(":")[0]
    if not ip_address(host).is_loopback:
        warn(
            "warning: this is not the loopback, and nothing is encrypted or authenticated. Listen "
            "on 127.0.0.1 and let the verifier tunnel: ssh -N -L 7000:127.0.0.1:7000 THIS-HOST"
        )
