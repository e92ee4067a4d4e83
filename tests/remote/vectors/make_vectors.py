"""Compute the transcript's vector of docs/formats.md from its text alone; no wmproof in here."""

import hashlib
import json
import sys

from nacl.signing import SigningKey

SEED = bytes(range(32))


def number(value, width):
    return value.to_bytes(width, "big")


def transcript():
    names = ("http://127.0.0.1:8080", "digits", "")
    header = b"wmpf-qt\0" + number(1, 2)
    header += b"".join(number(len(name), 2) + name.encode() for name in names)
    header += bytes(range(32))
    tag = b"wmproof/query-chain/v1".ljust(32, b"\0")
    link = hashlib.sha256(tag + header).digest()
    records = b""
    for kind, status, request, reply in ((1, 200, b"", b""), (3, 0, b"{}", b"ReadTimeout")):
        record = number(kind, 1) + number(1000, 8) + number(1250, 8) + number(status, 2)
        record += number(len(request), 4) + request + number(len(reply), 4) + reply
        link = hashlib.sha256(tag + link + record).digest()
        records += record + link
    body = header + number(2, 4) + records
    key = SigningKey(SEED)
    signature = key.sign(b"wmproof/query-transcript/v1".ljust(32, b"\0") + body).signature
    return body + b"\1" + bytes(key.verify_key) + signature


if __name__ == "__main__":
    data = transcript()
    digest = hashlib.sha256(data).hexdigest()
    json.dump(
        {"seed": SEED.hex(), "transcript": data.hex(), "sha256": digest}, sys.stdout, indent=1
    )
    print()
