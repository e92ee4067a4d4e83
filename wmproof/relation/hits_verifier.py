"""The verifier of the claim about hits; `hits` states it."""

from __future__ import annotations

from wmproof.argument.channel import Expression, VerifierChannel, combine, constant
from wmproof.argument.element import ONE, ZERO, Element
from wmproof.argument.logup import verifier as lookup_verifier
from wmproof.argument.sumcheck import verifier as sumcheck_verifier
from wmproof.relation import boolean, linear_form
from wmproof.relation.hits import HitsStatement
from wmproof.relation.network_verifier import Claims, verify_logits
from wmproof.relation.segments import SegmentClaim
from wmproof.relation.tables import LIMB_BITS


def verify(channel: VerifierChannel, hits: HitsStatement) -> Claims:
    """Reduce 'at least k hits' to claims about segments."""
    claims = [boolean.verify(channel, hits.hits)]
    if hits.secret:
        claims += _labels(channel, hits)
    found = lookup_verifier.verify(channel, hits.range_lookup)
    counts = found.multiplicities
    claims.append(SegmentClaim(hits.range_counts, counts.point, counts.values[0]))
    for segment, group in zip(hits.ranges, found.groups, strict=True):
        claims.append(SegmentClaim(segment, group.point, group.values[0]))
    claims += _margins(channel, hits)
    claims += _scores(channel, hits)
    terms, weights = hits.count_form()
    target = constant(Element(hits.threshold))
    claims += linear_form.verify(channel, "count", terms, lambda: (weights, ZERO), target)
    return claims


def _labels(channel: VerifierChannel, hits: HitsStatement) -> Claims:
    claims = [boolean.verify(channel, hits.one_hot)]
    tau = channel.challenges("labels/tau", hits.slot_bits)
    penalty = channel.challenge("labels/penalty")
    terms, weights = hits.one_hot_form(tau, penalty)
    claims += linear_form.verify(
        channel, "labels/one-hot", terms, lambda: (weights, ZERO), constant(ONE)
    )
    return claims


def _margins(channel: VerifierChannel, hits: HitsStatement) -> Claims:
    bits = hits.slot_bits + hits.class_bits
    tau = channel.challenges("margins/tau", bits)
    low, high = channel.receive("margins/limbs", 2)
    total = combine([(ONE, low), (Element(1 << LIMB_BITS), high)])
    r, value = sumcheck_verifier.verify(channel, "margins", total, tau, degree=2)
    slots, classes = r[: hits.slot_bits], r[hits.slot_bits :]
    bit, margin, score = channel.receive("margins/values", 3)
    channel.require_product("margins/product", bit, margin, value)
    claims: Claims = [
        *(SegmentClaim(s, tau, v) for s, v in zip(hits.limbs, (low, high), strict=True)),
        SegmentClaim(hits.hits, slots, bit),
        SegmentClaim(hits.scores, slots, score),
    ]
    if hits.secret:
        (below,) = channel.receive("margins/below", 1)
        terms, weights = hits.below_form(slots, classes)
        claims += linear_form.verify(
            channel, "margins/below", terms, lambda: (weights, ZERO), below
        )
    else:
        below = constant(channel.public(lambda: hits.below_at(slots, classes)))
    inside = hits.class_indicator(classes)
    logit = combine([(inside, score), (-ONE, margin), (-ONE, below)])
    claims += verify_logits(channel, hits.network, "margins/logits", slots, classes, logit)
    return claims


def _scores(channel: VerifierChannel, hits: HitsStatement) -> Claims:
    tau = channel.challenges("scores/tau", hits.slot_bits)
    (score,) = channel.receive("scores/value", 1)
    point = [*tau, *sumcheck_verifier.halves(hits.class_bits)]
    claim = sumcheck_verifier.halved(score, hits.class_bits)
    r, value = sumcheck_verifier.verify(channel, "scores", claim, point, degree=2)
    slots, classes = r[: hits.slot_bits], r[hits.slot_bits :]
    (logit,) = channel.receive("scores/logit", 1)
    claims: Claims = [SegmentClaim(hits.scores, tau, score)]
    if hits.secret:
        (chosen,) = channel.receive("scores/chosen", 1)
        claims.append(SegmentClaim(hits.one_hot, r, chosen))
        channel.require_product("scores/product", chosen, logit, value)
    else:
        factor = channel.public(lambda: hits.one_hot_at(slots, classes))
        channel.require_zero("scores/product", _difference(factor, logit, value))
    claims += verify_logits(channel, hits.network, "scores/logits", slots, classes, logit)
    return claims


def _difference(factor: Element, logit: Expression, value: Expression) -> Expression:
    return combine([(factor, logit), (-ONE, value)])
