"""A server that misbehaves, over a real connection: every kind of reply has its own error."""

import contextlib
import dataclasses
import gzip
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from wmproof.core.triggers import TriggerSet
from wmproof.errors import InputError
from wmproof.models.base import trigger_hits
from wmproof.models.open_inference import Limits, OpenInferenceClassifier
from wmproof.models.open_inference.transport import check_endpoint
from wmproof.models.preparations import Suspect

METADATA = {
    "name": "m",
    "platform": "x",
    "inputs": [{"name": "pixels", "datatype": "UINT8", "shape": [-1, 4, 4]}],
    "outputs": [{"name": "scores", "datatype": "FP32", "shape": [-1, 3]}],
}
LIMITS = Limits(
    requests_per_second=1000, attempts=3, backoff_s=0.001, request_s=300, reply_bytes=20000
)
IMAGES = np.zeros((2, 4, 4), np.uint8)


class Script:
    """What is answered, in order, to the metadata's and to the inference requests."""

    def __init__(self):
        self.metadata = [reply(METADATA)]
        self.infer = []
        self.seen = []

    def next(self, path):
        if "health" in path:
            return reply({})
        replies = self.infer if path.endswith("/infer") else self.metadata
        return replies.pop(0) if len(replies) > 1 else replies[0]


def reply(body, status=200, **headers):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return status, data, headers, 0.0


@pytest.fixture
def hostile():
    script = Script()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            script.seen.append((self.path, dict(self.headers), body))
            status, data, headers, pause = script.next(self.path)
            self.send_response(status)
            for name, value in ({"content-length": str(len(data))} | headers).items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            try:
                for start in range(0, len(data), 4 if pause else 2**20):
                    self.wfile.write(data[start : start + (4 if pause else 2**20)])
                    time.sleep(pause)
            except OSError:
                pass

        def do_POST(self):
            self.do_GET()

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        script.address = f"http://127.0.0.1:{running.server_port}"
        yield script
        running.shutdown()


def scores(data, shape=(2, 3), datatype="FP32", **fields):
    output = {"name": "scores", "shape": list(shape), "datatype": datatype, "data": data}
    return {"model_name": "m", "outputs": [output]} | fields


GOOD = scores([1, 2, 3, 3, 2, 1])


def classify(script, *replies, limits=LIMITS, **options):
    script.infer = list(replies)
    attempts = []
    model = OpenInferenceClassifier(
        script.address, "m", limits=limits, record=attempts.append, **options
    )
    return model.classify(IMAGES).tolist(), attempts


@pytest.mark.parametrize("announced", [[-1, 3], [-1, -1]])
def test_shares_and_logits_of_an_endpoint_hit_the_same_groups(hostile, announced):
    """Sums of shares, and counts of answers, would miss this group. What it answers decides."""
    outputs = [METADATA["outputs"][0] | {"shape": announced}]
    hostile.metadata = [reply(METADATA | {"outputs": outputs})]
    triggers = TriggerSet(IMAGES, np.array([1, 1]), 3, 2)
    shares = [0.5, 0.499, 0.001, 0.001, 0.2, 0.799]
    hits = []
    for data in (shares, np.log(shares).tolist()):
        for examined in (False, True):
            hostile.infer = [reply(scores(data))]
            model = OpenInferenceClassifier(hostile.address, "m", limits=LIMITS)
            if examined:
                hits.append(Suspect(model, IMAGES.shape[1:]).trials(triggers).trials[0].hits)
            else:
                hits.append(trigger_hits(model, triggers).sum())
    assert hits == [1] * 4
    hostile.infer = [reply(scores([1, 1], [2], "INT64"))]
    assert trigger_hits(model, triggers).all()
    hostile.infer = [reply(scores([1, 2, 3], [1, 3])), reply(scores([1], [1], "INT64"))]
    model = OpenInferenceClassifier(hostile.address, "m", limits=LIMITS, batch=1)
    with pytest.raises(InputError, match="not always answer with the same number of scores"):
        model.logits(IMAGES)


def test_a_busy_server_is_asked_again(hostile):
    busy = [reply(b"", 503), reply(b"", 429, Retry_After="0")]
    answers, attempts = classify(hostile, *busy, reply(GOOD))
    assert answers == [2, 0]
    assert [item.status for item in attempts] == [200, 200, 503, 429, 200]
    assert len({item.request for item in attempts[2:]}) == 1


def test_retry_after_is_obeyed(hostile):
    started = time.monotonic()
    classify(hostile, reply(b"", 429, Retry_After="1"), reply(GOOD))
    assert time.monotonic() - started >= 1


