"""`wmproof mark` and `wmproof demo` as programs: files in, files out, exit codes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from wmproof.keygen import keygen, pkeygen
from wmproof.keys import KdfCost, save_marking_key, save_published
from wmproof.models import open_model
from wmproof.training.networks import build
from wmproof.triggers import noise

ROOT = Path(__file__).parents[2]
PASSPHRASE = "correct horse"


def environment():
    search = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return os.environ | {
        "PYTHONPATH": search,
        "WMPROOF_PASSPHRASE": PASSPHRASE,
        "OMP_NUM_THREADS": "1",
    }


def command(*arguments):
    program = "from wmproof.cli import main; main()"
    return [sys.executable, "-c", program, *map(str, arguments)]


def wmproof(*arguments):
    return subprocess.run(
        command(*arguments), env=environment(), capture_output=True, text=True, timeout=300
    )


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    made = {
        "good": pkeygen(noise(64, (1, 8, 8)), 10, security=16)[0],
        "shape": keygen(noise(4, (1, 9, 8)), 10)[0],
        "classes": keygen(noise(4, (8, 8)), 7)[0],
    }
    for name, key in made.items():
        save_marking_key(folder / f"{name}.mk", key, PASSPHRASE, cost=KdfCost.INTERACTIVE)
    save_published(folder / "good.pvk", made["good"].public_key())
    return folder


def test_help_needs_no_torch():
    program = (
        "import sys; from wmproof.cli import mark, demo; import wmproof.training; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], env=environment()).returncode == 0


SMALL = ("--network", "mlp", "--width", "128", "--epochs", "12", "--device", "cpu")


def test_mark_then_verify(keys, tmp_path):
    model, weights = tmp_path / "model.onnx", tmp_path / "model.pt"
    arguments = ("mark", "--key", keys / "good.mk", *SMALL, "-o", model, "--json")
    done = wmproof(*arguments, "--weights-out", weights)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    fields = json.loads(done.stdout)
    assert fields["holds"] is True
    assert fields["hits"] == fields["triggers"]
    assert fields["test_accuracy"] >= 0.96
    assert fields["export"]["agreeing"] == fields["export"]["images"] == 449
    assert len(fields["history"]) == 12

    verify = ("verify", model, "--vk", keys / "good.pvk", "--key", keys / "good.mk")
    assert wmproof(*verify, "--minimum-strength", "20").returncode == 0

    again = wmproof(*arguments)
    assert again.returncode == 2
    assert "exists already" in again.stdout

    before = model.read_bytes()
    shown = wmproof(
        "mark", "--key", keys / "good.mk", *SMALL[:-4], "--epochs", "1", "--device", "cpu",
        "--pretrained", weights, "-o", model, "--force",
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    assert "hit" in shown.stdout
    assert model.read_bytes() != before


def test_too_little_training_does_not_hold(keys, tmp_path):
    done = wmproof(
        "mark", "--key", keys / "good.mk", *SMALL, "--epochs", "1", "--k", "1", "--lr", "1e-6",
        "-o", tmp_path / "model.onnx", "--json",
    )  # fmt: skip
    assert done.returncode == 1
    assert json.loads(done.stdout)["holds"] is False
    assert open_model(tmp_path / "model.onnx").classes == 10


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (("--key", "shape.mk"), "1x9x8"),
        (("--key", "classes.mk"), "7 classes"),
        (("--key", "absent.mk"), "absent.mk"),
        (("--key", "good.pvk"), "good.pvk"),
        (("--data", "cifar10"), "folder"),
        (("--data", "cifar10", "--data-folder", "nowhere"), "download"),
        (("--data", "fashion-mnist", "--data-folder", "nowhere"), "dataset-fashion-mnist"),
        (("--pretrained", "other.pt"), "another network"),
        (("--pretrained", "good.pvk"), "not a file that torch saved"),
        (("--pretrained", "other.pt", "--from-scratch"), "choose"),
        (("--device", "abacus"), "no device"),
        (("--device", "meta"), "no device"),
        (("--network", "alexnet"), "alexnet"),
        (("--epochs", "0"), "epochs"),
        (("-o", "no/such/folder/model.onnx"), "folder"),
    ],
)
def test_bad_input_is_one_clear_error(keys, tmp_path, monkeypatch, changes, says):
    from wmproof.cli import main

    other = build("mlp", (1, 8, 8), 10, width=3)
    torch.save(other.state_dict(), keys / "other.pt")
    monkeypatch.chdir(keys)
    monkeypatch.setenv("WMPROOF_PASSPHRASE", PASSPHRASE)
    base = ["mark", "--key", "good.mk", "-o", str(tmp_path / "m.onnx"), *SMALL, "--epochs", "1"]
    before = sorted(keys.iterdir())
    output = Output()
    monkeypatch.setattr(sys, "stderr", output)
    with pytest.raises(SystemExit) as exit_:
        main([*base, *changes])
    assert exit_.value.code == 2
    assert says in output.text.replace("\n", " ")
    assert "Traceback" not in output.text
    assert list(tmp_path.iterdir()) == []
    assert sorted(keys.iterdir()) == before


class Output:
    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text
        return len(text)

    def flush(self):
        pass

    def isatty(self):
        return False


def test_interrupted_and_resumed_gives_the_same_file(keys, tmp_path):
    settings = (
        "mark", "--key", keys / "good.mk", "--network", "resnet18", "--width", "8",
        "--epochs", "4", "--device", "cpu", "--json",
    )  # fmt: skip
    whole = wmproof(*settings, "-o", tmp_path / "whole.onnx")
    assert whole.returncode in (0, 1), whole.stdout
    resumable = (*settings, "-o", tmp_path / "parts.onnx", "--checkpoint", tmp_path / "state")
    running = subprocess.Popen(
        command(*resumable), env=environment(), stdout=subprocess.PIPE, text=True
    )
    # The folder appears right before the first step; the handler is set shortly after.
    while not (tmp_path / "state").exists() and running.poll() is None:
        time.sleep(0.02)
    time.sleep(0.3)
    running.send_signal(signal.SIGINT)
    stdout, _ = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "same command" in json.loads(stdout)["error"]["remedy"]
    assert not (tmp_path / "parts.onnx").exists()
    resumed = wmproof(*resumable)
    assert resumed.returncode == whole.returncode
    assert (tmp_path / "parts.onnx").read_bytes() == (tmp_path / "whole.onnx").read_bytes()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk(keys):
    done = wmproof("mark", "--key", keys / "good.mk", *SMALL, "--epochs", "1", "-o", "/dev/full")
    assert done.returncode == 2
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_demo_keeps_its_promises(tmp_path):
    done = wmproof("demo", "-o", tmp_path / "demo", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    fields = json.loads(done.stdout)
    assert fields["marked"] == {"holds": True, "hits": fields["hidden"]}
    assert fields["independent"]["holds"] is False
    assert fields["forgery_caught_by"] == "commitments"
    assert fields["marked_accuracy"] >= fields["independent_accuracy"] - 0.01
    assert all(Path(path).stat().st_size for path in fields["files"].values())
