"""The bundle's vector, and the tutorial from the log to the dispute, as it is written."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bundle_desk import WEAK, Desk
from local_server import serving
from log_support import LOG, ROOT, WITNESS

from wmproof.keys import KdfCost, save_marking_key
from wmproof.publication.bundle.format import (
    Bundle,
    Part,
    PartKind,
    Pixels,
    Subject,
    parse_bundle,
)

VECTOR = json.loads((Path(__file__).parent / "vectors/vectors.json").read_text())
REPLY = "application/timestamp-reply"


# Seconds between two tokens, each of which may be 1.5 s off: else none is known to be older.
BEYOND_UNCERTAINTY = 4


def test_the_vector():
    data = bytes.fromhex(VECTOR["bundle"])
    parsed = parse_bundle(data)
    assert parsed.digest.hex() == VECTOR["sha256"]
    assert VECTOR["sha256"] in (ROOT / "docs/bundle.md").read_text()
    assert [(p.kind, p.subject) for p in parsed.parts] == [
        (PartKind.PUBLIC_KEY, Subject.NONE),
        (PartKind.CLAIM, Subject.NONE),
        (PartKind.RFC3161, Subject.KEY),
        (PartKind.OPENTIMESTAMPS, Subject.MODEL),
    ]
    again = Bundle(parsed.model_digest, Pixels.RAW, tuple(Part(*_fields(p)) for p in parsed.parts))
    assert again.to_bytes() == data


def _fields(part):
    return part.kind, part.subject, part.content


def steps(first, last):
    """The commands of the tutorial's sections, one list of words each."""
    text = (ROOT / "docs/tutorial.md").read_text()
    part = text[text.index(f"## {first}. ") : text.index(f"## {last + 1}. ")]
    blocks = re.findall(r"```\n(.*?)```", part, re.DOTALL)
    return [shlex.split(line)[1:] for block in blocks for line in block.splitlines()]


@pytest.fixture
def desk(case, tmp_path):
    shutil.copy(case.model, tmp_path / "model.onnx")
    shutil.copy(case.authority.roots, tmp_path / "ca.pem")
    for name, party in (("mine", case.a), ("theirs", case.b)):
        (tmp_path / f"{name}.pvk").write_bytes(party.public.to_bytes())
        (tmp_path / f"{name}.proof").write_bytes(party.claim)
    (tmp_path / "mine.proof").rename(tmp_path / "claim.proof")
    return tmp_path


def run(folder, words):
    done = subprocess.run(
        [sys.executable, "-m", "wmproof", *words],
        cwd=folder,
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "WMPROOF_SIGNING_PASSPHRASE": "p", "COLUMNS": "200"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


def test_the_tutorial_runs(case, desk):
    """Word by word, but for the authority's address and the least security of a small test key."""

    def answer(_method, _path, body):
        return 200, REPLY, case.authority.reply(body)

    commands = steps(7, 10)
    assert [words[0] for words in commands[-3:]] == ["bundle", "verify-bundle", "dispute"]
    with serving(answer) as url:
        for words in commands:
            words = [url if word == "https://freetsa.org/tsr" else word for word in words]
            if words[0] == "timestamp" and words[2] == "model.onnx":
                time.sleep(BEYOND_UNCERTAINTY)
            if words[0] == "dispute":
                time.sleep(BEYOND_UNCERTAINTY)
                second_party(desk, url)
            if words[0] in ("verify-bundle", "dispute"):
                words += ["--minimum-security", "16", "--minimum-strength", "32"]
            said = " ".join(run(desk, words).split())
            if words[0] == "verify-bundle":
                assert "the evidence holds" in said
                assert "the log example.com/board, entry 0, witnessed by witness.example/w1" in said
    assert "the model was seen first" in said
    assert "published first A" in said
    assert "only the evidence of A holds" in said
    assert b"<!DOCTYPE html>" in (desk / "report.html").read_bytes()[:20]


def second_party(desk, url):
    """What the other one does with his own key, later."""
    replaced = {"mine.pvk": "theirs.pvk", "mine.tlog-proof": "theirs.tlog-proof"}
    replaced |= {"mine.pvk.tsr": "theirs.pvk.tsr", "claim.proof": "theirs.proof"}
    replaced |= {"mine.bundle": "theirs.bundle", "https://freetsa.org/tsr": url}
    for words in steps(7, 9):
        skipped = words[:2] == ["log", "init"] or words[0] == "verify-bundle"
        if skipped or words[:3] == ["timestamp", "rfc3161", "model.onnx"]:
            continue
        force = ["--force"] if words[:2] == ["log", "witness"] else []
        run(desk, [replaced.get(word, word) for word in words] + force)


def how_to(*headings):
    """The commands below headings of the how-to, one list of words each."""
    text = (ROOT / "docs/howto.md").read_text()
    for heading in headings:
        part = re.search(rf"^## {heading}.*?\n(.*?)(?=^##)", text, re.DOTALL | re.MULTILINE)[1]
        for block in re.findall(r"```\n(.*?)```", part, re.DOTALL):
            yield from block.splitlines()


def test_the_how_to_runs(case, tmp_path, monkeypatch):
    """The owner, whose model is taken, and the judge; word by word, but for services and pip."""
    monkeypatch.setenv("WMPROOF_PASSPHRASE", "p")
    here = Desk(tmp_path, ())
    (tmp_path / "LOG.vkey").write_text(str(LOG.verifier_key))
    (tmp_path / "W1.vkey").write_text(str(WITNESS.verifier_key))
    shutil.copy(case.authority.roots, tmp_path / "ca.pem")

    def answer(_method, _path, body):
        return 200, REPLY, case.authority.reply(body)

    persons = ("You train models", "Somebody has your model", "You are to judge")
    done = []
    with serving(answer) as url:
        for line in how_to(*persons):
            words = shlex.split(line.replace("https://freetsa.org/tsr", url))
            if words[0] == "pip" or "--endpoint" in words:
                continue
            if words[1] == "examine":
                # The network of these tests carries small keys: he comes back with one of those.
                stolen_world(case, tmp_path)
                here.run("timestamp", "rfc3161", "mine.pvk", "--tsa", url, "--roots", "ca.pem")
                time.sleep(BEYOND_UNCERTAINTY)
            weak = {"prove": WEAK[2:], "verify-bundle": WEAK}.get(words[1], ())
            said = " ".join(here.run(*words[1:], *weak).stdout.split())
            done.append((words[1], said))
    said = dict(done)
    assert [name for name, _ in done] == [
        *("keygen", "check-key", "timestamp", "keygen"),
        *("examine", "timestamp", "prove", "bundle", "reveal"),
        *("doctor", "verify-bundle"),
    ]
    assert "your key is in it" in said["examine"]
    # So few hits are worth less than judges ask for unless they are told to, as this one is.
    assert "next wmproof verify suspect.onnx --key mine.mk" in said["examine"]
    assert "the evidence holds" in said["verify-bundle"]
    assert (tmp_path / "service.batch-1.opening").exists()


def stolen_world(case, folder):
    """The files that the owner of a small key has, and the file that he found."""
    for old in folder.glob("mine.*"):
        old.unlink()
    save_marking_key(folder / "mine.mk", case.a.key, "p", cost=KdfCost.INTERACTIVE)
    (folder / "mine.pvk").write_bytes(case.a.public.to_bytes())
    (folder / "mine.tlog-proof").write_bytes(case.logged(case.a))
    shutil.copy(case.model, folder / "suspect.onnx")
