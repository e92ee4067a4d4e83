"""Compute the vectors of docs/formats.md from its text alone; imports nothing of wmproof."""

import hashlib
import json
import sys

KEY_ID = bytes(range(32))


def com(kind, index, message, r):
    domain = b"wmproof/com/v1\0\0" + KEY_ID + kind.to_bytes(4, "big") + index.to_bytes(4, "big")
    domain += len(message).to_bytes(8, "big")
    return hashlib.sha256(domain + message + bytes(-len(message) % 64) + r).hexdigest()


def root(leaves):
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    k = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\1" + root(leaves[:k]) + root(leaves[k:])).digest()


def label(leaves, classes, index):
    numbers = b"".join(value.to_bytes(4, "big") for value in (classes, len(leaves), index))
    tag = b"wmproof/derived-label/v1".ljust(32, b"\0")
    digest = hashlib.sha512(tag + KEY_ID + root(leaves) + numbers).digest()
    return int.from_bytes(digest, "big") % classes


def vectors():
    cases = []
    for kind, index, length in [(1, 0, 0), (1, 1, 63), (1, 2, 64), (1, 511, 3072), (2, 7, 4)]:
        message = bytes((3 * i + index) % 256 for i in range(length))
        r = bytes((5 * i + length) % 256 for i in range(64))
        digest = com(kind, index, message, r)
        names = ("kind", "index", "message", "randomness", "commitment")
        cases.append(dict(zip(names, (kind, index, message.hex(), r.hex(), digest), strict=True)))
    leaves = [hashlib.sha256(bytes([i])).digest() for i in range(7)]
    derived = [label(leaves, 10, i) for i in range(7)]
    labels = {"leaves": [leaf.hex() for leaf in leaves], "classes": 10, "root": root(leaves).hex()}
    vk = b"wmpf-vk\0" + bytes([0, 1, 2, 1]) + KEY_ID
    vk += b"".join(value.to_bytes(4, "big") for value in (10, 4, 1, 0, 2, 2)) + bytes(range(256))
    tag = b"wmproof/cut-and-choose/v1".ljust(32, b"\0")
    stream = hashlib.shake_256(tag + vk).digest(1)
    challenge = {"vk": vk.hex(), "e": [stream[0] >> i & 1 for i in range(4)]}
    return {
        "key_id": KEY_ID.hex(),
        "commitments": cases,
        "labels": labels | {"labels": derived},
        "challenge": challenge,
    }


if __name__ == "__main__":
    json.dump(vectors(), sys.stdout, indent=1)
    print()
