"""The results as Markdown: counts, a row for each classifier, and what is refused and why."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.coverage.row import INT8

Result = dict[str, Any]
_HEADS = (
    *("classifier", "exporter", "pixels", "weights", "lookups", "verify", "compile"),
    *("pictures: circuit", "int8", "noise: circuit", "int8", "prove and verify, CPU s"),
)


def markdown(results: Sequence[Result]) -> str:
    """The whole page, by package and size."""
    ordered = sorted(results, key=lambda r: (_source(r), _size(r), r["network"], r["exporter"]))
    text = Path(__file__).with_name("page.md").read_text()
    lines = [
        text,
        *_counts(ordered),
        *_commits(ordered),
        *_beside_int8(ordered),
        *_int8_copies(ordered),
        "",
        _line(_HEADS),
        _line(["---"] * len(_HEADS)),
    ]
    lines += [_line(_cells(result)) for result in ordered if "not_run" not in result]
    stopped = [result for result in ordered if "reason" in result]
    if stopped:
        lines += ["", "| classifier | exporter | where it ends |", "| --- | --- | --- |"]
        lines += [_line([r["network"], r["exporter"], _escaped(r["reason"])]) for r in stopped]
    lines += _not_run(ordered)
    return "\n".join(lines) + "\n"


def _size(result: Result) -> int:
    return int(result.get("weights", 0))


def _counts(results: Sequence[Result]) -> list[str]:
    heads = ("package", "exporter", "tried", "verify", "compile", "proved", "not run")
    lines = [_line(heads), _line(["---"] * len(heads))]
    for source, exporter in sorted({(_source(r), r["exporter"]) for r in results}):
        rows = [r for r in results if (_source(r), r["exporter"]) == (source, exporter)]
        ran = [r for r in rows if "not_run" not in r]
        done = [sum(r.get(step) == "ok" for r in ran) for step in ("verify", "compile", "prove")]
        lines.append(_line([source, exporter, len(ran), *done, len(rows) - len(ran)]))
    return lines


def _commits(results: Sequence[Result]) -> list[str]:
    """With which code the rows were made."""
    found = Counter(r.get("commit", "none recorded") for r in results if "not_run" not in r)
    named = (f"{commit} ({count})" for commit, count in found.most_common())
    return ["", f"Commits of the code that made the rows: {', '.join(named)}."] if found else []


def _beside_int8(results: Sequence[Result]) -> list[str]:
    """How often circuits answer as the float model where int8 was compared, too."""
    lead = [r["agree_pictures"] - r["int8_pictures"] for r in results if "int8_pictures" in r]
    if not lead:
        return []
    ahead, worst = sum(points >= 0 for points in lead), 100 * max(0.0, -min(lead))
    text = f"On pictures circuits agree at least as often as int8 in {ahead} of {len(lead)} rows"
    return ["", f"{text}, and where they do not, {worst:.0f} points less often at most."]


def _int8_copies(results: Sequence[Result]) -> list[str]:
    """Which static int8 copies compile, and how often those circuits answer as the copies do."""
    ran = [r for r in results if r["exporter"] == INT8 and "not_run" not in r]
    if not ran:
        return []
    compiled = sum(r.get("compile") == "ok" for r in ran)
    text = f"Static int8 copies compile: {compiled} of {len(ran)}"
    agree = [r["agree_pictures"] for r in ran if "agree_pictures" in r]
    if agree:
        mean, least = (f"{100 * part:.0f} %" for part in (sum(agree) / len(agree), min(agree)))
        text += f"; circuits answer as their copies on {mean} of pictures, {least} at the least"
    ended = [f"{r['network']} ({_escaped(r['reason'])})" for r in ran if "reason" in r]
    return ["", f"{text}. {'Not: ' * bool(ended)}{'; '.join(ended)}".strip()]


def _not_run(results: Sequence[Result]) -> list[str]:
    """A paragraph for each reason, with the networks that it holds for."""
    groups: dict[str, list[str]] = {}
    for result in results:
        if "not_run" in result:
            names = groups.setdefault(result["not_run"], [])
            names.append(f"{result['network']} ({result['exporter']})")
    return [
        line
        for reason, names in groups.items()
        for line in ("", f"Not run, {reason}: {', '.join(names)}.")
    ]


def _source(result: Result) -> str:
    return str(result["network"].split("/")[0])


def _cells(result: Result) -> list[str]:
    def percent(name: str) -> str:
        return f"{100 * result[name]:.0f} %" if name in result else ""

    proof = result.get("prove", "")
    if proof == "ok":
        proof = f"{result['prove_cpu']} + {result['verify_cpu']}"
    weights, lookups = result.get("weights"), result.get("lookups")
    return [
        result["network"],
        result["exporter"],
        str(result.get("pixels", "")),
        f"{weights / 1e6:.1f} M" if weights else "",
        f"{lookups / 1e6:.2f} M" if lookups else "",
        result.get("verify") or result.get("export", ""),
        result.get("compile", ""),
        percent("agree_pictures"),
        percent("int8_pictures"),
        percent("agree_noise"),
        percent("int8_noise"),
        proof,
    ]


def _line(cells: Sequence[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _escaped(text: str) -> str:
    """The text as a cell holds it, without the colours that a terminal shows."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text).replace("|", "\\|")
