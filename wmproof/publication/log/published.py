"""Published keys beside a log, for the logs that show them and not only their digests."""

import os
from pathlib import Path

from wmproof._base.files import make_folder, read_file, write_file
from wmproof.errors import InputError
from wmproof.keys import PublicKey, parse_public_key

KEYS = "keys"
PUBLISHED_LIMIT = 2**28


def publish_key(folder: str | os.PathLike[str], key: PublicKey) -> Path:
    """Keep a public key beside the log; whoever appends it does this first.

    Raises
    ------
    InputError
        It is larger than 2^28 bytes, or cannot be written.
    """
    data = key.to_bytes()
    if len(data) > PUBLISHED_LIMIT:
        raise InputError(f"a key of more than {PUBLISHED_LIMIT} bytes is not kept beside a log")
    path = published_path(folder, key.digest)
    make_folder(path.parent)
    if not path.exists():
        write_file(path, data, overwrite=True)
    return path


def published_path(folder: str | os.PathLike[str], digest: bytes) -> Path:
    """Return where the key with a digest lies if its owner publishes it."""
    return Path(folder) / KEYS / f"{digest.hex()}.pvk"


def load_published(folder: str | os.PathLike[str], digest: bytes) -> PublicKey | None:
    """Read a published key, or return None if only its digest is in the log.

    Raises
    ------
    InputError
        The file is not the key that its name says.
    """
    path = published_path(folder, digest)
    if not path.exists():
        return None
    key = parse_public_key(read_file(path, limit=PUBLISHED_LIMIT), str(path))
    if key.digest != digest:
        raise InputError("is another key than its name says", where=str(path))
    return key
