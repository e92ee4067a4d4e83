"""The real command line, each time in a process of its own."""

import hashlib
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from core_support import (
    PASSPHRASE,
    as_json,
    complains,
    mlp_onnx,
    random_layers,
    wmproof,
)
from json_output import parse_output
from needs import needs
from own_process import ROOT, python

from wmproof._base.spoken import spoken
from wmproof.commitment import Scheme
from wmproof.keys import load_public_key

SMALL = ("--classes", "10", "--shape", "8x8", "--kdf", "interactive")
PUBLIC = ("keygen", "-o", "k", "--security", "8", *SMALL)
BOUNDED = ("keygen", "-o", "b", "--kind", "bounded", "--batches", "2", "--triggers", "32", *SMALL)


@pytest.fixture
def here(marked, tmp_path):
    """A folder of one's own with the marked network, its key and the independent network."""
    return Path(shutil.copytree(marked, tmp_path / "here"))


def names(folder):
    """What lies in a folder but the empty files that writers lock, which stay."""
    found = {item.name for item in folder.iterdir()}
    return {name for name in found if not (name.startswith(".wmproof-") and name.endswith(".lock"))}


def test_the_public_story(here):
    made = as_json(wmproof(*PUBLIC, "--sign", "--json", cwd=here))
    assert made["triggers"] == 32
    assert made["embedded"] == made["hidden"]
    assert {"k.mk", "k.pvk", "k.png"} <= names(here)
    checked = as_json(
        wmproof(
            "check-key",
            "k.pvk",
            *("--minimum-security", "8", "--minimum-strength", "24"),
            "--signer",
            made["signer"],
            "--contact-sheet",
            "again.png",
            "--json",
            cwd=here,
        )
    )
    assert checked["holds"] is True
    assert checked["public_key_sha256"] == made["public_key_sha256"]
    assert (here / "again.png").read_bytes() == (here / "k.png").read_bytes()
    seen = as_json(wmproof("inspect", "k.pvk", "--json", cwd=here))
    assert seen["public_key_sha256"] == made["public_key_sha256"]
    assert seen["signer"] == made["signer"]
    assert (
        as_json(wmproof("inspect", "k.mk", "--json", cwd=here))["verification_key_sha256"]
        == (seen["verification_key_sha256"])
    )


def test_a_public_key_speaks_of_services_and_costs(here):
    shown = wmproof(*PUBLIC[:1], "-o", "s", *PUBLIC[3:], cwd=here).stdout
    assert "--kind bounded" in shown
    assert "one model carries both" in shown
    costs = re.findall(r"about (\d+) s, ([\d.]+) GB of memory, a file of ([\d.]+) MB", shown)
    assert len(costs) == 2
    expected = as_json(wmproof(*PUBLIC, "--json", cwd=here))["expected"]
    # Of another key, which hides another number of triggers.
    sizes = [float(cost[2]) for cost in costs]
    assert sizes == pytest.approx([one["claim_bytes"] / 1e6 for one in expected], rel=0.5)
    for name in ("lookups", "seconds", "memory_bytes", "claim_bytes"):
        assert 0 < expected[0][name] < expected[1][name]


def test_without_the_prover_a_key_is_made_all_the_same(here):
    program = (
        "import sys; sys.modules['numba'] = None\n"
        "from wmproof.cli.app import main; main(sys.argv[1:])"
    )
    done = python(program, *PUBLIC, cwd=here, env={"WMPROOF_PASSPHRASE": PASSPHRASE})
    assert "extra prove" in done.stdout
    assert (here / "k.mk").exists()


def test_private_verification_says_yes_and_no(here):
    keys = ("--key", "owner.mk", "--verification-key", "owner.pvk", "--minimum-strength", "32")
    yes = wmproof("verify", "marked.onnx", *keys, "--json", cwd=here)
    assert yes.returncode == 0
    report = as_json(yes)
    assert report["holds"] is True
    assert report["hits"] == report["triggers"]
    assert report["strength_bits"] >= 32 > report["hoeffding_bits"]
    assert [item["check"] for item in report["checks"]] == [
        "verification-key",
        "chosen-labels",
        "ground-truth",
        "commitments",
        "derived-labels",
        "distinct-triggers",
        "spread-labels",
        "strength",
        "hits",
    ]
    no = wmproof("verify", "independent.onnx", *keys, "--reference", "independent.onnx", cwd=here)
    complains(no, "the claim does not hold", "✗ hits", "✓ commitments", code=1)
    asked = as_json(
        wmproof(
            "verify", "marked.onnx", *keys, "--reference", "independent.onnx", "--json", cwd=here
        )
    )
    assert asked["wrong_hits"] == asked["wrong_triggers"] <= asked["triggers"]


