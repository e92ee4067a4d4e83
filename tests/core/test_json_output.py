"""--json of every command is what the published schema says, and every report is JSON."""

import importlib
import inspect
import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from core_support import PASSPHRASE
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from json_output import parse_output, validators
from own_process import ROOT

import wmproof
from wmproof.cli import specimen
from wmproof.cli.app import cli
from wmproof.core.policy import Policy
from wmproof.core.shown import Report
from wmproof.publication.bundle.dispute import settle
from wmproof.publication.bundle.format import parse_bundle
from wmproof.publication.bundle.trust import Trust

# What takes long or needs a server is run elsewhere, and its output parsed there.
ELSEWHERE = {
    "demo": "training/test_mark_command.py",
    "doctor": "core/test_doctor.py",
    "mark": "training/test_mark_command.py",
    "prove": "pverify/test_claim_files.py",
    "timestamp ots": "publication/timestamps/test_timestamp_command.py",
    "timestamp rfc3161": "publication/timestamps/test_timestamp_command.py",
    "timestamp upgrade": "publication/timestamps/test_timestamp_command.py",
    "timestamp verify": "publication/timestamps/test_timestamp_command.py",
}
SMALL = ("--classes", "10", "--shape", "8x8", "--kdf", "interactive")
LOOSE = ("--minimum-security", "16", "--minimum-strength", "24")


