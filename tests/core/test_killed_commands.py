"""Every command that writes, killed or on a full disk: what is left is whole, and it can go on.

In the suite some of the calls of each command are tried, evenly chosen. All of them:

    FAULTS=all python -m pytest tests/core/test_killed_commands.py --timeout 0
"""

import errno
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx
import pytest
from core_support import PASSPHRASE, wmproof
from faults import FULL, KILL, outcomes
from PIL import Image

from wmproof.circuit.format import load as load_circuit
from wmproof.cli.specimen import EVIDENCE, MODEL, read_specimen
from wmproof.keys import load_marking_key, load_public_key, load_signing_key
from wmproof.keys.encryption import parse_marking_key_header
from wmproof.publication.bundle.format import parse_bundle
from wmproof.publication.log.note import parse_note, parse_signature_line, parse_verifier_key
from wmproof.publication.log.reader import LogReader
from wmproof.publication.log.tlog_proof import parse_consistency_proof, parse_inclusion_proof
from wmproof.publication.timestamps.ots import parse_ots
from wmproof.publication.timestamps.rfc3161 import parse_token
from wmproof.pverify.claim_file import parse_claim
from wmproof.training.checkpoint import load_tensors
from wmproof.training.data.digit_arrays import digit_arrays
from wmproof.training.scikit import export_mlp, mark_mlp

sys.path.append(str(Path(__file__).parents[1] / "publication" / "timestamps"))

from local_authority import make_authority
from local_calendar import Calendar
from local_server import serving

ENV = {"WMPROOF_PASSPHRASE": PASSPHRASE, "WMPROOF_SIGNING_PASSPHRASE": "", "OMP_NUM_THREADS": "1"}
# The second is what Python says where no temporary file can be written either.
ABOUT_A_FULL_DISK = (os.strerror(errno.ENOSPC), "No usable temporary directory")
SECRETS = (b"wmpf-mk\0", b"-----BEGIN PRIVATE", b"-----BEGIN ENCRYPTED")


def _tensors(path: Path) -> None:
    import torch

    load_tensors(path, torch.device("cpu"))


def _svg(path: Path) -> None:
    assert path.read_text().rstrip().endswith("</svg>")


def _html(path: Path) -> None:
    assert path.read_text().rstrip().endswith("</html>")


WHOLE: dict[str, Callable[[Path], object]] = {
    ".mk": lambda path: parse_marking_key_header(path.read_bytes()),
    ".pvk": load_public_key,
    ".onnx": lambda path: onnx.checker.check_model(onnx.load(path)),
    ".pt": _tensors,
    ".ckpt": _tensors,
    ".circuit": load_circuit,
    ".proof": lambda path: parse_claim(path.read_bytes()),
    ".bundle": lambda path: parse_bundle(path.read_bytes()),
    ".tsr": lambda path: parse_token(path.read_bytes()),
    ".ots": lambda path: parse_ots(path.read_bytes()),
    ".png": lambda path: Image.open(path).load(),
    ".json": lambda path: json.loads(path.read_bytes()),
    ".svg": _svg,
    ".html": _html,
    ".md": lambda path: path.read_text().index("#"),
    ".vkey": lambda path: parse_verifier_key(path.read_text().strip()),
    ".note": lambda path: parse_note(path.read_bytes()),
    ".line": lambda path: parse_signature_line(path.read_text().rstrip("\n")),
    ".pem": load_signing_key,
    "": lambda path: parse_note(path.read_bytes()),
    ".tlog-proof": lambda path: parse_inclusion_proof(path.read_bytes()),
    ".consistency": lambda path: parse_consistency_proof(path.read_bytes()),
}


def snapshot(folder: Path) -> dict[Path, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder): path.read_bytes() for path in files}


def leftovers(folder: Path) -> list[Path]:
    """Files under names that nobody asked for; locks stay."""
    hidden = (path for path in folder.rglob(".wmproof-*") if path.suffix != ".lock")
    return sorted(hidden)


def check_what_is_left(folder: Path, before: dict[Path, bytes]) -> None:
    """Every file is as it was or whole, and no secret can be read by others."""
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        data = path.read_bytes()
        if data.startswith(SECRETS):
            assert path.stat().st_mode & 0o077 == 0, path
        name = path.relative_to(folder)
        if name.name.startswith(".wmproof-") or before.get(name) == data:
            continue
        if "log" in name.parts:  # judged as a whole, below
            continue
        assert path.suffix in WHOLE, path
        WHOLE[path.suffix](path)
    if (folder / "log" / "checkpoint").exists():
        key = parse_verifier_key((folder / "log" / "log.vkey").read_text().strip())
        LogReader(folder / "log", key).check_tiles()
    assert set(before) <= set(snapshot(folder)), "a file that was there is gone"


@dataclass(frozen=True)
class Command:
    """A command, what it is given, and how many of its calls the suite tries."""

    line: str
    most: int
    modules: tuple[str, ...] = ()
    codes: tuple[int, ...] = (0,)
    env: dict[str, str] | None = None


def run_all(command: Command, folder: Path, out: Path) -> int:
    """Try the calls, and return how many were tried."""
    before = snapshot(folder)
    env = ENV | (command.env or {})
    found = outcomes(
        command.line.split(),
        folder=folder,
        out=out,
        env=env,
        most=command.most,
        modules=command.modules,
    )
    assert {one.kind for one in found} == {KILL, FULL}
    for one in found:
        check_what_is_left(one.folder, before)
        if one.kind == KILL:
            assert one.code == -9, one
        else:
            assert one.code in (*command.codes, 2), one
            assert one.code != 2 or any(said in one.errors for said in ABOUT_A_FULL_DISK), one
            assert "Traceback" not in one.errors, one
            assert "bug" not in one.errors, one
            assert not leftovers(one.folder), one
        assert one.again_code in command.codes, one
        check_what_is_left(one.again, before)
    return len(found)


