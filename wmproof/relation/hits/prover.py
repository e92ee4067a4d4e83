"""Witness and prover of the claim about hits; `hits` states it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof.argument.algebra.element import HALF, ZERO, Element
from wmproof.argument.algebra.field import U32, P, to_montgomery
from wmproof.argument.algebra.multilinear import evaluate_base, weighted_rows
from wmproof.argument.kernels.extension import empty_tables, inner_product
from wmproof.argument.logup import prover as lookup_prover
from wmproof.argument.prover_channel import ProverChannel
from wmproof.argument.sumcheck import prover as sumcheck_prover
from wmproof.relation.boolean import prover as boolean_prover
from wmproof.relation.hits.statement import MARGIN_BITS, HitsStatement
from wmproof.relation.linear_form import prover as linear_form_prover
from wmproof.relation.network.prover import prove_logits
from wmproof.relation.network.tables import LIMB_BITS
from wmproof.relation.network.verifier import class_weights
from wmproof.relation.segments import SegmentPoint

Arrays = dict[str, NDArray[Any]]
_PAIR = np.array([[0, 1]], np.int64)


def witness(
    hits: HitsStatement, logits: NDArray[np.int64], labels: NDArray[np.int64]
) -> tuple[Arrays, int]:
    """The segments' entries, and how many coins hit.

    Parameters
    ----------
    logits : int64 (slots of all chunks, classes)
    labels : int64 (triggers,)
    """
    z, label = hits.scores_of(logits), hits.coin_labels(labels)
    coins, j = np.arange(len(z)), np.arange(z.shape[1])
    score = z[coins, label]
    margins = score[:, None] - z - hits.leads(label)
    margins[:, logits.shape[1] :] = 0
    bit = (margins.min(axis=1) >= 0) & (coins < hits.coins)
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
    """Prove at least k hits.

    Returns where the verifier will have claims about segments.

    Parameters
    ----------
    channel, hits
    arrays, logits, labels
        As `witness`.
    """
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
        self._logits, self._z = logits, hits.scores_of(logits)
        self._labels = hits.coin_labels(labels)
        j = np.arange(self._z.shape[1])
        self._chosen = (j == self._labels[:, None]).astype(np.int64)

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
        points += linear_form_prover.prove(channel, "count", terms, (weights, ZERO), self._arrays)
        return points

    def _prove_labels(self) -> list[SegmentPoint]:
        hits, channel = self._hits, self._channel
        one_hot = self._arrays[hits.one_hot.name]
        points = [boolean_prover.prove(channel, hits.one_hot, one_hot)]
        tau = channel.challenges("labels/tau", hits.coin_bits)
        penalty = channel.challenge("labels/penalty")
        terms, weights = hits.one_hot_form(tau, penalty)
        return points + linear_form_prover.prove(
            channel, "labels/one-hot", terms, (weights, ZERO), self._arrays
        )

    def _prove_margins(self) -> list[SegmentPoint]:
        hits, channel = self._hits, self._channel
        tau = channel.challenges("margins/tau", hits.coin_bits + hits.class_bits)
        limbs = [
            evaluate_base(self._arrays[s.name].reshape(-1).astype(np.uint32), tau)
            for s in hits.limbs
        ]
        channel.send("margins/limbs", limbs)
        score = self._signed(hits.scores.name)[:, None]
        margins = score - self._z - hits.leads(self._labels)
        margins[:, hits.network.circuit.classes :] = 0
        bits = np.broadcast_to(
            self._arrays[hits.hits.name].astype(np.int64)[:, None], margins.shape
        )
        tables = _tables(bits, margins)
        claim = limbs[0] + Element(1 << LIMB_BITS) * limbs[1]
        r, (bit, margin) = sumcheck_prover.prove(channel, "margins", claim, tau, tables, _PAIR)
        coins, classes = r[: hits.coin_bits], r[hits.coin_bits :]
        value = evaluate_base(self._arrays[hits.scores.name], coins)
        channel.send("margins/values", [bit, margin, value])
        points = [
            *(SegmentPoint(segment, tau) for segment in hits.limbs),
            SegmentPoint(hits.hits, coins),
            SegmentPoint(hits.scores, coins),
        ]
        if hits.secret:
            terms, weights = hits.lead_form(coins, classes)
            folded = linear_form_prover.fold_batch(self._arrays[hits.one_hot.name], terms[0])
            channel.send("margins/below", [inner_product(weights[0], folded)])
            points += linear_form_prover.prove(
                channel, "margins/below", terms, (weights, ZERO), self._arrays
            )
        return points + self._prove_compared("margins", coins, classes)

    def _prove_scores(self) -> list[SegmentPoint]:
        hits, channel = self._hits, self._channel
        tau = channel.challenges("scores/tau", hits.coin_bits)
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
        return points + self._prove_compared("scores", r[: hits.coin_bits], r[hits.coin_bits :])

    def _prove_compared(
        self, label: str, coin_point: Sequence[Element], class_point: Sequence[Element]
    ) -> list[SegmentPoint]:
        hits, channel = self._hits, self._channel
        point = coin_point
        if hits.group > 1:
            tables = empty_tables(2, 1 << hits.slot_bits)
            tables[:] = 0
            tables[0, :, : hits.triggers] = hits.member_weights(coin_point)
            tables[1, :, : len(self._logits)] = self._logits_at(class_point)
            claim = inner_product(tables[0], tables[1]) * HALF**hits.slot_bits
            halves = [HALF] * hits.slot_bits
            point, (_, logit) = sumcheck_prover.prove(
                channel, f"{label}/sums", claim, halves, tables, _PAIR
            )
            channel.send(f"{label}/sums/logit", [logit])
        return prove_logits(
            channel, hits.network, f"{label}/logits", point, class_point, self._arrays
        )

    def _logits_at(self, class_point: Sequence[Element]) -> U32:
        """All slots' logits at a point of the classes: K (4, slots of all chunks)."""
        rows = (self._logits % P).astype(np.uint32)
        return weighted_rows(rows, class_weights(self._hits.network, class_point))

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
