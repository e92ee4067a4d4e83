"""The verifier of a product's accumulators; `statement` has the equations."""

from collections.abc import Callable
from functools import partial

from wmproof.argument.channel import Expression, VerifierChannel
from wmproof.argument.sumcheck import verifier as sumcheck_verifier
from wmproof.circuit.ir import Circuit
from wmproof.relation.linear_form import statement as linear_form
from wmproof.relation.linear_form.statement import Term
from wmproof.relation.product.statement import Point, ProductStatement
from wmproof.relation.pull_back import committed_sources
from wmproof.relation.segments import Segment, SegmentClaim


def terms_of(
    circuit: Circuit, node: int, segment: Callable[[int], Segment], batch: Point
) -> tuple[list[Term], list[int]]:
    """Terms, and their nodes, of a form of the numbers that a node stands for.

    Parameters
    ----------
    segment : callable
        Gives the segment of a committed node.
    batch : sequence of Element
        The point's coordinates for the slots.
    """
    nodes = committed_sources(circuit, [node])
    return [Term(segment(source), batch) for source in nodes], nodes


def verify(
    channel: VerifierChannel,
    label: str,
    product: ProductStatement,
    segment: Callable[[int], Segment],
    point: Point,
    value: Expression,
) -> list[SegmentClaim[Expression]]:
    """Reduce 'the accumulators are `value` at `point`' to claims about the operands' segments.

    ProofError if a message is not what the protocol asks for.

    Parameters
    ----------
    label : str
        Begins the labels of all messages.
    segment : callable
        Gives the segment of a committed node.
    point : sequence of Element
        Slots first, then the node's axes.
    """
    target = value.plus(-channel.public(lambda: product.bias(point))).times(product.scale)
    r, reduced = sumcheck_verifier.verify(
        channel, f"{label}/product", target, product.sumcheck_point(point), degree=2
    )
    messages = channel.receive(f"{label}/operands", 2)
    channel.require_product(f"{label}/operands", messages[0], messages[1], reduced)
    claims = []
    for side, operand, message in zip("ab", product.operands, messages, strict=True):
        terms, nodes = terms_of(product.circuit, operand.node, segment, r[: product.batch_bits])
        weights = partial(product.weights, operand, point, r, nodes)
        claims += linear_form.verify(channel, f"{label}/{side}", terms, weights, message)
    return claims