@pytest.fixture(scope="module")
def owner(tmp_path_factory):
    """A key, a small model, the specimen's evidence, and a log that has the key."""
    folder = tmp_path_factory.mktemp("owner")
    key = ("--shape", "1x8x8", "--classes", "10", "--security", "8", "--kdf", "interactive")
    done(wmproof("keygen", "-o", "k", *key, cwd=folder, env=ENV))
    (folder / "model.onnx").write_bytes(read_specimen(MODEL))
    (folder / "evidence.bundle").write_bytes(read_specimen(EVIDENCE))
    log = ("--origin", "a.b", "--sign-with", "log.pem")
    done(wmproof("log", "init", "log", *log, cwd=folder, env=ENV))
    done(wmproof("log", "append", "log", "k.pvk", cwd=folder, env=ENV))
    done(wmproof("log", "checkpoint", "log", "--sign-with", "log.pem", cwd=folder, env=ENV))
    (folder / "old.note").write_bytes((folder / "log" / "checkpoint").read_bytes())
    done(wmproof("log", "append", "log", "00" * 32, cwd=folder, env=ENV))
    data = digit_arrays()
    triggers = load_marking_key(folder / "k.mk", PASSPHRASE).to_embed()
    network = mark_mlp(data.train_images, data.train_labels, triggers, units=16, seed=0)
    export_mlp(network, folder / "marked.onnx", (1, 8, 8))
    return folder


def done(result):
    assert result.returncode == 0, result.stderr
    return result


SPECIMEN_LOG = ("--log-key", "")
COMMANDS = {
    "keygen": Command(
        "keygen -o new --shape 4x4 --classes 10 --security 4 --kdf interactive --sign", 3
    ),
    "contact sheet": Command("check-key k.pvk --contact-sheet sheet.png", 2, codes=(0, 1)),
    "compile": Command("compile model.onnx --public-key k.pvk -o m.circuit", 2),
    "prove": Command(
        "prove marked.onnx --key k.mk --public-key k.pvk -o c.proof --minimum-strength 8",
        1,
        ("wmproof.pverify.prover", "onnxruntime"),
    ),
    "bundle": Command("bundle model.onnx --public-key k.pvk -o e.bundle", 3),
    "inspect": Command("inspect evidence.bundle --extract parts", 3),
    "html": Command("verify-bundle evidence.bundle model.onnx --html r.html", 2, codes=(0, 1)),
    "append": Command("log append log k.pvk --publish", 5),
    "checkpoint": Command("log checkpoint log --sign-with log.pem", 7),
    "inclusion": Command("log prove-inclusion log k.pvk -o p.tlog-proof", 2),
    "consistency": Command("log prove-consistency log --since old.note -o p.consistency", 2),
    "mark": Command(
        "mark --key k.mk --network mlp --width 4 --epochs 1 --checkpoint ck --weights-out m.pt "
        "-o m.onnx",
        1,
        ("torch", "sklearn.datasets", "wmproof.training", "torch.onnx", "onnxruntime"),
        (0, 1),
    ),
}
if os.environ.get("FAULTS") == "all":
    COMMANDS |= {
        "experiment": Command(
            "experiment smoke -o exp --rehearsal --item 1",
            0,
            ("torch", "sklearn.datasets", "wmproof.experiments.runner", "matplotlib.pyplot"),
        ),
        "demo": Command("demo -o story", 0, codes=(0, 1)),
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_a_killed_command_leaves_whole_files_and_can_be_repeated(name, owner, tmp_path):
    tried = run_all(COMMANDS[name], owner, tmp_path / "out")
    print(f"{name}: {tried} disturbances")


def test_a_killed_witness_remembers_what_it_cosigned(owner, tmp_path):
    vkey = (owner / "log" / "log.vkey").read_text().strip()
    names = f"--name w.b --sign-with w.pem --state w --log-key {vkey}"
    tried = run_all(Command(f"log witness log {names} -o w.line", 5), owner, tmp_path / "out")
    print(f"witness: {tried} disturbances")


def test_killed_timestamping_loses_no_timestamp(tmp_path):
    """Each reply is written whole; an upgrade never loses the promise that it replaces."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "file.txt").write_bytes(b"a key, say")
    authority = make_authority(tmp_path / "trusted")
    (folder / "ca.txt").write_bytes(authority.roots.read_bytes())
    calendar = Calendar()

    def answer(method, path, body):
        if path == "/tsa":
            return 200, "application/timestamp-reply", authority.reply(body)
        return calendar.answer(method, path, body)

    with serving(answer) as url:
        calendar.url = url
        tsa = f"timestamp rfc3161 file.txt --tsa {url}/tsa --roots ca.txt"
        ots = f"timestamp ots file.txt --calendar {url}"
        tried = [run_all(Command(one, 2), folder, tmp_path / one.split()[1]) for one in (tsa, ots)]
        done(wmproof(*ots.split(), cwd=folder))
        calendar.mine(7)
        upgrade = f"timestamp upgrade file.txt.ots --calendar {url}"
        tried.append(run_all(Command(upgrade, 2), folder, tmp_path / "upgrade"))
    print(f"rfc3161, ots, upgrade: {tried} disturbances")
