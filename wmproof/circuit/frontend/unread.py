"""Leaving out the nodes that nothing reads: what was committed finely and then again coarsely."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from wmproof.circuit import ir
from wmproof.circuit.network import (
    FloatActivation,
    FloatInput,
    FloatLinear,
    FloatNode,
    FloatPad,
    FloatProduct,
    FloatRows,
    Network,
    float_sources,
)


def without_unread(network: Network) -> Network:
    """The network without nodes on which the logits do not depend; the input stays.

    Returns
    -------
    Network
        With the same logits.
    """
    read = {0, *(term.source for term in network.output.terms)}
    for index in range(len(network.nodes) - 1, 0, -1):
        if index in read:
            read.update(_all_sources(network.nodes[index]))
    if len(read) == len(network.nodes):
        return network
    kept = sorted(read)
    places = {old: new for new, old in enumerate(kept)}
    return replace(
        network,
        nodes=tuple(_renumbered(network.nodes[old], places.__getitem__) for old in kept),
        shapes=tuple(network.shapes[old] for old in kept),
        output=_linear(network.output, places.__getitem__),
    )


def _all_sources(node: FloatNode) -> tuple[int, ...]:
    """The nodes whose values or encoding a node needs."""
    if isinstance(node, FloatProduct) and node.rows is not None:
        return *float_sources(node), node.rows
    like = node.like if isinstance(node, FloatActivation) else None
    return float_sources(node) + (() if like is None else (like,))


def _renumbered(node: FloatNode, place: Callable[[int], int]) -> FloatNode:
    match node:
        case FloatInput():
            return node
        case FloatActivation():
            like = None if node.like is None else place(node.like)
            return replace(node, linear=_linear(node.linear, place), like=like)
        case FloatProduct():
            rows = None if node.rows is None else place(node.rows)
            return replace(node, a=place(node.a), b=place(node.b), rows=rows)
        case ir.Maximum():
            return replace(node, a=place(node.a), b=place(node.b))
        case ir.Concat():
            return replace(node, sources=tuple(place(source) for source in node.sources))
        case FloatPad() | FloatRows() | ir.Reshape() | ir.Transpose() | ir.Slice():
            return replace(node, source=place(node.source))


def _linear(linear: FloatLinear, place: Callable[[int], int]) -> FloatLinear:
    terms = tuple(replace(term, source=place(term.source)) for term in linear.terms)
    return replace(linear, terms=terms)
