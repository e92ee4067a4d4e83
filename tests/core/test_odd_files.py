"""What is no file where a command reads or writes one: one sentence, and nothing changed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import own_process
import pytest
from core_support import PASSPHRASE, wmproof
from odd_files import make_odd_files
from own_process import ROOT

from wmproof._base.files import read_file
from wmproof._base.locks import locked
from wmproof.cli.specimen import EVIDENCE, MODEL, read_specimen
from wmproof.errors import InputError
from wmproof.keys import load_marking_key

if not sys.platform.startswith("linux"):
    pytest.skip("makes Linux's kinds of files", allow_module_level=True)

V1 = Path(__file__).parent / "vectors" / "v1"
SEEDS = ROOT / "tests" / "fuzz" / "seeds"
ENV = {"WMPROOF_PASSPHRASE": PASSPHRASE, "WMPROOF_SIGNING_PASSPHRASE": "", "OMP_NUM_THREADS": "1"}
# {file} is read and [file] written; each in its turn is something else. A file of any size can have
# a timestamp, and there is no end to its reading but its own.
COMMANDS = """
keygen -o k --shape 4x4 --classes 10 --security 4 --kdf interactive --class-names {names}
keygen -o k --shape 4x4 --classes 10 --security 4 --kdf interactive --reference {model.onnx}
keygen -o k --shape 4x4 --classes 10 --security 4 --kdf interactive --sign-with {log.pem}
keygen -o k --shape 4x4 --classes 10 --security 4 --passphrase-file {names}
check-key {key.pvk} --reference {model.onnx} --contact-sheet [sheet.png]
verify {model.onnx} --key {private.mk} --vk {private.vk}
verify {model.onnx} --vk {bounded.vk} --opening {bounded-1.opening}
verify --replay {names} --vk {bounded.vk}
examine {model.onnx} --key {private.mk}
reveal {bounded.mk} -o [b.opening]
inspect {evidence.bundle}
compile {model.onnx} --public-key {key.pvk} -o [m.circuit]
prove {model.onnx} --key {derived.mk} --public-key {derived.pvk} -o [c.proof]
pverify {model.onnx} {claim.proof} --public-key {key.pvk} --images {names}
bundle {model.onnx} --public-key {key.pvk} --claim {claim.proof} --log-proof {key.tlog-proof} -o [e]
bundle {model.onnx} --public-key {key.pvk} --timestamp {token.tsr} -o e
verify-bundle {evidence.bundle} {model.onnx} --log-key {log.vkey} --html [r.html]
verify-bundle {evidence.bundle} --headers {headers} --tsa-roots {ca.pem} --log-now {note}
dispute {evidence.bundle} {evidence.bundle} {model.onnx}
log init new --origin a.b --sign-with {log.pem}
log append log {key.pvk}
log checkpoint log --sign-with {log.pem} --add {names}
log prove-inclusion log {key.pvk} -o [p]
log prove-consistency log --since {note} -o [p]
log verify {key.tlog-proof} --key {key.pvk} --log-key {log.vkey}
log witness log --name w.b --sign-with {log.pem} --state w --log-key {log/log.vkey} -o [line]
timestamp verify names --token {token.tsr} --roots {ca.pem} --intermediates {ca.pem}
timestamp verify names --ots {block.ots} --headers {headers}
timestamp upgrade {promise.ots} --calendar http://127.0.0.1:9
timestamp rfc3161 card.md --tsa http://127.0.0.1:9 --roots {ca.pem} -o [t.tsr]
announce card [card.md] --public-key {key.pvk} --model {model.onnx}
announce manifest here --public-key {key.pvk} --sign-with {log.pem} -o [m.sig]
mark --key {private.mk} --network mlp -o [m.onnx] --weights-out [w.pt]
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """All that the commands read, a log, and the odd files."""
    folder = fill(tmp_path_factory.mktemp("place"))
    make_odd_files(folder)
    return folder


def fill(folder):
    """Put all into a folder that the commands read, and a log."""
    for source in (*V1.iterdir(), *SEEDS.iterdir()):
        shutil.copy(source, folder)
    (folder / "model.onnx").write_bytes(read_specimen(MODEL))
    (folder / "evidence.bundle").write_bytes(read_specimen(EVIDENCE))
    (folder / "log.vkey").write_bytes(read_specimen("log.vkey"))
    (folder / "names").write_text("a\nb\n")
    (folder / "card.md").write_text("# A model\n")
    (folder / "here").mkdir()
    for command in (
        "inspect evidence.bundle --extract .",
        "log init log --origin a.b --sign-with log.pem",
        "log append log key.pvk",
        "log checkpoint log --sign-with log.pem",
    ):
        done = wmproof(*command.split(), cwd=folder, env=ENV)
        assert done.returncode == 0, done.stderr
    (folder / "note").write_bytes((folder / "log" / "checkpoint").read_bytes())
    return folder


