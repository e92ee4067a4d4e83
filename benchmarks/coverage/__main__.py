"""Tries classifiers of torchvision, timm and transformers, and writes the table of docs/.

    python -m benchmarks.coverage --json docs/coverage.json --markdown docs/coverage.md
    python -m benchmarks.coverage --only 'timm/*' mobilenet_v3_small --exporter dynamo --retry
    python -m benchmarks.coverage --exporter int8 --until agree --largest 12 --json int8.json

Each row runs in a process of its own with limits of time and memory, the smallest networks first;
with `--json` it is written down as soon as it is done, and what is written down is not done again.
Several may run side by side, each with a part of the networks and a file of its own, and end in
one table; of two rows of one classifier the later file's counts, if it was run:

    python -m benchmarks.coverage --until compile --part 1/2 --json first.json
    python -m benchmarks.coverage --until compile --part 2/2 --json second.json
    python -m benchmarks.coverage --only resnet18 mobilenet_v2 --until agree --json third.json
    python -m benchmarks.coverage --merge first.json second.json third.json \
        --json docs/coverage.json --markdown docs/coverage.md

No weights are fetched: see `networks.py`. Needs the extras `train` and `dev`.
"""

import argparse
import fnmatch
import json
import multiprocessing
import re
import subprocess
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from benchmarks.coverage.networks import Network, all_networks
from benchmarks.coverage.row import EXPORTERS, INT8, parser, run_network
from benchmarks.coverage.table import Result, markdown
from wmproof._base.files import write_file
from wmproof.models.onnx_checks import MODEL_LIMIT

Rows = Iterator[Result]
Known = dict[tuple[str, str], Result]
_PRELOADED = [
    *("benchmarks.coverage.row", "timm", "torchvision.models"),
    *("torch._dynamo", "torch.onnx._internal.exporter._core"),  # or each export imports them
]


def chosen(patterns: Sequence[str]) -> list[Network]:
    """Networks whose name, with or without its package, one of the patterns fits; all for none."""
    networks = all_networks()
    if not patterns:
        return networks
    unknown = [p for p in patterns if not any(_fits(n, p) for n in networks)]
    if unknown:
        raise SystemExit(f"no classifier is called {', '.join(unknown)}")
    return [n for n in networks if any(_fits(n, pattern) for pattern in patterns)]


def _fits(network: Network, pattern: str) -> bool:
    return fnmatch.fnmatchcase(network.name, pattern) or fnmatch.fnmatchcase(str(network), pattern)


def waiting(known: Collection[tuple[str, str]]) -> list[Result]:
    """Rows of whatever has none yet, so that the table says what was not tried."""
    return [
        {"network": str(network), "exporter": exporter, "not_run": "nobody asked for it yet"}
        for network in all_networks()
        for exporter in EXPORTERS
        if (str(network), exporter) not in known
    ]


def commit() -> str:
    """The commit of the code that makes rows, with a `+` if that was changed since."""
    git = ["git", "-C", str(Path(__file__).parent)]
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True)
    if head.returncode:
        return "unknown"
    changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", ":/wmproof", ":/benchmarks"])
    return head.stdout.strip() + "+" * bool(changed.returncode)


def read_rows(paths: Sequence[Path]) -> Known:
    """Rows of files, of which later ones count; but whatever was not run replaces nothing."""
    results: Known = {}
    for path in paths:
        for row in json.loads(path.read_text()):
            key = row["network"], row["exporter"]
            if key not in results or "not_run" not in row:
                results[key] = row
    return results


def part(text: str) -> slice:
    """Every N-th network from the I-th, of `I/N`."""
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    number, count = (int(v) for v in found.groups()) if found else (0, 0)
    if not 1 <= number <= count:
        raise ValueError(text)
    return slice(number - 1, None, count)


def run_rows(network: Network, exporters: Sequence[str], arguments: argparse.Namespace) -> Rows:
    """Yield a row for each exporter, from one process while it lives.

    Whatever ends a process is said in the row that it was at; the other exporter gets another one.
    """
    missing = list(exporters)
    while missing:
        found, reason = _run_process(network, missing, arguments)
        for exporter in [e for e in missing if e in found]:
            last = exporter == list(found)[-1]
            yield found[exporter] | ({"reason": reason} if last and reason else {})
            missing.remove(exporter)
        if not found:
            first = missing.pop(0)
            yield {"network": str(network), "exporter": first, "reason": reason or "says nothing"}


