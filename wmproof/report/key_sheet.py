"""The contact sheet of a public key."""

import numpy as np
from numpy.typing import NDArray

from wmproof.keys import LabelMode, PublicKey
from wmproof.report.contact_sheet import ContactSheet, draw_contact_sheet


def public_key_sheet(
    key: PublicKey,
    *,
    class_names: list[str] | None = None,
    coincide: NDArray[np.bool_] | None = None,
) -> ContactSheet:
    """Draw the opened half of a public key; returns the bytes of a PNG file."""
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
