"""Witness and prover of the claim about hits; `hits` states it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof.argument.element import HALF, Element
from wmproof.argument.extension import empty_tables, inner_product
from wmproof.argument.field import U32, P, to_montgomery
from wmproof.argument.logup import prover as lookup_prover
from wmproof.argument.multilinear import evaluate_base
from wmproof.argument.prover_channel import ProverChannel
from wmproof.argument.sumcheck import prover as sumcheck_prover
from wmproof.relation import boolean_prover, linear_form_prover
from wmproof.relation.hits import MARGIN_BITS, HitsStatement
from wmproof.relation.network_prover import prove_logits
from wmproof.relation.segments import SegmentPoint
from wmproof.relation.tables import LIMB_BITS

Arrays = dict[str, NDArray[Any]]
_PAIR = np.array([[0, 1]], np.int64)


def witness(
    hits: HitsStatement, logits: NDArray[np.int64], labels: NDArray[np.int64]
) -> tuple[Arrays, int]:
    """The segments' entries, and how many triggers hit.

    Parameters
    ----------
    logits : int64 (slots of all chunks, classes)
    labels : int64 (triggers,)
    """
    slots, classes = 1 << hits.slot_bits, 1 << hits.class_bits
    z = np.zeros((slots, classes), np.int64)
    z[: len(logits), : logits.shape[1]] = logits
    label = hits.slot_labels(labels)
    score = z[np.arange(slots), label]
    j = np.arange(classes)
    margins = score[:, None] - z - (j < label[:, None])
    margins[:, logits.shape[1] :] = 0
    bit = (margins.min(axis=1) >= 0) & (np.arange(slots) < hits.triggers)
    margins = margins * bit[:, None]
    count = int(bit.sum())
    slack = max(0, count - hits.threshold)
    if margins.max() >= 1 << MARGIN_BITS:
        raise ValueError("a margin is larger than the circuit's bound on logits allows")
    arrays: Arrays = {
        hits.hits.name: bit.astype(np.uint8),
        hits.scores.name: (score % P).astype(np.uint32),
        hits.limbs[0].name: (margins & ((1 << LIMB_BITS) - 1)).astype(np.uint16),
        hits.limbs[1].name: (margins >> LIMB_BITS).astype(np.uint16),
        hits.slack.name: np.array([slack, 0], np.uint16),
    }
    looked_up = [arrays[segment.name].reshape(-1) for segment in hits.ranges]
    counts = lookup_prover.count_multiplicities(looked_up, LIMB_BITS)
    arrays[hits.range_counts.name] = counts
    if hits.secret:
        arrays[hits.one_hot.name] = (j == label[:, None]).astype(np.uint8)
    return arrays, count


def prove(
    channel: ProverChannel,
    hits: HitsStatement,
    arrays: Mapping[str, NDArray[Any]],
    logits: NDArray[np.int64],
    labels: NDArray[np.int64],
) -> list[SegmentPoint]:
    """Prove at least k hits; parameters as `witness`."""
    return _Prover(channel, hits, arrays, logits, labels).run()


class _Prover:
    def __init__(
        self,
        channel: ProverChannel,
        hits: HitsStatement,
        arrays: Mapping[str, NDArray[Any]],
        logits: NDArray[np.int64],
        labels: NDArray[np.int64],
    ) -> None:
        self._channel, self._hits, self._arrays = channel, hits, arrays
        slots, classes = 1 << hits.slot_bits, 1 << hits.class_bits
        self._z = np.zeros((slots, classes), np.int64)
        self._z[: len(logits), : logits.shape[1]] = logits
        self._labels = hits.slot_labels(labels)
        self._chosen = (np.arange(classes) == self._labels[:, None]).astype(np.int64)

    def run(self) -> list[SegmentPoint]:
        hits, channel = self._hits, self._channel
        points = [boolean_prover.prove(channel, hits.hits, self._arrays[hits.hits.name])]
        if hits.secret:
            points += self._prove_labels()
        columns = [
            self._arrays[segment.name].reshape(1, -1).astype(np.uint32) for segment in hits.ranges
        ]
        counts = self._arrays[hits.range_counts.name]
        found = lookup_prover.prove(channel, hits.range_lookup, columns, counts)
        points.append(SegmentPoint(hits.range_counts, found.multiplicities))
        points += [SegmentPoint(s, p) for s, p in zip(hits.ranges, found.groups, strict=True)]
        points += self._prove_margins()
        points += self._prove_scores()
        terms, weights = hits.count_form()
        points += linear_form_prover.prove(channel, "count", terms, weights, self._arrays)
        return points

    def _prove_labels(self) -> list[SegmentPoint]:
        hits, channel = self._hits, self._channel
        one_hot = self._arrays[hits.one_hot.name]
        points = [boolean_prover.prove(channel, hits.one_hot, one_hot)]
        tau = channel.challenges("labels/tau", hits.slot_bits)
        penalty = channel.challenge("labels/penalty")
        terms, weights = hits.one_hot_form(tau, penalty)
        return points + linear_form_prover.prove(
            channel, "labels/one-hot", terms, weights, self._arrays
        )

    def _prove_margins(self) -> list[SegmentPoint]:
        hits, channel = self._hits, self._channel
        tau = channel.challenges("margins/tau", hits.slot_bits + hits.class_bits)
        limbs = [
            evaluate_base(self._arrays[s.name].reshape(-1).astype(np.uint32), tau)
            for s in hits.limbs
        ]
        channel.send("margins/limbs", limbs)
        score = self._signed(hits.scores.name)[:, None]
        j = np.arange(self._z.shape[1])
        margins = score - self._z - (j < self._labels[:, None])
        margins[:, hits.network.circuit.classes :] = 0
        bits = np.broadcast_to(
            self._arrays[hits.hits.name].astype(np.int64)[:, None], margins.shape
        )
        tables = _tables(bits, margins)
        claim = limbs[0] + Element(1 << LIMB_BITS) * limbs[1]
        r, (bit, margin) = sumcheck_prover.prove(channel, "margins", claim, tau, tables, _PAIR)
        slots, classes = r[: hits.slot_bits], r[hits.slot_bits :]
        value = evaluate_base(self._arrays[hits.scores.name], slots)
        channel.send("margins/values", [bit, margin, value])
        points = [
            *(SegmentPoint(segment, tau) for segment in hits.limbs),
            SegmentPoint(hits.hits, slots),
            SegmentPoint(hits.scores, slots),
        ]
        if hits.secret:
            terms, weights = hits.below_form(slots, classes)
            folded = linear_form_prover.fold_batch(self._arrays[hits.one_hot.name], terms[0])
            channel.send("margins/below", [inner_product(weights[0], folded)])
            points += linear_form_prover.prove(
                channel, "margins/below", terms, weights, self._arrays
            )
        return points + prove_logits(
            channel, hits.network, "margins/logits", slots, classes, self._arrays
        )

    def _prove_scores(self) -> list[SegmentPoint]:
        hits, channel = self._hits, self._channel
        tau = channel.challenges("scores/tau", hits.slot_bits)
        score = evaluate_base(self._arrays[hits.scores.name], tau)
        channel.send("scores/value", [score])
        tables = _tables(self._chosen, self._z)
        point = [*tau, *[HALF] * hits.class_bits]
        claim = score * HALF**hits.class_bits
        r, (chosen, logit) = sumcheck_prover.prove(channel, "scores", claim, point, tables, _PAIR)
        channel.send("scores/logit", [logit])
        points = [SegmentPoint(hits.scores, tau)]
        if hits.secret:
            channel.send("scores/chosen", [chosen])
            points.append(SegmentPoint(hits.one_hot, r))
        slots, classes = r[: hits.slot_bits], r[hits.slot_bits :]
        return points + prove_logits(
            channel, hits.network, "scores/logits", slots, classes, self._arrays
        )

    def _signed(self, name: str) -> NDArray[np.int64]:
        values = self._arrays[name].astype(np.int64)
        return np.where(values > P // 2, values - P, values)


def _tables(*arrays: NDArray[np.int64]) -> U32:
    tables = empty_tables(len(arrays), arrays[0].size)
    tables[:] = 0
    for table, array in zip(tables, arrays, strict=True):
        canonical = (array.reshape(-1) % P).astype(np.uint32)
        table[0, : array.size] = to_montgomery(canonical)
    return tables
