"""The files in circuits/, bit for bit: compiler, format, probes and evaluation as they were."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from wmproof.circuit.evaluate import Evaluator
from wmproof.circuit.format import digest, load
from wmproof.circuit.probes import draw_probes


@pytest.fixture(scope="module")
def digests(golden_folder):
    return json.loads((golden_folder / "digests.json").read_text())


def test_compiling_again_gives_the_same_files(golden_folder, regenerate):
    files = regenerate.golden_files()
    on_disk = {path.name for path in golden_folder.iterdir()} - {"regenerate.py", "__pycache__"}
    assert on_disk == set(files)
    for name, data in files.items():
        assert (golden_folder / name).read_bytes() == data, name


@pytest.mark.parametrize("name", ["mlp", "lenet", "resnet", "mobilenet"])
def test_a_golden_file_and_its_answers(name, golden_folder, regenerate, digests):
    """From the file alone, without the compiler."""
    expected, path = digests[name], golden_folder / f"{name}.circuit"
    circuit = load(path)
    file_digest = hashlib.sha256(path.read_bytes()).digest()
    assert file_digest == digest(circuit)
    assert file_digest.hex() == expected["circuit_sha256"]
    evaluation = Evaluator(circuit)(regenerate.images(name)[:4])
    assert evaluation.logits.tolist() == expected["logits_of_first_4_images"]
    witness = hashlib.sha256()
    for index in sorted(evaluation.committed):
        witness.update(evaluation.committed[index].tobytes())
    assert witness.hexdigest() == expected["witness_sha256_of_first_4_images"]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((3, 32, 32), "57fae502c740fd3d2a00755680a16029350668ef94519b374a4cfce8571a108e"),
        ((1, 28, 28), "eb762e3329db3ab50fbe888e3cae50f248e945b5c13a682ad826b37c4e9a5a5d"),
        ((3, 64, 64), "b660905ccd7fbfe436343963aa54ba59386583d19ccd05548284c1f8eb4de55e"),
    ],
    ids=str,
)
def test_probes_never_change(shape, expected):
    assert hashlib.sha256(draw_probes(64, shape).tobytes()).hexdigest() == expected


@pytest.mark.parametrize("shape", [(1, 1, 1), (4, 1, 7), (2, 9, 3)])
def test_probes_of_odd_shapes(shape):
    probes = draw_probes(16, shape)
    assert probes.shape == (16, *shape)
    assert probes.dtype == np.uint8
    np.testing.assert_array_equal(probes[:5], draw_probes(5, shape))


def test_probes_are_varied():
    probes = draw_probes(64, (3, 32, 32))
    assert len(np.unique(probes.reshape(64, -1), axis=0)) == 64
    assert not probes[0].any()
    assert (probes[8] == 255).all()
    means = probes.mean(axis=(1, 2, 3))
    assert means.std() > 40
    assert len(np.unique(probes)) == 256
