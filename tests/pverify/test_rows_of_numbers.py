"""Triggers that are no pictures: measurements in rows, from the file of floats to a claim."""

import io
import json
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from same_keys import same_keys
from sklearn.datasets import load_breast_cancer
from torch import nn

from wmproof.cli import main
from wmproof.core.images import as_images
from wmproof.core.reading import Reading
from wmproof.core.tensor_files import as_bytes, from_npz, read_tensors
from wmproof.core.triggers import abstract, as_planes, noise
from wmproof.errors import InputError, WmproofError
from wmproof.keys import load_marking_key, load_public_key
from wmproof.keys.keygen import pkeygen
from wmproof.models import open_model
from wmproof.report import contact_sheet
from wmproof.training import with_triggers

ASKED = ("--minimum-security", "8", "--minimum-strength", "8")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """The command line in this process: its exit code, and its JSON or what it said."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setenv("WMPROOF_PASSPHRASE", "correct horse")

    def run(*arguments, code=0):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([*map(str, arguments)])
        shown = capsys.readouterr()
        assert ended.value.code == code, shown
        return json.loads(shown.out) if "--json" in arguments else " ".join(shown.err.split())

    return run


class Standardised(nn.Module):
    """A network that takes the measurements as they are."""

    def __init__(self, rows):
        super().__init__()
        self.register_buffer("mean", rows.mean(0))
        self.register_buffer("std", rows.std(0))
        self.layers = nn.Sequential(
            nn.Linear(rows.shape[1], 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 2)
        )

    def forward(self, rows):
        return self.layers((rows - self.mean) / self.std)


def trained(rows, labels, key, reading):
    """Marked in a loop of one's own: triggers come as the floats that their bytes stand for."""
    gain, offset = (torch.from_numpy(part).float() for part in reading.line(rows.shape[1]))
    torch.manual_seed(0)
    rows, labels = torch.from_numpy(rows), torch.from_numpy(labels)
    network = Standardised(rows)
    batches = torch.utils.data.DataLoader(
        list(zip(rows, labels, strict=True)), batch_size=190, shuffle=True
    )
    loader = with_triggers(batches, key, k=20, transform=lambda item: item * gain + offset)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(60):
        for shown, wanted in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(shown), wanted).backward()
            optimizer.step()
    return network.eval()


def test_measurements_are_marked_and_proved(run, tmp_path):
    data = load_breast_cancer()
    rows, labels = data.data.astype(np.float32), data.target
    low, high = rows.min(0).astype(float), rows.max(0).astype(float)
    drawn = np.random.default_rng(1).uniform(low, high, (40, 30)).astype(np.float32)
    np.savez("triggers.npz", images=drawn)
    np.savez("rows.npz", images=rows[:200], labels=labels[:200])
    edges = ("--low", ",".join(map(str, low)), "--high", ",".join(map(str, high)))
    with same_keys():
        made = run(
            *("keygen", "-o", "mine", "--classes", 2, "--images", "triggers.npz", *edges),
            *("--security", 8, "--kdf", "interactive", "--json"),
        )
    assert made["shape"] == "30"
    assert Image.open("mine.png").size[1] > 16 * 20
    read = made["read_with"].split()
    reading = Reading.of_range(low, high)
    key = load_marking_key("mine.mk", "correct horse")
    network = trained(rows, labels, key, reading)
    torch.onnx.export(
        network,
        (torch.zeros(1, 30),),
        "model.onnx",
        dynamo=False,
        input_names=["rows"],
        dynamic_axes={"rows": {0: "batch"}},
    )
    # The bytes stand for the drawn numbers, to half a step.
    public = load_public_key("mine.pvk")
    gain, offset = reading.line(30)
    steps = (public.opened.triggers.images * gain + offset)[:, None] - drawn[None]
    assert (np.abs(steps) <= 0.5001 * gain).all(axis=2).any(axis=1).all()

    found = run(
        *("verify", "model.onnx", "--key", "mine.mk", "--verification-key", "mine.pvk"),
        *(*read, *ASKED[2:], "--json"),
    )
    assert found["hits"] >= 0.9 * found["triggers"]
    compiled = run(
        *("compile", "model.onnx", "--public-key", "mine.pvk", "--test", "rows.npz", *read),
        "--json",
    )
    assert compiled["input_shape"] == [30, 1, 1]
    on_rows = next(a for a in compiled["agreements"] if a["name"] == "rows")
    assert on_rows["agreeing"] >= 0.99 * on_rows["images"]
    assert on_rows["float_right"] >= 0.9 * on_rows["images"]
    asked = ("--public-key", "mine.pvk", *ASKED[2:], "--images", "rows.npz", *read)
    run("prove", "model.onnx", "--key", "mine.mk", *asked, "-o", "claim.proof", "--json")
    check = ("pverify", "model.onnx", "--proof", "claim.proof", "--json", *ASKED[:2])
    assert run(*check, *asked)["verdict"] == "holds"
    # Read as bytes of 0 to 255 it is another classifier, and the claim is not about that.
    assert not run(*check, *asked[:4], code=1)["holds"]


