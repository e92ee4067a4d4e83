"""Units over a real Ray give what the local process gives."""

import shutil

from unit_files import units_in


def test_ray_gives_the_same_results(tmp_path, wmproof):
    options = ("--item", 1, "--epochs", 1, "--device", "cpu", "--json")
    spread = tmp_path / "spread"
    done = wmproof("smoke", "--out", spread, *options, "--ray")
    assert done.returncode == 0, done.stdout + done.stderr
    local = tmp_path / "local"
    (local / "digits").mkdir(parents=True)
    shutil.copy(spread / "experiment.json", local)
    shutil.copytree(spread / "digits" / "keys", local / "digits" / "keys")
    assert wmproof("smoke", "--out", local, *options).returncode == 0
    assert units_in(spread) == units_in(local)
    assert set(units_in(local)) == {"TS-Orig", "No-WM", "FromScratch", "PreTrained"}


def test_an_error_of_a_unit_is_the_error_of_the_run(tmp_path, wmproof):
    done = wmproof(
        "desk", "--out", tmp_path / "o", "--item", 1, "--ray",
        "--data-folder", tmp_path / "nowhere",
    )  # fmt: skip
    assert done.returncode == 2
    assert "dataset-fashion-mnist" in done.stderr
    assert "Traceback" not in done.stderr
