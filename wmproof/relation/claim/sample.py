"""Which hidden triggers a claim is about where it is not about all: nobody chooses them.

The hidden positions are ranked by a hash of everything that is public and fixed, and the first s of
them are the sample; of a key with groups, the numbers of the hidden groups are. Verifiers compute
it anew; no file says which they are. Neither the threshold nor the size of the chunks is hashed,
which a claimant chooses freely. docs/concepts.md counts what else can be tried until a sample is to
somebody's liking.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

from wmproof.core.triggers import name_coins
from wmproof.errors import InputError
from wmproof.keys import LabelMode, VerificationKey

_TAG = b"wmproof/sample/v1".ljust(32, b"\0")


def draw_sample(
    key: VerificationKey, triggers: int, *, context: bytes, circuit_digest: bytes
) -> NDArray[np.int64]:
    """Return the positions in the key of the hidden triggers that a claim is about, ascending.

    Groups are drawn as a whole.

    Parameters
    ----------
    triggers : int
        s, triggers or groups; all hidden ones are their own sample, and nothing is drawn.
    context : bytes
        32 bytes; a hash of the model's digest and of how its pixels are read.
    circuit_digest : bytes
        32 bytes.

    Returns
    -------
    int64 array (s * group,)

    Raises
    ------
    InputError
        There are not so many hidden triggers, or the owner chose their labels.
    """
    if triggers == key.hidden_coins:
        return key.hidden_indices()
    hidden = key.hidden_indices()[:: key.group] // key.group
    if not 1 <= triggers < len(hidden):
        raise InputError(
            f"a claim about {triggers} {name_coins(key.group)} of a key that hides {len(hidden)}",
            remedy="Give --triggers a number from 1 to that",
        )
    if key.label_mode is LabelMode.SECRET:
        raise InputError(
            "the owner chose this key's labels, so that no sample of its triggers has a strength: "
            "what he made easy to hit is hit in every sample",
            remedy="Claim --triggers all, or make a key with --labels derived",
        )
    seed = hashlib.sha256(
        b"".join((_TAG, key.digest, context, circuit_digest, triggers.to_bytes(4, "big")))
    ).digest()
    ranked = sorted(
        hidden.tolist(), key=lambda i: hashlib.sha256(seed + int(i).to_bytes(4, "big")).digest()
    )
    first = key.group * np.array(sorted(ranked[:triggers]), np.int64)
    return (first[:, None] + np.arange(key.group)).ravel()
