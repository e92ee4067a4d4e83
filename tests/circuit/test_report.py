"""Fidelity of really trained, marked networks, and `wmproof compile` as a program."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from circuit_graphs import Graph, assert_same_bits
from json_output import parse_output
from own_process import python
from PIL import Image
from same_keys import same_keys

from wmproof.circuit.calibrate import Settings
from wmproof.circuit.compile import Compilation, compile_model
from wmproof.circuit.format import load
from wmproof.circuit.images import ImageSet
from wmproof.circuit.plots import draw_ranges, draw_saturation
from wmproof.circuit.report import Fidelity, measure_fidelity
from wmproof.core.triggers import noise
from wmproof.errors import InputError
from wmproof.keys import PublicKey, save_published
from wmproof.keys.keygen import pkeygen
from wmproof.models import OnnxClassifier
from wmproof.training import Recipe, mark
from wmproof.training.data import load as load_data
from wmproof.training.data.image_data import ImageData
from wmproof.training.export import to_onnx
from wmproof.training.networks import build
from wmproof.training.sources import PixelDataset

WIDTHS = {"mlp": 64, "lenet5": 6}


@dataclass(frozen=True)
class Marked:
    """A network of the zoo, trained on the digits with a key's hidden triggers."""

    model: bytes
    public: PublicKey
    embedded: ImageSet
    test: ImageSet
    compilation: Compilation
    fidelity: Fidelity


@pytest.fixture(scope="module")
def digits() -> ImageData:
    return load_data("digits")


@pytest.fixture(scope="module", params=list(WIDTHS))
def marked(request, digits) -> Marked:
    torch.set_num_threads(1)
    with same_keys():
        key, public = pkeygen(noise(64, digits.shape), digits.classes, security=16)
    hidden = key.to_embed()
    recipe = Recipe(
        epochs=20, batch_size=50, triggers_per_batch=8, learning_rate=0.05, schedule="cosine"
    )
    network = build(request.param, digits.shape, digits.classes, width=WIDTHS[request.param])
    dataset = PixelDataset(digits.train_images, digits.train_labels)
    result = mark(network, dataset, hidden, recipe=recipe, seed=1, device="cpu")
    model = to_onnx(result.model, result.normalization, digits.shape)
    compilation = compile_model(model, public.opened.triggers.images)
    embedded = ImageSet("embedded", hidden.images, hidden.labels)
    test = ImageSet("test", digits.test_images, digits.test_labels)
    fidelity = measure_fidelity(compilation, model, [test, embedded])
    return Marked(model, public, embedded, test, compilation, fidelity)


def test_the_circuit_answers_as_the_float_model_does(marked):
    """Calibrated on noise and probes alone: all digits inside, triggers all alike, digits 99 %."""
    test, embedded = marked.fidelity.agreements
    assert test.images == len(marked.test.images)
    assert test.outside == embedded.outside == 0
    assert test.float_right > 0.9 * test.images
    assert test.agreeing >= 0.99 * test.images
    assert abs(test.integer_right - test.float_right) <= 0.01 * test.images
    # A trigger that training has not embedded may be a toss-up, and those are not promised.
    right = OnnxClassifier(marked.model).classify(marked.embedded.images) == marked.embedded.labels
    assert right.mean() > 0.9
    sure = ImageSet("sure", marked.embedded.images[right], marked.embedded.labels[right])
    (agreement,) = measure_fidelity(marked.compilation, marked.model, [sure]).agreements
    assert agreement.agreeing == agreement.integer_right == agreement.images


def test_evaluators_agree_on_a_trained_network(marked):
    assert_same_bits(marked.compilation, marked.test.images[:50])


