"""All schemes' native parts by the byte that names them, and what is the same for each."""

import hmac
import secrets

import numpy as np
from numpy.typing import NDArray

from wmproof.commitment.scheme import Bytes, CommitmentScheme, Places, Scheme
from wmproof.commitment.sha256 import Sha256
from wmproof.commitment.sha256_sis import Sha256Sis
from wmproof.errors import InputError

SCHEMES: dict[Scheme, CommitmentScheme] = {Scheme.SHA256: Sha256(), Scheme.SHA256_SIS: Sha256Sis()}


def new_randomness(count: int, scheme: Scheme) -> Bytes:
    """Draw the randomness of `count` commitments.

    Returns
    -------
    ndarray of uint8, shape (count, randomness_bytes)
        From the system's cryptographic generator; read-only.
    """
    width = SCHEMES[scheme].randomness_bytes
    return np.frombuffer(secrets.token_bytes(count * width), np.uint8).reshape(count, width)


def open_batch(
    commitments: Bytes,
    messages: Bytes,
    randomness: Bytes,
    places: Places,
    scheme: Scheme,
    inner: Bytes | None = None,
) -> NDArray[np.bool_]:
    """Open: tell which commitments are Com(message; randomness), comparing in constant time.

    Parameters
    ----------
    inner : ndarray of uint8, optional
        The inner commitments of messages and randomness, by whoever has computed them.

    Returns
    -------
    ndarray of bool, shape (n,)

    Raises
    ------
    InputError
        The shapes do not fit each other.
    """
    expected = SCHEMES[scheme].commit(messages, randomness, places, inner)
    if commitments.shape != expected.shape:
        raise InputError(f"{len(messages)} messages have no commitments of {commitments.shape}")
    pairs = zip(expected, commitments, strict=True)
    return np.array([hmac.compare_digest(a.tobytes(), b.tobytes()) for a, b in pairs], dtype=bool)
