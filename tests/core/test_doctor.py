"""`wmproof doctor` says what works, with the prover's compiler and without."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from elsewhere import environment
from json_output import parse_output
from own_process import ROOT

from wmproof.cli import specimen
from wmproof.cli.app import cli
from wmproof.errors import InputError, WmproofError
from wmproof.publication.bundle.format import parse_bundle

WITHOUT = """
import sys
from pathlib import Path
sys.modules["numba"] = None
from wmproof.cli import main
main(["doctor", "--json"])
"""


def run(*arguments):
    return subprocess.run(
        [sys.executable, *arguments],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("program", [("-m", "wmproof", "doctor", "--json"), ("-c", WITHOUT)])
def test_what_works_is_said(program):
    done = run(*program)
    assert done.returncode == 0, done.stdout + done.stderr
    found = parse_output(done.stdout)
    assert found["works"]
    assert found["checks"]["make and check a key"] == "works"
    assert found["checks"]["verify a claim that somebody else proved"] == "works"
    expected = "works" if program[0] == "-m" else "needs the extra prove"
    assert found["checks"]["prove a claim"] == expected


def test_what_does_not_work_is_said():
    broken = """
import wmproof.keys.check as check
def fail(*_, **__): raise OSError("the disk is gone")
check.check_public_key = fail
from wmproof.cli import main
main(["doctor"])
"""
    done = run("-c", broken)
    assert done.returncode == 1
    assert "fails: OSError: the disk is gone" in done.stdout
    assert "something does not work" in done.stdout


def test_the_specimen_is_of_these_formats():
    """If it is not: `python tests/core/vectors/make_specimen.py` makes it anew."""
    report = specimen.verify_specimen()
    assert report.claim.header.threshold >= 10
    assert parse_bundle(specimen.read_specimen(specimen.EVIDENCE)) is not None


@pytest.mark.parametrize("name", [specimen.MODEL, specimen.EVIDENCE, specimen.WITNESS_KEY])
def test_a_damaged_specimen_is_found(name, monkeypatch):
    data = specimen.read_specimen(name)
    other = bytes(data[:-40]) + bytes([data[-40] ^ 1]) + data[-39:]
    read = specimen.read_specimen
    monkeypatch.setattr(specimen, "read_specimen", lambda n: other if n == name else read(n))
    with pytest.raises(WmproofError):
        specimen.verify_specimen()


def test_a_bundle_is_taken_apart(tmp_path):
    path = tmp_path / "a.bundle"
    path.write_bytes(specimen.read_specimen(specimen.EVIDENCE))
    parts = tmp_path / "parts"
    cli.main(["inspect", str(path), "--extract", str(parts)], standalone_mode=False)
    names = {"key.pvk", "claim.proof", "key.tlog-proof"}
    assert {file.name for file in parts.iterdir()} == names
    bundle = parse_bundle(path.read_bytes())
    assert {file.read_bytes() for file in parts.iterdir()} == {p.content for p in bundle.parts}
    with pytest.raises(WmproofError, match="exists already"):
        cli.main(["inspect", str(path), "--extract", str(parts)], standalone_mode=False)


@pytest.mark.parametrize("first", ["wmproof", "onnxruntime"])
def test_onnx_runtime_reports_nothing_to_its_maker(first):
    program = f"""
import {first}
import wmproof, onnxruntime, os
assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if first == "wmproof":
        assert "elemetry" not in done.stderr


def test_files_and_their_contents_are_taken_alike(tmp_path):
    """Paths as text or objects, or bytes: keys, models, claims and bundles."""
    import wmproof
    from wmproof.core.policy import Policy
    from wmproof.publication.bundle.format import load_bundle

    model, bundle = tmp_path / "m.onnx", tmp_path / "e.bundle"
    model.write_bytes(specimen.read_specimen(specimen.MODEL))
    bundle.write_bytes(specimen.read_specimen(specimen.EVIDENCE))
    parts = load_bundle(bundle).files()
    for name, data in parts.items():
        (tmp_path / name).write_bytes(data)
    policy = Policy(security=specimen.SECURITY, strength=specimen.STRENGTH)
    for kind in (Path, str, Path.read_bytes):
        assert load_bundle(kind(bundle)).files() == parts
        key = wmproof.load_public_key(kind(tmp_path / "key.pvk"))
        assert wmproof.load_verification_key(kind(tmp_path / "key.pvk")) == key.verification_key
        assert wmproof.open_model(kind(model)).classes == 10
        report = wmproof.verify_claim(kind(model), key, kind(tmp_path / "claim.proof"), policy)
        assert json.loads(json.dumps(report.to_dict()))["holds"]
    with pytest.raises(InputError, match="of type int, not a path or bytes"):
        wmproof.load_public_key(3)
    with pytest.raises(InputError, match=r"missing\.pvk"):
        wmproof.load_public_key(str(tmp_path / "missing.pvk"))
