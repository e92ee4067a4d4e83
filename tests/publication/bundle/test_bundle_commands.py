"""The commands, and the report in a real browser; test_bundle_docs.py has them as processes."""

import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest
from bundle_desk import WEAK, Desk
from bundle_world import EASY, LOGGED, SEEN, STAMPED
from local_authority import DAY
from log_support import LOG, WITNESS, WITNESS_2
from needs import needs
from pages import check_page, open_browser

from wmproof._base.spoken import spoken
from wmproof.core.triggers import noise
from wmproof.keys.keygen import pkeygen
from wmproof.publication.bundle.report import draw_evidence
from wmproof.publication.bundle.verifier import examine_bundle
from wmproof.report.contact_sheet import draw_contact_sheet


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
    trust += ("--minimum-difficulty", EASY, "--minimum-security", 16, "--minimum-strength", 32)
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
    assert "the key was published by" in words
    assert f"{SEEN:%Y-%m-%d %H:%M:%S} UTC ± 1.5 s: the timestamp authority CN=time" in words
    assert re.search(r"claim at least \d+ of \d+ hidden triggers hit", words)
    assert re.search(r"strength \d+\.\d bits", words)
    assert "older-model" in words
    report = desk.json("verify-bundle", "a.bundle", "model.onnx", *desk.trust)
    assert report["holds"]
    assert report["claim"]["security_bits"] >= 100
    assert report["key_published"]["latest"] < report["model_seen"]["earliest"]
    seen = desk.json("inspect", "a.bundle")
    assert seen["bundle_sha256"] == report["bundle_sha256"]


def test_the_same_bundle_shows_nothing_to_those_who_trust_nobody(desk):
    report = desk.json("verify-bundle", "a.bundle", "model.onnx", *WEAK, code=1)
    assert not report["holds"]
    assert report["timeline"] == []
    assert {"publication", "order", "inclusion proof"} <= {i["part"] for i in report["not_shown"]}
    lax = (*WEAK, "--without", "publication", "--without", "order")
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


def test_a_dispute_is_about_planes_and_not_about_how_a_key_writes_them(desk, case):
    """Or a thief with a key for 8x8 would keep the owner's, for 1x8x8, out of court."""
    shape = case.a.public.verification_key.image_shape
    twin = shape[1:] if shape[:1] == (1,) else (1, *shape)
    for name, own in (("twin", twin), ("other", (3, 9, 9))):
        _, public = pkeygen(noise(64, own), 10, security=16)
        (desk.folder / f"{name}.pvk").write_bytes(public.to_bytes())
        packed = ("--public-key", f"{name}.pvk", "-o", f"{name}.bundle")
        desk.run("bundle", "model.onnx", *packed)
    said = desk.json("dispute", "a.bundle", "twin.bundle", "model.onnx", *desk.trust)
    assert (said["prevails"], said["a"]["holds"], said["b"]["holds"]) == ("A", True, False)
    refused = desk.run("dispute", "a.bundle", "other.bundle", "model.onnx", code=2)
    assert "cannot be about one model" in refused.stderr


BAD = {
    "no bundle": (("verify-bundle", "a.pvk"), 2, "not a wmproof evidence bundle"),
    "cut": (("verify-bundle", "cut.bundle"), 2, "cut short"),
    "long": (("verify-bundle", "long.bundle"), 2, "after its end"),
    "time": (("verify-bundle", "a.bundle", "--model-seen", "2026-05-01"), 2, "no time zone"),
    "old": (("verify-bundle", "a.bundle", "--model-seen", "1000-01-01T00:00Z"), 2, "before 1970"),
    "future": (
        ("verify-bundle", "a.bundle", "--model-seen", "2999-01-01T00:00Z"),
        2,
        "in the future",
    ),
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
        ("verify-bundle", "a.bundle", "unmarked.onnx", *WEAK),
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
    options = (*WEAK, "--html", "bare.html", "--force")
    desk.run("verify-bundle", "b.bundle", *options, code=1)
    text = (desk.folder / "bare.html").read_text()
    assert "The evidence is incomplete." in text
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


def test_the_report_fits_a_phone_and_paper(desk, tmp_path):
    """Also one full of names as long as they come."""
    html = ("--html", "phone.html", "--force")
    desk.run("verify-bundle", "a.bundle", "model.onnx", *desk.trust, *html)
    text = (desk.folder / "phone.html").read_text()
    (desk.folder / "long.html").write_text(text.replace("example.com/log", "e" * 300))
    assert "e" * 300 in (desk.folder / "long.html").read_text()
    with open_browser(tmp_path) as browser:
        for name in ("phone.html", "long.html"):
            browser.get((desk.folder / name).as_uri())
            check_page(browser, whole_words=name == "phone.html")
        digest = desk.json("inspect", "model.onnx")["model_sha256"]
        read = "return document.querySelector('{}').textContent".format
        copied = browser.execute_script(read(".verdict code"))
        assert copied == digest, "groups are copied in one piece"
        aloud = browser.execute_script("return document.querySelector('.spoken').innerText")
        assert aloud.split() == spoken(bytes.fromhex(digest)).split()


def test_the_report_is_drawn_by_a_browser(desk, tmp_path):
    from PIL import Image

    needs("chromium")
    html = ("--html", "drawn.html", "--force")
    desk.run("verify-bundle", "a.bundle", "model.onnx", *desk.trust, *html)
    common = [
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tmp_path}",
    ]
    page = (desk.folder / "drawn.html").as_uri()
    shot, paper = tmp_path / "shot.png", tmp_path / "paper.pdf"
    shown = ["--window-size=1000,2600", f"--screenshot={shot}", page]
    printed = ["--no-pdf-header-footer", f"--print-to-pdf={paper}", page]
    for options in (shown, printed):
        subprocess.run([*common, *options], check=True, capture_output=True)
    picture = Image.open(shot).convert("RGB")
    colours = {colour for _, colour in picture.getcolors(2**24)}
    green, orange = (0x1B, 0x6E, 0x3C), (0xB0, 0x56, 0x2A)
    assert {green, orange} <= colours, "the timeline's bars"
    assert paper.read_bytes().startswith(b"%PDF")
    assert LOGGED + DAY < SEEN
