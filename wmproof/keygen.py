"""KeyGen, PKeyGen and the bounded key (sections 3, 4.1 and appendix A.1.2)."""

from __future__ import annotations

import secrets

import numpy as np
from numpy.typing import NDArray

from wmproof.commitment import Kind, commit_batch, label_messages, new_key_id, new_randomness
from wmproof.errors import InputError
from wmproof.keys.marking_key import MarkingKey
from wmproof.keys.opening import OpenedTriggers
from wmproof.keys.public_key import PublicKey
from wmproof.keys.verification_key import KeyKind, LabelMode, VerificationKey
from wmproof.labels import derive_labels
from wmproof.models.base import Classifier, classify_triggers
from wmproof.triggers import TriggerSet, check_classes, check_distinct, check_images

DEFAULT_SECURITY = 128


def keygen(
    images: NDArray[np.uint8],
    classes: int,
    *,
    label_mode: LabelMode = LabelMode.DERIVED,
    labels: NDArray[np.int64] | None = None,
    reference: Classifier | None = None,
    signing_seed: bytes | None = None,
) -> tuple[MarkingKey, VerificationKey]:
    """KeyGen of section 3: a key for private verification.

    Parameters
    ----------
    images : ndarray of uint8, shape (l, H, W) or (l, C, H, W)
        The trigger images, no two equal.
    classes : int
        |L|, at least 2.
    label_mode : LabelMode
        DERIVED labels follow from the commitments to all images (PROTOCOL section 6); SECRET ones
        are drawn at random.
    labels : ndarray of int64, shape (l,), optional
        Secret labels of the owner's choice: the paper leaves them to him, and an honest owner has
        no use for that. `wmproof.training.false_claims` shows a dishonest one's.
    reference : Classifier, optional
        Stands in for the ground truth: secret labels then differ from its answers. Derived labels
        do not depend on it, or the owner could steer them; `wmproof.verification` says how the
        coincidences are dealt with.
    signing_seed : bytes, optional
        Ed25519 private key, 32 bytes, kept in mk for signing what is published.

    Returns
    -------
    tuple of MarkingKey and VerificationKey

    Raises
    ------
    InputError
        The images, the labels or the number of classes cannot be used.
    """
    key = _generate(
        images, classes, KeyKind.PRIVATE, 1, label_mode, reference, signing_seed, labels
    )
    return key, key.verification_key


def pkeygen(
    images: NDArray[np.uint8],
    classes: int,
    *,
    security: int = DEFAULT_SECURITY,
    label_mode: LabelMode = LabelMode.DERIVED,
    reference: Classifier | None = None,
    signing_seed: bytes | None = None,
) -> tuple[MarkingKey, PublicKey]:
    """PKeyGen of appendix A.1.2: a key with a public half.

    Parameters
    ----------
    images : ndarray of uint8, shape (4 n, H, W) or (4 n, C, H, W)
    security : int
        n: more than n bad elements pass the check with probability below 2**-n. Anything below the
        default of 128 can be forged by whoever has the time; verifiers refuse it unless told.
    classes, label_mode, reference, signing_seed
        As `keygen`. With a seed the public key is signed.

    Returns
    -------
    tuple of MarkingKey and PublicKey

    Raises
    ------
    InputError
        There are not 4 n images, or as `keygen`.
    """
    if security < 1 or len(images) != 4 * security:
        raise InputError(
            f"security {security} needs {4 * security} triggers, and there are {len(images)}"
        )
    key = _generate(images, classes, KeyKind.PUBLIC, 1, label_mode, reference, signing_seed)
    public = key.public_key()
    return key, public if signing_seed is None else public.signed(signing_seed)


def keygen_bounded(
    images: NDArray[np.uint8],
    classes: int,
    *,
    batches: int,
    label_mode: LabelMode = LabelMode.DERIVED,
    reference: Classifier | None = None,
    signing_seed: bytes | None = None,
) -> tuple[MarkingKey, VerificationKey]:
    """Generate a key for bounded public verification (section 4.1): batches, opened one by one.

    Parameters
    ----------
    images : ndarray of uint8, shape (l, H, W) or (l, C, H, W)
        The first l / batches of them are the first batch, and so on.
    batches : int
        How many public verifications the key is good for; divides l.
    classes, label_mode, reference, signing_seed
        As `keygen`.

    Returns
    -------
    tuple of MarkingKey and VerificationKey

    Raises
    ------
    InputError
        The images do not divide into batches, or as `keygen`.
    """
    key = _generate(images, classes, KeyKind.BOUNDED, batches, label_mode, reference, signing_seed)
    return key, key.verification_key


def _generate(
    images: NDArray[np.uint8],
    classes: int,
    kind: KeyKind,
    batches: int,
    label_mode: LabelMode,
    reference: Classifier | None,
    signing_seed: bytes | None,
    labels: NDArray[np.int64] | None = None,
) -> MarkingKey:
    check_classes(classes)
    check_images(images)
    if not len(images):
        raise InputError("a key needs at least one trigger")
    check_distinct(images)
    count = len(images)
    key_id = new_key_id()
    indices = np.arange(count, dtype=np.int64)
    trigger_randomness, label_randomness = new_randomness(count), new_randomness(count)
    trigger_commitments = commit_batch(
        images.reshape(count, -1),
        trigger_randomness,
        key_id=key_id,
        indices=indices,
        kind=Kind.TRIGGER,
    )
    if labels is not None:
        if label_mode is LabelMode.DERIVED or reference is not None:
            raise InputError("labels can be chosen for secret labels without a reference only")
        TriggerSet(images, labels, classes)
    elif label_mode is LabelMode.DERIVED:
        labels = derive_labels(trigger_commitments, key_id=key_id, classes=classes)
    else:
        labels = _draw_labels(images, classes, reference)
    label_commitments = commit_batch(
        label_messages(labels), label_randomness, key_id=key_id, indices=indices, kind=Kind.LABEL
    )
    verification_key = VerificationKey(
        kind,
        label_mode,
        key_id,
        classes,
        images.shape[1:],
        batches,
        trigger_commitments,
        label_commitments,
    )
    triggers = TriggerSet(images, labels, classes)
    opened = OpenedTriggers(indices, triggers, trigger_randomness, label_randomness)
    return MarkingKey(verification_key, opened, signing_seed)


def _draw_labels(
    images: NDArray[np.uint8], classes: int, reference: Classifier | None
) -> NDArray[np.int64]:
    """Draw uniform labels, among the wrong ones where a reference model answers (section 3)."""
    count = len(images)
    if reference is None:
        return np.array([secrets.randbelow(classes) for _ in range(count)], dtype=np.int64)
    unlabelled = TriggerSet(images, np.zeros(count, dtype=np.int64), classes)
    truth = classify_triggers(reference, unlabelled)
    offset = np.array([1 + secrets.randbelow(classes - 1) for _ in range(count)], dtype=np.int64)
    return (truth + offset) % classes
