"""`wmproof mark` and `wmproof demo` as programs: files in, files out, exit codes."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from json_output import parse_output
from same_keys import same_keys

from wmproof.core.triggers import noise
from wmproof.keys import KdfCost, save_marking_key, save_published
from wmproof.keys.keygen import keygen, keygen_bounded, pkeygen
from wmproof.models import open_model
from wmproof.training.networks import build

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
    return subprocess.run(command(*arguments), env=environment(), capture_output=True, text=True)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    with same_keys():
        made = {
            "good": pkeygen(noise(64, (1, 8, 8)), 10, security=16)[0],
            "shape": keygen(noise(4, (1, 9, 8)), 10)[0],
            "classes": keygen(noise(4, (8, 8)), 7)[0],
            "bounded": keygen_bounded(noise(32, (8, 8)), 10, batches=2)[0],
        }
    for name, key in made.items():
        save_marking_key(folder / f"{name}.mk", key, PASSPHRASE, cost=KdfCost.INTERACTIVE)
    save_published(folder / "good.pvk", made["good"].public_key())
    save_published(folder / "bounded.vk", made["bounded"].verification_key)
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
    fields = parse_output(done.stdout)
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
    # Trained further, it carries a key for services, too.
    shown = wmproof(
        "mark", "--key", keys / "good.mk", "--key", keys / "bounded.mk", *SMALL,
        "--pretrained", weights, "-o", model, "--force",
    )  # fmt: skip
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert re.search(r"triggers of \S+good\.mk .*triggers of \S+bounded\.mk ", shown.stdout, re.S)
    assert "the model carries every key" in shown.stdout
    assert model.read_bytes() != before
    bounded = ("verify", model, "--vk", keys / "bounded.vk", "--key", keys / "bounded.mk")
    for claim in (verify, bounded):
        assert wmproof(*claim, "--minimum-strength", "20").returncode == 0


def test_too_little_training_does_not_hold(keys, tmp_path):
    done = wmproof(
        "mark", "--key", keys / "good.mk", *SMALL, "--epochs", "1", "--k", "1", "--lr", "1e-6",
        "-o", tmp_path / "model.onnx", "--json",
    )  # fmt: skip
    assert done.returncode == 1
    assert parse_output(done.stdout)["holds"] is False
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


def catches_sigterm(pid):
    """Whether training has set its handlers: Python by itself catches only SIGINT."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(re.search(r"^SigCgt:\s*(\w+)", status, re.M)[1], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the caught signals from /proc")
def test_interrupted_and_resumed_gives_the_same_file(keys, tmp_path):
    settings = (
        "mark", "--key", keys / "good.mk", "--network", "resnet18", "--width", "8",
        "--epochs", "2", "--device", "cpu", "--json",
    )  # fmt: skip
    whole = wmproof(*settings, "-o", tmp_path / "whole.onnx")
    assert whole.returncode in (0, 1), whole.stdout
    resumable = (*settings, "-o", tmp_path / "parts.onnx", "--checkpoint", tmp_path / "state")
    running = subprocess.Popen(
        command(*resumable), env=environment(), stdout=subprocess.PIPE, text=True
    )
    while not catches_sigterm(running.pid) and running.poll() is None:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    stdout, _ = running.communicate()
    assert running.returncode == 130
    assert "same command" in parse_output(stdout)["error"]["remedy"]
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
    done = subprocess.run(
        command("demo", "-o", tmp_path / "demo", "--json"),
        env=environment() | {"PYTHONPROFILEIMPORTTIME": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    # `make demo` installs the extra `demo` alone, which is a tenth of all.
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert {"sklearn", "numba"} <= imported
    assert not {"torch", "torchvision", "onnxscript", "ray", "fastapi", "httpx"} & imported
    fields = parse_output(done.stdout)
    assert fields["marked"]["holds"]
    assert fields["marked"]["hits"] >= 0.98 * fields["hidden"]
    assert fields["independent"]["holds"] is False
    assert fields["forgery_caught_by"] == "derived-labels"
    assert fields["chosen_labels_caught_by"] == "chosen-labels"
    assert fields["zero_knowledge"]["two_faced_refused"]
    assert fields["marked_accuracy"] >= fields["independent_accuracy"] - 0.03
    assert all(Path(path).stat().st_size for path in fields["files"].values())
