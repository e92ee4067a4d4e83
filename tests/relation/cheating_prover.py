"""A prover of claims that checks nothing before it proves, and is else as consistent as can be."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sampled import select

from wmproof.argument.algebra.field import P
from wmproof.argument.logup.prover import count_multiplicities
from wmproof.keys import VerificationKey
from wmproof.keys.opening import OpenedTriggers
from wmproof.relation.claim.prover import ClaimProof, inner_commitments, messages_of
from wmproof.relation.hits.statement import HitsStatement
from wmproof.relation.network.tables import LIMB_BITS
from wmproof.relation.openings.sha256.compression import ROUND_CONSTANTS
from wmproof.relation.openings.sha256.kernels import compress_run
from wmproof.relation.openings.sha256.openings import Openings
from wmproof.relation.openings.sha256.statement import Sha256Openings
from wmproof.relation.openings.sha256.witness import witness as sha256_witness
from wmproof.relation.openings.sha256_sis.prover import SisProver
from wmproof.relation.openings.sha256_sis.verifier import SisOpenings

Arrays = Mapping[str, NDArray[Any]]


class Liar(ClaimProof):
    """A claim to which a cheat adds openings, true or not; the inner commitments are the key's."""

    def __init__(self, *args: Any, truth: OpenedTriggers, **options: Any) -> None:
        self._truth = truth
        super().__init__(*args, **options)

    def _shown(self, key: VerificationKey, opened: OpenedTriggers) -> bytes:
        return inner_commitments(key, select(self._truth, opened.indices))

    def _add_openings(self) -> None:
        """Left to the cheat."""


def openings_of(claim: ClaimProof) -> Arrays:
    """The witness of all openings of a claim."""
    return {segment.name: claim.arrays[segment.name] for segment in claim.openings.segments}


def opening_witness(claim: ClaimProof, opened: OpenedTriggers) -> Arrays:
    """The openings of what is opened, computed step by step, whatever the commitments are."""
    secret = messages_of(select(opened, claim.indices))
    if isinstance(claim.openings, SisOpenings):
        return SisProver(claim.openings).witness(secret, claim.arrays)
    assert isinstance(claim.openings, Sha256Openings)
    arrays: dict[str, NDArray[Any]] = {}
    for slots, (kind, openings) in zip(claim.openings.slots, claim.openings.parts, strict=True):
        messages, randomness = secret[kind]
        arrays |= hash_witness(openings, messages[slots.triggers], randomness[slots.triggers])
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
    return replace(opened, triggers=replace(opened.triggers, images=images))


def changed_label(opened: OpenedTriggers, trigger: int, label: int) -> OpenedTriggers:
    """The same with another label of one trigger."""
    labels = opened.triggers.labels.copy()
    labels[trigger] = label
    return replace(opened, triggers=replace(opened.triggers, labels=labels))


def claim_threshold(claim: ClaimProof, threshold: int) -> None:
    """Let a claim say that there were more hits."""
    claim.threshold = threshold
    claim.hit_claim = replace(claim.hit_claim, threshold=threshold)


def claim_hits(claim: ClaimProof, bits: NDArray[np.int64], slack: int = 0) -> None:
    """Let a claim's witness say that these coins hit: every equation of `hits` holds modulo p.

    Parameters
    ----------
    bits : int64 (2^coin_bits,)
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
    """By how much each coin's label beats each class, below 0 where it does not."""
    hits: HitsStatement = claim.hit_claim
    z, label = hits.scores_of(claim._logits), hits.coin_labels(claim._labels)
    margins = z[np.arange(len(z)), label][:, None] - z - hits.leads(label)
    margins[:, claim.circuit.classes :] = 0
    return margins


def commit(claim: ClaimProof, arrays: Arrays) -> None:
    """Put arrays, also of wider types than an honest prover's, in the place of a claim's own."""
    claim.arrays |= arrays
    layout = claim.layout
    layout.segments = tuple(
        replace(segment, dtype=claim.arrays[segment.name].dtype.name) for segment in layout.segments
    )
