"""A real Chromium, and what must hold of every page on a phone and on paper."""

import base64
import contextlib

from needs import needs

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
# CSS pixels: phones, the smallest first, and A4 between the report's margins.
PHONES, PAPER = (360, 390), 688
# What sticks out of the page, or of a box that hides it; what scrolls by itself is no fault.
_STICKS_OUT = """
const width = document.documentElement.clientWidth, found = [];
for (const e of document.querySelectorAll('body *')) {
  const box = e.getBoundingClientRect();
  let scrolls = false;
  for (let p = e; p; p = p.parentElement) {
    scrolls ||= ['auto', 'scroll'].includes(getComputedStyle(p).overflowX);
  }
  const out = box.right > width + 1 || box.left < -1;
  if (box.width && !scrolls && !(e instanceof SVGElement && e.tagName != 'svg') && out)
    found.push(e.tagName + ' ' + e.className + ': ' + e.textContent.slice(0, 60));
}
return found;
"""
# Ordinary words that are broken into two lines because their column is too narrow.
_BROKEN = """
const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let node; node = walk.nextNode();) {
  if (node.parentElement.closest('code, pre, svg')) continue;
  for (const word of node.data.matchAll(/[A-Za-z]{2,20}/g)) {
    const range = document.createRange();
    range.setStart(node, word.index);
    range.setEnd(node, word.index + word[0].length);
    if (new Set([...range.getClientRects()].map(box => box.top)).size > 1) found.push(word[0]);
  }
}
return found;
"""
# Text that a reader of the page sees and who prints it does not, but for what he would click.
_TEXTS = """
const texts = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let node; node = walk.nextNode();) {
  const e = node.parentElement;
  const there = node.data.trim() && e.checkVisibility() && !e.closest('nav, form, .ask');
  if (there) texts.push(node.data);
}
return texts;
"""
_CUT = """
return [...document.querySelectorAll('body *')].filter(e =>
  getComputedStyle(e).overflowY != 'visible' && e.scrollHeight > e.clientHeight + 1
  && e.clientHeight).map(e => e.tagName + ' ' + e.className);
"""


@contextlib.contextmanager
def open_browser(folder):
    """A browser with its own profile; its console is kept."""
    needs("chromium", "chromedriver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (*FLAGS, f"user-data-dir={folder}"):
        options.add_argument(f"--{flag}")
    driver = webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))
    driver.set_page_load_timeout(300)
    try:
        yield driver
    finally:
        driver.quit()


@contextlib.contextmanager
def seen(browser, width, medium):
    """The page as a medium of this width shows it; 'print' is how it is put on paper."""
    size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": medium == "screen"}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": medium})
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def check_page(browser, whole_words=True):
    """On phones nothing sticks out and no word is broken; paper shows what a screen does."""
    for width, medium in [*((phone, "screen") for phone in PHONES), (PAPER, "print")]:
        with seen(browser, width, medium):
            scrolls = "return document.documentElement.scrollWidth - window.innerWidth"
            assert browser.execute_script(scrolls) <= 0, (width, medium)
            for fault in (_STICKS_OUT, _BROKEN) if whole_words else (_STICKS_OUT,):
                found = browser.execute_script(fault)
                assert not found, (width, medium, found)
    with seen(browser, PAPER, "screen"):
        shown = browser.execute_script(_TEXTS)
    with seen(browser, PAPER, "print"):
        assert browser.execute_script(_TEXTS) == shown
        assert browser.execute_script(_CUT) == []
    paper = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {})["data"])
    assert paper.startswith(b"%PDF")
