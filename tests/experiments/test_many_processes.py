"""Units in processes beside each other, or over a real Ray, give what one process gives."""

import contextlib
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from unit_files import units_in

from wmproof.errors import InputError, ProofError

MANY = pytest.mark.parametrize("many", [["--ray"], ["--jobs", 2]], ids=["ray", "jobs"])


@MANY
def test_many_processes_give_the_same_results(tmp_path, wmproof, many):
    options = ("--item", 1, "--epochs", 1, "--device", "cpu", "--json")
    spread = tmp_path / "spread"
    done = wmproof("smoke", "--out", spread, *options, *many)
    assert done.returncode == 0, done.stdout + done.stderr
    local = tmp_path / "local"
    (local / "digits").mkdir(parents=True)
    shutil.copy(spread / "experiment.json", local)
    shutil.copytree(spread / "digits" / "keys", local / "digits" / "keys")
    assert wmproof("smoke", "--out", local, *options).returncode == 0
    assert units_in(spread) == units_in(local)
    assert set(units_in(local)) == {"TS-Orig", "No-WM", "FromScratch", "PreTrained"}


@MANY
def test_an_error_of_a_unit_is_the_error_of_the_run(tmp_path, wmproof, many):
    done = wmproof(
        "desk", "--out", tmp_path / "o", "--item", 1, *many,
        "--data-folder", tmp_path / "nowhere",
    )  # fmt: skip
    assert done.returncode == 2
    assert "dataset-fashion-mnist" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("training", [True, False], ids=["in the training", "before it"])
def test_an_interrupted_run_goes_on_where_each_of_its_processes_was(
    tmp_path, wmproof, command, environment, training
):
    out = tmp_path / "out"
    options = ("--unit", "No-WM", "--unit", "FromScratch", "--device", "cpu")
    # More than the first could finish while a busy machine still starts the second.
    run = subprocess.Popen(
        command("smoke", "--out", out, *options, "--epochs", 100_000, "--jobs", 2),
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    saved = [out / "digits" / "checkpoints" / name for name in ("No-WM", "FromScratch")]
    while run.poll() is None:
        if listening(run.pid) == 2 if training else all(path.exists() for path in saved):
            break
        time.sleep(0.01)
    os.killpg(run.pid, signal.SIGINT)
    _, errors = run.communicate(timeout=600)
    assert run.returncode == 130, errors
    assert "Traceback" not in errors
    assert "trainings that ran are saved" in errors
    assert set(units_in(out)) == {"TS-Orig"}
    assert not training or all(any(path.iterdir()) for path in saved)


def listening(pid):
    """How many of a process's own are training: they take SIGTERM for a wish to stop."""
    found = 0
    for child in psutil.Process(pid).children():
        with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError):
            caught = re.search(r"SigCgt:\s*(\w+)", Path(f"/proc/{child.pid}/status").read_text())[1]
            found += int(caught, 16) >> (signal.SIGTERM - 1) & 1
    return found


@pytest.mark.parametrize(
    "error",
    [
        InputError("is wrong", where="there", remedy="Do it again"),
        ProofError("a check", "does not hold", where="here", numbers={"of": 3}),
    ],
)
def test_errors_pass_between_processes_whole(error):
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)
    assert copy.args == error.args
