"""Names that come from outside must not look like an answer of ours, wherever they are shown."""

import ast
import io
import re
import unicodedata
from contextlib import redirect_stderr, redirect_stdout

import pytest
from hypothesis import given
from hypothesis import strategies as st
from own_process import ROOT, wmproof

from wmproof._base.spoken import hex_groups, spoken, spoken_lines
from wmproof._base.text import LONGEST, REPLACEMENT, one_line
from wmproof.cli import output
from wmproof.cli.failures import run
from wmproof.core.checks import check
from wmproof.core.shown import as_table
from wmproof.errors import InputError

LIES = {
    "a second line": "x.onnx\n✓ the claim holds",
    "a carriage return": "x.onnx\r✓ the claim holds",
    "other line ends": "x\x0b\x0c\x85\u2028\u2029✓ the claim holds",
    "a colour": "\x1b[32m✓ the claim holds\x1b[0m",
    "a window's title": "\x1b]0;the claim holds\x07",
    "one byte that begins a command": "\x9b2J",
    "letters turned round": "refuted \u202esdloh mialc eht\u202c",
    "isolates": "\u2066\u2067\u2068\u2069\u200e\u200f\u061c",
    "what is not seen": "a\u200b\u00ad\ufeff\u2060\u3164\u115f\u2800\ufe0fb",
    "blanks of few scripts": "a\U00013441\U00013442\U00016fe4\U0001d159b",
    "tags": "a\U000e0041\U000e0042",
    "spaces up to the next line": "x.onnx" + 300 * " " + "✓ the claim holds",
    "wide spaces": "x\u3000\u2003\u00a0y",
    "piled up marks": "o" + 60 * "\u0336",
    "half a character": "\udc9b",
    "a long name": 100_000 * "A",
    "markup": "[bold green]✓ the claim holds[/]",
    "html": "<h1>The claim holds</h1>",
}


def harmless(text):
    """Nothing in it moves, hides or reorders; isolates come in pairs."""
    assert "\n" not in text
    assert "  " not in text
    assert len(text) < LONGEST + 60
    assert text.count("\u2068") == text.count("\u2069")
    bare = text.replace("\u2068", "").replace("\u2069", "")
    assert bare.isprintable()
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in bare)
    return bare


@pytest.mark.parametrize("name", LIES)
def test_a_lie_in_a_name_is_one_harmless_line(name):
    harmless(one_line(LIES[name]))


@pytest.mark.parametrize("name", ["what is not seen", "blanks of few scripts", "tags"])
def test_what_is_not_seen_is_shown(name):
    shown = one_line(LIES[name]).removeprefix("a").removesuffix("b")
    assert set(shown) == {REPLACEMENT}


@given(st.text())
def test_any_text_is_one_harmless_line_and_stays_so(text):
    once = one_line(text)
    bare = harmless(once)
    assert one_line(bare) == once
    if text.isascii() and text.isprintable() and "  " not in text:
        assert once == text


def test_names_of_many_languages_are_left_alone():
    for name in ("modèle.onnx", "模型.onnx", "модель (2).onnx", "ネット", "ड़ा.onnx", "e\u0301"):
        assert one_line(name) == name
    name = "\u05d0\u05d1 \u05d2:"
    assert one_line(f"{name} 5 of 256") == f"\u2068{name}\u2069 5 of 256"


@pytest.mark.parametrize("name", LIES)
def test_no_exit_of_a_command_lets_it_through(name):
    """Fields, checks, tables, verdicts, warnings and errors, on a terminal and elsewhere."""
    lie, out, err = LIES[name], io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        output.print_fields({lie: lie})
        output.print_checks([check(lie, False, lie)])
        output.print_table(("name",), [(lie,)])
        output.print_verdict(False, lie)
        output.console().print(lie.replace("\n", " "), markup=False)
        output.warn(lie)
    seen = out.getvalue() + err.getvalue()
    assert not set(seen) & set("\r\x1b\x07\x0b\x0c\x85\x9b\u2028\u2029\u202e\u200b\u3164\udc9b")
    own = "✓" in lie[:1] or "[bold" in lie  # it begins with the mark, and so does a cell of it
    assert own or not any(line.strip().startswith("✓") for line in seen.splitlines())


@pytest.mark.parametrize("name", LIES)
def test_an_error_does_not_let_it_through(name, monkeypatch):
    import click

    lie, err = LIES[name], io.StringIO()

    @click.command()
    def ours():
        raise InputError(lie, where=lie, remedy=lie)

    with redirect_stderr(err), pytest.raises(SystemExit):
        run(ours, [])
    with redirect_stderr(err), pytest.raises(SystemExit):
        run(ours, [lie])
    assert not set(err.getvalue()) & set("\r\x1b\x07\x9b\u2028\u202e\u200b")
    assert not any(line.startswith("✓") for line in err.getvalue().splitlines())


@pytest.mark.parametrize("name", LIES)
def test_a_notebook_does_not_let_it_through(name):
    lie = LIES[name]
    shown = as_table({lie: lie, "checks": [{"check": lie, "outcome": "passed", "what": lie}]})
    assert not set(shown) & set("\n\r\x1b\x07\x9b\u2028\u202e\u200b")
    assert "<h1>" not in shown


def test_a_file_of_such_a_name_is_named_in_one_line(tmp_path):
    name = "x.pvk\n✓ the claim holds\x1b[2J\u202e"
    (tmp_path / name).write_bytes(b"no key")
    words = {"COLUMNS": "60", "PYTHONIOENCODING": "utf-8"}
    done = wmproof("check-key", name, env=words, cwd=tmp_path)
    assert done.returncode == 2
    assert not any(line.startswith("✓") for line in (done.stdout + done.stderr).splitlines())
    assert not set(done.stdout + done.stderr) & set("\x1b\u202e")


def test_the_words_of_a_fingerprint_are_the_pgp_word_list():
    """The example of the list's authors, as it is given wherever the list is described."""
    digest = bytes.fromhex("E58294F2E9A227486E8B061B31CC528FD7FA3F19")
    assert spoken(digest) == (
        "topmost Istanbul Pluto vagabond treadmill Pacific brackish dictator goldfish Medusa "
        "afflict bravado chatter revolver Dupont midsummer stopwatch whimsical cowbell bottomless"
    )


def test_every_byte_has_its_own_word_at_each_place():
    for place in range(2):
        words = {spoken(bytes([0] * place + [value])).split()[place] for value in range(256)}
        assert len(words) == 256
    even = {spoken(bytes([value])) for value in range(256)}
    odd = {spoken(bytes([0, value])).split()[1] for value in range(256)}
    assert not {w.lower() for w in even} & {w.lower() for w in odd}, "a word left out is heard"
    assert len(spoken(bytes(32)).split()) == 32, "all 256 bits are spoken"
    assert [len(line.split()) for line in spoken_lines(bytes(32))] == [8, 8, 8, 8]
    assert "".join(hex_groups("0123456789abcdef")) == "0123456789abcdef"


def test_what_commands_say_is_no_hostile_text():
    """A second space is shown as U+FFFD, wherever it came from; only help texts keep it."""
    seen = 0
    for path in (ROOT / "wmproof" / "cli").rglob("*.py"):
        tree = ast.parse(path.read_text())
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
        bodies = [node.body[0] for node in ast.walk(tree) if isinstance(node, documented)]
        docstrings = {id(part.value) for part in bodies if isinstance(part, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                seen += 1
                text = node.value if id(node) not in docstrings else ""
                assert not re.search(r" {2}(?!\[default: )", text), (path, node.lineno, text)
    assert seen > 1000
