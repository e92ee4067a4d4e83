"""`wmproof reveal`."""

from pathlib import Path

import click

from wmproof.cli.options import (
    FILE,
    ask_passphrase,
    force_option,
    json_option,
    lock_timeout_option,
    passphrase_option,
    read_signing_key,
    signing_option,
)
from wmproof.cli.output import print_fields, print_json
from wmproof.keys import bounded


@click.command()
@click.argument("key", type=FILE, metavar="KEY.mk")
@click.option(
    "-o",
    "--out",
    type=FILE,
    metavar="FILE",
    help="Where the opening goes.  [default: KEY.batch-NUMBER.opening]",
)
@click.option(
    "--again",
    type=click.IntRange(1),
    metavar="NUMBER",
    help="Write the opening of a batch that was revealed before; spends nothing.",
)
@signing_option
@passphrase_option
@lock_timeout_option
@force_option
@json_option
def reveal(
    key: Path,
    out: Path | None,
    again: int | None,
    sign_with: Path | None,
    passphrase_file: Path | None,
    lock_timeout: float,
    force: bool,
    as_json: bool,
) -> None:
    """Open the next batch of a bounded key, once.

    The key file remembers it before the opening is written. Restoring an older copy of the key
    file forgets it: never do that.
    """

    def target(batch: int) -> Path:
        return out or key.with_name(f"{key.stem}.batch-{batch}.opening")

    seed = read_signing_key(sign_with)
    passphrase = ask_passphrase(passphrase_file)
    if again is None:
        opening = bounded.reveal(
            key, target, passphrase, signing_seed=seed, overwrite=force, lock_timeout=lock_timeout
        )
    else:
        opening = bounded.reveal_again(
            key, again, target(again), passphrase, signing_seed=seed, overwrite=force
        )
    total = opening.verification_key.batches
    written = target(opening.batch)
    if as_json:
        print_json(
            {
                "batch": opening.batch,
                "batches": total,
                "fresh": again is None,
                "triggers": len(opening.opened),
                "opening_sha256": opening.digest.hex(),
                "signer": opening.signature.signer.hex() if opening.signature else None,
                "file": str(written),
            }
        )
        return
    left = f"; {total - opening.batch} left" if again is None else ", revealed before"
    print_fields(
        {
            "batch": f"{opening.batch} of {total}{left}",
            "opens": f"{len(opening.opened)} triggers",
            "publish": written,
        }
    )