def _run_process(
    network: Network, exporters: Sequence[str], arguments: argparse.Namespace
) -> tuple[dict[str, Result], str | None]:
    """Last lines of each exporter, and why the process ended if it did not end well.

    Processes are forks of one that has imported everything and done nothing yet.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(
        target=run_network, args=(network, exporters, arguments, sending), daemon=True
    )
    process.start()
    sending.close()
    deadline = time.monotonic() + arguments.limit_time
    found: dict[str, Result] = {}
    reason = None
    while reason is None:
        if not receiving.poll(max(0.0, deadline - time.monotonic())):
            process.kill()
            reason = f"took more than {arguments.limit_time:g} s"
            break
        try:
            said = receiving.recv()
        except EOFError:
            break
        if isinstance(said, str):
            reason = said
        else:
            found[said["exporter"]] = said
    process.join()
    return found, reason or (f"ended with {process.exitcode}" if process.exitcode else None)


def say(result: Result) -> str:
    """One line for a terminal."""
    words = [f"{result['network']} {result['exporter']}:"]
    for name in ("verify", "compile", "agree_pictures", "int8_pictures", "agree_noise"):
        words += [f"{name} {result[name]}"] if name in result else []
    words += [f"{n} {result[n]}" for n in ("int8_noise", "prove", "not_run") if n in result]
    words += [f"({result['reason']})"] if "reason" in result else []
    return " ".join(words)


def _rows(
    network: Network, weights: int, exporters: Sequence[str], arguments: argparse.Namespace
) -> Rows:
    reasons = {}
    if not network.installed:
        reasons = dict.fromkeys(exporters, "not installed")
    elif weights > 1e6 * arguments.largest:
        reasons = dict.fromkeys(exporters, f"above {arguments.largest:g} M weights")
    elif 4 * weights > MODEL_LIMIT:
        whole = [e for e in exporters if e != "dynamo"]
        reasons = dict.fromkeys(whole, "above 2 GiB, which no ONNX model in one piece can have")
    for exporter, why in reasons.items():
        yield {"network": str(network), "exporter": exporter, "not_run": why}
    yield from run_rows(network, [e for e in exporters if e not in reasons], arguments)


def main() -> None:
    """Run what is asked for and write the table."""
    options = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[parser()],
    )
    options.add_argument("--only", nargs="+", default=[], metavar="NAME", help="names or patterns")
    options.add_argument(
        "--exporter",
        choices=(*EXPORTERS, INT8, "both"),
        default="both",
        help="of the files; int8: static int8 copies of legacy ones, made by ONNX Runtime",
    )
    options.add_argument("--largest", type=float, default=150, help="millions of weights")
    options.add_argument("--limit-time", type=float, default=900, help="seconds of a row")
    options.add_argument("--part", type=part, default=part("1/1"), help="I/N: every N-th network")
    options.add_argument("--json", type=Path, help="results, read and extended")
    options.add_argument("--markdown", type=Path, help="the table")
    options.add_argument("--retry", action="store_true", help="run again what is written down")
    options.add_argument(
        "--merge", nargs="+", type=Path, default=[], metavar="JSON", help="of others; runs nothing"
    )
    arguments = options.parse_args()
    known = [arguments.json] if arguments.json and arguments.json.exists() else []
    results = read_rows([*known, *arguments.merge])
    if arguments.merge:
        _write(arguments, results)
    else:
        _run(arguments, results)
    if arguments.markdown:
        page = markdown([*results.values(), *waiting(results)])
        write_file(arguments.markdown, page.encode(), overwrite=True)


def _run(arguments: argparse.Namespace, results: Known) -> None:
    exporters = EXPORTERS if arguments.exporter == "both" else (arguments.exporter,)
    ordered = sorted((n.weights(), n) for n in chosen(arguments.only))
    made = commit()
    for weights, network in ordered[arguments.part]:
        known = {e: results.get((str(network), e), {"not_run": ""}) for e in exporters}
        missing = [e for e in exporters if arguments.retry or "not_run" in known[e]]
        for row in _rows(network, weights, missing, arguments):
            results[row["network"], row["exporter"]] = row | {"commit": made}
            print(say(row), flush=True)
            _write(arguments, results)


def _write(arguments: argparse.Namespace, results: Known) -> None:
    if arguments.json:
        text = json.dumps(list(results.values()), indent=1) + "\n"
        write_file(arguments.json, text.encode(), overwrite=True)


if __name__ == "__main__":
    main()
