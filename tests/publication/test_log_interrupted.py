"""`log init`, killed or out of disk at every call, and commands that were given the same twice."""

import os

import pytest
from faults import FULL, KILL, outcomes
from json_output import parse_output
from log_support import LOG, WITNESS, seeded_log

from wmproof.cli import main
from wmproof.errors import InputError, VerificationError
from wmproof.publication.log.reader import LogReader
from wmproof.publication.log.store import Log, create_log
from wmproof.publication.log.witness import Witness

INIT = ["log", "init", "board", "--origin", "example.com/b", "--sign-with", "log.pem"]


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code


def test_an_init_that_was_interrupted_is_finished_by_the_next(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    found = outcomes(INIT, folder=tmp_path / "empty", out=tmp_path / "out")
    assert {one.kind for one in found} == {KILL, FULL}
    finished = 0
    for one in found:
        monkeypatch.chdir(one.folder)
        assert "Traceback" not in one.errors
        whole = (one.folder / "board" / "checkpoint").exists()
        assert run(*INIT) == (2 if whole else 0), one
        finished += not whole
        log = LogReader(one.folder / "board")
        assert log.size == 0
        assert (one.folder / "log.pem").stat().st_mode & 0o777 == 0o600
        assert run("log", "append", "board", 64 * "0") == 0
        assert run("log", "checkpoint", "board", "--sign-with", "log.pem") == 0
    assert finished > 10


def test_a_folder_of_somebody_elses_or_of_a_log_is_not_begun_again(tmp_path):
    for name in ("notes.txt", ".git", "tile", "checkpoint"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_text("x")
        with pytest.raises(InputError, match="is not empty"):
            create_log(folder, LOG)
    log = create_log(tmp_path / "log", LOG)
    log.append(b"acknowledged")
    (log.folder / "checkpoint").unlink()
    with pytest.raises(InputError, match="is not empty"):
        create_log(log.folder, LOG)
    assert Log(log.folder).end == 1


def test_the_same_key_logged_twice_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run(*INIT)
    one, two = 64 * "1", 64 * "2"
    run("log", "append", "board", one)
    run("log", "checkpoint", "board", "--sign-with", "log.pem")
    run("log", "append", "board", two)
    capsys.readouterr()
    assert run("log", "append", "board", one, two, 64 * "3", 64 * "3", "--json") == 0
    shown = capsys.readouterr()
    appended = parse_output(shown.out)["appended"]
    assert [item["index"] for item in appended] == [2, 3, 4, 5]
    assert [item["first_index"] for item in appended] == [0, 1, 4, 4]
    assert shown.err.count("was in the log before") == 3


def test_a_witness_whose_clock_ran_ahead_says_what_to_do(tmp_path):
    log = seeded_log(tmp_path / "log", 3)
    log.checkpoint(LOG)
    request = LogReader(log.folder).consistency_request(0).to_bytes()
    Witness(tmp_path / "w", WITNESS, clock=lambda: 2**40).add_checkpoint(request, LOG.verifier_key)
    again = LogReader(log.folder).consistency_request(3).to_bytes()
    late = Witness(tmp_path / "w", WITNESS, clock=lambda: 1_800_000_000)
    with pytest.raises(VerificationError, match="wait until that time, or begin a witness"):
        late.add_checkpoint(again, LOG.verifier_key)


@pytest.mark.parametrize("umask", [0o002, 0o027, 0o077])
def test_modes_are_the_umasks_but_for_the_secret(tmp_path, monkeypatch, umask):
    monkeypatch.chdir(tmp_path)
    before = os.umask(umask)
    try:
        run(*INIT)
        run("log", "append", "board", 64 * "1")
        run("log", "checkpoint", "board", "--sign-with", "log.pem")
    finally:
        os.umask(before)
    public = ("checkpoint", "log.vkey", "tile/0/000.p/1", "tile/entries/000.p/1")
    modes = {(tmp_path / "board" / name).stat().st_mode & 0o777 for name in public}
    assert modes == {0o666 & ~umask}
    assert (tmp_path / "log.pem").stat().st_mode & 0o777 == 0o600