def test_it_is_not_asked_forever(hostile):
    with pytest.raises(InputError, match="status 503"):
        classify(hostile, reply(b"busy", 503))
    assert len([path for path, *_ in hostile.seen if path.endswith("infer")]) == 3


def test_a_request_is_what_the_protocol_says(hostile):
    classify(hostile, reply(GOOD), token="t0ken", model_version="7")
    path, headers, body = hostile.seen[-1]
    assert path == "/v2/models/m/versions/7/infer"
    assert headers["Authorization"] == "Bearer t0ken"
    assert json.loads(body) == {
        "id": "0",
        "inputs": [{"name": "pixels", "shape": [2, 4, 4], "datatype": "UINT8", "data": [0] * 32}],
        "outputs": [{"name": "scores"}],
    }


def test_nested_data_and_names_of_the_request_are_read(hostile):
    nested = scores([[1, 2, 3], [3, 2, 1]], id="0", model_version="7", parameters={"a": 1})
    assert classify(hostile, reply(nested), model_version="7")[0] == [2, 0]


def without(fields, name):
    return {key: value for key, value in fields.items() if key != name}


REPLIES = {
    "no json": (reply(b"<html>"), "no JSON"),
    "no text": (reply(b"\xff\xfe"), "no JSON"),
    "deep": (reply(b"[" * 5000), "no JSON"),
    "no object": (reply([]), "no object"),
    "repeated name": (reply(b'{"model_name":"m","model_name":"m"}'), "repeated"),
    "not a number": (reply(b'{"model_name":"m","outputs":[{"data":[NaN]}]}'), "NaN"),
    "another model": (reply(scores([1] * 6, model_name="n")), "for model 'n'"),
    "another version": (reply(scores([1] * 6, model_version="8")), "for version '8'"),
    "another request": (reply(scores([1] * 6, id="4")), "for request '4'"),
    "no outputs": (reply(without(GOOD, "outputs")), "without the list 'outputs'"),
    "another output": (reply(GOOD | {"outputs": []}), "0 outputs named 'scores'"),
    "too few": (reply(scores([1] * 5)), "5 numbers for the shape 2x3"),
    "shape of others": (reply(scores([1] * 3, (1, 3))), "neither scores"),
    "more classes": (reply(scores([1] * 8, (2, 4))), "neither scores"),
    "huge shape": (reply(scores([1], (2**40, 2**40))), "1 numbers"),
    "empty and huge": (reply(scores([], (0, 2**40, 2**40))), "0 numbers"),
    "many axes": (reply(scores([1], [1] * 100)), "1 numbers"),
    "negative shape": (reply(scores([1], (-1, -1))), "1 numbers"),
    "shape of text": (reply(scores([1], "23")), "list of integers"),
    "text": (reply(scores(["a"] * 6)), "even lists of numbers"),
    "booleans": (reply(scores([True, 2, 3, 3, 2, 1])), "even lists of numbers"),
    "nothing": (reply(scores([None] * 6)), "even lists of numbers"),
    "uneven": (reply(scores([[1, 2, 3], [3, 2]])), "even lists of numbers"),
    "no data": (reply(scores(None)), "even lists of numbers"),
    "infinite": (reply(scores([1e300] * 6)), "no (finite) FP32"),
    "beyond range": (reply(scores([300] * 6, datatype="UINT8")), "no (finite) UINT8"),
    "fractions": (reply(scores([1.5] * 6, datatype="INT64")), "no (finite) INT64"),
    "beyond all range": (reply(scores([10**30] * 6)), "even lists of numbers"),
    "strings": (reply(scores(["a"] * 6, datatype="BYTES")), "no scores or classes"),
    "refusal": (reply({"error": "no \x1b[31mway"}, 400), "status 400"),
    "redirection": (reply(b"", 307, Location="http://127.0.0.1:1/"), "redirects"),
    "too long": (reply(b" " * 30000), "more than 20000 bytes"),
    "compressed": (reply(gzip.compress(b"{}"), Content_Encoding="gzip"), "compressed"),
    "cut short": (reply(b"{}", content_length="50"), "no reply"),
}


