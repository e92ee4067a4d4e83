"""The verifier of the network's part; `network` states it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from wmproof.argument.channel import Expression, VerifierChannel
from wmproof.argument.element import Element
from wmproof.argument.field import U32
from wmproof.argument.logup import verifier as lookup_verifier
from wmproof.argument.multilinear import eq_table
from wmproof.relation import linear_form
from wmproof.relation.network import NetworkStatement
from wmproof.relation.segments import SegmentClaim

Claims = list[SegmentClaim[Expression]]


def verify(channel: VerifierChannel, network: NetworkStatement) -> Claims:
    """Reduce 'every activation is its table's value' to claims about segments."""
    claims: Claims = []
    for use in network.tables:
        found = lookup_verifier.verify(channel, use.lookup)
        counts = found.multiplicities
        claims.append(SegmentClaim(use.multiplicities, counts.point, counts.values[0]))
        for (chunk, node), group in zip(use.groups, found.groups, strict=True):
            z, y = group.values
            claims.append(SegmentClaim(network.segment(chunk, node), group.point, y))
            terms, nodes = network.node_form(chunk, node, group.point)
            weights = partial(network.node_weights, chunk, node, group.point, nodes)
            label = f"chunk{chunk.index}/z{node}"
            claims += linear_form.verify(channel, label, terms, weights, z)
    return claims


def verify_logits(
    channel: VerifierChannel,
    network: NetworkStatement,
    label: str,
    slot_point: Sequence[Element],
    class_point: Sequence[Element],
    value: Expression,
) -> Claims:
    """Reduce 'the logits, zero behind slots and classes, have this value at a point'."""
    terms, nodes = network.logit_form(slot_point)

    def weights() -> tuple[linear_form.Weights, Element]:
        return network.logit_weights(slot_point, class_weights(network, class_point), nodes)

    return linear_form.verify(channel, label, terms, weights, value)


def class_weights(network: NetworkStatement, class_point: Sequence[Element]) -> U32:
    """eq(class_point, j) for the classes: K (4, classes)."""
    return eq_table(list(class_point))[:, : network.circuit.classes].copy()
