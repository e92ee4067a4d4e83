"""The checks that any opened trigger must pass, whoever opened it: steps 1 and 2 of Verify."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wmproof.checks import Check, check, skipped
from wmproof.commitment import Kind, label_messages, open_batch
from wmproof.keys.opening import OpenedTriggers
from wmproof.keys.verification_key import LabelMode, VerificationKey
from wmproof.models.base import Classifier, classify_triggers
from wmproof.strength import log2_tail

# Labels that are fresh coins coincide with an independent reference this often by chance.
COINCIDENCE_BITS = 64


def check_commitments(key: VerificationKey, opened: OpenedTriggers) -> Check:
    """Step 2 of Verify: every opened commitment opens."""
    failures = []
    for kind, commitments, messages, randomness in (
        (
            Kind.TRIGGER,
            key.trigger_commitments,
            opened.triggers.messages,
            opened.trigger_randomness,
        ),
        (
            Kind.LABEL,
            key.label_commitments,
            label_messages(opened.triggers.labels),
            opened.label_randomness,
        ),
    ):
        good = open_batch(
            commitments[opened.indices],
            messages,
            randomness,
            key_id=key.key_id,
            indices=opened.indices,
            kind=kind,
        )
        failures += [(int(index), kind.name.lower()) for index in opened.indices[~good]]
    total = 2 * len(opened)
    if not failures:
        return check("commitments", True, f"all {total} opened commitments open", opened=total)
    index, name = min(failures)
    return check(
        "commitments",
        False,
        f"{len(failures)} of {total} commitments do not open, the first being the {name} "
        f"at position {index}",
        opened=total,
        failed=len(failures),
        first_index=index,
        first_kind=name,
    )


def check_label_derivation(key: VerificationKey, opened: OpenedTriggers) -> Check:
    """Every derived label is the one that the trigger commitments determine."""
    name = "derived-labels"
    if key.label_mode is LabelMode.SECRET:
        return skipped(name, "the labels are the owner's choice (secret labels)")
    wrong = opened.indices[key.derived_labels()[opened.indices] != opened.triggers.labels]
    if not wrong.size:
        return check(name, True, f"all {len(opened)} labels follow from the trigger commitments")
    return check(
        name,
        False,
        f"{wrong.size} of {len(opened)} labels do not follow from the trigger commitments, "
        f"the first at position {wrong[0]}",
        failed=int(wrong.size),
        first_index=int(wrong[0]),
    )


@dataclass(frozen=True)
class GroundTruth:
    """Step 1 of Verify, as far as a reference model can stand in for f.

    Parameters
    ----------
    check : Check
    coincide : ndarray of bool, shape (m,), or None
        Where the label is the reference model's answer; None without a reference.
    """

    check: Check
    coincide: NDArray[np.bool_] | None

    @property
    def count(self) -> int:
        """How many labels coincide."""
        return 0 if self.coincide is None else int(self.coincide.sum())


def check_ground_truth(
    key: VerificationKey,
    opened: OpenedTriggers,
    reference: Classifier | None,
    *,
    forgiven: int = 0,
) -> GroundTruth:
    """Step 1 of Verify: every T_L,i != f(t_i).

    Secret labels must all differ from the reference's answers, but for `forgiven` of them. Derived
    labels are coins that no owner can steer, so 1/C of them coincide with any answer: then
    the number must only be one that coins give (failing an honest key with probability below
    2**-64), and the caller leaves the coinciding triggers aside; `docs/concepts.md` says why.

    Raises
    ------
    InputError
        The reference is for another image shape or number of classes.
    """
    name, count = "ground-truth", len(opened)
    if reference is None:
        what = "no reference model was given: look at the triggers and their labels yourself"
        return GroundTruth(skipped(name, what), None)
    coincide = classify_triggers(reference, opened.triggers) == opened.triggers.labels
    same = int(coincide.sum())
    if key.label_mode is LabelMode.SECRET:
        what = f"{same} of {count} labels are what the reference model answers"
        item = check(name, same <= forgiven, what, coincide=same, of=count, forgiven=forgiven)
        return GroundTruth(item, coincide)
    bits = -log2_tail(count, same, 1 / key.classes)
    what = (
        f"{same} of {count} derived labels coincide with the reference model's answers "
        f"(chance: {count / key.classes:.1f})"
    )
    if bits > COINCIDENCE_BITS:
        what += ", too many for a reference that knows nothing of the key"
    item = check(name, bits <= COINCIDENCE_BITS, what, coincide=same, of=count, bits=round(bits, 1))
    return GroundTruth(item, coincide)
