import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

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
    asked: datetime
    answered: datetime


@pytest.fixture(scope="session")
def case(tmp_path_factory) -> Case:
    authority = make_authority(tmp_path_factory.mktemp("authority") / "trusted")
    data = b"a public key, say"
    roots = load_roots(authority.roots)
    asked = datetime.now(UTC)
    token = authority.stamp(data)
    digest = hashlib.sha256(data).digest()
    return Case(authority, roots, data, digest, token, asked, datetime.now(UTC))
