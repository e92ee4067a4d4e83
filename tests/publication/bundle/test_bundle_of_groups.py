"""Two owners of directions and one network, from the making of the keys to every kind of judge."""

import pytest
import torch
from bundle_desk import Desk
from bundle_world import SEEN, witnessed_log
from log_support import LOG, WITNESS, WITNESS_2
from PIL import Image
from starlette.testclient import TestClient

from wmproof.core.policy import Policy
from wmproof.core.strength import strength_bits
from wmproof.keys import load_public_key
from wmproof.publication.log.entry import key_entry
from wmproof.publication.log.published import publish_key
from wmproof.publication.log.reader import LogReader
from wmproof.publication.web.app import create_app
from wmproof.publication.web.settings import Settings
from wmproof.training.data import load

SECURITY, STRENGTH, GROUP = 8, 24, 4
SECRET = ("--passphrase-file", "passphrase")
DEMAND = ("--minimum-security", SECURITY, "--minimum-strength", STRENGTH)


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return tmp_path_factory.mktemp("log")


@pytest.fixture(scope="module")
def desk(tmp_path_factory, log) -> Desk:
    """Bundles of both, a's key being the older one in the log, and of a copy with its own claim."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("groups")
    (folder / "passphrase").write_text("correct horse\n")
    (folder / "task").mkdir()
    for number, image in enumerate(load("digits").train_images[:200]):
        Image.fromarray(image.reshape(8, 8)).save(folder / "task" / f"{number}.png")
    trust = ("--log-key", LOG.verifier_key, "--witness", WITNESS.verifier_key)
    trust += ("--witness", WITNESS_2.verifier_key, "--model-seen", f"{SEEN:%Y-%m-%dT%H:%MZ}")
    made = Desk(folder, (*trust, *DEMAND))
    for name in "ab":
        family = ("--source", "directions", "--images", "task", "--group", GROUP)
        size = ("--classes", 10, "--shape", "1x8x8", "--security", SECURITY)
        made.run("keygen", "-o", name, *family, *size, *SECRET, "--kdf", "interactive")
    keys = ("--key", "a.mk", "--key", "b.mk", "--data", "digits", *SECRET)
    recipe = ("--preset", "directions", "--epochs", 12, "--batch-size", 50)
    made.run("mark", *keys, "--network", "mlp", "--width", 96, *recipe, "-o", "model.onnx")
    world = witnessed_log(log, *(load_public_key(folder / f"{name}.pvk") for name in "ab"))
    reader = LogReader(world.folder)
    for name in "ab":
        public = load_public_key(folder / f"{name}.pvk")
        proof = reader.prove_inclusion(reader.find(key_entry(public))).to_bytes()
        (folder / f"{name}.tlog-proof").write_bytes(proof)
        publish_key(world.folder, public)
        files = ("--public-key", f"{name}.pvk", "--proof", f"{name}.proof")
        owner = ("--key", f"{name}.mk", *SECRET, "--minimum-strength", STRENGTH)
        made.run("prove", "model.onnx", *owner, *files[:2], "-o", f"{name}.proof")
        made.run(
            "bundle",
            "model.onnx",
            *files,
            "--log-proof",
            f"{name}.tlog-proof",
            "-o",
            f"{name}.bundle",
        )
    return made


def counted(desk, name):
    return load_public_key(desk.folder / f"{name}.pvk").verification_key.hidden_coins


def test_the_owner_and_whoever_judges_count_the_same_groups(desk):
    shown = ("--key", "a.mk", "--vk", "a.pvk", *SECRET, "--minimum-strength", STRENGTH)
    own = desk.json("verify", "model.onnx", *shown)
    claim = desk.json(
        "pverify", "model.onnx", "--public-key", "a.pvk", "--proof", "a.proof", *DEMAND
    )
    hidden = counted(desk, "a")
    assert (own["triggers"], claim["triggers"], claim["group"]) == (hidden, hidden, GROUP)
    assert own["hits"] >= claim["threshold"]
    assert claim["strength_bits"] == strength_bits(hidden, claim["threshold"], 10)


def test_a_bundle_is_verified_and_says_that_it_is_of_groups(desk):
    report = desk.json("verify-bundle", "a.bundle", "model.onnx", *desk.trust)
    assert report["holds"]
    assert (report["claim"]["group"], report["claim"]["hidden"]) == (GROUP, counted(desk, "a"))
    words = desk.run("verify-bundle", "a.bundle", "model.onnx", *desk.trust).stdout
    assert f"of {counted(desk, 'a')} hidden groups of {GROUP} triggers hit" in " ".join(
        words.split()
    )
    # Counted by picture a claim of so many hits would be worth far more than what is demanded here.
    stricter = (*desk.trust, "--minimum-strength", int(report["claim"]["strength_bits"]) + 1)
    short = desk.json("verify-bundle", "a.bundle", "model.onnx", *stricter, code=1)
    assert not short["holds"]


def test_a_dispute_of_two_is_decided_by_the_log(desk):
    said = desk.json("dispute", "b.bundle", "a.bundle", "model.onnx", *desk.trust)
    assert (said["prevails"], said["published_first"]) == ("B", "B")
    assert said["a"]["holds"]
    assert said["b"]["holds"]


def test_another_owners_claim_is_not_packed(desk):
    files = ("--public-key", "a.pvk", "--proof", "b.proof", "--log-proof", "a.tlog-proof")
    said = desk.run("bundle", "model.onnx", *files, "-o", "mixed.bundle", code=1)
    assert "the claim is about another key" in said.stderr


def test_the_web_form_takes_the_claim(desk, log):
    settings = Settings(
        log / "log",
        log_key=LOG.verifier_key,
        witnesses=(WITNESS.verifier_key, WITNESS_2.verifier_key),
        policy=Policy(security=SECURITY, strength=STRENGTH),
    )
    sources = {"model": "model.onnx", "key": "a.pvk", "claim": "a.proof"}
    files = {name: (desk.folder / source).read_bytes() for name, source in sources.items()}
    with TestClient(create_app(settings), base_url="http://127.0.0.1") as web:
        answer = web.post("/api/v1/claims", files=files).json()
        assert (answer["verdict"], answer["logged_at"]) == ("holds", 40)
        page = web.post("/verify", files=files).text
        assert f"groups of {GROUP} pictures" in " ".join(page.split())
        answer = web.post(
            "/api/v1/claims", files=files | {"key": (desk.folder / "b.pvk").read_bytes()}
        )
        assert answer.json()["verdict"] == "refuted"
