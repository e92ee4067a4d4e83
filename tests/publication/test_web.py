"""The server's pages, its API and its guards, over a real log with a real claim."""

import asyncio
import io
import re
from dataclasses import fields, replace
from inspect import signature

import numpy as np
import onnx
import pytest
from fastapi import UploadFile
from log_support import LOG, OTHER_LOG, WITNESS
from PIL import Image
from sklearn.datasets import load_digits
from starlette.testclient import TestClient
from tampering import flip

from wmproof._base.spoken import spoken
from wmproof.core.reading import Reading
from wmproof.errors import VerificationError
from wmproof.models.file import model_file
from wmproof.publication.log.entry import digest_entry, key_entry
from wmproof.publication.log.reader import LogReader
from wmproof.publication.log.store import create_log
from wmproof.publication.log.verifier import verify_logged
from wmproof.publication.web.app import create_app
from wmproof.publication.web.uploads import claim_upload

API = "/api/v1"


def client(settings):
    return TestClient(create_app(settings), base_url="http://127.0.0.1")


def encoded(image):
    """A grey picture as PNG."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def web(case):
    with client(case.settings) as made:
        yield made


@pytest.fixture(scope="module")
def files(case):
    return {
        "model": case.model.read_bytes(),
        "key": case.key.read_bytes(),
        "claim": case.claim.read_bytes(),
    }


def test_the_log_as_json(web, case):
    head = web.get(f"{API}/log").json()
    log = LogReader(case.settings.folder)
    assert (head["origin"], head["size"]) == (LOG.name, 31)
    assert head["checkpoint"].encode() == log.checkpoint_bytes
    assert head["cosignatures"] == [{"witness": WITNESS.name, "timestamp": 1_790_000_000}]
    listed = web.get(f"{API}/entries", params={"start": 29, "limit": 5}).json()
    assert [(e["index"], e["published"]) for e in listed["entries"]] == [(29, False), (30, True)]
    assert web.get(f"{API}/entries", params={"start": 31}).json()["entries"] == []


def test_a_key_as_json_with_its_proof_its_file_and_its_pictures(web, case):
    address = f"{API}/keys/{case.public.digest.hex()}"
    found = web.get(address).json()
    assert (found["index"], found["published"]) == (30, True)
    assert found["details"]["opened"] == len(case.public.opened)
    outcomes = {item["check"]: item["outcome"] for item in found["details"]["checks"]}
    assert outcomes["commitments"] == "passed"
    proof = web.get(f"{address}/proof")
    assert proof.headers["content-type"] == "text/plain; charset=utf-8"
    witnesses = [WITNESS.verifier_key]
    entry = key_entry(case.public)
    assert verify_logged(proof.content, entry, LOG.verifier_key, witnesses=witnesses).index == 30
    assert web.get(f"{address}/file").content == case.public.to_bytes()
    sheet = web.get(f"{address}/contact-sheet.png")
    assert Image.open(io.BytesIO(sheet.content)).format == "PNG"
    assert web.get(f"{address}/contact-sheet.png").content == sheet.content


def test_a_key_of_which_only_the_digest_is_here(web):
    address = f"{API}/keys/{64 * '0'}"
    assert web.get(address).json() == {
        "index": 0,
        "digest": 64 * "0",
        "published": False,
        "details": None,
    }
    for part in ("file", "contact-sheet.png"):
        answer = web.get(f"{address}/{part}")
        assert answer.status_code == 404
        assert "only the digest" in answer.json()["error"]
    assert web.get(f"{address}/proof").status_code == 200
    assert "no key with this digest" in web.get(f"{API}/keys/{64 * 'f'}").json()["error"]
    assert web.get(f"/keys/{64 * '0'}").status_code == 200
    assert web.get(f"/keys/{64 * 'f'}").status_code == 404


def test_the_static_files_are_a_log(web, case, tmp_path):
    """Somebody mirrors the log over the server, and audits the mirror."""
    from wmproof.publication.log.audit import audit

    for path in ("checkpoint", "log.vkey", "tile/0/000.p/31", "tile/entries/000.p/31"):
        answer = web.get(f"/{path}")
        assert answer.status_code == 200
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(answer.content)
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"] == "application/octet-stream"
    assert audit(LogReader(tmp_path, LOG.verifier_key)) == 31
    head = web.get("/checkpoint")
    assert head.headers["content-type"] == "text/plain; charset=utf-8"
    assert head.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    [
        "/tile/0/..%2f..%2fcheckpoint",
        "/tile/entries/%2e%2e/%2e%2e/.state/journal",
        "/tile/..%2f.state%2fjournal",
        "/tile//etc/passwd",
        "/tile/0/000.p/031",
        "/tile/0/000.p/256",
        "/tile/00/000",
        "/tile/64/000",
        "/tile/0/000",
        "/tile/0/000.p/31%00",
        "/tile/0/x000/000",
        "/.state/journal",
        "/keys/../.state/journal",
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/app.py",
        f"{API}/keys/..%2f..%2fcheckpoint",
    ],
)
def test_no_path_leads_out_of_the_log(web, path):
    answer = web.get(path)
    assert answer.status_code in (404, 422), path
    assert b"wmpf-lj" not in answer.content
    assert b"create_app" not in answer.content


def test_every_answer_has_its_guards(web):
    paths = ("/", "/verify", "/nowhere", "/checkpoint", f"{API}/log", "/static/style.css")
    for path in (*paths, f"{API}/keys/x"):
        headers = web.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert "script" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert "server" not in headers
    for path in ("/", "/verify", "/nowhere"):
        text = web.get(path).text
        assert not re.search(r"<script|<style|style=|javascript:|\son\w+=|https?://", text)


def test_a_page_escapes_what_a_stranger_chose(web):
    answer = web.get("/%3Cscript%3Ealert(1)%3C/script%3E")
    assert answer.status_code == 404
    assert "<script" not in answer.text
    text = web.get("/", params={"before": "<b>"}).text
    assert "<b>" not in text


def test_foreign_host_names_are_refused(case):
    with client(case.settings) as web:
        assert web.get("/", headers={"Host": "attacker.example"}).status_code == 400
    with client(replace(case.settings, names=("log.example.org",))) as web:
        assert web.get("/", headers={"Host": "log.example.org"}).status_code == 200


def test_a_claim_that_holds(web, files, case):
    answer = web.post(f"{API}/claims", files=files)
    assert answer.status_code == 200, answer.text
    claim = answer.json()
    assert claim["holds"]
    assert claim["logged_at"] == 30
    assert claim["key_sha256"] == case.public.digest.hex()
    assert claim["security_bits"] >= 100
    assert claim["verdict"] == "holds"
    assert claim["model_words"] == spoken(bytes.fromhex(claim["model_sha256"]))
    assert "pixels 0 to 255" in claim["reading"]
    assert {"you", "this computer"} <= {said["who"] for said in claim["who_says"]}


def test_the_judge_says_how_the_model_is_read(web, files):
    """His word reaches the verifier: another reading is another classifier."""
    for word in ({"pixels": "unit"}, {"mean": "0.5", "std": "0.25"}):
        claim = web.post(f"{API}/claims", files=files, data=word).json()
        assert (claim["verdict"], claim["check"]) == ("refuted", "circuit"), word
        assert claim["reason"].startswith("read as you say")
    assert "mean 0.5, std 0.25" in claim["reading"]
    for word, said in (
        ({"output": "<b>none"}, "output"),
        ({"layout": "NHWC"}, "images of (N, 1, 8, 8)"),
        ({"layout": "odd"}, "layout"),
        ({"colours": "bgr"}, "blue can be first of three"),
        ({"colours": "green"}, "colours"),
        ({"shape": "1x9x9"}, "1x9x9"),
        ({"shape": "odd"}, "not an image shape"),
        ({"mean": "a"}, "list of numbers"),
        ({"std": "0"}, "not above 0"),
        ({"std": "nan"}, "no number"),
        ({"mean": "1,2"}, "2 numbers"),
    ):
        answer = web.post(f"{API}/claims", files=files, data=word)
        assert answer.status_code == 422, (word, answer.text)
        assert said in answer.json()["error"], word


def test_all_of_a_reading_can_be_said(web):
    """Whoever reads by the page what commands read otherwise would refute a true claim."""
    file = UploadFile(io.BytesIO())
    words = {"pixels": "unit", "mean": "0.4", "std": "0.2", "colours": "bgr", "layout": "NHWC"}
    words |= {"shape": "3x8x9", "output": "scores"}
    said = asyncio.run(claim_upload(file, file, file, **words)).reading
    assert said == Reading("unit", (0.4,), (0.2,), "NHWC", (3, 8, 9), "scores", blue_first=True)
    plain = Reading()
    assert all(getattr(said, f.name) != getattr(plain, f.name) for f in fields(Reading))
    page = web.get("/verify").text
    assert all(f'name="{name}"' in page for name in signature(claim_upload).parameters)


def test_weights_come_with_their_model(web, files, case, tmp_path):
    split = tmp_path / "split.onnx"
    onnx.save(
        onnx.load(case.model),
        split,
        save_as_external_data=True,
        location="split.weights",
        size_threshold=0,
    )
    parts = [*(files | {"model": split.read_bytes()}).items()]
    alone = web.post(f"{API}/claims", files=parts)
    assert alone.status_code == 422
    assert "split.weights" in alone.json()["error"]
    weights = (tmp_path / "split.weights").read_bytes()
    claim = web.post(
        f"{API}/claims", files=[*parts, ("weights", ("split.weights", weights))]
    ).json()
    assert claim["model_sha256"] == model_file(split).digest.hex()


def test_the_judges_own_pictures_are_compared(web, files):
    digits = [encoded(image * 15) for image in load_digits().images[:3].astype(np.uint8)]
    parts = [*files.items(), *(("pictures", ("digit.png", data)) for data in digits)]
    claim = web.post(f"{API}/claims", files=parts).json()
    assert {"name": "pictures of the judge", "pictures": 3, "agreeing": 3} in claim["agreement"]


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n", "none of PNG"),
        (b"nonsense", "none of PNG"),
        (encoded(np.zeros((9, 8), np.uint8)), "is 9x8, the model takes 8x8"),
    ],
    ids=["PostScript", "nonsense", "size"],
)
def test_pictures_that_cannot_be_read(web, files, picture, said):
    parts = [*files.items(), ("pictures", ("p.png", picture))]
    answer = web.post(f"{API}/claims", files=parts)
    assert answer.status_code == 422
    assert said in answer.json()["error"]
    assert "<_io" not in answer.text


def test_claims_that_do_not_hold_or_cannot_be_read(web, files):
    damaged = files | {"claim": flip(files["claim"], len(files["claim"]) // 2)}
    claim = web.post(f"{API}/claims", files=damaged).json()
    assert claim["holds"] is False
    assert claim["check"]
    page = web.post("/verify", files=damaged)
    assert page.status_code == 200
    assert "The claim does not hold" in page.text
    for part, words in (("model", "ONNX"), ("key", "public key"), ("claim", "claim")):
        answer = web.post(f"{API}/claims", files=files | {part: b"nonsense" * 100})
        assert answer.status_code == 422, (part, answer.text)
        assert words in answer.json()["error"]
        assert "/tmp" not in answer.text  # noqa: S108
    cut = web.post(f"{API}/claims", files=files | {"claim": files["claim"][:-3]})
    assert "cut short" in cut.json()["error"]


def test_a_form_that_is_incomplete_or_broken(web, files):
    answer = web.post(f"{API}/claims", files={"model": b"x"})
    assert answer.status_code == 422
    assert "Field required" in answer.json()["error"]
    answer = web.post(f"{API}/claims", data={"model": "x", "key": "y", "claim": "z"})
    assert answer.status_code == 422
    broken = {"Content-Type": "multipart/form-data"}
    assert web.post(f"{API}/claims", content=b"--x", headers=broken).status_code == 400
    assert web.post("/verify", files={"model": b"x"}).status_code == 422


def test_limits_of_size(case, files):
    with client(replace(case.settings, upload_bytes=10_000)) as web:
        answer = web.post(f"{API}/claims", files=files)
        assert answer.status_code == 413
        assert "at most 10000 bytes" in answer.json()["error"]

        def drip():
            yield b'--x\r\nContent-Disposition: form-data; name="model"; filename="m"\r\n\r\n'
            for _ in range(100):
                yield bytes(1000)

        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        assert web.post(f"{API}/claims", content=drip(), headers=headers).status_code == 413
        assert web.request("GET", "/", content=bytes(2**17)).status_code == 413


def test_limits_of_rate(case):
    settings = replace(case.settings, requests_per_minute=5, claims_per_minute=1)
    with client(settings) as web:
        codes = [web.get(f"{API}/log").status_code for _ in range(7)]
        assert codes == [200] * 5 + [429] * 2
        claims = [web.post(f"{API}/claims", files={"model": b"x"}) for _ in range(2)]
        assert [answer.status_code for answer in claims] == [422, 429]
        assert claims[1].headers["retry-after"] == "60"


def test_a_worker_is_limited_in_time_and_memory(case, files):
    with client(replace(case.settings, claim_seconds=0, claim_bytes=2**40)) as web:
        answer = web.post(f"{API}/claims", files=files)
        assert answer.status_code == 422
        assert re.search("longer than 0 s|without an answer", answer.json()["error"])
    with client(replace(case.settings, claim_bytes=2**27)) as web:
        answer = web.post(f"{API}/claims", files=files)
        assert answer.status_code == 422
        assert re.search("more memory", answer.json()["error"])


def test_one_claim_at_a_time(case, files):
    """While one claim is checked, another is told to come again."""
    import httpx

    async def ask():
        transport = httpx.ASGITransport(create_app(case.settings))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as web:
            posts = [web.post(f"{API}/claims", files=files, timeout=None) for _ in range(2)]
            return sorted(answer.status_code for answer in await asyncio.gather(*posts))

    assert asyncio.run(ask()) == [200, 503]


def test_a_new_checkpoint_is_shown_and_a_forged_one_is_not(tmp_path, case):
    log = create_log(tmp_path / "log", LOG)
    settings = replace(case.settings, folder=log.folder, witnesses=())
    with client(settings) as web:
        assert web.get(f"{API}/log").json()["size"] == 0
        assert web.get("/").status_code == 200
        log.append(digest_entry(bytes(32)))
        log.checkpoint(LOG)
        assert web.get(f"{API}/log").json()["size"] == 1
        other = create_log(tmp_path / "other", OTHER_LOG)
        (log.folder / "checkpoint").write_bytes((other.folder / "checkpoint").read_bytes())
        answer = web.get(f"{API}/log")
        assert answer.status_code == 503
        assert str(tmp_path) not in answer.text
        assert web.get("/").status_code == 503
    with pytest.raises(VerificationError, match="not signed by"):
        create_app(settings)
