"""The verifier of the claim about hits; `hits` states it."""

from collections.abc import Sequence

from wmproof.argument.algebra.element import ONE, ZERO, Element
from wmproof.argument.channel import Expression, VerifierChannel, combine, constant
from wmproof.argument.logup import verifier as lookup_verifier
from wmproof.argument.sumcheck import verifier as sumcheck_verifier
from wmproof.relation.boolean import statement as boolean
from wmproof.relation.hits.statement import HitsStatement
from wmproof.relation.linear_form import statement as linear_form
from wmproof.relation.network.tables import LIMB_BITS
from wmproof.relation.network.verifier import Claims, verify_logits
from wmproof.relation.segments import SegmentClaim


def verify(channel: VerifierChannel, hits: HitsStatement) -> Claims:
    """Reduce 'at least k hits' to claims about segments.

    Returns claims about the segments of this statement, and those that the logits come from.
    """
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
    tau = channel.challenges("labels/tau", hits.coin_bits)
    penalty = channel.challenge("labels/penalty")
    terms, weights = hits.one_hot_form(tau, penalty)
    claims += linear_form.verify(
        channel, "labels/one-hot", terms, lambda: (weights, ZERO), constant(ONE)
    )
    return claims


def _margins(channel: VerifierChannel, hits: HitsStatement) -> Claims:
    bits = hits.coin_bits + hits.class_bits
    tau = channel.challenges("margins/tau", bits)
    low, high = channel.receive("margins/limbs", 2)
    total = combine([(ONE, low), (Element(1 << LIMB_BITS), high)])
    r, value = sumcheck_verifier.verify(channel, "margins", total, tau, degree=2)
    coins, classes = r[: hits.coin_bits], r[hits.coin_bits :]
    bit, margin, score = channel.receive("margins/values", 3)
    channel.require_product("margins/product", bit, margin, value)
    claims: Claims = [
        *(SegmentClaim(s, tau, v) for s, v in zip(hits.limbs, (low, high), strict=True)),
        SegmentClaim(hits.hits, coins, bit),
        SegmentClaim(hits.scores, coins, score),
    ]
    if hits.secret:
        (lead,) = channel.receive("margins/below", 1)
        terms, weights = hits.lead_form(coins, classes)
        claims += linear_form.verify(channel, "margins/below", terms, lambda: (weights, ZERO), lead)
    else:
        lead = constant(channel.public(lambda: hits.lead_at(coins, classes)))
    inside = hits.class_indicator(classes)
    own = combine([(inside, score), (-ONE, margin), (-ONE, lead)])
    return claims + _compared(channel, hits, "margins", coins, classes, own)


def _scores(channel: VerifierChannel, hits: HitsStatement) -> Claims:
    tau = channel.challenges("scores/tau", hits.coin_bits)
    (score,) = channel.receive("scores/value", 1)
    point = [*tau, *sumcheck_verifier.halves(hits.class_bits)]
    claim = sumcheck_verifier.halved(score, hits.class_bits)
    r, value = sumcheck_verifier.verify(channel, "scores", claim, point, degree=2)
    coins, classes = r[: hits.coin_bits], r[hits.coin_bits :]
    (logit,) = channel.receive("scores/logit", 1)
    claims: Claims = [SegmentClaim(hits.scores, tau, score)]
    if hits.secret:
        (chosen,) = channel.receive("scores/chosen", 1)
        claims.append(SegmentClaim(hits.one_hot, r, chosen))
        channel.require_product("scores/product", chosen, logit, value)
    else:
        factor = channel.public(lambda: hits.one_hot_at(coins, classes))
        channel.require_zero("scores/product", _difference(factor, logit, value))
    return claims + _compared(channel, hits, "scores", coins, classes, logit)


def _compared(
    channel: VerifierChannel,
    hits: HitsStatement,
    label: str,
    coin_point: Sequence[Element],
    class_point: Sequence[Element],
    value: Expression,
) -> Claims:
    """Reduce 'what is compared has this value at a point' to the logits; those of groups add up."""
    point = coin_point
    if hits.group > 1:
        target = sumcheck_verifier.halved(value, hits.slot_bits)
        halves = sumcheck_verifier.halves(hits.slot_bits)
        point, reduced = sumcheck_verifier.verify(
            channel, f"{label}/sums", target, halves, degree=2
        )
        (value,) = channel.receive(f"{label}/sums/logit", 1)
        factor = channel.public(lambda: hits.members_at(coin_point, point))
        channel.require_zero(f"{label}/sums/product", _difference(factor, value, reduced))
    return verify_logits(channel, hits.network, f"{label}/logits", point, class_point, value)


def _difference(factor: Element, logit: Expression, value: Expression) -> Expression:
    return combine([(factor, logit), (-ONE, value)])
