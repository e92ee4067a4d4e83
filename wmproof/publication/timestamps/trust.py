"""The certificates that a verifier trusts, given explicitly; the system's store is never used."""

import os

from cryptography import x509

from wmproof._base.files import read_file
from wmproof.errors import FormatError

ROOTS_LIMIT = 1 << 20


def parse_roots(data: bytes, where: str = "roots") -> tuple[x509.Certificate, ...]:
    """Parse one or more PEM certificates, or one in DER.

    Raises
    ------
    FormatError
        There is none, or one does not parse.
    """
    try:
        if data[:1] == b"\x30":
            roots: tuple[x509.Certificate, ...] = (x509.load_der_x509_certificate(data),)
        else:
            roots = tuple(x509.load_pem_x509_certificates(data))
        for root in roots:
            root.extensions  # noqa: B018 - extensions are parsed on access only
    except (ValueError, x509.InvalidVersion) as error:
        raise FormatError(
            "is not a file of certificates in PEM, nor one in DER",
            where=where,
            remedy="Give the authority's root",
        ) from error
    return tuple(dict.fromkeys(roots))


def load_roots(path: str | os.PathLike[str]) -> tuple[x509.Certificate, ...]:
    """Read a file of certificates; errors as `parse_roots` and `read_file`."""
    return parse_roots(read_file(path, limit=ROOTS_LIMIT), str(path))