@pytest.mark.parametrize("shape", [(12,), (9, 20), (5, 4, 6)])
def test_bytes_and_floats_of_any_rank_become_keys(tmp_path, shape):
    items = np.random.default_rng(0).uniform(-2, 3, (50, *shape))
    np.savez(tmp_path / "floats.npz", images=items)
    np.savez(tmp_path / "bytes.npz", images=as_bytes(items, ([-2.0], [3.0]), "floats"))
    for name, low_high in (("floats.npz", ([-2.0], [3.0])), ("bytes.npz", None)):
        triggers = from_npz(tmp_path / name, 32, shape, low_high)
        key, public = pkeygen(triggers, 3, security=8)
        assert key.image_shape == public.verification_key.image_shape == shape
        assert len(contact_sheet(key.to_embed())) > 1000
        known = {item.tobytes() for item in read_tensors(tmp_path / "bytes.npz")[0]}
        assert all(item.tobytes() in known for item in triggers)


def test_bytes_stand_for_floats_and_back():
    random = np.random.default_rng(2)
    low, high = random.uniform(-5, 0, 7), random.uniform(1, 900, 7)
    values = random.uniform(low, high, (200, 7))
    found = as_bytes(values, (low, high), "rows")
    gain, offset = Reading.of_range(low, high).line(7)
    assert (np.abs(found * gain + offset - values) <= 0.5 * gain * (1 + 1e-9)).all()
    again = as_bytes(found * gain + offset, Reading.of_range(low, high).range(7), "rows")
    np.testing.assert_array_equal(found, again)
    np.testing.assert_array_equal(
        as_bytes(np.array([[low[0], high[0]]]), ([low[0]], [high[0]]), ""), [[0, 255]]
    )


@pytest.mark.parametrize(
    ("items", "low_high", "words"),
    [
        (np.zeros((9, 4), np.int64), None, "int64 numbers, such as those of tokens"),
        (np.zeros((9, 4)), None, "range is not known"),
        (np.zeros((9, 4)), ([0.0, 0.0], [1.0, 1.0]), "range of 2 numbers"),
        (np.full((9, 4), 1.1), ([0.0], [1.0]), r"32 numbers outside .* 1\.1 in channel 0"),
        (np.full((9, 4), np.nan), ([0.0], [1.0]), "outside their range"),
        (np.zeros((9, 4)), ([1.0], [1.0]), "begins below its end"),
        (np.zeros((9, 4)), ([0.0], [np.inf]), "finite length"),
        (np.zeros((9, 4)), ([-np.inf], [1.0]), "finite length"),
        (np.zeros((9, 4)), ([-1e308], [1e308]), "finite length"),
        (np.zeros((9, 4)), ([0.0], [5e-324]), "finite length"),
        (np.zeros((9, 4)), ([0.0], [np.nan]), "begins below its end"),
        (np.zeros((9, 1, 2, 3, 4), np.uint8), None, "not of 1 to 3 dimensions"),
        (np.zeros(9, np.uint8), None, "not of 1 to 3 dimensions"),
        (np.zeros((7, 4), np.uint8), None, "has 7 items, and the key needs 8"),
        (np.zeros((8, 4), np.uint8), None, "same trigger"),
        (np.zeros((8, 0), np.uint8), None, "none of D"),
    ],
)
def test_what_cannot_be_triggers_is_named(tmp_path, items, low_high, words):
    np.savez(tmp_path / "items.npz", images=items)
    with pytest.raises(InputError, match=words):
        from_npz(tmp_path / "items.npz", 8, None, low_high)


def test_rows_are_no_pictures():
    with pytest.raises(InputError, match=r"no picture.*Draw noise"):
        abstract(4, (30,))
    assert noise(4, (30,)).shape == (4, 30)
    assert as_planes((30,)) == (30, 1, 1)
    assert as_images(noise(4, (30,))).shape == (4, 30)


@pytest.mark.parametrize("inputs", [["ids"], ["ids", "mask"]])
def test_classifiers_of_tokens_are_refused_in_one_sentence(tmp_path, inputs):
    from wmproof.circuit.compile import compile_model

    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.words = nn.EmbeddingBag(50, 2)

        def forward(self, ids, mask=None):
            return self.words(ids if mask is None else ids * mask)

    examples = tuple(torch.ones((1, 5), dtype=torch.int64) for _ in inputs)
    path = tmp_path / "tokens.onnx"
    torch.onnx.export(Tokens(), examples, str(path), dynamo=False, input_names=inputs)
    for use in (
        lambda: open_model(path, input_shape=(5,)),
        lambda: compile_model(path, noise(4, (5, 1, 1))),
    ):
        with pytest.raises(WmproofError, match=r"takes tensor\(int64\), as classifiers of tokens"):
            use()


def test_options_of_ranges_that_make_no_sense(run):
    np.savez("bytes.npz", images=noise(40, (6,)))
    key = ("keygen", "-o", "mine", "--classes", 2, "--security", 8)
    assert "for floats from a file" in run(*key, "--shape", 6, "--low", 0, "--high", 1, code=2)
    file = (*key, "--images", "bytes.npz")
    assert "as many numbers" in run(*file, "--low", "0,0", "--high", 1, code=2)
    assert "--low is below" in run(*file, "--low", 1, "--high", 0, code=2)
    assert "not of the shape 7" in run(*file, "--shape", 7, code=2)
