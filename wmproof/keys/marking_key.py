"""mk: the secret trigger set with all randomness, and its encoding before encryption."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import numpy as np

from wmproof._base.reader import Reader
from wmproof.core.triggers import Shape, TriggerSet
from wmproof.errors import InputError
from wmproof.keys.batch import BatchOpening
from wmproof.keys.opening import OpenedTriggers, read_opened_triggers
from wmproof.keys.public_key import PublicKey
from wmproof.keys.signature import SEED_BYTES
from wmproof.keys.verification_key import KeyKind, LabelMode, VerificationKey, read_verification_key


@dataclass(frozen=True, eq=False)
class MarkingKey:
    """mk = (b, r) of the paper's section 3. Secret: its representation shows no part of it.

    Parameters
    ----------
    verification_key : VerificationKey
        The public commitments that belong to it.
    opened : OpenedTriggers
        All l triggers, labels and randomness.
    signing_seed : bytes, optional
        Ed25519 private key, 32 bytes, with which published files are signed.
    revealed : int
        Batches of a bounded key that have been opened so far; they are opened in order.

    Raises
    ------
    InputError
        The parts do not fit each other.
    """

    verification_key: VerificationKey
    opened: OpenedTriggers
    signing_seed: bytes | None = None
    revealed: int = 0

    def __post_init__(self) -> None:
        key = self.verification_key
        self.opened.check_fits(key)
        if not np.array_equal(self.opened.indices, np.arange(len(key))):
            raise InputError(f"a marking key holds all of its {len(key)} triggers in order")
        if self.triggers.image_shape != key.image_shape or self.triggers.classes != key.classes:
            raise InputError("the triggers are not of the verification key's shape and classes")
        if self.signing_seed is not None and len(self.signing_seed) != SEED_BYTES:
            raise InputError(f"a signing key has {SEED_BYTES} bytes")
        if not 0 <= self.revealed <= (key.batches if key.kind is KeyKind.BOUNDED else 0):
            raise InputError(f"{self.revealed} batches cannot have been revealed")

    def __len__(self) -> int:
        return len(self.opened)

    def __repr__(self) -> str:
        return f"MarkingKey(secret, for {self.verification_key!r})"

    @property
    def kind(self) -> KeyKind:
        """Private, public or bounded."""
        return self.verification_key.kind

    @property
    def label_mode(self) -> LabelMode:
        """Derived or secret."""
        return self.verification_key.label_mode

    @property
    def key_id(self) -> bytes:
        """The 32 bytes that name the key in each of its commitments."""
        return self.verification_key.key_id

    @property
    def classes(self) -> int:
        """|L|."""
        return self.verification_key.classes

    @property
    def image_shape(self) -> Shape:
        """(H, W) or (C, H, W)."""
        return self.verification_key.image_shape

    @property
    def triggers(self) -> TriggerSet:
        """All l triggers, opened ones included."""
        return self.opened.triggers

    def embedded(self) -> OpenedTriggers:
        """Return what a marked model carries, with its randomness; see `to_embed`."""
        if self.kind is KeyKind.PUBLIC:
            return self.opened.select(self.verification_key.hidden_indices())
        return self.opened

    def to_embed(self) -> TriggerSet:
        """Return the triggers that Mark embeds.

        All of a private or a bounded key; of a public key only the hidden half T', since anybody
        can read the rest.
        """
        return self.embedded().triggers

    def trigger_dataset(
        self,
        transform: Callable[[Any], Any] | None = None,
        item: Callable[[Any, int], Any] | None = None,
    ) -> Any:
        """Return what Mark embeds as a torch data set, prepared like your own images.

        Parameters
        ----------
        transform, item : callable, optional
            See `wmproof.training.trigger_data.TriggerDataset`, which this returns.

        Raises
        ------
        ModuleNotFoundError
            torch is not installed.
        """
        # By name: keys know no training, and whoever judges has no torch.
        made = import_module("wmproof.training.trigger_data").TriggerDataset
        return made(self, transform, item)

    def public_key(self) -> PublicKey:
        """Return pvk, unsigned: the opened half, with nothing of the hidden one.

        Raises
        ------
        InputError
            The key is not of the public kind.
        """
        if self.kind is not KeyKind.PUBLIC:
            raise InputError(
                f"a {self.kind.name.lower()} key has no public key", remedy="Make one with pkeygen"
            )
        indices = self.verification_key.opened_indices()
        return PublicKey(self.verification_key, self.opened.select(indices))

    def batch_opening(self, batch: int) -> BatchOpening:
        """Return the opening, unsigned, of a batch that has been revealed.

        Raises
        ------
        InputError
            The key has no such batch, or it is still secret.
        """
        indices = self.verification_key.batch_indices(batch)
        if batch > self.revealed:
            raise InputError(
                f"batch {batch} is still secret; {self.revealed} of "
                f"{self.verification_key.batches} have been revealed",
                remedy="Reveal the next one",
            )
        return BatchOpening(self.verification_key, batch, self.opened.select(indices))

    def after_reveal(self) -> MarkingKey:
        """Return the key with one more batch revealed.

        Raises
        ------
        InputError
            The key is not bounded, or all of its batches are spent.
        """
        key = self.verification_key
        if key.kind is not KeyKind.BOUNDED:
            raise InputError(
                f"a {key.kind.name.lower()} key has no batches to reveal",
                remedy="Make a bounded key with keygen --kind bounded",
            )
        if self.revealed == key.batches:
            raise InputError(
                f"all {key.batches} batches have been revealed", remedy="Use a new key"
            )
        return replace(self, revealed=self.revealed + 1)

    def to_secret_bytes(self) -> bytes:
        """Return the canonical encoding that `wmproof.keys.encryption` encrypts."""
        return b"".join(
            (
                self.verification_key.to_bytes(),
                self.opened.to_bytes(),
                self.revealed.to_bytes(4, "big"),
                b"\0" if self.signing_seed is None else b"\1" + self.signing_seed,
            )
        )


def parse_secret_bytes(data: bytes, where: str = "marking key") -> MarkingKey:
    """Parse what `MarkingKey.to_secret_bytes` wrote.

    Raises
    ------
    FormatError
        The bytes are not the canonical encoding of any marking key.
    """
    reader = Reader(data, where)
    key = read_verification_key(reader)
    opened = read_opened_triggers(reader, key, np.arange(len(key), dtype=np.int64))
    revealed = reader.integer(4, "number of revealed batches")
    flag = reader.integer(1, "signing key flag")
    if flag > 1:
        raise reader.error(f"has the unknown signing key flag {flag}")
    seed = reader.take(SEED_BYTES, "signing key") if flag else None
    reader.end()
    try:
        return MarkingKey(key, opened, seed, revealed)
    except InputError as error:
        raise reader.error(f"is inconsistent: {error.what}") from error
