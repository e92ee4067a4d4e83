"""How many bits numbers have that are multiplied: the products must fit into a table."""

from __future__ import annotations

import math

from wmproof.circuit.balance import LEAST_BITS
from wmproof.circuit.functions import FUNCTIONS
from wmproof.circuit.network import (
    Clamp,
    FloatActivation,
    FloatProduct,
    Network,
    Smooth,
    float_sources,
    number_makers,
)

_SUMMED_BITS = 9  # of operands whose products are summed
_MOST_SUMMED = 2**26  # of the largest products; most are far smaller
_GATE_BITS, _GATED_BITS = 9, 11  # of what is bounded, and of what it multiplies
_FACTOR_BITS = 10  # of each of two that are not


def operand_bits(network: Network) -> dict[int, int]:
    """The most bits of every node whose numbers a product multiplies, as they are or moved."""
    found: dict[int, int] = {}
    makers = _makers(network)
    for node in network.nodes:
        if not isinstance(node, FloatProduct):
            continue
        sides = makers[node.a], makers[node.b]
        gates = [all(_bounded(network, maker) for maker in side) for side in sides]
        for side, gate, other in zip(sides, gates, reversed(gates), strict=True):
            most = _GATE_BITS if gate else _GATED_BITS if other else _FACTOR_BITS
            if _summed(node):
                most = _summed_bits(network, node)
            for maker in side:
                found[maker] = min(most, found.get(maker, 99))
    return found


def averaged_bits(network: Network, bits: int) -> dict[int, int]:
    """Bits of nodes of which the logits read nothing but means.

    The mean of n places is finer by log2(n) / 2 bits than its numbers: those that they have less
    are left to the weights, of which no image may bring the logits to 2^28.
    """
    read = [term.source for term in network.output.terms]
    others = {source for node in network.nodes for source in float_sources(node)}
    return {
        term.source: max(LEAST_BITS, bits - math.prod(term.kernel).bit_length() // 2)
        for term in network.output.terms
        if term.weight.shape[2:] != term.kernel and term.source not in others
        if isinstance(node := network.nodes[term.source], FloatActivation) and node.like is None
        if read.count(term.source) == 1
    }


def summed_nodes(network: Network) -> set[int]:
    """Nodes whose numbers are multiplied and summed: no picture may saturate many of them."""
    found: set[int] = set()
    makers = _makers(network)
    for node in network.nodes:
        if isinstance(node, FloatProduct) and _summed(node):
            found |= makers[node.a] | makers[node.b]
    return found


def _summed_bits(network: Network, node: FloatProduct) -> int:
    """Of both operands: the more products are added up, the smaller they must be for a table."""
    sizes = dict(zip(node.a_axes, network.shapes[node.a], strict=True))
    terms = math.prod(sizes[label] for label in _summed_labels(node))
    bits = _SUMMED_BITS
    while bits > 2 and terms * 4 ** (bits - 1) > _MOST_SUMMED:
        bits -= 1
    return bits


def _summed_labels(node: FloatProduct) -> set[int]:
    return (set(node.a_axes) & set(node.b_axes)) - set(range(len(node.shape)))


def _summed(node: FloatProduct) -> bool:
    return bool(_summed_labels(node))


def _makers(network: Network) -> list[frozenset[int]]:
    """Of each node, the nodes that chose its numbers."""
    makers: list[frozenset[int]] = []
    for index, node in enumerate(network.nodes):
        makers.append(number_makers(index, node, makers))
    return makers


def _bounded(network: Network, index: int) -> bool:
    match getattr(network.nodes[index], "function", None):
        case Clamp(low, high):
            return math.isfinite(high - low)
        case Smooth(kind):
            return None not in FUNCTIONS[kind].limits
        case _:
            return False
