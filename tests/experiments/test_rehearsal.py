"""The paper's settings start: their networks, shapes and classes, on random images."""

import json


def test_cifar_10_and_stl_10_as_in_the_paper(tmp_path, wmproof):
    done = wmproof(
        "paper", "--only", "cifar10", "--rehearsal", "--out", tmp_path / "o",
        "--item", 1, "--item", 4, "--device", "cpu", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "o" / "results-paper-rehearsal.md").read_text()
    assert "93.81 / 100.0" in page
    assert "81.87 / 72.0" in page
    assert "73.67" not in page


def test_imagenet_starts_with_torchvisions_resnet_18(tmp_path, wmproof):
    done = wmproof(
        "paper", "--only", "imagenet", "--rehearsal", "--out", tmp_path / "o",
        "--item", 4, "--device", "cpu", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "o" / "results-paper-rehearsal.md").read_text()
    assert "90.53 (99.77) / 24.0 (52.0)" in page
    unit = json.loads((tmp_path / "o" / "imagenet" / "units" / "FromScratch.json").read_text())
    assert unit["results"]["keys"]["TS-Orig"]["triggers"] == 100
    refused = wmproof("paper", "--only", "imagenet", "--out", tmp_path / "o")
    assert "paper-rehearsal" in refused.stderr
