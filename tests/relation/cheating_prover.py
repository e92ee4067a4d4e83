"""A prover of claims that checks nothing before it proves, and is else as consistent as can be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof.argument.field import P
from wmproof.argument.logup.prover import count_multiplicities
from wmproof.commitment import Kind, label_messages
from wmproof.keys.opening import OpenedTriggers
from wmproof.relation.claim_prover import ClaimProof
from wmproof.relation.hits import HitsStatement
from wmproof.relation.sha256.compression import ROUND_CONSTANTS, compress_run
from wmproof.relation.sha256.statement import Openings
from wmproof.relation.sha256.witness import witness as sha256_witness
from wmproof.relation.tables import LIMB_BITS
from wmproof.triggers import TriggerSet

Arrays = Mapping[str, NDArray[Any]]


class Liar(ClaimProof):
    """A claim to which a cheat adds openings, true or not."""

    def _add_openings(self) -> None:
        """Left to the cheat."""


def openings_of(claim: ClaimProof) -> Arrays:
    """The bits of all openings of a claim."""
    return {
        segment.name: claim.arrays[segment.name]
        for _, _, opening in claim.openings
        for segment in opening.segments
    }


def hashed(claim: ClaimProof, opened: OpenedTriggers) -> Arrays:
    """SHA-256 of what is opened, step by step, whatever the commitments are."""
    arrays: dict[str, NDArray[Any]] = {}
    count = len(claim.indices)
    for chunk, kind, opening in claim.openings:
        images = opened.triggers.images.reshape(count, -1)
        messages, randomness = {
            Kind.TRIGGER: (images, opened.trigger_randomness),
            Kind.LABEL: (label_messages(opened.triggers.labels), opened.label_randomness),
        }[kind]
        slots = chunk.triggers(count)
        arrays |= hash_witness(opening, messages[slots], randomness[slots])
    return arrays


def hash_witness(
    opening: Openings, messages: NDArray[np.uint8], randomness: NDArray[np.uint8]
) -> Arrays:
    """As `sha256.witness`, for the digests that come out."""
    blocks = np.zeros((len(messages), opening.blocks, 64), np.uint8)
    flat = blocks.reshape(len(messages), -1)
    flat[:, : opening.message_bytes] = messages
    blocks[:, opening.random_block] = randomness
    blocks[:, -1] = np.frombuffer(opening.padding_block, np.uint8)
    states = opening.initial_states.copy()
    words = np.ascontiguousarray(blocks).view(">u4").astype(np.uint32)
    bits = np.zeros((len(messages), opening.blocks, 1 << 13), np.uint8)
    compress_run(0, len(messages), states, words, ROUND_CONSTANTS, bits)
    return sha256_witness(replace(opening, digests=states), messages, randomness)


def changed_image(opened: OpenedTriggers, trigger: int, byte: int) -> OpenedTriggers:
    """The same with one byte of one image changed by 1."""
    images = opened.triggers.images.copy()
    images[trigger].reshape(-1)[byte] ^= 1
    triggers = TriggerSet(images, opened.triggers.labels, opened.triggers.classes)
    return replace(opened, triggers=triggers)


def changed_label(opened: OpenedTriggers, trigger: int, label: int) -> OpenedTriggers:
    """The same with another label of one trigger."""
    labels = opened.triggers.labels.copy()
    labels[trigger] = label
    triggers = TriggerSet(opened.triggers.images, labels, opened.triggers.classes)
    return replace(opened, triggers=triggers)


def claim_threshold(claim: ClaimProof, threshold: int) -> None:
    """Let a claim say that there were more hits."""
    claim.threshold = threshold
    claim.hit_claim = replace(claim.hit_claim, threshold=threshold)


def claim_hits(claim: ClaimProof, bits: NDArray[np.int64], slack: int = 0) -> None:
    """Let a claim's witness say that these slots hit: every equation of `hits` holds modulo p.

    Parameters
    ----------
    bits : int64 (2^slot_bits,)
        Any bytes; limbs are what the equations make of them, in the range or not.
    slack : int
        What is left of the count.
    """
    hits, margins = claim.hit_claim, margins_of(claim)
    margins = margins * bits[:, None] % P
    arrays: dict[str, NDArray[Any]] = {
        hits.hits.name: bits.astype(np.uint8),
        hits.limbs[0].name: (margins & ((1 << LIMB_BITS) - 1)).astype(np.uint16),
        hits.limbs[1].name: (margins >> LIMB_BITS).astype(np.uint16),
        hits.slack.name: np.array([slack % P, 0], np.uint16 if slack >= 0 else np.uint32),
    }
    looked_up = [arrays[segment.name].reshape(-1) for segment in hits.ranges]
    inside = [rows[rows < 1 << LIMB_BITS].astype(np.int64) for rows in looked_up]
    arrays[hits.range_counts.name] = count_multiplicities(inside, LIMB_BITS)
    commit(claim, arrays)


def margins_of(claim: ClaimProof) -> NDArray[np.int64]:
    """By how much each slot's label beats each class, below 0 where it does not."""
    hits: HitsStatement = claim.hit_claim
    logits = claim._logits
    z = np.zeros((1 << hits.slot_bits, 1 << hits.class_bits), np.int64)
    z[: len(logits), : logits.shape[1]] = logits
    label = hits.slot_labels(claim._labels)
    j = np.arange(z.shape[1])
    margins = z[np.arange(len(z)), label][:, None] - z - (j < label[:, None])
    margins[:, logits.shape[1] :] = 0
    return margins


def commit(claim: ClaimProof, arrays: Arrays) -> None:
    """Put arrays, also of wider types than an honest prover's, in the place of a claim's own."""
    claim.arrays |= arrays
    layout = claim.layout
    layout.segments = tuple(
        replace(segment, dtype=claim.arrays[segment.name].dtype.name) for segment in layout.segments
    )