def test_the_bounded_story(here):
    assert wmproof(*BOUNDED, cwd=here).returncode == 0
    first = as_json(wmproof("reveal", "b.mk", "--json", cwd=here))
    assert (first["batch"], first["fresh"], first["file"]) == (1, True, "b.batch-1.opening")
    again = as_json(wmproof("reveal", "b.mk", "--again", "1", "-o", "copy", "--json", cwd=here))
    assert (again["fresh"], again["opening_sha256"]) == (False, first["opening_sha256"])
    complains(wmproof("reveal", "b.mk", "--again", "2", cwd=here), "still secret")
    assert as_json(wmproof("reveal", "b.mk", "--json", cwd=here))["batch"] == 2
    complains(wmproof("reveal", "b.mk", cwd=here), "all 2 batches")
    result = wmproof("verify", "independent.onnx", "--vk", "b.vk", "--opening", "copy", cwd=here)
    complains(result, "the claim does not hold", code=1)
    seen = as_json(wmproof("inspect", "copy", "--json", cwd=here))
    assert seen["batch"] == 1
    other = wmproof("verify", "marked.onnx", "--vk", "owner.pvk", "--opening", "copy", cwd=here)
    complains(other, "another verification key", code=1)


def test_signing_with_a_key_of_openssl(here):
    needs("openssl")
    subprocess.run(
        ["openssl", "genpkey", "-algorithm", "ed25519", "-out", "s.pem"], cwd=here, check=True
    )
    subprocess.run(
        ["openssl", "pkey", "-in", "s.pem", "-pubout", "-out", "s.pub"], cwd=here, check=True
    )
    assert wmproof(*PUBLIC, "--sign-with", "s.pem", cwd=here).returncode == 0
    check = (
        "check-key",
        "k.pvk",
        "--minimum-security",
        "8",
        "--minimum-strength",
        "24",
        "--signer",
    )
    assert wmproof(*check, "s.pub", cwd=here).returncode == 0
    complains(wmproof(*check, "00" * 32, cwd=here), "another key", code=1)


def test_secret_labels_and_the_reference(here):
    options = ("--labels", "secret", "--reference", "independent.onnx", "--security", "8")
    options += ("--commitment", "sha256")
    made = wmproof("keygen", "-o", "s", *options, "--kdf", "interactive", cwd=here)
    assert made.returncode == 0, made.stderr
    assert "--accept-chosen-labels" in made.stdout
    for name, scheme in (("s", Scheme.SHA256), ("owner", Scheme.SHA256_SIS)):
        assert load_public_key(here / f"{name}.pvk").verification_key.scheme is scheme
    check = ("check-key", "s.pvk", "--minimum-security", "8", "--minimum-strength", "4")
    check += ("--reference", "independent.onnx")
    complains(wmproof(*check, cwd=here), "✗ chosen-labels", code=1)
    accepted = wmproof(*check, "--accept-chosen-labels", cwd=here)
    assert accepted.returncode == 0, accepted.stdout
    assert "no strength by chance" in accepted.stdout
    assert "2^" not in accepted.stdout.split("claims")[1]


def test_pictures_of_ones_own(here):
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(3)
    (here / "pictures").mkdir()
    for i in range(32):
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(
            here / "pictures" / f"{i}.png"
        )
    assert wmproof(*PUBLIC, "--images", "pictures", cwd=here).returncode == 0
    (here / "pictures" / "0.png").unlink()
    complains(wmproof(*PUBLIC, "--force", "--images", "pictures", cwd=here), "has 31 pictures")


def test_a_forged_key_is_caught(here):
    data = bytearray((here / "owner.pvk").read_bytes())
    data[-200] ^= 1
    (here / "forged.pvk").write_bytes(data)
    check = ("check-key", "forged.pvk", "--minimum-security", "16", "--minimum-strength", "32")
    complains(wmproof(*check, cwd=here), "✗ commitments", "not to be accepted", code=1)
    told = wmproof(*check, "--json", cwd=here)
    assert told.returncode == 1
    assert "strength_bits" not in as_json(told)
    failures = [item for item in as_json(told)["checks"] if item["outcome"] == "failed"]
    assert [item["check"] for item in failures] == ["commitments"]


def test_weak_keys_are_refused_by_default(here):
    complains(wmproof("check-key", "owner.pvk", cwd=here), "128 bits are asked for", code=1)
    assert "about 2^9 tries" in wmproof(*PUBLIC, cwd=here).stdout


