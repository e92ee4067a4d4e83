"""Compute the bundle's vector from docs/bundle.md and docs/formats.md; no wmproof in here."""

import hashlib
import json
import sys


def number(value, width):
    return value.to_bytes(width, "big")


def public_key():
    """Four triggers of 2x2 pixels whose commitments open to nothing: only its form is right."""
    vk = b"wmpf-vk\0" + bytes([0, 2, 2, 1]) + bytes(range(32))
    vk += b"".join(number(value, 4) for value in (10, 4, 1, 0, 2, 2))
    vk += bytes([1, 0, 0, 0, 1]) + bytes(range(128))
    root = hashlib.sha256(b"wmproof/key-root/v2".ljust(32, b"\0") + vk).digest()
    tag = b"wmproof/cut-and-choose/v2".ljust(32, b"\0")
    opened = (hashlib.shake_256(tag + root).digest(1)[0] & 15).bit_count()
    return b"wmpf-pk\0" + number(1, 2) + vk + bytes(opened * (4 + 4 + 64)) + b"\0"


def bundle():
    claim = b"wmpf-zk\0" + number(1, 2) + bytes(96) + number(1, 4) + b"\0" + number(2, 4) + b"ab"
    parts = [(1, 0, public_key()), (2, 0, claim), (4, 1, b"token"), (5, 2, b"ots")]
    head = b"wmpf-ev\0" + number(1, 2) + bytes(range(32)) + b"\1" + number(len(parts), 2)
    framed = (bytes([kind, of]) + number(len(c), 4) + c for kind, of, c in parts)
    return head + b"".join(framed)


if __name__ == "__main__":
    data = bundle()
    vector = {"bundle": data.hex(), "sha256": hashlib.sha256(data).hexdigest()}
    json.dump(vector, sys.stdout, indent=1)
    print()
