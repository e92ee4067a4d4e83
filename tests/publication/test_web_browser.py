"""The server as people meet it: a real process of the command line, a real Chromium."""

import contextlib
import http.server
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest
from log_support import LOG, ROOT, WITNESS
from pages import check_page, open_browser
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from tampering import flip
from web_server import PATIENCE, serving
from web_support import SECURITY

from wmproof.publication.log.store import create_log
from wmproof.publication.web.app import create_app
from wmproof.publication.web.settings import Settings


@pytest.fixture(scope="module")
def address(case):
    command = [sys.executable, "-m", "wmproof", "log", "serve", str(case.settings.folder)]
    keys = ["--log-key", str(LOG.verifier_key), "--witness", str(WITNESS.verifier_key)]
    process = subprocess.Popen(
        [
            *command,
            *keys,
            "--port",
            "0",
            "--minimum-security",
            str(SECURITY),
            "--minimum-strength",
            "32",
        ],
        env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        text=True,
    )
    first = process.stdout.readline()
    yield re.search(r"http://127\.0\.0\.1:\d+", first)[0]
    process.send_signal(signal.SIGINT)
    assert process.wait(300) in (0, 130)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with open_browser(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


def text(browser, selector):
    return browser.find_element(By.CSS_SELECTOR, selector).text


def wait_for(browser, condition):
    """Wait until it holds; what it looks at may be replaced by the next page meanwhile."""
    fleeting = (NoSuchElementException, StaleElementReferenceException)
    WebDriverWait(browser, PATIENCE, ignored_exceptions=fleeting).until(lambda _: condition())


def rows(browser):
    return len(browser.find_elements(By.CSS_SELECTOR, "tbody tr"))


def wait_for_console(browser, words):
    """The console is told of things some time after they happened."""
    wait_for(browser, lambda: any(words in one["message"] for one in browser.get_log("browser")))


def test_the_keys_and_one_key(browser, address, case):
    browser.get(f"{address}/")
    assert text(browser, "h1") == "31 entries"
    assert WITNESS.name in text(browser, ".head")
    assert rows(browser) == 25
    browser.find_element(By.LINK_TEXT, "Older").click()
    wait_for(browser, lambda: rows(browser) == 6)
    browser.find_element(By.LINK_TEXT, "Newest").click()
    wait_for(browser, lambda: rows(browser) == 25)
    browser.find_element(By.LINK_TEXT, case.public.digest.hex()).click()
    wait_for(browser, lambda: "Entry 30 in a log of 31" in text(browser, ".head"))
    assert len(browser.find_elements(By.CSS_SELECTOR, ".checks .passed")) >= 3
    assert text(browser, ".proof").startswith("c2sp.org/tlog-proof@v1\nindex 30\n")
    width = "return document.querySelector('.sheet').naturalWidth"
    wait_for(browser, lambda: browser.execute_script(width) > 300)
    # The style sheet was taken: a policy that forbids it would leave the page bare.
    card = browser.find_element(By.CSS_SELECTOR, ".card")
    assert card.value_of_css_property("border-top-left-radius") == "14px"
    assert [e for e in browser.get_log("browser") if e["level"] == "SEVERE"] == []


def upload(browser, address, model, key, claim):
    browser.get(f"{address}/verify")
    for name, path in (("model", model), ("key", key), ("claim", claim)):
        browser.find_element(By.NAME, name).send_keys(str(path))
    browser.find_element(By.CSS_SELECTOR, "button").click()
    wait_for(browser, lambda: browser.find_elements(By.ID, "verdict"))
    return text(browser, "main")


def test_a_claim_is_verified(browser, address, case, tmp_path):
    said = upload(browser, address, case.model, case.key, case.claim)
    assert "The claim holds" in said
    assert "is entry 30 of this log" in said
    check_page(browser)
    bad = tmp_path / "bad.proof"
    data = case.claim.read_bytes()
    bad.write_bytes(flip(data, len(data) - 9))
    assert "The claim does not hold" in upload(browser, address, case.model, case.key, bad)
    check_page(browser)
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
    wait_for_console(browser, "Content Security Policy")
    assert browser.title == LOG.name


FOREIGN = """<!doctype html><form method="post" enctype="multipart/form-data" action="{target}">
<input name="key" value="x"><button>go</button></form>
<script>
  fetch("{target}", {{method: "POST", mode: "no-cors", body: new FormData(document.forms[0])}})
    .then((answer) => {{ document.title = answer.type; }}, () => {{ document.title = "failed"; }});
</script>"""


@contextlib.contextmanager
def foreign_site(page):
    """Another server that shows one page: another origin, and by its name another site."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_page_of_another_site_cannot_send_a_claim(browser, tmp_path, host):
    """Neither by a form nor by a script, from another host or from another port of this one."""
    settings = Settings(create_log(tmp_path / "log", LOG).folder, log_key=LOG.verifier_key)
    with serving(create_app(settings)) as (_, mine):
        for path in ("/verify", "/api/v1/claims"):
            target = f"http://127.0.0.1:{mine}{path}"
            with foreign_site(FOREIGN.format(target=target)) as port:
                browser.get(f"http://{host}:{port}/")
                wait_for(browser, lambda: browser.title in ("opaque", "failed"))
                assert browser.title == "failed"
                browser.find_element(By.CSS_SELECTOR, "button").click()
                wait_for(browser, lambda: "a page of another site" in text(browser, "body"))
                assert browser.current_url == target
                wait_for_console(browser, "403")


def test_on_a_phone_and_on_paper_nothing_sticks_out(browser, address, case):
    for path in ("/", f"/keys/{case.public.digest.hex()}", "/verify"):
        browser.get(address + path)
        check_page(browser)


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
