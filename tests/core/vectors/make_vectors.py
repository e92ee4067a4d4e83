"""Compute the vectors of docs/formats.md from its text alone; imports nothing of wmproof."""

import hashlib
import json
import sys

import numpy as np

KEY_ID = bytes(range(32))


def com(kind, index, message, r):
    domain = b"wmproof/com/v1\0\0" + KEY_ID + kind.to_bytes(4, "big") + index.to_bytes(4, "big")
    domain += len(message).to_bytes(8, "big")
    return hashlib.sha256(domain + message + bytes(-len(message) % 64) + r).hexdigest()


def sis_com(kind, index, message, r):
    """v and SHA-256(D || v): v = A (r || m) mod p, column by column."""
    p, rows = 2**31 - 2**24 + 1, 320
    v = np.zeros(rows, np.uint64)
    for j, byte in enumerate(r + message):
        stream = hashlib.shake_128(padded(b"wmproof/sis-matrix/v1") + j.to_bytes(4, "big"))
        column = np.frombuffer(stream.digest(8 * rows), ">u8").astype(np.uint64) % np.uint64(p)
        v = (v + column * np.uint64(byte)) % np.uint64(p)
    shown = v.astype(">u4").tobytes()
    domain = b"wmproof/sis/v1\0\0" + KEY_ID + kind.to_bytes(4, "big") + index.to_bytes(4, "big")
    domain += len(message).to_bytes(8, "big")
    return shown, hashlib.sha256(domain + shown).hexdigest()


def sis_cases():
    cases = []
    for kind, index, length in [(1, 0, 1), (1, 511, 3072), (2, 7, 4)]:
        message = bytes((3 * i + index) % 256 for i in range(length))
        r = bytes((5 * i + length) % 256 for i in range(1272))
        v, digest = sis_com(kind, index, message, r)
        names = ("kind", "index", "length", "v_sha256", "commitment")
        values = (kind, index, length, hashlib.sha256(v).hexdigest(), digest)
        cases.append(dict(zip(names, values, strict=True)))
    return cases


def root(leaves):
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    k = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\1" + root(leaves[:k]) + root(leaves[k:])).digest()


def label_v1(leaves, classes, index):
    numbers = b"".join(value.to_bytes(4, "big") for value in (classes, len(leaves), index))
    tag = b"wmproof/derived-label/v1".ljust(32, b"\0")
    digest = hashlib.sha512(tag + KEY_ID + root(leaves) + numbers).digest()
    return int.from_bytes(digest, "big") % classes


def padded(tag):
    return tag.ljust(32, b"\0")


def key(mode, digests):
    """Four triggers of 2x2 pixels, ten classes, SHA-256, labels for each trigger alone."""
    vk = b"wmpf-vk\0" + bytes([0, 2, 2, mode]) + KEY_ID
    vk += b"".join(value.to_bytes(4, "big") for value in (10, 4, 1, 0, 2, 2))
    return vk + bytes([1, 0, 0, 0, 1]) + bytes(digests)


def coins(vk):
    root = hashlib.sha256(padded(b"wmproof/key-root/v2") + vk).digest()
    tag = padded(b"wmproof/derived-label/v2")
    labels = [hashlib.sha512(tag + root + i.to_bytes(4, "big")).digest() for i in range(4)]
    e = hashlib.shake_256(padded(b"wmproof/cut-and-choose/v2") + root).digest(1)[0]
    return {
        "vk": vk.hex(),
        "root": root.hex(),
        "labels": [int.from_bytes(digest, "big") % 10 for digest in labels],
        "e": [e >> i & 1 for i in range(4)],
    }


def vectors():
    cases = []
    for kind, index, length in [(1, 0, 0), (1, 1, 63), (1, 2, 64), (1, 511, 3072), (2, 7, 4)]:
        message = bytes((3 * i + index) % 256 for i in range(length))
        r = bytes((5 * i + length) % 256 for i in range(64))
        digest = com(kind, index, message, r)
        names = ("kind", "index", "message", "randomness", "commitment")
        cases.append(dict(zip(names, (kind, index, message.hex(), r.hex(), digest), strict=True)))
    leaves = [hashlib.sha256(bytes([i])).digest() for i in range(7)]
    derived = [label_v1(leaves, 10, i) for i in range(7)]
    labels = {"leaves": [leaf.hex() for leaf in leaves], "classes": 10, "root": root(leaves).hex()}
    vk = b"wmpf-vk\0" + bytes([0, 1, 2, 1]) + KEY_ID
    vk += b"".join(value.to_bytes(4, "big") for value in (10, 4, 1, 0, 2, 2)) + bytes(range(256))
    tag = b"wmproof/cut-and-choose/v1".ljust(32, b"\0")
    stream = hashlib.shake_256(tag + vk).digest(1)
    challenge = {"vk": vk.hex(), "e": [stream[0] >> i & 1 for i in range(4)]}
    return {
        "key_id": KEY_ID.hex(),
        "commitments": cases,
        "sis_commitments": sis_cases(),
        "derived": coins(key(1, range(128))),
        "secret": {k: v for k, v in coins(key(2, range(256))).items() if k != "labels"},
        "version 1": {"labels": labels | {"labels": derived}, "challenge": challenge},
    }


if __name__ == "__main__":
    json.dump(vectors(), sys.stdout, indent=1)
    print()