@pytest.mark.parametrize("name", REPLIES)
def test_a_bad_answer_is_named(hostile, name):
    answer, words = REPLIES[name]
    with pytest.raises(InputError) as caught:
        classify(hostile, answer, model_version="7")
    assert words in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_an_answer_that_drips_is_given_up(hostile):
    """The metadata has the same second; a busy machine may need it all, and says so."""
    limits = dataclasses.replace(LIMITS, request_s=1)
    with pytest.raises(InputError, match=r"takes longer than 1 s|TimeoutError"):
        classify(hostile, (200, b" " * LIMITS.reply_bytes, {}, 0.02), limits=limits)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "n"}, "for model 'n'"),
        ({"inputs": []}, "0 inputs"),
        ({"inputs": 2 * METADATA["inputs"]}, "2 inputs"),
        ({"outputs": []}, "0 outputs"),
        ({"inputs": None}, "without the list 'inputs'"),
        ({"inputs": [METADATA["inputs"][0] | {"datatype": "INT64"}]}, "takes INT64"),
        ({"inputs": [METADATA["inputs"][0] | {"shape": [-1, 16]}]}, "takes no images"),
        ({"inputs": [METADATA["inputs"][0] | {"shape": []}]}, "takes no images"),
        ({"inputs": [METADATA["inputs"][0] | {"shape": [-1, 0, 4]}]}, "takes no images"),
        ({"inputs": [METADATA["inputs"][0] | {"shape": [-1, -1, -1]}]}, "open"),
        ({"inputs": [METADATA["inputs"][0] | {"shape": [-1, 4.0, 4]}]}, "list of integers"),
        ({"inputs": [METADATA["inputs"][0] | {"shape": [2**40, 4, 4]}]}, "images at once"),
        ({"inputs": [METADATA["inputs"][0] | {"shape": [-1, 2**40, 4]}]}, "bytes"),
    ],
)
def test_bad_metadata_are_named(hostile, change, words):
    hostile.metadata = [reply(METADATA | change)]
    with pytest.raises(InputError, match=words):
        classify(hostile, reply(GOOD))


def test_nobody_listens():
    limits = Limits(attempts=2, backoff_s=0.001, requests_per_second=1000)
    attempts = []
    with pytest.raises(InputError, match="ConnectError"):
        OpenInferenceClassifier("http://127.0.0.1:1", "m", limits=limits, record=attempts.append)
    assert [item.status for item in attempts] == [0, 0]


@pytest.mark.parametrize(
    "address",
    [
        "",
        "host",
        "ftp://h",
        "http://",
        "http://u:p@h",
        "http://h/?a",
        "http://h#b",
        "http://h:x",
        "http://h/" + 2000 * "a",
    ],
)
def test_bad_addresses(address):
    with pytest.raises(InputError):
        check_endpoint(address)


@pytest.mark.parametrize("address", ["http://xn--", "http://a..b", "http://[::1]x", "http://☃☃"])
def test_names_of_hosts_that_cannot_be(address):
    with pytest.raises(InputError):
        OpenInferenceClassifier(address, "m", limits=LIMITS)


def test_headers_that_drip_are_given_up():
    """A timeout of the client's would start anew with every byte."""
    limits = Limits(requests_per_second=1000, attempts=1, request_s=0.4)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip():
            with contextlib.suppress(OSError), server.accept()[0] as connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                for _ in range(3000):
                    connection.sendall(b"x")
                    time.sleep(0.1)
                connection.sendall(b"\r\nContent-Length: 0\r\n\r\n")

        threading.Thread(target=drip, daemon=True).start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(InputError, match="no reply \\(TimeoutError\\)"):
            OpenInferenceClassifier(address, "m", limits=limits)


def test_a_token_that_no_header_carries_is_not_shown():
    for token in ("s3cret\r\nX: y", "s3crët"):
        with pytest.raises(InputError, match="characters") as caught:
            OpenInferenceClassifier("http://127.0.0.1:1", "m", limits=LIMITS, token=token)
        assert "s3cr" not in str(caught.value)


@pytest.mark.parametrize("name", ["", ".", "..", "a\nb", "\udc80", 1001 * "a"])
def test_bad_names(hostile, name):
    with pytest.raises(InputError, match="cannot be the name"):
        OpenInferenceClassifier(hostile.address, name, limits=LIMITS)
    if name:
        with pytest.raises(InputError, match="cannot be the name"):
            OpenInferenceClassifier(hostile.address, "m", name, limits=LIMITS)
    assert hostile.seen == []


def test_a_token_does_not_travel_in_the_clear():
    with pytest.raises(InputError, match="in the clear"):
        check_endpoint("http://example.org", with_token=True)
    assert check_endpoint("https://example.org/a/", with_token=True) == "https://example.org/a"
