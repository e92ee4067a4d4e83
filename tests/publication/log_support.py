"""Logs and keys for the tests of the log, and an independent Merkle tree hash."""

import hashlib
import json
from pathlib import Path

from wmproof.publication.log.note import SignatureKind
from wmproof.publication.log.signing import NoteSigner
from wmproof.publication.log.store import Log, create_log

ROOT = Path(__file__).parents[2]
VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text())

LOG = NoteSigner("example.com/log", SignatureKind.ED25519, bytes(range(32)))
OTHER_LOG = NoteSigner("example.com/log", SignatureKind.ED25519, bytes(32))
WITNESS = NoteSigner("witness.example/w1", SignatureKind.COSIGNATURE, bytes(range(1, 33)))
WITNESS_2 = NoteSigner("witness.example/w2", SignatureKind.COSIGNATURE, bytes(range(2, 34)))


def entry(index: int, branch: str = "") -> bytes:
    return f"entry {index}{branch}".encode()


def seeded_log(folder: Path, count: int, *, branch: str = "", fork: int | None = None) -> Log:
    """A log of `count` entries; from `fork` on they are those of another branch."""
    made = create_log(folder, LOG)
    fork = count if fork is None else fork
    made.append_all([entry(i, branch if i >= fork else "") for i in range(count)])
    return made


def tree_hash(entries: list[bytes]) -> bytes:
    """The definition of RFC 6962, section 2.1, word for word."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    k = 1
    while 2 * k < len(entries):
        k *= 2
    return hashlib.sha256(b"\x01" + tree_hash(entries[:k]) + tree_hash(entries[k:])).digest()


def overwrite(path: Path, data: bytes) -> None:
    assert path.exists(), path
    path.write_bytes(data)
