"""The verifier of the network's part; `network` states it."""

from collections.abc import Sequence
from functools import partial

from wmproof.argument.algebra.element import Element
from wmproof.argument.algebra.field import U32
from wmproof.argument.algebra.multilinear import eq_table
from wmproof.argument.channel import Expression, VerifierChannel
from wmproof.argument.logup import verifier as lookup_verifier
from wmproof.relation.chunks import Chunk
from wmproof.relation.linear_form import statement as linear_form
from wmproof.relation.network.statement import NetworkStatement
from wmproof.relation.product import verifier as product_verifier
from wmproof.relation.segments import SegmentClaim

Claims = list[SegmentClaim[Expression]]


def verify(channel: VerifierChannel, network: NetworkStatement) -> Claims:
    """Reduce 'every activation is its table's value' to claims about segments.

    Returns claims: for each table its multiplicities; for each node its numbers, and those that it
    reads.
    """
    claims: Claims = []
    for use in network.tables:
        found = lookup_verifier.verify(channel, use.lookup)
        counts = found.multiplicities
        claims.append(SegmentClaim(use.multiplicities, counts.point, counts.values[0]))
        for (chunk, node), group in zip(use.groups, found.groups, strict=True):
            z, y = group.values
            segment = network.segment(chunk, node)
            point = segment.from_lookup(group.point)
            claims.append(SegmentClaim(segment, point, y))
            claims += _verify_accumulators(channel, network, chunk, node, point, z)
    return claims


def _verify_accumulators(
    channel: VerifierChannel,
    network: NetworkStatement,
    chunk: Chunk,
    node: int,
    point: Sequence[Element],
    z: Expression,
) -> Claims:
    label = f"chunk{chunk.index}/z{node}"
    product = network.product(chunk, node)
    if product is not None:
        segment = partial(network.segment, chunk)
        return product_verifier.verify(channel, label, product, segment, point, z)
    terms, nodes = network.node_form(chunk, node, point)
    weights = partial(network.node_weights, chunk, node, point, nodes)
    return linear_form.verify(channel, label, terms, weights, z)


def verify_logits(
    channel: VerifierChannel,
    network: NetworkStatement,
    label: str,
    slot_point: Sequence[Element],
    class_point: Sequence[Element],
    value: Expression,
) -> Claims:
    """Reduce 'the logits, zero behind slots and classes, have this value at a point'.

    Parameters
    ----------
    label : str
        Begins the labels of all messages.
    slot_point, class_point : sequences of Element
        The two parts of the point.
    """
    terms, nodes = network.logit_form(slot_point)

    def weights() -> tuple[linear_form.Weights, Element]:
        return network.logit_weights(slot_point, class_weights(network, class_point), nodes)

    return linear_form.verify(channel, label, terms, weights, value)


def class_weights(network: NetworkStatement, class_point: Sequence[Element]) -> U32:
    """eq(class_point, j) for each class j: uint32 (4, classes), in K."""
    return eq_table(list(class_point))[:, : network.circuit.classes].copy()
