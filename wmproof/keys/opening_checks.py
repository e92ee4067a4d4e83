"""The checks that any opened trigger must pass, whoever opened it: steps 1 and 2 of Verify."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wmproof.commitment import Kind, Places, label_messages, open_batch
from wmproof.core.checks import Check, check, skipped
from wmproof.core.diversity import closest_copies, crowding_bits
from wmproof.core.strength import log2_tail
from wmproof.core.triggers import name_coins
from wmproof.keys.opening import OpenedTriggers
from wmproof.keys.verification_key import LabelMode, VerificationKey
from wmproof.models.base import Classifier, trigger_hits

# Labels that are fresh coins coincide with an independent reference this often by chance.
COINCIDENCE_BITS = 64
# Fair labels crowd as much as is refused with probability below 2**-64.
CROWDING_BITS = 64


def check_commitments(key: VerificationKey, opened: OpenedTriggers) -> Check:
    """Step 2 of Verify: every opened commitment opens."""
    failures, total = [], 0
    for kind, commitments, messages, randomness in _committed(key, opened):
        good = open_batch(
            commitments[opened.indices],
            messages,
            randomness,
            Places(key.key_id, opened.indices, kind),
            key.scheme,
        )
        failures += [(int(index), kind.name.lower()) for index in opened.indices[~good]]
        total += len(opened)
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


def _committed(
    key: VerificationKey, opened: OpenedTriggers
) -> Iterator[tuple[Kind, NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]]:
    """Kind, commitments of the whole key, messages and randomness of everything committed to."""
    images, labels = opened.triggers.messages, label_messages(opened.triggers.labels)
    yield Kind.TRIGGER, key.trigger_commitments, images, opened.trigger_randomness
    if key.label_commitments is not None and opened.label_randomness is not None:
        yield Kind.LABEL, key.label_commitments, labels, opened.label_randomness


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


def check_label_choice(key: VerificationKey, *, accepted: bool) -> Check:
    """Nobody chose the labels, or the judge accepts that the owner did."""
    name = "chosen-labels"
    if key.label_mode is LabelMode.DERIVED:
        return check(name, True, "nobody chose the labels: they follow from the commitments")
    what = "the owner chose the labels, so hits by chance cannot be told from hits that he foresaw"
    return skipped(name, what) if accepted else check(name, False, what)


def check_diversity(key: VerificationKey, opened: OpenedTriggers) -> tuple[Check, Check]:
    """No two opened triggers are copies, and their labels are not crowded in few classes."""
    group = opened.triggers.group
    count, labels = len(opened), opened.triggers.labels[::group]
    pair = closest_copies(opened.triggers.images, group)
    if pair is None:
        copies = check("distinct-triggers", True, f"no two of {count} triggers are copies")
    else:
        first, second = (int(opened.indices[i]) for i in pair)
        what = f"the triggers at positions {first} and {second} are copies, or nearly so"
        copies = check("distinct-triggers", False, what, first=first, second=second)
    bits, most = crowding_bits(labels, key.classes), int(np.bincount(labels).max(initial=0))
    asked = f"{opened.triggers.coins} {name_coins(group)}"
    what = f"the most frequent of {key.classes} labels is on {most} of {asked}"
    if bits > CROWDING_BITS:
        what = f"the labels crowd in few classes, as chance does not make them: {what}"
    numbers = {"most": most, "of": opened.triggers.coins, "bits": round(bits, 1)}
    return copies, check("spread-labels", bits <= CROWDING_BITS, what, **numbers)


@dataclass(frozen=True)
class GroundTruth:
    """Step 1 of Verify, as far as a reference model can stand in for f."""

    check: Check
    coincide: NDArray[np.bool_] | None
    """bool, one for each group, or None: where the label is the reference model's answer; None
    without a reference."""

    @property
    def count(self) -> int:
        """How many labels coincide."""
        return 0 if self.coincide is None else int(self.coincide.sum())


def check_ground_truth(
    key: VerificationKey, opened: OpenedTriggers, reference: Classifier | None, *, forgiven: int = 0
) -> GroundTruth:
    """Step 1 of Verify: every T_L,i != f(t_i).

    Secret labels must all differ from the reference's answers, except `forgiven` of them. Derived
    labels are coins that no owner can steer, so 1/C of them coincide with any answer: then
    the number must only be one that coins give (failing an honest key with probability below
    2**-64), and the caller leaves the coinciding triggers aside; `docs/concepts.md` says why.

    InputError if the reference is for another image shape or number of classes.
    """
    name, count = "ground-truth", opened.triggers.coins
    if reference is None:
        what = "no reference model was given: look at the triggers and their labels yourself"
        return GroundTruth(skipped(name, what), None)
    coincide = trigger_hits(reference, opened.triggers)
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
