"""A marked model is claimed in its quantised copies too."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from quantised_copies import KINDS, quantised_copy

from wmproof.circuit.compile import MOST_OPENED, compile_model
from wmproof.circuit.report import circuit_answers
from wmproof.cli.app import cli
from wmproof.core.policy import Policy
from wmproof.keys import KdfCost, save_marking_key, save_published
from wmproof.models.base import fit_images
from wmproof.models.onnx_file import open_model
from wmproof.pverify.prover import prove_claim
from wmproof.pverify.verifier import verify_claim
from wmproof.training.data import load

POLICY = Policy(strength=24, tolerance=0.1, security=16, accept_chosen_labels=True)
_POLICY = ("--minimum-strength", "24", "--tolerance", "0.1")


@pytest.fixture(scope="module")
def copies(case, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("quantised")
    return {kind: quantised_copy(case.marked, kind, opened(case), folder) for kind in KINDS}


def opened(case) -> NDArray[np.uint8]:
    shape = open_model(case.marked).input_shape
    return fit_images(case.public.opened.triggers.images[:MOST_OPENED], shape)


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_answers_as_the_runtime_says(case, copies: dict[str, Path], kind: str) -> None:
    hidden, test = case.key.to_embed(), load("digits").test_images
    runtime = open_model(copies[kind])
    circuit = compile_model(copies[kind], opened(case)).circuit
    pictures = fit_images(np.asarray(test), runtime.input_shape)
    assert np.mean(circuit_answers(circuit, pictures) == runtime.classify(pictures)) >= 0.99
    triggers = fit_images(hidden.images, runtime.input_shape)
    answers = runtime.classify(triggers)
    assert np.mean(answers == hidden.labels) > 0.9
    np.testing.assert_array_equal(circuit_answers(circuit, triggers), answers)


def test_a_copy_is_claimed(case, copies: dict[str, Path]) -> None:
    model = copies["QOperator"]
    claim = prove_claim(model, case.key, case.public, POLICY)
    report = verify_claim(claim=claim, model=model, public_key=case.public, policy=POLICY)
    assert report.hidden == len(case.key.to_embed())


def test_commands_read_a_copy(case, copies: dict[str, Path], tmp_path: Path) -> None:
    key, published = tmp_path / "k.mk", tmp_path / "k.pvk"
    passphrase = {"WMPROOF_PASSPHRASE": "correct horse"}
    save_published(published, case.public)
    save_marking_key(key, case.key, "correct horse", cost=KdfCost.INTERACTIVE)
    for kind, path in copies.items():
        for command in (
            ["inspect", str(path)],
            ["verify", str(path), "--key", str(key), "--vk", str(published), *_POLICY],
            ["examine", str(path), "--key", str(key)],
        ):
            result = CliRunner().invoke(cli, command, env=passphrase)
            assert result.exit_code == 0, (kind, command, result.output)
