"""The transparency log: appends one by one and at once, and proofs in a log of a million entries.

Prints JSON. The yardstick is what the disk does: a write and an fsync of the same bytes.
"""

import argparse
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from _harness import report

from wmproof.publication.log.entry import digest_entry
from wmproof.publication.log.note import SignatureKind
from wmproof.publication.log.reader import LogReader
from wmproof.publication.log.signing import NoteSigner
from wmproof.publication.log.store import Log, create_log
from wmproof.publication.log.verifier import verify_logged

SIGNER = NoteSigner("example.com/benchmark", SignatureKind.ED25519, secrets.token_bytes(32))


def timed(function: Callable[[], object]) -> float:
    """Return the seconds of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def entries(count: int) -> list[bytes]:
    """Return entries of random keys."""
    return [digest_entry(secrets.token_bytes(32)) for _ in range(count)]


def fsync_seconds(folder: Path, count: int) -> float:
    """Time `count` appends of one frame to a plain file, each with an fsync."""
    descriptor = os.open(folder / "yardstick", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    frame = bytes(106)

    def write() -> None:
        for _ in range(count):
            os.write(descriptor, frame)
            os.fsync(descriptor)

    try:
        return timed(write)
    finally:
        os.close(descriptor)


def appends(folder: Path, count: int) -> dict[str, float]:
    """Time appends that are each durable before the next, then many at once."""
    log = create_log(folder / "small", SIGNER)
    single, many = entries(count), entries(count)
    result = {
        "fsync_seconds": fsync_seconds(folder, count),
        "append_one_by_one_seconds": timed(lambda: [log.append(item) for item in single]),
        "append_at_once_seconds": timed(lambda: log.append_all(many)),
        "checkpoint_seconds": timed(lambda: log.checkpoint(SIGNER)),
    }
    return {"appends": count, **result}


def proofs(folder: Path, size: int, repeats: int) -> dict[str, float]:
    """Time proofs, each by a reader that has just opened the log, in a log of `size` entries."""
    log: Log = create_log(folder / "large", SIGNER)
    every = entries(size)
    result = {
        "large_size": size,
        "large_append_seconds": timed(lambda: log.append_all(every)),
        "large_checkpoint_seconds": timed(lambda: log.checkpoint(SIGNER)),
    }
    old = LogReader(log.folder).checkpoint
    times, checks, lengths = [], [], []
    for _ in range(repeats):
        index = secrets.randbelow(size)
        start = time.perf_counter()
        proof = LogReader(log.folder, SIGNER.verifier_key).prove_inclusion(index).to_bytes()
        middle = time.perf_counter()
        verify_logged(proof, every[index], SIGNER.verifier_key)
        times.append(middle - start)
        checks.append(time.perf_counter() - middle)
        lengths.append(len(proof))
    log.append(every[0])
    last = timed(lambda: log.checkpoint(SIGNER))
    growth = timed(lambda: LogReader(log.folder).prove_consistency(old))
    search = timed(lambda: LogReader(log.folder).find(every[-1]))
    return result | {
        "prove_inclusion_median_seconds": statistics.median(times),
        "prove_inclusion_longest_seconds": max(times),
        "verify_inclusion_median_seconds": statistics.median(checks),
        "proof_bytes": statistics.median(lengths),
        "large_next_checkpoint_seconds": last,
        "prove_consistency_seconds": growth,
        "search_whole_log_seconds": search,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--appends", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=200)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = appends(folder, chosen.appends)
        figures |= proofs(folder, chosen.size, chosen.repeats)
    report("log", figures)


if __name__ == "__main__":
    main()