NO_RESULT = ("sparse", "stderr", "opened")


def snapshot(folder):
    return {
        path: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".lock" and path.name not in NO_RESULT
    }


def cases():
    """A command with one of its files replaced, and by what."""
    for line in COMMANDS.strip().splitlines():
        words = line.split()
        for i, word in enumerate(words):
            kinds = {
                "{": ("folder", "socket", "sparse", "pipe", "/dev/null"),
                "[": ("folder", "socket", "/dev/full", "full", "missing/file"),
            }.get(word[0], ())
            for odd in kinds:
                given = [*words[:i], odd, *words[i + 1 :]]
                yield odd, [one.strip("{}[]") for one in given]


def run(chosen, folder):
    said = "\n".join(map(json.dumps, chosen))
    program = ROOT / "tests" / "odd_files.py"
    done = own_process.run(program, folder, "300", input=said, env=ENV, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_reading_takes_room_for_what_there_is(place):
    with pytest.raises(InputError, match="longer than"):
        read_file(place / "sparse", limit=2**31)
    reader, writer = os.pipe()
    os.write(writer, bytes(2000))
    os.close(writer)
    assert read_file(f"/dev/fd/{reader}", limit=2**31) == bytes(2000)
    assert read_file("/proc/self/status", limit=2**31).startswith(b"Name:")


def test_an_opening_may_go_into_a_pipe_and_keeps_nobody_waiting(place, tmp_path):
    """The batch is spent and the lock free before anybody reads."""
    shutil.copy(V1 / "bounded.mk", tmp_path)
    os.mkfifo(tmp_path / "pipe")
    started = subprocess.Popen(
        [sys.executable, "-m", "wmproof", "reveal", "bounded.mk", "-o", "pipe"],
        cwd=tmp_path,
        env=os.environ | ENV | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
    )
    while load_marking_key(tmp_path / "bounded.mk", PASSPHRASE).revealed != 2:
        assert started.poll() is None
    with locked(tmp_path / "bounded.mk", timeout=300):
        assert started.poll() is None
        said = (tmp_path / "pipe").read_bytes()
    assert started.wait() == 0
    again = wmproof("reveal", "bounded.mk", "--again", "2", "-o", "file", cwd=tmp_path, env=ENV)
    assert again.returncode == 0
    assert (tmp_path / "file").read_bytes() == said


def test_what_is_written_anew_is_a_file(place):
    for name in ("folder", "pipe", "socket", "/dev/null"):
        with pytest.raises(InputError, match="can be written anew"), locked(place / name):
            pass


def test_every_command_names_what_is_no_file(place):
    """And changes nothing, but for what is recorded before it is said: a batch that is spent on a
    pipe that broke, and what a witness cosigned.
    """
    every = list(cases())
    before = snapshot(place)
    said = run(every, place)
    assert len(said) == len(every) > 300
    wrong = [
        (case, code, errors)
        for case, (code, errors, _) in zip(every, said, strict=True)
        if code not in (1, 2)
        or any(word in errors for word in ("Traceback", "bug", "memory"))
        or not (code == 1 or errors)
        or len(errors.splitlines()) > 8
    ]
    assert not wrong
    after = snapshot(place)
    assert {path for path in before if after.get(path) != before[path]} == {place / "bounded.mk"}
    assert all((place / "w") in path.parents for path in after.keys() - before.keys())


def test_no_command_reads_a_file_twice(tmp_path):
    """Or what it checks could be another file than what it then uses, put there in between."""
    given = [line.split() for line in COMMANDS.strip().splitlines()]
    commands = [[word.strip("{}[]") for word in words] for words in given]
    said = run([("", words) for words in commands], fill(tmp_path))
    read, again = 0, []
    for words, (_, errors, opened) in zip(given, said, strict=True):
        for word in {word for word in words if word.startswith("{")}:
            times = opened.count(word.strip("{}"))
            read += times
            if times > words.count(word):
                again.append((words, word, times, errors))
    assert not again
    assert read > len(commands)
