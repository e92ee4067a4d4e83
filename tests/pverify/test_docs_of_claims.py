"""The documents' Python is run, as far as it needs nothing that a reader has and we have not."""

import ast
import re
import shutil
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from wmproof.cli import specimen
from wmproof.core.triggers import abstract
from wmproof.keys import KdfCost, save_marking_key, save_published

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCKS = [
    (page.relative_to(ROOT).as_posix(), block)
    for page in PAGES
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
]


def block_of(page):
    (block,) = [block for name, block in BLOCKS if name == page]
    return block


@pytest.mark.parametrize(("page", "block"), BLOCKS, ids=[page for page, _ in BLOCKS])
def test_every_name_that_is_imported_exists(page, block):
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.ImportFrom):
            module = import_module(node.module)
            for alias in node.names:
                assert getattr(module, alias.name) is not None, (page, alias.name)
        if isinstance(node, ast.Import):
            for alias in node.names:
                import_module(alias.name)


def test_no_python_hides_in_a_block_of_another_kind():
    for page in PAGES:
        for block in re.findall(r"^```\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE):
            assert not re.search(r"^(from \S+ import|import) ", block, re.MULTILINE), page


def test_a_claim_from_python(case, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save_marking_key("mine.mk", case.key, "words", cost=KdfCost.INTERACTIVE)
    save_published("mine.pvk", case.public)
    shutil.copy(case.marked, "model.onnx")
    # The reader's key has 128 bits, this one 16.
    weak = "Policy(images=my_pictures, security=16, strength=16)"
    block = block_of("docs/pverify.md").replace("Policy(images=my_pictures)", weak)
    block = block.replace("passphrase), public)", "passphrase), public, policy)")
    assert weak in block
    names = {
        "passphrase": "words",
        "my_pictures": abstract(20, case.public.verification_key.image_shape),
    }
    exec(block, names)  # noqa: S102 - our own document
    assert np.isfinite([float(word) for word in capsys.readouterr().out.split()]).all()


def test_a_bundle_from_python(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for theirs, ours in (
        (specimen.MODEL, "model.onnx"),
        (specimen.EVIDENCE, "mine.bundle"),
        (specimen.LOG_KEY, "log.vkey"),
        (specimen.WITNESS_KEY, "w1.vkey"),
    ):
        Path(ours).write_bytes(specimen.read_specimen(theirs))
    weak = f"Policy(security={specimen.SECURITY}, strength={specimen.STRENGTH})"
    block = block_of("docs/bundle.md").replace("Policy()", weak)
    exec(block, {"when": specimen.MODEL_SEEN})  # noqa: S102 - our own document
    assert capsys.readouterr().out.startswith("holds ")
