"""Opened commitments: some triggers of a key with their labels and randomness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wmproof._base.arrays import read_only
from wmproof._base.reader import Reader
from wmproof.commitment import LABEL_BYTES, SCHEMES, label_messages
from wmproof.core.triggers import TriggerSet
from wmproof.errors import InputError
from wmproof.keys.verification_key import VerificationKey


@dataclass(frozen=True, eq=False, repr=False)
class OpenedTriggers:
    """(t_i, T_L,i, r_t,i) and, where labels are committed to, r_L,i, for some positions of a key.

    Raises
    ------
    InputError
        The shapes do not fit each other.
    """

    indices: NDArray[np.int64]
    """int64, shape (m,): ascending positions in the key."""
    triggers: TriggerSet
    """m images with their labels."""
    trigger_randomness: NDArray[np.uint8]
    """uint8, shape (m, n): n bytes each, as the key's scheme takes them."""
    label_randomness: NDArray[np.uint8] | None
    """uint8, shape (m, n), or None: None where labels have no commitments
    (`VerificationKey.commits_to_labels`)."""

    def __post_init__(self) -> None:
        count = len(self.triggers)
        expected: dict[str, tuple[int, ...]] = {
            "indices": (count,),
            "trigger_randomness": (count, self.trigger_randomness.shape[-1]),
            "label_randomness": (count, self.trigger_randomness.shape[-1]),
        }
        for name, shape in expected.items():
            value = getattr(self, name)
            if value is None and name == "label_randomness":
                continue
            if value.shape != shape:
                raise InputError(f"{name} has shape {value.shape}, not {shape}")
            object.__setattr__(self, name, read_only(value))

    def __len__(self) -> int:
        return len(self.triggers)

    def __repr__(self) -> str:
        return f"OpenedTriggers({self.triggers!r})"

    def check_fits(self, key: VerificationKey) -> None:
        """Raise InputError unless these have randomness for exactly what the key commits to."""
        if (self.label_randomness is not None) != key.commits_to_labels:
            raise InputError("the randomness of labels does not fit what the key commits to")
        width, needed = self.trigger_randomness.shape[1], SCHEMES[key.scheme].randomness_bytes
        if width != needed:
            raise InputError(f"the randomness has {width} bytes, not {needed}")

    def select(self, positions: NDArray[np.int64]) -> OpenedTriggers:
        """Return the part at these positions of this object (not of the key)."""
        return OpenedTriggers(
            self.indices[positions],
            self.triggers.select(positions),
            self.trigger_randomness[positions],
            None if self.label_randomness is None else self.label_randomness[positions],
        )

    def to_bytes(self) -> bytes:
        """Return images, labels and randomness; the positions are known from elsewhere."""
        return b"".join(
            (
                self.triggers.messages.tobytes(),
                label_messages(self.triggers.labels).tobytes(),
                self.trigger_randomness.tobytes(),
                b"" if self.label_randomness is None else self.label_randomness.tobytes(),
            )
        )


def read_opened_triggers(
    reader: Reader, key: VerificationKey, indices: NDArray[np.int64]
) -> OpenedTriggers:
    """Read what `OpenedTriggers.to_bytes` wrote for these positions of a key.

    Raises
    ------
    FormatError
        The bytes end too early, or a label is no class of the key.
    """
    count, width = len(indices), SCHEMES[key.scheme].randomness_bytes
    size = int(np.prod(key.image_shape))
    images = reader.rows(count, size, "trigger images").reshape(count, *key.image_shape)
    encoded = reader.rows(count, LABEL_BYTES, "labels")
    labels = encoded.view(">u4").astype(np.int64).reshape(count)
    if count and labels.max() >= key.classes:
        raise reader.error(f"has a label that is not within 0 to {key.classes - 1}")
    try:
        triggers = TriggerSet(images, labels, key.classes, key.group)
    except InputError as error:
        raise reader.error(f"is inconsistent: {error.what}") from error
    return OpenedTriggers(
        indices,
        triggers,
        reader.rows(count, width, "randomness of the triggers"),
        reader.rows(count, width, "randomness of the labels") if key.commits_to_labels else None,
    )