def test_the_layers_of_the_report(marked):
    circuit = marked.compilation.circuit
    layers = marked.fidelity.layers
    assert [layer.name for layer in layers] == [
        layer.name for layer in marked.compilation.layers[:-1]
    ]
    for layer in layers:
        assert -layer.table_limit <= layer.lowest <= layer.highest < layer.table_limit
        assert layer.headroom == layer.table_limit / max(-layer.lowest, layer.highest)
        assert max(-layer.lowest, layer.highest) <= layer.bound < 2**30
        assert 0 <= layer.saturated < 0.01
        assert 0 < layer.scale[0] <= layer.scale[1]
    tables = {table.name: 2 ** (table.bits - 1) for table in circuit.tables}
    assert {layer.table_limit for layer in layers} == set(tables.values())


def test_the_plots(marked):
    for draw in (draw_ranges, draw_saturation):
        data = draw(marked.fidelity)
        assert data[:8] == b"\x89PNG\r\n\x1a\n"
        assert len(data) > 5000


def test_images_outside_are_counted_and_disagree():
    graph = Graph(seed=30)
    graph.normalise()
    graph.conv(4)
    graph.op("Relu")
    graph.classify()
    model, grey = graph.model(), graph.images() // 16 + 120
    tight = Settings(probes=0, min_table_bits=12, headroom=1, table_headroom=1)
    compilation = compile_model(model, grey, settings=tight)
    white = np.full((3, *graph.input_shape), 255, np.uint8)
    mixed = ImageSet("mixed", np.concatenate([grey[:5], white, grey[5:7]]))
    (agreement,) = measure_fidelity(compilation, model, [mixed]).agreements
    assert (agreement.images, agreement.outside) == (10, 3)
    assert agreement.agreeing <= 7
    assert agreement.float_right is None
    with pytest.raises(InputError, match="all images of the report leave"):
        measure_fidelity(compilation, model, [ImageSet("white", white)])


def wmproof(*arguments: object) -> subprocess.CompletedProcess[str]:
    return python("from wmproof.cli import main; main()", *arguments, check=False)


@pytest.fixture
def folder(tmp_path, marked) -> Path:
    (tmp_path / "model.onnx").write_bytes(marked.model)
    save_published(tmp_path / "key.pvk", marked.public)
    for image, label in zip(marked.test.images[:40], marked.test.labels[:40], strict=True):
        (tmp_path / "test" / str(label)).mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(image.tobytes()).hexdigest()[:8]
        Image.fromarray(image[0]).save(tmp_path / "test" / str(label) / f"{name}.png")
    return tmp_path


@pytest.mark.parametrize("marked", ["mlp"], indirect=True)
def test_the_command(folder, marked):
    base = ["compile", folder / "model.onnx", "--public-key", folder / "key.pvk"]
    done = wmproof(*base, "--test", folder / "test", "--plots", folder / "plots", "--json")
    assert done.returncode == 0, done.stderr
    said = parse_output(done.stdout)
    path = folder / "model.circuit"
    assert said["circuit_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert said["circuit_sha256"] == marked.compilation.digest.hex()
    assert load(path).lookups() == said["lookups"]
    sets = {one["name"]: one for one in said["agreements"]}
    assert set(sets) == {"opened triggers", "probe pictures", "test"}
    assert sets["test"]["images"] == 40
    assert sets["test"]["integer_right"] >= 36
    assert {p.name for p in (folder / "plots").iterdir()} == {"ranges.png", "saturation.png"}

    again = wmproof(*base)
    assert again.returncode == 2
    assert "model.circuit" in again.stderr
    other = wmproof(*base, "--out", folder / "other.circuit", "--probes", 8, "--headroom", 2)
    assert other.returncode == 0
    assert "probe pictures" in other.stdout
    assert (folder / "other.circuit").read_bytes() != path.read_bytes()

    alone = wmproof("compile", folder / "model.onnx", "--out", folder / "alone.circuit")
    assert alone.returncode == 2
    assert "--public-key, --images or both" in alone.stderr
    (folder / "model.onnx").write_bytes(marked.model[:1000])
    broken = wmproof(*base, "--out", folder / "broken.circuit")
    assert broken.returncode == 2
    assert "Traceback" not in broken.stderr
    assert not (folder / "broken.circuit").exists()
    assert not (folder / "alone.circuit").exists()
