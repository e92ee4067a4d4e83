"""The certificates that a verifier trusts, given explicitly; the system's store is never used."""

from __future__ import annotations

import os

from cryptography import x509

from wmproof._files import read_file
from wmproof.errors import FormatError

ROOTS_LIMIT = 1 << 20


def parse_roots(pem: bytes, where: str = "roots") -> tuple[x509.Certificate, ...]:
    """Parse one or more PEM certificates.

    Raises
    ------
    FormatError
        There is none, or one does not parse.
    """
    try:
        roots = tuple(x509.load_pem_x509_certificates(pem))
        for root in roots:
            root.extensions  # noqa: B018 - extensions are parsed on access only
    except (ValueError, x509.InvalidVersion) as error:
        raise FormatError(
            "is not a file of PEM certificates", where=where, remedy="Give the authority's root"
        ) from error
    return tuple(dict.fromkeys(roots))


def load_roots(path: str | os.PathLike[str]) -> tuple[x509.Certificate, ...]:
    """Read a file of PEM certificates; errors as `parse_roots` and `read_file`."""
    return parse_roots(read_file(path, limit=ROOTS_LIMIT), str(path))
