"""Labels that nobody chose: coins that fall after all trigger images are committed to.

The known attack on the paper's own rule lets a lying accuser commit to adversarial examples with
the labels that other people's models give them (Liu et al., USENIX Security 2024). Here
``T_L,i = RO(root of all c_t, i) mod C``: to change one label the accuser must change an image
commitment, and that changes all labels. From version 2 of the key on the root is a hash of the
whole key, and the challenge comes from it too; in version 1 it was a Merkle tree's over the
commitments, and the challenge hashed more. `docs/formats.md` has the bytes.
"""

import hashlib
import struct
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

_TAG_V1 = b"wmproof/derived-label/v1".ljust(32, b"\0")
_TAG = b"wmproof/derived-label/v2".ljust(32, b"\0")
_SUFFIX_V1 = struct.Struct(">III")
_SUFFIX = struct.Struct(">I")


def merkle_root(leaves: NDArray[np.uint8]) -> bytes:
    """Return the RFC 6962 (section 2.1) Merkle tree hash, SHA-256, of the rows.

    Parameters
    ----------
    leaves : ndarray of uint8, shape (n, width), n >= 1
    """
    level = [hashlib.sha256(b"\0" + leaf.tobytes()).digest() for leaf in leaves]
    # Pairing from the left and carrying an odd last node up gives RFC 6962's tree.
    while len(level) > 1:
        paired = [
            hashlib.sha256(b"\1" + left + right).digest()
            for left, right in zip(level[::2], level[1::2], strict=False)
        ]
        level = paired + level[len(paired) * 2 :]
    return level[0]


def derive_labels(root: bytes, *, count: int, classes: int) -> NDArray[np.int64]:
    """Return the labels that the root of a key determines.

    A 512-bit digest is reduced modulo C, so that no class is likelier than 1/C + 2**-512.

    Parameters
    ----------
    root : bytes
        32 bytes: a hash of the key's header and all of its trigger commitments.
    count : int
        l.
    classes : int
        C, at least 2.

    Returns
    -------
    ndarray of int64, shape (l,), values 0 to C - 1
    """
    return _labels(_TAG + root, (_SUFFIX.pack(index) for index in range(count)), classes)


def derive_labels_v1(
    trigger_commitments: NDArray[np.uint8], *, key_id: bytes, classes: int
) -> NDArray[np.int64]:
    """Return the labels of a key of version 1.

    Parameters
    ----------
    trigger_commitments : ndarray of uint8, shape (l, 32)
        All c_t of the key, in order.
    key_id : bytes
        32 bytes.
    classes : int
        C, at least 2.

    Returns
    -------
    ndarray of int64, shape (l,), values 0 to C - 1
    """
    count = len(trigger_commitments)
    prefix = _TAG_V1 + key_id + merkle_root(trigger_commitments)
    return _labels(prefix, (_SUFFIX_V1.pack(classes, count, i) for i in range(count)), classes)


def _labels(prefix: bytes, suffixes: Iterable[bytes], classes: int) -> NDArray[np.int64]:
    digests = (hashlib.sha512(prefix + suffix).digest() for suffix in suffixes)
    return np.array([int.from_bytes(digest, "big") % classes for digest in digests], dtype=np.int64)
