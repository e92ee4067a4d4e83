"""The server as people meet it: a real process of the command line, a real Chromium."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from log_support import LOG, ROOT, WITNESS, flip
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from web_support import SECURITY

FLAGS = (
    "headless",
    "no-sandbox",
    "disable-gpu",
    "disable-quic",
    "disable-dev-shm-usage",
    "no-first-run",
    "disable-background-networking",
    "disable-component-update",
    "disable-sync",
    "window-size=1100,1400",
)


@pytest.fixture(scope="module")
def address(case):
    command = [sys.executable, "-m", "wmproof", "log", "serve", str(case.settings.folder)]
    keys = ["--log-key", str(LOG.verifier_key), "--witness", str(WITNESS.verifier_key)]
    process = subprocess.Popen(
        [*command, *keys, "--port", "0", "--minimum-security", str(SECURITY)],
        env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        text=True,
    )
    first = process.stdout.readline()
    yield re.search(r"http://127\.0\.0\.1:\d+", first)[0]
    process.send_signal(signal.SIGINT)
    assert process.wait(20) in (0, 130)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (*FLAGS, f"user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(f"--{flag}")
    driver = webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))
    driver.set_page_load_timeout(60)
    yield driver
    driver.quit()


def text(browser, selector):
    return browser.find_element(By.CSS_SELECTOR, selector).text


def test_the_keys_and_one_key(browser, address, case):
    browser.get(f"{address}/")
    assert text(browser, "h1") == "31 entries"
    assert WITNESS.name in text(browser, ".head")
    assert len(browser.find_elements(By.CSS_SELECTOR, "tbody tr")) == 25
    browser.find_element(By.LINK_TEXT, "Older").click()
    assert len(browser.find_elements(By.CSS_SELECTOR, "tbody tr")) == 6
    browser.find_element(By.LINK_TEXT, "Newest").click()
    browser.find_element(By.LINK_TEXT, case.public.digest.hex()).click()
    assert "Entry 30 in a log of 31" in text(browser, ".head")
    assert len(browser.find_elements(By.CSS_SELECTOR, ".checks .passed")) >= 3
    assert text(browser, ".proof").startswith("c2sp.org/tlog-proof@v1\nindex 30\n")
    WebDriverWait(browser, 20).until(
        lambda b: b.execute_script("return document.querySelector('.sheet').naturalWidth") > 300
    )
    # The style sheet was taken: a policy that forbids it would leave the page bare.
    card = browser.find_element(By.CSS_SELECTOR, ".card")
    assert card.value_of_css_property("border-top-left-radius") == "14px"
    assert [e for e in browser.get_log("browser") if e["level"] == "SEVERE"] == []


def upload(browser, address, model, key, claim):
    browser.get(f"{address}/verify")
    for name, path in (("model", model), ("key", key), ("claim", claim)):
        browser.find_element(By.NAME, name).send_keys(str(path))
    browser.find_element(By.CSS_SELECTOR, "button").click()
    WebDriverWait(browser, 120).until(lambda b: b.find_elements(By.ID, "verdict"))
    return text(browser, "#verdict")


def test_a_claim_is_verified(browser, address, case, tmp_path):
    said = upload(browser, address, case.model, case.key, case.claim)
    assert "The claim holds" in said
    assert "is entry 30 of this log" in said
    bad = tmp_path / "bad.proof"
    data = case.claim.read_bytes()
    bad.write_bytes(flip(data, len(data) - 9))
    assert "The claim does not hold" in upload(browser, address, case.model, case.key, bad)
    bad.write_bytes(b"<script>document.title = 'owned'</script>")
    said = upload(browser, address, case.model, case.key, bad)
    assert "The claim could not be checked" in said
    assert "owned" not in browser.title


def test_no_script_runs_even_if_one_is_put_into_a_page(browser, address):
    browser.get(f"{address}/")
    browser.execute_script(
        "const s = document.createElement('script'); s.textContent = \"document.title='owned'\";"
        "document.body.append(s);"
    )
    time.sleep(0.2)
    assert browser.title == LOG.name
    assert any("Content Security Policy" in e["message"] for e in browser.get_log("browser"))


def test_on_a_small_screen_nothing_is_wider_than_it(browser, address, case):
    browser.set_window_size(500, 900)
    for path in ("/", f"/keys/{case.public.digest.hex()}", "/verify"):
        browser.get(address + path)
        wide = "return document.documentElement.scrollWidth - window.innerWidth"
        assert browser.execute_script(wide) <= 0, path
    browser.set_window_size(1100, 1400)


def test_the_server_is_bound_to_the_loopback(address):
    with urllib.request.urlopen(f"{address}/checkpoint") as answer:  # noqa: S310
        assert answer.read().startswith(LOG.name.encode())
    port = int(address.rpartition(":")[2])
    tables = (Path("/proc/net") / name for name in ("tcp", "tcp6"))
    lines = [line.split() for table in tables for line in table.read_text().splitlines()[1:]]
    listening = {
        line[1].split(":")[0]
        for line in lines
        if line[3] == "0A" and int(line[1].split(":")[1], 16) == port
    }
    assert listening == {"0100007F"}
