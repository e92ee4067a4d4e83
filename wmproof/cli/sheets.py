"""Contact sheets for commands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wmproof._files import read_file
from wmproof.errors import InputError
from wmproof.keys import LabelMode, PublicKey
from wmproof.report import draw_contact_sheet

_NAMES_LIMIT = 2**24


def read_class_names(path: Path | None, classes: int) -> list[str] | None:
    """Read the names of the classes, one a line.

    Raises
    ------
    InputError
        The file is not UTF-8 text of as many lines as there are classes.
    """
    if path is None:
        return None
    try:
        names = read_file(path, limit=_NAMES_LIMIT).decode().splitlines()
    except UnicodeDecodeError:
        raise InputError("is not UTF-8 text", where=str(path)) from None
    if len(names) != classes:
        raise InputError(f"has {len(names)} names for {classes} classes", where=str(path))
    return names


def public_key_sheet(
    key: PublicKey,
    *,
    class_names: list[str] | None = None,
    coincide: NDArray[np.bool_] | None = None,
) -> bytes:
    """Draw the opened half of a public key; returns a PNG file."""
    vk = key.verification_key
    rule = (
        "No label may be right for its picture."
        if vk.label_mode is LabelMode.SECRET
        else f"Labels are coins: about 1 in {vk.classes} may happen to be right."
    )
    return draw_contact_sheet(
        key.opened,
        title=f"Opened triggers of public key {vk.key_id.hex()[:16]}",
        subtitle=f"{len(key.opened)} of {len(vk)} triggers (n = {vk.security}), "
        f"{vk.classes} classes. {rule}",
        class_names=class_names,
        coincide=coincide,
    )
