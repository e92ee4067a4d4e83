"""Which channels need one scale, and which need scales inverse to those of others.

A channel has its own scale, so that multiplying it by 100 and dividing its successor's weights by
100 changes nothing. Where elements of several channels become one channel, by moving them or in a
maximum, those channels need one scale. A sum of products a_k b_k needs one unit: the scale of a_k
times that of b_k is the same for every k, and what multiplies a_k by 100 and b_k by 1/100 changes
nothing either. What is in no sum, such as the columns of attention's values, keeps its scales, and
the results have them too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Set
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

from wmproof.circuit import ir
from wmproof.circuit.evaluate import move
from wmproof.circuit.network import (
    Clamp,
    FloatActivation,
    FloatInput,
    FloatLinear,
    FloatPad,
    FloatProduct,
    FloatRows,
    Leaky,
    Network,
    float_sources,
    narrowed,
)
from wmproof.circuit.union import Ids, Union

_MOST_PRODUCTS = 2**18  # of channels in one node; where more meet, each operand has one scale
_MOST_ROUNDS = 32  # until all is said; after them, each operand has one scale


@dataclass(frozen=True, eq=False)
class Inverse:
    """Channels of a node whose scales, times those of others, are one number.

    Parameters
    ----------
    channels : int64 array (n,)
    node : int
        The node of the others: an earlier one, or the same.
    others : int64 array (n,)
        Its channels. Their scales are chosen first.
    """

    channels: Ids
    node: int
    others: Ids


@dataclass(frozen=True, eq=False)
class Tie:
    """How the scales of a node's channels depend on each other and on earlier ones.

    Parameters
    ----------
    groups : int64 array (O,)
        Channels of one number have one scale.
    inverses : tuple of Inverse
        In the order in which scales are to be chosen.
    units : int64 array
        Of a product, broadcasting to its shape: results of one number have one unit.
    """

    groups: Ids
    inverses: tuple[Inverse, ...]
    units: Ids

    @classmethod
    def of_none(cls, channels: int) -> Tie:
        """Channels with a scale of its own each."""
        return cls(np.arange(channels), (), np.zeros(0, np.int64))


def find_ties(network: Network) -> tuple[dict[int, Tie], set[int]]:
    """The tie of each activation and product, and which of them meet channels of other nodes."""
    found = _Ties(network)
    return found.ties(), found.joined()


def moved_nodes(network: Network, sources: Set[int]) -> set[int]:
    """Indices of some nodes, and of those whose numbers they move."""
    pending, found = set(sources), set[int]()
    for index in range(len(network.nodes) - 1, -1, -1):
        if index not in pending:
            continue
        found.add(index)
        node = network.nodes[index]
        if not isinstance(node, FloatActivation | FloatProduct):
            pending.update(float_sources(node))
    return found


def _homogeneous(function: object) -> bool:
    """Whether a function of c x is c times that of x, so that any scale serves."""
    if isinstance(function, Clamp):
        return function.high == math.inf and function.low in (0.0, -math.inf)
    return isinstance(function, Leaky)


class _Ties:
    """Every channel of every committing node has a number; numbers that meet are united.

    So has every unit of a product's results. A product says that the scales of a and b make the
    unit u, a triple of numbers (u, a, b).
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._union = Union()
        self._ids: dict[int, Ids] = {}
        self._own: dict[int, Ids] = {}
        self._units: dict[int, Ids] = {}
        self._inverses: dict[int, list[Inverse]] = {}
        for index, node in enumerate(network.nodes):
            self._ids[index] = self._visit(index, node)
        self._read(network.output)
        self._settle()

    def ties(self) -> dict[int, Tie]:
        found = {}
        for index, own in self._own.items():
            roots = self._union.roots(own)
            channels = self._network.shapes[index][0]
            wide = np.broadcast_to(roots.reshape(len(roots), -1), (channels, roots[0].size))
            units = self._union.roots(self._units.get(index, own))
            inverses = tuple(self._inverses.get(index, ()))
            found[index] = Tie(_sharing(wide), inverses, units)
        return found

    def joined(self) -> set[int]:
        owners: dict[int, set[int]] = {}
        for index, own in self._own.items():
            for root in np.unique(self._union.roots(own)).tolist():
                owners.setdefault(root, set()).add(index)
        return {index for nodes in owners.values() if len(nodes) > 1 for index in nodes}

    def _visit(self, index: int, node: Any) -> Ids:
        shape = self._network.shapes[index]
        match node:
            case FloatInput():
                return self._fresh(index, shape, (1,))
            case FloatActivation():
                self._read(node.linear)
                if node.like is None:
                    free = isinstance(node.function, Clamp | Leaky)
                    return self._fresh(index, shape, (shape[0] if free else 1,))
                like = self._flat(node.like)
                return np.broadcast_to(like[:, :1, :1], shape)
            case FloatProduct():
                return self._product(index, node)
            case FloatRows():
                return self._rows(index, node)
            case ir.Maximum():
                self._union.unite(self._ids[node.a], self._ids[node.b])
                return self._ids[node.a]
            case FloatPad():
                ids = self._ids[node.source]
                if node.value != -math.inf:
                    self._unite_all(ids)
                return np.pad(ids, list(zip(node.before, node.after, strict=True)), mode="edge")
            case _:
                values: dict[int, Any] = {s: self._ids[s][None] for s in ir.node_sources(node)}
                return np.asarray(move(node, values)[0], np.int64)

    def _fresh(self, index: int, shape: ir.Shape, sizes: ir.Shape) -> Ids:
        """A number for every element of `sizes`, its axes the first ones of `shape`."""
        self._own[index] = self._union.fresh(sizes)
        narrow = self._own[index].reshape(*sizes, *(1 for _ in shape[len(sizes) :]))
        return np.broadcast_to(narrow, shape)

    def _product(self, index: int, node: FloatProduct) -> Ids:
        for source in (node.a, node.b):
            if self._ended(self._ids[source]):  # their zeros are where their scales put them
                self._unite_all(self._ids[source])
        a, b = self._operands(node)
        sizes = tuple(
            size if label == 0 or max(a.shape[label], b.shape[label]) > 1 else 1
            for label, size in enumerate(node.shape)
        )
        if math.prod(sizes) > _MOST_PRODUCTS and a.shape[0] == b.shape[0] == 1:
            sizes = (1, *sizes[1:])
        homogeneous = _homogeneous(node.function) and not node.offset
        if not homogeneous or math.prod(sizes) > _MOST_PRODUCTS:
            sizes = tuple(1 for _ in sizes)
        ids = self._fresh(index, node.shape, sizes)
        self._units[index] = self._union.fresh(sizes)
        return ids

    def _rows(self, index: int, node: FloatRows) -> Ids:
        """Columns that have scales of their own have one from here on: what follows forgets them.

        Their zeros are one number if one node made them, and its function has no other end.
        """
        ids = self._ids[node.source].reshape(node.shape)
        owners = [i for i, own in self._own.items() if np.isin(own, np.unique(ids)).any()]
        function = getattr(self._network.nodes[owners[0]], "function", None)
        if (ids == ids[:, :1]).all() or len(owners) > 1 or not _homogeneous(function):
            return ids
        self._union.unite(ids, np.broadcast_to(ids[:1], ids.shape))
        return self._fresh(index, node.shape, (1,))

    def _operands(self, node: FloatProduct) -> tuple[Ids, Ids]:
        """The numbers of both operands by label."""
        # Of views, only what differs is looked at.
        a, b = (self._union.roots(x) for x in node.by_label(self._ids[node.a], self._ids[node.b]))
        return narrowed(a), narrowed(b)

    def _ended(self, ids: Ids) -> bool:
        """Whether some of these numbers reach to an upper end and have no lower one."""
        found = np.unique(ids)
        owners = {i for i, own in self._own.items() if np.isin(own, found).any()}
        functions = [getattr(self._network.nodes[i], "function", None) for i in owners]
        return any(
            isinstance(f, Clamp) and f.low == -math.inf < f.high < math.inf for f in functions
        )

    def _read(self, linear: FloatLinear) -> None:
        for term in linear.terms:
            self._flat(term.source)

    def _flat(self, source: int) -> Ids:
        """A node's numbers after what meets within each of its channels is united."""
        ids = self._ids[source]
        self._union.unite(ids, np.broadcast_to(ids[:, :1, :1], ids.shape))
        return ids

    def _unite_all(self, ids: Ids) -> None:
        self._union.unite(ids, np.broadcast_to(ids.reshape(-1)[0], ids.shape))

    def _settle(self) -> None:
        """Unite what products make equal until each says one thing, and order what is left."""
        products = [
            (i, n) for i, n in enumerate(self._network.nodes) if isinstance(n, FloatProduct)
        ]
        for rounds in count():
            if rounds >= _MOST_ROUNDS:
                for _, node in products:
                    self._unite_all(self._ids[node.a])
                    self._unite_all(self._ids[node.b])
            self._union.changed = False
            triples = [self._triples(index, node) for index, node in products]
            if not triples:
                return
            self._unite_implied(np.concatenate(triples))
            if not self._union.changed and self._ordered(np.concatenate(triples)):
                return

    def _triples(self, index: int, node: FloatProduct) -> Ids:
        """(u, a, b) of all products of channels in a node, int64 (n, 3)."""
        units = self._units[index]
        # Results on one scale have one unit.
        _, first, which = np.unique(
            self._union.roots(self._own[index]), return_index=True, return_inverse=True
        )
        self._union.unite(units.reshape(-1), units.reshape(-1)[first[which.reshape(-1)]])
        a, b = self._operands(node)
        summed = tuple(range(len(node.shape), a.ndim))
        # What is multiplied by one scale throughout a sum has one itself.
        for own, other in ((a, b), (b, a)):
            if all(other.shape[axis] == 1 for axis in summed):
                place: tuple[Any, ...] = (..., *(slice(1) for _ in summed))
                self._union.unite(own, np.broadcast_to(own[place], own.shape))
        a, b = self._operands(node)
        u = self._union.roots(units).reshape(*units.shape, *(1 for _ in summed))
        if math.prod(np.broadcast_shapes(a.shape, b.shape, u.shape)) > _MOST_PRODUCTS:
            for ids in (a, b, u):
                self._unite_all(ids)
            a, b, u = a.reshape(-1)[:1], b.reshape(-1)[:1], u.reshape(-1)[:1]
        found = np.stack([x.reshape(-1) for x in np.broadcast_arrays(u, a, b)], axis=1)
        return np.unique(found, axis=0)

    def _unite_implied(self, triples: Ids) -> None:
        """Any two of (u, a, b) determine the third, and u determines a if it is b."""
        itself = triples[triples[:, 1] == triples[:, 2]]
        _, first, which = np.unique(itself[:, 0], return_index=True, return_inverse=True)
        self._union.unite(itself[:, 1], itself[first[which], 1])
        for third in range(3):
            x, y = (triples[:, i] for i in range(3) if i != third)
            _, first, which = np.unique(
                x * len(self._union) + y, return_index=True, return_inverse=True
            )
            self._union.unite(triples[:, third], triples[first[which], third])

    def _ordered(self, triples: Ids) -> bool:
        """Say which operand's scales are chosen first wherever a unit belongs to several pairs.

        False if there is no such order for one of them, whose operands then have one scale each.
        """
        self._inverses = {}
        settled = True
        triples = np.unique(triples, axis=0)
        members = self._members()
        first: set[int] = set()
        second: set[int] = set()
        cuts = np.flatnonzero(np.diff(triples[:, 0])) + 1
        for pairs in (part[:, 1:] for part in np.split(triples, cuts) if len(part) > 1):
            for others, own in _both_ways(pairs):
                found = self._inverse(others, own, members)
                if found is not None and not {*first, *second} & set(own.tolist()):
                    self._inverses.setdefault(found[0], []).append(found[1])
                    first.update(others.tolist())
                    second.update(own.tolist())
                    break
            else:
                for side in pairs.T:
                    self._unite_all(side)
                if np.intersect1d(*pairs.T).size:
                    self._unite_all(pairs)
                settled = False
        return settled

    def _members(self) -> dict[int, list[tuple[int, int]]]:
        """(node, channel, or element of a product) of all that have each number."""
        found: dict[int, list[tuple[int, int]]] = {}
        for index, own in self._own.items():
            for channel, root in enumerate(self._union.roots(own).reshape(-1).tolist()):
                found.setdefault(root, []).append((index, channel))
        return found

    def _inverse(
        self, others: Ids, own: Ids, members: dict[int, list[tuple[int, int]]]
    ) -> tuple[int, Inverse] | None:
        """The node that `own` are channels of, inverse to `others`, if they can be chosen later."""
        nodes = [
            {index for root in side.tolist() for index, _ in members[root]}
            for side in (others, own)
        ]
        if np.intersect1d(others, own).size or len(nodes[0]) != 1 or len(nodes[1]) != 1:
            return None
        (before,), (after,) = nodes
        found = [self._network.nodes[index] for index in (before, after)]
        if not all(isinstance(n, FloatActivation) and n.like is None for n in found):
            return None
        if before > after or not _homogeneous(getattr(found[1], "function", None)):
            return None
        pairs = [
            (channel, members[other][0][1])
            for root, other in zip(own.tolist(), others.tolist(), strict=True)
            for _, channel in members[root]
        ]
        channels, mates = np.array(pairs, np.int64).T
        return after, Inverse(channels, before, mates)


def _both_ways(pairs: Ids) -> Iterator[tuple[Ids, Ids]]:
    a, b = pairs.T
    yield a, b
    yield b, a


def _sharing(roots: Ids) -> Ids:
    """A number for each row, (rows,) of (rows, n): rows with an entry in common have one."""
    _, which = np.unique(roots, return_inverse=True)
    union = Union()
    rows = union.fresh((len(roots),))
    entries = union.fresh((int(which.max()) + 1,))
    wide = np.broadcast_to(rows[:, None], roots.shape)
    union.unite(entries[which.reshape(roots.shape)], wide)
    return np.unique(union.roots(rows), return_inverse=True)[1].reshape(-1)
