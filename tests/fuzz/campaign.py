"""Attack the targets for long, one process each: `python tests/fuzz/campaign.py SECONDS [NAME...]`.

The seconds are shared among the targets. Coverage guides the attack where atheris is installed.
What a target must not raise, a hang of half a minute and 2 GiB of memory end its attack; the bytes
that did it are then in the working directory.
"""

import contextlib
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HANG_SECONDS = 30
MEMORY_MIB = 2048


def attack(name: str, seconds: float) -> None:
    """Attack one target in this process."""
    try:
        import atheris
    except ImportError:
        atheris = None
    with atheris.instrument_imports(["wmproof"]) if atheris else contextlib.nullcontext():
        from targets import attempt, targets
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        target = targets(folder)[name]
        if not atheris:
            _attack_blindly(lambda data: attempt(target, data, folder), target.seeds, seconds)
            return
        corpus = folder / "corpus"
        corpus.mkdir()
        for number, seed in enumerate(target.seeds):
            (corpus / str(number)).write_bytes(seed)
        limits = [f"-max_total_time={seconds:.0f}", f"-timeout={HANG_SECONDS}"]
        limits += [f"-rss_limit_mb={MEMORY_MIB}", "-print_final_stats=1", "-max_len=500000"]
        atheris.Setup([sys.argv[0], *limits, str(corpus)], lambda d: attempt(target, d, folder))
        atheris.Fuzz()


def _attack_blindly(check, seeds: list[bytes], seconds: float) -> None:
    from test_parsers import KINDS, damaged

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MIB << 22, MEMORY_MIB << 22))
    coins, done, end = random.Random(), 0, time.monotonic() + seconds
    while time.monotonic() < end:
        changes = [
            (coins.random(), coins.choice(KINDS), coins.randrange(256))
            for _ in range(coins.randrange(1, 9))
        ]
        data = damaged(coins.choice(seeds), changes)
        try:
            check(data)
        except BaseException:
            Path("crash-blind").write_bytes(data)
            raise
        done += 1
    print(f"stat::number_of_executed_units: {done}")


def main() -> int:
    """Attack all targets that are named, or all; return how many fell."""
    if sys.argv[1] == "--one":
        attack(sys.argv[2], float(sys.argv[3]))
        return 0
    from targets import targets

    with tempfile.TemporaryDirectory() as folder:
        names = sys.argv[2:] or list(targets(Path(folder)))
    fallen = 0
    for name in names:
        share = float(sys.argv[1]) / len(names)
        command = [sys.executable, __file__, "--one", name, str(share)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        said = done.stdout + done.stderr
        count = re.search(r"number_of_executed_units: *(\d+)", said)
        print(f"{name}: {count[1] if count else '?'} executions", flush=True)
        if done.returncode or not count:
            fallen += 1
            print("\n".join(said.splitlines()[-40:]), flush=True)
    return fallen


if __name__ == "__main__":
    sys.exit(main())