KEYS = ("--key", "owner.mk", "--vk", "owner.pvk", "--minimum-strength", "32")
BAD = {
    "no such file": (("check-key", "nowhere.pvk"), ["nowhere.pvk", "No such file"]),
    "a folder": (("check-key", "."), ["directory"]),
    "foreign key": (("check-key", "marked.onnx"), ["not a wmproof public key"]),
    "secret key": (("check-key", "owner.mk"), ["secret"]),
    "cut key": (("check-key", "cut.pvk"), ["cut short"]),
    "long key": (("check-key", "long.pvk"), ["after its end"]),
    "foreign model": (("verify", "owner.pvk", *KEYS), ["not a complete ONNX model"]),
    "cut model": (("verify", "cut.onnx", *KEYS), ["cut.onnx"]),
    "model of another shape": (("verify", "shape.onnx", *KEYS), ["(N, 9, 9)", "8x8"]),
    "model of other classes": (("verify", "classes.onnx", *KEYS), ["11 classes"]),
    "damaged mk": (
        ("verify", "marked.onnx", "--key", "damaged.mk", "--vk", "owner.pvk"),
        ["is damaged"],
    ),
    "bad tolerance": (("verify", "marked.onnx", *KEYS, "--tolerance", "1.5"), ["tolerance"]),
    "no key": (("verify", "marked.onnx", "--vk", "owner.pvk"), ["--key or --opening"]),
    "no shape": (("keygen", "-o", "k"), ["--shape and --classes"]),
    "bad shape": (
        ("keygen", "-o", "k", "--classes", "10", "--shape", "8x"),
        ["is not an image shape", "like 28x28 or 3x32x32"],
    ),
    "wrong option": (("keygen", "-o", "k", "--triggers", "3", *SMALL), ["--security"]),
    "no choice": (
        ("keygen", "-o", "k", "--kind", "private", "--commitment", "sha256", *SMALL),
        ["--commitment is for public keys"],
    ),
    "taken name": (("keygen", "-o", "owner", *SMALL), ["exists already"]),
    "no folder": (("keygen", "-o", "missing/k", *SMALL), ["folder that does not exist"]),
    "unknown command": (("frobnicate",), ["No such command"]),
    "foreign file": (("inspect", "notes.txt"), ["none of the files that wmproof reads"]),
    "not bounded": (("reveal", "owner.mk"), ["no batches"]),
    "bad signer": (("check-key", "owner.pvk", "--signer", "notes.txt"), ["not a public key"]),
    "bad names": (("check-key", "owner.pvk", "--class-names", "notes.txt"), ["1 names for 10"]),
    "no passphrase file": (("reveal", "owner.mk", "--passphrase-file", "nope"), ["No such file"]),
}


