"""What the documents show is what the program does."""

import json
import re
import shlex
from importlib import import_module

import click
import own_process
import pytest
from own_process import ROOT

from wmproof.cli.app import cli

COMMANDS = {
    "keygen": "wmproof.cli.keygen",
    "check-key": "wmproof.cli.check_key",
    "mark": "wmproof.cli.mark",
    "demo": "wmproof.cli.demo",
    "doctor": "wmproof.cli.doctor",
    "prove": "wmproof.cli.prove",
    "pverify": "wmproof.cli.pverify",
    "verify": "wmproof.cli.verify",
    "reveal": "wmproof.cli.reveal",
    "compile": "wmproof.cli.compile",
    "examine": "wmproof.cli.examine",
    "inspect": "wmproof.cli.inspect",
    "experiment": "wmproof.cli.experiment",
    "announce card": "wmproof.cli.announce",
    "announce manifest": "wmproof.cli.announce",
    "announce verify-manifest": "wmproof.cli.announce",
    "completion": "wmproof.cli.completion",
    "bundle": "wmproof.cli.bundle",
    "verify-bundle": "wmproof.cli.verify_bundle",
    "dispute": "wmproof.cli.dispute",
    "log init": "wmproof.cli.log.write",
    "log append": "wmproof.cli.log.write",
    "log checkpoint": "wmproof.cli.log.write",
    "log prove-inclusion": "wmproof.cli.log.prove",
    "log prove-consistency": "wmproof.cli.log.prove",
    "log serve": "wmproof.cli.log.serve",
    "log verify": "wmproof.cli.log.verify",
    "log witness": "wmproof.cli.log.witness",
}


def run(*arguments):
    one_thread = {"OMP_NUM_THREADS": "1"}
    return own_process.run(*arguments, cwd=ROOT, check=True, env=one_thread).stdout


def test_the_example_of_the_readme_runs():
    readme = (ROOT / "README.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert len([line for line in example.splitlines() if line.strip()]) <= 20
    hits, of = re.search(r"(\d+) of (\d+) hits, \d+ bits", run("-c", example)).groups()
    assert int(hits) >= 0.9 * int(of)


def test_the_example_of_a_bounded_key_runs():
    marked, independent = run("examples/keys/bounded.py").splitlines()
    assert re.fullmatch(r"marked\.onnx: \d+ of 64 hits, \d+ bits", marked)
    assert independent.startswith("independent.onnx: does not hold")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_documented(name):
    module = import_module(COMMANDS[name])
    command = getattr(module, name.split()[-1].replace("-", "_"))
    text = (ROOT / "docs" / "cli.md").read_text()
    (section,) = re.findall(rf"^## {name}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    shown = set(re.findall(r"--[a-z][a-z-]*", section))
    options = {p for p in command.params if isinstance(p, click.Option)}
    for option in options:
        assert shown & set(option.opts), option.opts
    assert shown <= {name for option in options for name in option.opts}


def shown_commands():
    """Every command line of the documents, as words."""
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        blocks = re.findall(r"^```(.*?)\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE)
        for block in (text for language, text in blocks if not language):
            for line in block.replace("\\\n", " ").splitlines():
                if "wmproof " in line:
                    yield path.name, shlex.split(line[line.index("wmproof ") :], comments=True)


def test_every_command_shown_is_one_that_the_program_has():
    shown = list(shown_commands())
    assert len(shown) > 50
    for where, (_, *words) in shown:
        command = cli
        while isinstance(command, click.Group):
            command = command.get_command(click.Context(command), words.pop(0))
        assert command is not None, (where, words)
        known = {name for option in command.params for name in option.opts}
        given = {word for word in words if re.match(r"--?[a-z]", word)}
        assert given <= known, (where, command.name, given - known)


def test_the_vector_in_the_document_is_one_of_the_vectors():
    vectors = json.loads((ROOT / "tests/core/vectors/vectors.json").read_text())
    label = next(case for case in vectors["commitments"] if case["kind"] == 2)
    assert label["commitment"] in (ROOT / "docs" / "formats.md").read_text()


def test_links_between_documents_lead_somewhere():
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for link in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
            assert (path.parent / link).exists(), (path.name, link)
