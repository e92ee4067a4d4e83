"""The commands, and the report in a real browser; test_bundle_docs.py has them as processes."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from unittest import mock

import pytest
from bundle_world import EASY, LOGGED, SEEN, STAMPED
from local_authority import DAY
from log_support import LOG, WITNESS, WITNESS_2

from wmproof.cli.app import main
from wmproof.publication.bundle.verifier import examine_bundle
from wmproof.report.contact_sheet import draw_contact_sheet
from wmproof.report.evidence import draw_evidence


@dataclass(frozen=True)
class Done:
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Desk:
    """A folder with everything in files, and the options of a judge who trusts it."""

    folder: Path
    trust: tuple

    def run(self, *arguments, code=0):
        """Run a command in this process, which has compiled the verifier already."""
        out, err = io.StringIO(), io.StringIO()
        with (
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            mock.patch.dict(os.environ, COLUMNS="200"),
            pytest.raises(SystemExit) as ended,
        ):
            main([*map(str, arguments)])
        done = Done(out.getvalue(), err.getvalue())
        assert ended.value.code == code, done
        assert "Traceback" not in done.stderr
        return done

    def json(self, *arguments, code=0):
        return json.loads(self.run(*arguments, "--json", code=code).stdout)


@pytest.fixture(scope="module")
def desk(case, tmp_path_factory) -> Desk:
    folder = tmp_path_factory.mktemp("desk")
    shutil.copy(case.model, folder / "model.onnx")
    shutil.copy(case.unmarked, folder / "unmarked.onnx")
    shutil.copy(case.authority.roots, folder / "ca.pem")
    for name, party in (("a", case.a), ("b", case.b)):
        (folder / f"{name}.pvk").write_bytes(party.public.to_bytes())
        (folder / f"{name}.proof").write_bytes(party.claim)
        (folder / f"{name}.tlog-proof").write_bytes(case.logged(party))
    (folder / "a.pvk.ots").write_bytes(case.ots)
    (folder / "a.pvk.tsr").write_bytes(case.stamp(case.a.public.to_bytes(), STAMPED))
    (folder / "model.tsr").write_bytes(case.stamp(case.model.read_bytes(), SEEN))
    (folder / "stray.tsr").write_bytes(case.stamp(b"stray", SEEN))
    header = case.trust.block_headers[7].hex()
    (folder / "headers").write_text(f"7 {header}\n")
    trust = ("--log-key", LOG.verifier_key, "--witness", WITNESS.verifier_key)
    trust += ("--witness", WITNESS_2.verifier_key, "--tsa-roots", "ca.pem", "--headers", "headers")
    trust += ("--minimum-difficulty", EASY, "--minimum-security", 16)
    made = Desk(folder, trust)
    parts = ("--timestamp", "a.pvk.ots", "--timestamp", "a.pvk.tsr", "--timestamp", "model.tsr")
    for name, more in (("a", parts), ("b", ())):
        key = ("--public-key", f"{name}.pvk", "--proof", f"{name}.proof")
        log = ("--log-proof", f"{name}.tlog-proof")
        out = ("-o", f"{name}.bundle")
        packed = made.json("bundle", "model.onnx", *key, *log, *more, *out)
        assert len(packed["parts"]) == 3 + len(more) // 2
    return made


def test_a_bundle_is_packed_and_verified(desk):
    said = desk.run("verify-bundle", "a.bundle", "model.onnx", *desk.trust).stdout
    words = " ".join(said.split())
    assert "✓ the evidence holds" in words
    assert "key published by" in words
    assert f"{SEEN:%Y-%m-%d %H:%M:%S} UTC ± 1.5 s: the timestamp authority CN=time" in words
    assert re.search(r"hits at least \d+ of \d+ hidden triggers", words)
    assert re.search(r"strength \d+\.\d bits", words)
    assert "older-model" in words
    report = desk.json("verify-bundle", "a.bundle", "model.onnx", *desk.trust)
    assert report["holds"]
    assert report["claim"]["security_bits"] >= 100
    assert report["key_published"]["latest"] < report["model_seen"]["earliest"]
    seen = desk.json("inspect", "a.bundle")
    assert seen["sha256"] == report["bundle_sha256"]


def test_the_same_bundle_shows_nothing_to_those_who_trust_nobody(desk):
    report = desk.json("verify-bundle", "a.bundle", "model.onnx", "--minimum-security", 16, code=1)
    assert not report["holds"]
    assert report["timeline"] == []
    assert {"publication", "order", "inclusion proof"} <= {i["part"] for i in report["not_shown"]}
    lax = ("--minimum-security", 16, "--without", "publication", "--without", "order")
    assert desk.json("verify-bundle", "a.bundle", "model.onnx", *lax)["holds"]


def test_a_dispute_is_decided(desk):
    said = desk.json("dispute", "b.bundle", "a.bundle", "model.onnx", *desk.trust)
    assert (said["prevails"], said["published_first"], said["decided"]) == ("B", "B", True)
    assert said["a"]["holds"]
    assert said["b"]["claim"]["threshold"] <= said["b"]["claim"]["hidden"]
    words = desk.run("dispute", "a.bundle", "b.bundle", "model.onnx", *desk.trust).stdout
    assert "both claims hold, and A was first" in " ".join(words.split())
    tie = desk.run("dispute", "a.bundle", "a.bundle", "model.onnx", *desk.trust, code=1)
    assert "same key" in tie.stdout


BAD = {
    "no bundle": (("verify-bundle", "a.pvk"), 2, "not a wmproof evidence bundle"),
    "cut": (("verify-bundle", "cut.bundle"), 2, "cut short"),
    "long": (("verify-bundle", "long.bundle"), 2, "after its end"),
    "time": (("verify-bundle", "a.bundle", "--model-seen", "2026-05-01"), 2, "no time zone"),
    "old": (("verify-bundle", "a.bundle", "--model-seen", "1000-01-01T00:00Z"), 2, "before 1970"),
    "words": (("verify-bundle", "a.bundle", "--model-seen", "May"), 2, "is not a time"),
    "origin": (("verify-bundle", "a.bundle", "--origin", "x"), 2, "KEY=ORIGIN"),
    "vkey": (("verify-bundle", "a.bundle", "--log-key", "a+b+c"), 2, "base64"),
    "no model": (("verify-bundle", "a.bundle", "nothing.onnx"), 2, "No such file"),
    "quorum": (
        ("verify-bundle", "a.bundle", "--log-key", str(LOG.verifier_key), "--quorum", "1"),
        2,
        "1 of 0 witnesses",
    ),
    "another model": (
        ("verify-bundle", "a.bundle", "unmarked.onnx", "--minimum-security", "16"),
        1,
        "another model",
    ),
    "another key": (
        ("bundle", "model.onnx", "--public-key", "a.pvk", "--proof", "b.proof", "-o", "x"),
        1,
        "another key",
    ),
    "stray": (
        ("bundle", "model.onnx", "--public-key", "a.pvk", "--timestamp", "stray.tsr", "-o", "x"),
        1,
        "none of the bundle's things",
    ),
    "no stamp": (
        ("bundle", "model.onnx", "--public-key", "a.pvk", "--timestamp", "ca.pem", "-o", "x"),
        2,
        "not an RFC 3161 timestamp",
    ),
    "taken": (("bundle", "model.onnx", "--public-key", "a.pvk", "-o", "a.bundle"), 2, "exists"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_has_its_own_error(desk, name):
    data = (desk.folder / "a.bundle").read_bytes()
    (desk.folder / "cut.bundle").write_bytes(data[:-1])
    (desk.folder / "long.bundle").write_bytes(data + b"\0")
    arguments, code, words = BAD[name]
    done = desk.run(*arguments, code=code)
    assert words in " ".join((done.stdout + done.stderr).split())
    assert not (desk.folder / "x").exists()


class Page(HTMLParser):
    """Checks that tags are balanced, and collects whatever a browser might load or run."""

    VOID = frozenset({"meta", "img", "br"})

    def __init__(self):
        super().__init__()
        self.open, self.loaded, self.tags = [], [], set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.loaded += [v for n, v in attrs if n in ("src", "href", "srcset", "data", "action")]
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_report_asks_no_network_for_anything(desk):
    html = ("--html", "report.html", "--force")
    desk.run("verify-bundle", "a.bundle", "model.onnx", *desk.trust, *html)
    text = (desk.folder / "report.html").read_text()
    page = Page()
    page.feed(text)
    assert page.open == []
    assert [v[:22] for v in page.loaded] == ["data:image/png;base64,"]
    assert not {"script", "link", "iframe", "object", "form"} & page.tags
    assert "url(" not in text
    assert "default-src 'none'" in text
    for digest in re.findall(r"[0-9a-f]{64}", desk.run("inspect", "a.bundle").stdout):
        assert digest in text


def test_a_report_of_failed_and_missing_parts(desk):
    options = ("--minimum-security", 16, "--html", "bare.html", "--force")
    desk.run("verify-bundle", "b.bundle", *options, code=1)
    text = (desk.folder / "bare.html").read_text()
    assert "The evidence does not hold." in text
    assert "no model file was given" in text
    assert "Nobody who is trusted attests to any time." in text


def test_names_from_outside_are_text_and_nothing_else(case):
    from dataclasses import replace

    from wmproof.publication.bundle.attestations import NotShown

    nasty = "<script>alert(1)</script>\x00\x1b\"'&"
    report = examine_bundle(case.bundle, case.trust, None)
    event = replace(report.attestations[0], by=nasty)
    report = replace(report, attestations=(event,), not_shown=(NotShown(nasty, nasty),))
    sheet = draw_contact_sheet(case.a.public.opened, title="t", subtitle="s")
    text = draw_evidence(report, case.trust, contact_sheet=sheet).decode()
    page = Page()
    page.feed(text)
    assert "script" not in page.tags
    assert "&lt;script&gt;" in text
    assert "\x1b" not in text
    assert "\x00" not in text


def test_the_report_is_drawn_by_a_browser(desk, tmp_path):
    from PIL import Image

    html = ("--html", "drawn.html", "--force")
    desk.run("verify-bundle", "a.bundle", "model.onnx", *desk.trust, *html)
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    common = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"]
    page = (desk.folder / "drawn.html").as_uri()
    shot, paper = tmp_path / "shot.png", tmp_path / "paper.pdf"
    shown = ["--window-size=1000,2600", f"--screenshot={shot}", page]
    printed = ["--no-pdf-header-footer", f"--print-to-pdf={paper}", page]
    for options in (shown, printed):
        subprocess.run([*common, *options], check=True, capture_output=True, timeout=120)
    picture = Image.open(shot).convert("RGB")
    colours = {colour for _, colour in picture.getcolors(2**24)}
    green, orange = (0x1B, 0x6E, 0x3C), (0xB0, 0x56, 0x2A)
    assert {green, orange} <= colours, "the timeline's bars"
    assert paper.read_bytes().startswith(b"%PDF")
    assert LOGGED + DAY < SEEN
