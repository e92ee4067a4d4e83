"""KeyGen, PKeyGen and the bounded key (sections 3, 4.1 and appendix A.1.2)."""

import secrets

import numpy as np
from numpy.typing import NDArray

from wmproof.commitment import (
    SCHEMES,
    Kind,
    Places,
    Scheme,
    label_messages,
    new_key_id,
    new_randomness,
)
from wmproof.core.policy import DEFAULT_SECURITY
from wmproof.core.triggers import TriggerSet, check_classes, check_distinct, trigger_images
from wmproof.errors import InputError
from wmproof.keys.marking_key import MarkingKey
from wmproof.keys.opening import OpenedTriggers
from wmproof.keys.public_key import PublicKey
from wmproof.keys.verification_key import KeyKind, LabelMode, VerificationKey
from wmproof.models.base import Classifier, classify_triggers


def keygen(
    images: NDArray[np.uint8],
    classes: int,
    *,
    label_mode: LabelMode = LabelMode.DERIVED,
    labels: NDArray[np.int64] | None = None,
    reference: Classifier | None = None,
    signing_seed: bytes | None = None,
    group: int = 1,
) -> tuple[MarkingKey, VerificationKey]:
    """KeyGen of the paper's section 3: a key for private verification.

    Parameters
    ----------
    images : ndarray of uint8, shape (l, H, W) or (l, C, H, W)
        The trigger images, no two equal; or a tensor, or a list of PIL images.
    classes : int
        |L|, at least 2.
    label_mode : LabelMode
        DERIVED labels follow from the commitments to all images; SECRET ones are drawn at random,
        and a judge must be told to accept them.
    labels : ndarray of int64, shape (l,), optional
        Secret labels of the owner's choice: the paper leaves them to him, and an honest owner has
        no use for that. `wmproof.training.false_claims` shows a dishonest one's.
    reference : Classifier, optional
        Stands in for the ground truth: secret labels then differ from its answers. Derived labels
        do not depend on it, or the owner could steer them; `wmproof.verification` says how the
        coincidences are dealt with.
    signing_seed : bytes, optional
        Ed25519 private key, 32 bytes, kept in mk for signing what is published.
    group : int
        How many images in a row get one derived label, and are one coin; divides l.

    Raises
    ------
    InputError
        The images, the labels or the number of classes cannot be used.
    """
    key = _generate(
        images,
        classes,
        KeyKind.PRIVATE,
        1,
        label_mode,
        reference,
        signing_seed,
        labels,
        group=group,
    )
    return key, key.verification_key


def pkeygen(
    images: NDArray[np.uint8],
    classes: int,
    *,
    security: int = DEFAULT_SECURITY,
    label_mode: LabelMode = LabelMode.DERIVED,
    scheme: Scheme = Scheme.SHA256_SIS,
    reference: Classifier | None = None,
    signing_seed: bytes | None = None,
    group: int = 1,
) -> tuple[MarkingKey, PublicKey]:
    """PKeyGen of appendix A.1.2: a key with a public half.

    Parameters
    ----------
    images : ndarray of uint8, shape (4 n group, H, W) or (4 n group, C, H, W)
    security : int
        n: more than n bad elements pass the check with probability below 2**-n. Anything below the
        default of 128 can be forged by whoever has the time; verifiers refuse it unless told.
    scheme : Scheme
        Of the commitments. SHA256_SIS makes claims cheaper to prove; SHA256 needs no assumption
        but SHA-256's.
    classes, label_mode, reference, signing_seed, group
        As `keygen`. With a seed the public key is signed. A group is opened or hidden as a whole.

    Raises
    ------
    InputError
        There are not 4 n groups of images, or as `keygen`.
    """
    if security < 1 or group < 1 or len(images) != 4 * security * group:
        raise InputError(
            f"security {security} needs {4 * security * group} triggers, "
            f"and there are {len(images)}"
        )
    key = _generate(
        images,
        classes,
        KeyKind.PUBLIC,
        1,
        label_mode,
        reference,
        signing_seed,
        scheme=scheme,
        group=group,
    )
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
    """Generate a key for bounded public verification (the paper's section 4.1).

    Parameters
    ----------
    images : ndarray of uint8, shape (l, H, W) or (l, C, H, W)
        The first l / batches of them are the first batch, and so on.
    batches : int
        How many public verifications the key is good for; divides l.
    classes, label_mode, reference, signing_seed
        As `keygen`.

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
    scheme: Scheme = Scheme.SHA256,
    group: int = 1,
) -> MarkingKey:
    check_classes(classes)
    images = trigger_images(images)
    if not len(images):
        raise InputError("a key needs at least one trigger")
    if group < 1 or len(images) % group:
        raise InputError(f"{len(images)} triggers are no whole groups of {group}")
    check_distinct(images, group=group)
    count = len(images)
    if labels is not None and (label_mode is LabelMode.DERIVED or reference is not None):
        raise InputError("only secret labels without a reference can be chosen")
    if label_mode is LabelMode.SECRET and labels is None:
        labels = _draw_labels(images, classes, reference)
    key_id, randomness = new_key_id(), new_randomness(count, scheme)
    indices = np.arange(count, dtype=np.int64)
    commit = SCHEMES[scheme].commit
    label_randomness, label_commitments = None, None
    if labels is not None:
        TriggerSet(images, labels, classes)
        label_randomness = new_randomness(count, scheme)
        label_commitments = commit(
            label_messages(labels), label_randomness, Places(key_id, indices, Kind.LABEL)
        )
    verification_key = VerificationKey(
        kind,
        label_mode,
        key_id,
        classes,
        images.shape[1:],
        batches,
        commit(images.reshape(count, -1), randomness, Places(key_id, indices, Kind.TRIGGER)),
        label_commitments,
        scheme=scheme,
        group=group,
    )
    chosen = verification_key.derived_labels() if labels is None else labels
    triggers = TriggerSet(images, chosen, classes, group)
    opened = OpenedTriggers(indices, triggers, randomness, label_randomness)
    return MarkingKey(verification_key, opened, signing_seed)


def _draw_labels(
    images: NDArray[np.uint8], classes: int, reference: Classifier | None
) -> NDArray[np.int64]:
    """Draw uniform labels, among the wrong ones where a reference model answers."""
    count = len(images)
    if reference is None:
        return np.array([secrets.randbelow(classes) for _ in range(count)], dtype=np.int64)
    unlabelled = TriggerSet(images, np.zeros(count, dtype=np.int64), classes)
    truth = classify_triggers(reference, unlabelled)
    offset = np.array([1 + secrets.randbelow(classes - 1) for _ in range(count)], dtype=np.int64)
    return (truth + offset) % classes
