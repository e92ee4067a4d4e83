"""Asking an RFC 3161 authority for a token over HTTP (section 3.4)."""

import hashlib
from collections.abc import Sequence

import rfc3161_client
from cryptography import x509

from wmproof.errors import InputError
from wmproof.publication.timestamps.http import DEFAULT_TIMEOUT, exchange
from wmproof.publication.timestamps.rfc3161 import TOKEN_LIMIT, Timestamp, verify_token

_QUERY, _REPLY = "application/timestamp-query", "application/timestamp-reply"


def request_token(
    data: bytes,
    url: str,
    roots: Sequence[x509.Certificate],
    *,
    intermediates: Sequence[x509.Certificate] = (),
    policy: str | None = None,
    timeout: float = DEFAULT_TIMEOUT,
) -> tuple[bytes, Timestamp]:
    """Have SHA-256 of `data` timestamped, and verify the answer at once, with its nonce.

    Returns
    -------
    tuple of bytes and Timestamp
        The TimeStampResp to keep, and what it says.

    Raises
    ------
    InputError
        The data is empty, or the server does not answer as RFC 3161 asks, or not in time.
    VerificationError
        As `verify_token`.
    """
    if not data:
        raise InputError("there is nothing to timestamp: the file is empty")
    request = (
        rfc3161_client.TimestampRequestBuilder()
        .data(data)
        .hash_algorithm(rfc3161_client.base.HashAlgorithm.SHA256)
        .nonce(nonce=True)
        .cert_request(cert_request=True)
        .build()
    )
    reply = exchange(
        "POST",
        url,
        headers={"Content-Type": _QUERY, "Accept": _REPLY, "Accept-Encoding": "identity"},
        body=request.as_bytes(),
        limit=TOKEN_LIMIT,
        timeout=timeout,
    )
    if reply.status != 200 or reply.content_type != _REPLY:
        raise InputError(
            f"does not answer as a timestamp authority (HTTP {reply.status}, "
            f"{reply.content_type[:80] or 'no content type'})",
            where=url,
        )
    stamp = verify_token(
        reply.body,
        hashlib.sha256(data).digest(),
        roots,
        intermediates=intermediates,
        nonce=request.nonce,
        policy=policy,
        where=url,
    )
    return reply.body, stamp
