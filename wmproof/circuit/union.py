"""Disjoint sets of numbers, united a whole array at a time."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Ids: TypeAlias = NDArray[np.int64]


class Union:
    """Numbers from 0, each in one set.

    Attributes
    ----------
    changed : bool
        Whether two sets became one since this was last set to False.
    """

    def __init__(self) -> None:
        self._parent: list[int] = []
        self.changed = False

    def __len__(self) -> int:
        return len(self._parent)

    def fresh(self, shape: tuple[int, ...]) -> Ids:
        """New numbers, each in a set of its own: int64 of this shape."""
        first = len(self._parent)
        self._parent += range(first, first + math.prod(shape))
        return np.arange(first, len(self._parent)).reshape(shape)

    def unite(self, a: Ids, b: Ids) -> None:
        """Make one set of those of a and b, element by element; they have one shape."""
        differing = a != b
        if not differing.any():
            return
        size = len(self._parent)
        for pair in np.unique(a[differing] * size + b[differing]).tolist():
            x, y = self._root(pair // size), self._root(pair % size)
            if x != y:
                self._parent[x], self.changed = y, True

    def roots(self, ids: Ids) -> Ids:
        """One number for each set, the same for all that are in it."""
        found, which = np.unique(ids, return_inverse=True)
        roots = np.array([self._root(i) for i in found.tolist()], np.int64)
        return roots[which].reshape(ids.shape)

    def _root(self, i: int) -> int:
        while self._parent[i] != i:
            self._parent[i] = self._parent[self._parent[i]]
            i = self._parent[i]
        return i
