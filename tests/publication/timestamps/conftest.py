from __future__ import annotations

import hashlib
from dataclasses import dataclass

import pytest
from local_authority import Authority, make_authority

from wmproof.publication.timestamps.trust import load_roots


@dataclass(frozen=True)
class Case:
    authority: Authority
    roots: tuple
    data: bytes
    digest: bytes
    token: bytes


@pytest.fixture(scope="session")
def case(tmp_path_factory) -> Case:
    authority = make_authority(tmp_path_factory.mktemp("authority") / "trusted")
    data = b"a public key, say"
    roots = load_roots(authority.roots)
    return Case(authority, roots, data, hashlib.sha256(data).digest(), authority.stamp(data))