@pytest.fixture(scope="module")
def bad_files(marked, tmp_path_factory):
    folder = Path(shutil.copytree(marked, tmp_path_factory.mktemp("bad") / "files"))
    pvk, mk = ((folder / name).read_bytes() for name in ("owner.pvk", "owner.mk"))
    model = (folder / "marked.onnx").read_bytes()
    (folder / "cut.pvk").write_bytes(pvk[:-10])
    (folder / "long.pvk").write_bytes(pvk + b"\0")
    (folder / "cut.onnx").write_bytes(model[: len(model) // 2])
    (folder / "damaged.mk").write_bytes(mk[:-1] + bytes([mk[-1] ^ 1]))
    onnx.save(mlp_onnx(random_layers((9, 9), 10), (9, 9)), folder / "shape.onnx")
    onnx.save(mlp_onnx(random_layers((8, 8), 11), (8, 8)), folder / "classes.onnx")
    (folder / "notes.txt").write_text("only a text\n")
    return folder


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.replace(" ", "-"))
def test_bad_input_is_one_clear_error(bad_files, case):
    before = names(bad_files)
    arguments, words = BAD[case]
    complains(wmproof(*arguments, cwd=bad_files), *words)
    assert names(bad_files) == before


def test_errors_are_json_too(here):
    result = wmproof("check-key", "nowhere", "--json", cwd=here)
    assert result.returncode == 2
    assert as_json(result)["error"]["kind"] == "InputError"
    assert as_json(result)["holds"] is None


def test_passphrases_from_everywhere(here):
    (here / "word").write_text(PASSPHRASE + "\n")
    (here / "wrong").write_text("wrong\n")
    (here / "two").write_text("two\nlines\n")
    (here / "empty").write_text("")
    (here / "binary").write_bytes(b"\xff\xfe")
    verify = ("verify", "marked.onnx", *KEYS)
    none = {"WMPROOF_PASSPHRASE": None}
    assert wmproof(*verify, "--passphrase-file", "word", cwd=here, env=none).returncode == 0
    complains(wmproof(*verify, "--passphrase-file", "wrong", cwd=here), "does not open")
    complains(wmproof(*verify, "--passphrase-file", "two", cwd=here), "one line")
    complains(wmproof(*verify, "--passphrase-file", "empty", cwd=here), "one line")
    complains(wmproof(*verify, "--passphrase-file", "binary", cwd=here), "UTF-8")
    complains(wmproof(*verify, cwd=here, env=none), "nobody can be asked")
    complains(wmproof(*verify, cwd=here, env={"WMPROOF_PASSPHRASE": ""}), "empty")


def in_terminal(arguments, cwd, answers):
    """Run in a pseudo-terminal; answer each prompt in turn, the last answer being raw bytes."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "dumb"}
    environment.pop("WMPROOF_PASSPHRASE", None)
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(cwd)
        code = "from wmproof.cli import main; main()"
        program = [sys.executable, "-c", code, *arguments]
        os.execve(sys.executable, program, environment)  # noqa: S606 - our own program
    shown, waiting, deadline = b"", list(answers), time.monotonic() + 500
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                chunk = os.read(terminal, 4096)
            except OSError:
                break
            if not chunk:
                break
            shown += chunk
        if waiting and shown.count(b": ") > len(answers) - len(waiting):
            os.write(terminal, waiting.pop(0))
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), shown.decode()


def test_the_passphrase_is_asked_for_twice_and_not_shown(tmp_path):
    code, shown = in_terminal(PUBLIC, tmp_path, [b"hush hush\n", b"hush hush\n"])
    assert code == 0, shown
    assert "hush" not in shown
    assert names(tmp_path) == {"k.mk", "k.pvk", "k.png"}


def test_control_c_at_the_prompt_leaves_nothing(tmp_path):
    code, shown = in_terminal(PUBLIC, tmp_path, [b"\x03"])
    assert code == 130
    assert "interrupted" in shown
    assert "Traceback" not in shown
    assert names(tmp_path) == set()


def test_an_interrupted_computation_leaves_nothing(tmp_path):
    """The passphrase comes through a pipe, so that it is known when drawing begins."""
    os.mkfifo(tmp_path / "word")
    big = ("--classes", "10", "--shape", "3x64x64", "--security", "4000")
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from wmproof.cli import main; main()",
            "keygen",
            "-o",
            "k",
            *big,
            "--passphrase-file",
            "word",
        ],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    (tmp_path / "word").write_text("hush")
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate()
    assert process.returncode == 130
    assert error.strip() == "interrupted"
    assert names(tmp_path) == {"word"}


def test_full_disks_and_closed_pipes(here):
    with Path("/dev/full").open("w") as full:
        for arguments in (
            ("check-key", "owner.pvk"),
            ("inspect", "owner.pvk", "--json"),
            ("--help",),
        ):
            complains(wmproof(*arguments, cwd=here, stdout=full), "No space left")
    complains(
        wmproof("check-key", "owner.pvk", "--contact-sheet", "/dev/full", cwd=here),
        "/dev/full",
        "No space left",
    )
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        for arguments in (
            ("check-key", "owner.pvk"),
            ("check-key", "owner.pvk", "--json"),
            ("verify", "--json"),
            ("verify", "--help"),
        ):
            closed = wmproof(*arguments, cwd=here, stdout=pipe)
            assert (closed.returncode, closed.stderr) == (2, "")


@pytest.mark.parametrize(
    ("redirection", "code"),
    [("2>/dev/full", 2), (">&-", 2), ("2>&-", 2), (">&- 2>&-", 2), (">/dev/full 2>/dev/full", 2)],
)
def test_broken_outputs_do_not_change_the_exit_code(here, redirection, code):
    line = f'exec "$0" -c "from wmproof.cli import main; main()" check-key nowhere {redirection}'
    done = subprocess.run(
        ["bash", "-c", line, sys.executable],
        cwd=here,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == code
    assert "Traceback" not in done.stderr


def test_no_room_for_the_key_leaves_nothing(tmp_path):
    """No file may grow beyond 4 KiB, so not all of them fit."""
    command = 'ulimit -f 4; exec "$@"'
    arguments = [sys.executable, "-c", "from wmproof.cli import main; main()", *PUBLIC]
    done = subprocess.run(
        ["bash", "-c", command, "bash", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "WMPROOF_PASSPHRASE": "p", "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )
    complains(done, "File too large", "Nothing was changed")
    assert names(tmp_path) == set()


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom wmproof.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'numba', 'onnxruntime', 'onnx', 'matplotlib', 'scipy', 'PIL', 'nacl'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = python(code)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_missing_extra_is_named(here):
    """Python itself refuses to import torch when its entry in sys.modules is None."""
    code = (
        "import sys, click\nsys.modules['torch'] = None\n"
        "from wmproof.cli.failures import run\n"
        "@click.command()\ndef train():\n    import torch\n"
        "run(train, [])\n"
    )
    done = python(code, check=False)
    complains(done, "needs the package torch", "wmproof[train]")


def test_bugs_are_one_line_too():
    code = (
        "import click\nfrom wmproof.cli.failures import run\n"
        "@click.command()\ndef broken():\n    raise RuntimeError('oops')\n"
        "run(broken, [])\n"
    )
    done = python(code, check=False)
    complains(done, "RuntimeError: oops", "bug in wmproof")


def test_json_is_one_object(here):
    result = wmproof("inspect", "marked.onnx", "--json", cwd=here)
    model = (here / "marked.onnx").read_bytes()
    assert parse_output(result.stdout) == {
        "file": "ONNX model",
        "inputs": ["pixels: tensor(uint8) ['N', 8, 8]"],
        "outputs": ["logits: tensor(float) ['N', 10]"],
        "weights_in": None,
        "shape": "8x8",
        "classes": 10,
        "model_sha256": hashlib.sha256(model).hexdigest(),
        "schema": 1,
        "command": "inspect",
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("verify",), "Missing option"),
        (("verify", "m", "--vk", "v"), "either --key or --opening"),
        (("keygen", "-o", "k", "--classes", "1"), "not in the range"),
        (("nothing",), "No such command"),
    ],
)
def test_usage_errors_are_json_too(tmp_path, arguments, words):
    done = wmproof(*arguments, "--json", cwd=tmp_path)
    said = as_json(done)
    assert (done.returncode, said["holds"]) == (2, None)
    assert said["error"]["kind"] == "UsageError"
    assert words in said["error"]["what"]


def test_an_output_that_is_a_folder_is_named(tmp_path):
    for out in (".", "/", ""):
        complains(wmproof("keygen", "-o", out, *SMALL, cwd=tmp_path), "wants a name")


def test_a_model_that_takes_0_to_1(here):
    model = onnx.load(here / "marked.onnx")
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    white = next(one for one in model.graph.initializer if one.name == "white")
    white.CopyFrom(onnx.numpy_helper.from_array(np.array(1, dtype=np.float32), "white"))
    onnx.save(model, here / "unit.onnx")
    said = as_json(wmproof("verify", "unit.onnx", *KEYS, "--pixels", "unit", "--json", cwd=here))
    assert (said["holds"], said["pixels"]) == (True, "unit")
    assert said["hits"] == said["triggers"]
    raw = wmproof("verify", "marked.onnx", *KEYS, "--pixels", "unit", cwd=here)
    complains(raw, "uint8 pixels, which are always raw")


def test_digests_are_in_one_piece_and_terminals_are_not_told_what_to_do(here):
    digest = as_json(wmproof("inspect", "owner.pvk", "--json", cwd=here))["public_key_sha256"]
    shown = wmproof("inspect", "owner.pvk", cwd=here, env={"COLUMNS": "30"}).stdout
    assert any(line.split() == ["public", "key", "sha256", digest] for line in shown.splitlines())
    code, shown = in_terminal(("inspect", "owner.pvk"), here, [])
    assert (code, digest in shown) == (0, True)
    told = wmproof("check-key", "owner.pvk", cwd=here).stdout
    assert digest in told
    assert " ".join(spoken(bytes.fromhex(digest)).split()[:8]) in told
    foreign = wmproof("inspect", "no\x1b[2Jfile", cwd=here)
    complains(foreign, "cannot be read")
    assert "\x1b" not in foreign.stderr


def test_inspect_a_circuit(tmp_path):
    said = as_json(wmproof("inspect", ROOT / "circuits" / "lenet.circuit", "--json", cwd=tmp_path))
    digests = json.loads((ROOT / "circuits" / "digests.json").read_text())
    assert said["file"] == "integer circuit"
    assert said["circuit_sha256"] in json.dumps(digests)
    cut = (ROOT / "circuits" / "lenet.circuit").read_bytes()[:-1]
    (tmp_path / "cut.circuit").write_bytes(cut)
    complains(wmproof("inspect", "cut.circuit", cwd=tmp_path), "cut.circuit", "cut off")