def commands(group=cli, path=()):
    """Every command that can print JSON, by its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        elif any("--json" in option.opts for option in command.params):
            yield " ".join((*path, name))


def test_the_schema_knows_every_command():
    assert set(commands()) == set(validators()) - {"failure"}


@pytest.fixture(scope="module")
def seen(marked, tmp_path_factory):
    """What was printed, by command; each was compared with the schema."""
    here = Path(shutil.copytree(marked, tmp_path_factory.mktemp("json") / "here"))
    outputs = {}

    def run(*arguments, code=0):
        how = {"prog_name": "wmproof", "standalone_mode": False}
        done = CliRunner().invoke(cli, [*map(str, arguments), "--json"], **how)
        assert done.exception is None, (arguments, done.exception)
        assert (done.return_value or 0) == code, (arguments, done.output)
        fields = parse_output(done.stdout)
        outputs.setdefault(fields["command"], []).append(fields)
        return fields

    before = Path.cwd()
    os.chdir(here)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WMPROOF_PASSPHRASE", PASSPHRASE)
        patch.setenv("WMPROOF_SIGNING_PASSPHRASE", PASSPHRASE)
        _keys(run)
        _models(run)
        _evidence(run)
        _log(run)
        _announcements(run)
        _serve(outputs)
        run("completion", "bash", "--show")
        run("experiment", "paper", "--out", "nowhere", "--plan")
    os.chdir(before)
    return outputs


def _keys(run):
    run("keygen", "-o", "k", "--security", "8", *SMALL)
    run("keygen", "-o", "p", "--kind", "private", "--triggers", "16", *SMALL)
    run("keygen", "-o", "b", "--kind", "bounded", "--batches", "2", "--triggers", "32", *SMALL)
    run("check-key", "k.pvk", code=1)
    run("check-key", "owner.pvk", *LOOSE)
    run("reveal", "b.mk")
    for file in ("k.mk", "k.pvk", "p.vk", "b.batch-1.opening", "marked.onnx"):
        run("inspect", file)


def _models(run):
    keys = ("--key", "owner.mk")
    run("verify", "marked.onnx", *keys, "--vk", "owner.pvk", "--minimum-strength", "24")
    run("verify", "independent.onnx", *keys, "--vk", "owner.pvk", code=1)
    run("verify", "marked.onnx", "--opening", "b.batch-1.opening", "--vk", "b.vk", code=1)
    run("examine", "marked.onnx", *keys)
    run("examine", "independent.onnx", *keys, code=1)
    run("compile", "marked.onnx", "--public-key", "owner.pvk")
    run("inspect", "marked.circuit")


def _evidence(run):
    files = (specimen.MODEL, specimen.EVIDENCE, specimen.LOG_KEY, specimen.WITNESS_KEY)
    for name in files:
        Path(name).write_bytes(specimen.read_specimen(name))
    for name, data in parse_bundle(Path(specimen.EVIDENCE).read_bytes()).files().items():
        Path(name).write_bytes(data)
    trust = ("--log-key", read(specimen.LOG_KEY), "--witness", read(specimen.WITNESS_KEY))
    trust = (*trust, "--model-seen", specimen.MODEL_SEEN.isoformat(), *LOOSE)
    claim = ("--public-key", "key.pvk", "--proof", "claim.proof")
    run("pverify", "model.onnx", *claim, *LOOSE)
    run("pverify", "marked.onnx", *claim, *LOOSE, code=1)
    run("bundle", "model.onnx", *claim, "-o", "again.bundle")
    run("verify-bundle", "evidence.bundle", "model.onnx", *trust)
    run("verify-bundle", "again.bundle", "marked.onnx", *trust, code=1)
    run("dispute", "evidence.bundle", "again.bundle", "model.onnx", *trust)
    for file in ("claim.proof", "evidence.bundle"):
        run("inspect", file)


def read(path):
    return Path(path).read_text().strip()


def _log(run):
    key = run("log", "init", "board", "--origin", "a.test/board", "--sign-with", "log.pem")
    trust = ("--log-key", key["log_key"])
    run("log", "append", "board", "owner.pvk", "owner.pvk")
    run("log", "checkpoint", "board", "--sign-with", "log.pem")
    shutil.copy("board/checkpoint", "old")
    run("log", "append", "board", "k.pvk")
    run("log", "checkpoint", "board", "--sign-with", "log.pem")
    witness = ("--name", "w.test", "--sign-with", "w.pem", "--state", "w")
    cosigned = run("log", "witness", "board", *witness, *trust, "-o", "w.txt")
    seen_by = ("--witness", cosigned["witness_key"])
    run("log", "checkpoint", "board", "--add", "w.txt", *seen_by)
    run("log", "prove-inclusion", "board", "k.pvk", *trust)
    run("log", "prove-consistency", "board", "--since", "old", "-o", "growth", *trust)
    run("log", "verify", "k.pvk.tlog-proof", "--key", "k.pvk", *trust, *seen_by)
    run("log", "verify", "growth", "--since", "old", *trust)
    run("log", "verify", "--folder", "board", *trust)
    run("inspect", "k.pvk.tlog-proof")


def _serve(outputs):
    command = [sys.executable, "-m", "wmproof", "log", "serve", "board", "--port", "0", "--json"]
    path = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=path) as server:
        said = "".join(iter(server.stdout.readline, "}\n")) + "}"
        server.terminate()
        server.communicate()
    outputs["log serve"] = [parse_output(said)]


def _announcements(run):
    key = ec.generate_private_key(ec.SECP256R1())
    pem = serialization.Encoding.PEM
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    public = serialization.PublicFormat.SubjectPublicKeyInfo
    Path("a.pem").write_bytes(key.private_bytes(pem, *private))
    Path("a.pub").write_bytes(key.public_key().public_bytes(pem, public))
    Path("release").mkdir()
    shutil.copy("marked.onnx", "release")
    run("announce", "card", "README.md", "--public-key", "owner.pvk", "--model", "marked.onnx")
    run("announce", "card", "README.md")
    named = ("--public-key", "owner.pvk")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("WMPROOF_SIGNING_PASSPHRASE")
        run("announce", "manifest", "release", *named, "--sign-with", "a.pem")
    signed = ("release/model.sig", "release", "--signed-by", "a.pub")
    run("announce", "verify-manifest", *signed, *named)


@pytest.mark.parametrize("command", sorted(set(commands()) - set(ELSEWHERE)))
def test_the_output_is_what_the_schema_says(seen, command):
    assert all(fields["schema"] == 1 for fields in seen[command])


@pytest.mark.parametrize("command", ELSEWHERE)
def test_the_others_are_run_elsewhere(command):
    text = (ROOT / "tests" / ELSEWHERE[command]).read_text()
    assert "parse_output(" in text
    assert f'"{command.split()[-1]}"' in text


def test_a_digest_has_one_name(seen):
    def names(value):
        if isinstance(value, dict):
            for name, item in value.items():
                yield name, item
                # The figures that a check compared have names of their own.
                yield from names(item) if name != "numbers" else ()
        elif isinstance(value, list):
            for item in value:
                yield from names(item)

    told = [(name, item) for outputs in seen.values() for name, item in names(outputs)]
    digest = re.compile("[0-9a-f]{64}")
    assert not {"sha256", "digest"} & {name for name, _ in told}
    others = {"key_id", "signer", "tables"}
    for name, item in told:
        named = name.endswith("_sha256") or name in others
        assert named or not (isinstance(item, str) and digest.fullmatch(item)), name


def test_the_digest_of_a_key_is_the_same_everywhere(seen):
    (card, _), (verified,) = seen["announce card"], seen["announce verify-manifest"]
    (checked,) = [one for one in seen["check-key"] if one["holds"]]
    assert checked["public_key_sha256"] == card["public_key_sha256"]
    assert checked["public_key_sha256"] == verified["public_key_sha256"]
    inspected = {one.get("public_key_sha256") for one in seen["inspect"]}
    assert seen["keygen"][0]["public_key_sha256"] in inspected
    assert seen["pverify"][0]["verification_key_sha256"] in {
        one["verification_key_sha256"] for one in seen["verify-bundle"]
    }


@pytest.mark.parametrize("arguments", [("inspect", "nowhere"), ("nonsense",), ("verify",)])
def test_failures_too(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        wmproof_main([*arguments, "--json"])
    fields = parse_output(capsys.readouterr().out)
    assert (end.value.code, fields["holds"], fields["schema"]) == (2, None, 1)


def wmproof_main(arguments):
    importlib.import_module("wmproof.cli.app").main(arguments)


def report_classes():
    for module in pkgutil.walk_packages(wmproof.__path__, "wmproof."):
        if "__main__" not in module.name and "warm_up" not in module.name:
            importlib.import_module(module.name)
    found, left = set(), [Report]
    while left:
        kinds = (last := left.pop()).__subclasses__()
        left += kinds
        if not kinds:
            found.add(last)
    return found


@pytest.fixture(scope="module")
def reports(marked):
    """One real report of every class."""
    import torch

    from wmproof.publication.log.entry import key_entry
    from wmproof.publication.log.note import parse_verifier_key
    from wmproof.publication.log.verifier import verify_logged
    from wmproof.training import Normalization, export_for_claims
    from wmproof.training.recipe import Recipe

    key = wmproof.load_marking_key(marked / "owner.mk", PASSPHRASE)
    public = wmproof.load_public_key(marked / "owner.pvk")
    model = wmproof.open_model(marked / "marked.onnx")
    policy = Policy(security=16, strength=24)
    evidence = specimen.verify_specimen()
    bundle = parse_bundle(specimen.read_specimen(specimen.EVIDENCE))
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    images = torch.from_numpy(np.arange(640, dtype=np.uint8).reshape(10, 1, 8, 8))
    out = marked / "report.onnx"
    return [
        wmproof.verify(key, public.verification_key, model, policy),
        wmproof.check_public_key(public, policy),
        evidence,
        evidence.claim,
        settle(bundle, bundle, specimen.read_specimen(specimen.MODEL), Trust(policy=policy)),
        verify_logged(
            bundle.files()["key.tlog-proof"],
            key_entry(bundle.public_key),
            parse_verifier_key(specimen.read_specimen(specimen.LOG_KEY).decode().strip()),
        ),
        wmproof.compile_model(marked / "marked.onnx", images.numpy()),
        wmproof.export_onnx(network, Normalization((0.0,), (255.0,)), out, images=images),
        export_for_claims(
            network,
            marked / "claims.onnx",
            mean=[0.0],
            std=[1.0],
            shape=(1, 8, 8),
            images=images,
            exporter="torchscript",
        ),
        wmproof.mark(
            network,
            torch.utils.data.TensorDataset(images, torch.arange(10)),
            key.to_embed(),
            recipe=Recipe(epochs=1),
            device="cpu",
        ),
    ]


def test_every_report_is_json(reports):
    assert {type(one) for one in reports} == report_classes()
    for one in reports:
        fields = json.loads(json.dumps(one.to_dict(), allow_nan=False))
        assert fields
        assert one._repr_html_().startswith("<table")


def test_what_public_functions_find_is_a_report():
    functions = [getattr(wmproof, name) for name in wmproof.__all__]
    returned = [one.__annotations__["return"] for one in functions if inspect.isfunction(one)]
    # Types, or their names where a module's annotations are not evaluated.
    said = {one if isinstance(one, str) else getattr(one, "__name__", "") for one in returned}
    found = {name for name in said if name.endswith(("Report", "Check", "Result", "Compilation"))}
    assert {"KeyReport", "VerificationReport", "ClaimReport", "ExportCheck"} < found
    assert found <= {one.__name__ for one in report_classes()}
