"""The command that makes the coverage table, on its smallest networks."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.coverage.__main__ import chosen, commit, main, part, run_rows, waiting
from benchmarks.coverage.networks import Network, all_networks
from benchmarks.coverage.row import Row, Subject, parser
from benchmarks.coverage.table import markdown

ROOT = Path(__file__).parents[2]
FAST = ["--pictures=12", "--calibration=6", "--learning=16"]


@pytest.mark.parametrize(
    ("source", "name", "exporter"),
    [
        ("torchvision", "shufflenet_v2_x0_5", "legacy"),
        ("torchvision", "squeezenet1_1", "dynamo"),
    ],
)
def test_small_networks_go_through_all_steps(source, name, exporter, tmp_path):
    pytest.importorskip(source)
    network = Network(source, name)
    subject = Subject(network, parser().parse_args(FAST))
    lines = []
    Row(network, exporter, lines.append).run(subject, tmp_path)
    assert len(lines) == 5  # one after each step
    row = lines[-1]
    assert "reason" not in row
    assert row["verify"] == row["compile"] == row["agree"] == "ok"
    assert row["prove"] == ("ok" if row["fitted"] else "no mark")
    if row["prove"] == "ok":
        assert row["triggers"] == 2
        assert row["claim_bytes"] > 10**5
    for kind in ("pictures", "noise"):
        assert row[f"agree_{kind}"] >= 0.5
        assert 0 <= row[f"int8_{kind}"] <= 1, row.get("int8_failed")
    written = markdown(lines[-1:])
    assert f"| {network} | {exporter} | 64 |" in written
    assert f"| {source} | {exporter} | 1 | 1 | 1 | {int(row['prove'] == 'ok')} | 0 |" in written


def test_a_row_ends_where_it_is_told_to(tmp_path):
    pytest.importorskip("timm")
    network = Network("timm", "lcnet_050")
    subject = Subject(network, parser().parse_args([*FAST, "--until=compile"]))
    lines = []
    Row(network, "dynamo", lines.append).run(subject, tmp_path)
    row = lines[-1]
    assert row["verify"] == row["compile"] == "ok"
    assert row["lookups"] > 10**4
    assert "agree" not in row


def test_what_ends_a_process_is_said_and_the_next_exporter_runs():
    options = argparse.Namespace(
        **vars(parser().parse_args(FAST)) | {"limit_time": 600, "limit_memory": 0.05}
    )
    rows = list(run_rows(Network("torchvision", "alexnet"), ["legacy", "dynamo"], options))
    assert [row["exporter"] for row in rows] == ["legacy", "dynamo"]
    assert all(row["reason"].startswith("ended with ") for row in rows)
    options.limit_time = 0.01
    (row,) = run_rows(Network("torchvision", "alexnet"), ["dynamo"], options)
    assert row["reason"] == "took more than 0.01 s"


def test_a_table_is_written_and_what_is_in_it_is_not_run_again(tmp_path):
    known = {"network": "torchvision/alexnet", "exporter": "legacy", "verify": "ok"}
    (tmp_path / "rows.json").write_text(json.dumps([known]))
    files = ("--json", tmp_path / "rows.json", "--markdown", tmp_path / "rows.md")
    command = [sys.executable, "-m", "benchmarks.coverage", "--only", "alexnet", "--largest", "1"]
    subprocess.run([*command, *files], cwd=ROOT, check=True)
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert rows[0] == known
    assert rows[1]["not_run"] == "above 1 M weights"
    assert rows[1]["commit"] == commit()
    page = (tmp_path / "rows.md").read_text()
    assert "| torchvision | dynamo | 0 | 0 | 0 | 0 | 80 |" in page
    assert "Commits of the code that made the rows: none recorded (1).\n" in page
    assert "Not run, above 1 M weights: torchvision/alexnet (dynamo).\n" in page
    assert "timm/dla34 (dynamo), timm/dla34 (legacy)" in page


def test_files_are_merged_into_one_table(tmp_path, monkeypatch):
    """What runs side by side ends in one page; nothing that was run is lost."""
    row = {"network": "torchvision/alexnet", "exporter": "legacy", "verify": "ok"}
    waits = {"network": "torchvision/resnet18", "exporter": "legacy", "not_run": "not installed"}
    files = {
        "whole": [row | {"compile": "refused", "commit": "a"}, waits],
        "first": [row | {"compile": "ok", "commit": "b"}],
        "second": [
            {"network": row["network"], "exporter": "legacy", "not_run": "above 1 M weights"},
            waits | {"exporter": "dynamo"},
            {"network": "torchvision/resnet18", "exporter": "legacy", "commit": "b"},
        ],
    }
    paths = {name: tmp_path / f"{name}.json" for name in files}
    for name, rows in files.items():
        paths[name].write_text(json.dumps(rows))
    page = tmp_path / "page.md"
    options = ["--json", paths["whole"], "--merge", paths["first"], paths["second"]]
    monkeypatch.setattr(sys, "argv", ["", *map(str, options), "--markdown", str(page)])
    main()
    written = {(r["network"], r["exporter"]): r for r in json.loads(paths["whole"].read_text())}
    assert len(written) == 3
    assert written["torchvision/alexnet", "legacy"]["compile"] == "ok"
    assert "not_run" not in written["torchvision/resnet18", "legacy"]
    assert written["torchvision/resnet18", "dynamo"]["not_run"] == "not installed"
    assert "Commits of the code that made the rows: b (2).\n" in page.read_text()


def test_parts_have_every_network_once():
    whole = sorted(str(n) for n in all_networks())
    parts = [whole[part(f"{i}/3")] for i in (1, 2, 3)]
    assert sorted(name for names in parts for name in names) == whole
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    for wrong in ("0/2", "3/2", "1", "x/2"):
        with pytest.raises(ValueError, match=wrong):
            part(wrong)


def test_names_and_patterns_choose_networks():
    assert len([n for n in all_networks() if n.source == "timm"]) == 30
    assert len([n for n in all_networks() if n.source == "transformers"]) == 12
    assert [str(n) for n in chosen(["timm/convnext_*", "resnet18"])] == [
        "torchvision/resnet18",
        "timm/convnext_atto",
    ]
    with pytest.raises(SystemExit, match="no classifier is called resnet19"):
        chosen(["resnet19"])


def test_the_page_in_docs_is_what_the_command_makes_of_its_rows():
    rows = json.loads((ROOT / "docs" / "coverage.json").read_text())
    known = {(row["network"], row["exporter"]) for row in rows}
    page = (ROOT / "docs" / "coverage.md").read_text()
    assert markdown([*rows, *waiting(known)]) == page
