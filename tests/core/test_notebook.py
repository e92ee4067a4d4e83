"""In a notebook: the example runs, objects show themselves, and Ctrl-C leaves the kernel usable."""

import contextlib
import json
import logging
import os
import queue

import numpy as np
import pytest
from own_process import ROOT

from wmproof import abstract, check_public_key, contact_sheet, keygen, pkeygen, progress_bars
from wmproof.core.shown import as_table
from wmproof.errors import InputError

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
manager = pytest.importorskip("jupyter_client.manager")
pytest.importorskip("ipykernel")
PNG = b"\x89PNG\r\n"


def environment():
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def outputs(cell, kind):
    return [item["data"][kind] for item in cell.outputs if kind in item.get("data", {})]


def test_the_notebook_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(ROOT / "examples/notebook/ownership.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    context = {"metadata": {"path": tmp_path}}
    nbclient.NotebookClient(notebook, resources=context).execute()
    shown = {cell.source.splitlines()[-1]: cell for cell in notebook.cells}
    assert outputs(shown["pvk"], "image/png")
    (secret,) = outputs(shown["secret"], "text/html")
    assert "draws them" in secret
    assert "<img" not in secret
    assert not outputs(shown["secret"], "image/png")
    for line in (
        "wmproof.check_public_key(pvk)",
        "wmproof.verify(mk, pvk.verification_key, model)",
    ):
        (table,) = outputs(shown[line], "text/html")
        assert "passed" in table
    (table,) = outputs(shown["report"], "text/html")
    assert "strength bits" in table
    bars = outputs(shown['print(len(claim), "bytes")'], "text/html")
    assert '<progress value="1.000"></progress> opening the witness' in bars[-1]


@pytest.fixture
def kernel():
    running = manager.KernelManager(kernel_name="python3")
    running.start_kernel(env=environment())
    client = running.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=300)
        yield running, client
    finally:
        client.stop_channels()
        running.shutdown_kernel(now=True)


PROOF = """
from wmproof import abstract, pkeygen, progress_bars, prove_claim
from wmproof.pverify.warm_up import _random_network
key, public = pkeygen(abstract(80, (1, 8, 8)), 2, security=20)
model = _random_network()
def prove():
    with progress_bars() as progress:
        return prove_claim(model, key, public, threshold=1, progress=progress)
"""
CHECK = """
claim = prove()
assert len(claim) > 10_000
from wmproof.pverify.claim_file import parse_claim
print("usable", parse_claim(claim)[0].threshold)
"""


def run(client, code, until=lambda _: False, then=None):
    """Execute; return the reply and the text printed. `then` is called when `until` holds."""
    asked = client.execute(code)
    text, done = "", then is None
    while True:
        with contextlib.suppress(queue.Empty):
            message = client.get_iopub_msg(timeout=300)
            if message["parent_header"].get("msg_id") != asked:
                continue
            content = message["content"]
            text += content.get("text", "")
            if not done and until(json.dumps(content.get("data", {}))):
                then()
                done = True
            if content.get("execution_state") == "idle":
                break
    reply = client.get_shell_msg(timeout=300)
    while reply["parent_header"]["msg_id"] != asked:
        reply = client.get_shell_msg(timeout=300)
    return reply["content"], text


@pytest.mark.parametrize("phase", ["compiling the model", "proving the openings"])
def test_an_interrupt_leaves_the_kernel_usable(kernel, phase):
    running, client = kernel
    assert run(client, PROOF)[0]["status"] == "ok"
    reply, _ = run(
        client, "while True: prove()", lambda shown: phase in shown, running.interrupt_kernel
    )
    assert (reply["status"], reply["ename"]) == ("error", "KeyboardInterrupt")
    reply, text = run(client, CHECK)
    assert reply["status"] == "ok", reply
    assert "usable 1" in text


def test_a_sheet_is_a_png_file_that_shows_itself():
    key, public = pkeygen(abstract(64, (3, 8, 8)), 3, security=16)
    sheet = contact_sheet(key.to_embed(), class_names=["a", "b", "c"])
    for shown in (sheet, sheet._repr_png_(), public._repr_png_()):
        assert shown.startswith(PNG)
    assert repr(sheet) == f"ContactSheet({len(sheet)} bytes of PNG)"
    with pytest.raises(InputError, match="2 class names"):
        contact_sheet(key.to_embed(), class_names=["a", "b"])
    assert not hasattr(key, "_repr_html_")


def test_reports_are_json_and_tables():
    public = pkeygen(abstract(512, (8, 8)), 10)[1]
    report = check_public_key(public)
    fields = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert fields["holds"]
    assert [item["check"] for item in fields["checks"]] == [item.name for item in report.checks]
    assert "commitments" in report._repr_html_()


def test_tables_escape_what_files_say():
    hostile = "<script>alert(1)</script>"
    checks = [{"check": hostile, "outcome": "failed", "what": hostile, "numbers": {}}]
    table = as_table({"checks": checks, hostile: hostile, "figure": 1.5, "none": None})
    assert "<script" not in table
    assert table.count("&lt;script") == 4


def test_a_key_gives_its_triggers_as_a_data_set():
    pytest.importorskip("torch")
    key, _ = keygen(abstract(5, (3, 8, 8)), 3)
    data = key.trigger_dataset(lambda picture: np.asarray(picture).shape)
    assert len(data) == 5
    assert data[3] == ((8, 8, 3), int(key.triggers.labels[3]))


def test_nobody_is_written_to_unless_he_asks(capfd, caplog):
    with progress_bars() as progress:
        progress("work", 0.5)
    logging.getLogger("wmproof.test").warning("seen")
    assert capfd.readouterr() == ("", "")
    assert "seen" in caplog.text
