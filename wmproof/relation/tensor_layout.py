r"""How a tensor's numbers lie in a segment: its axes are cut into blocks, whose numbers come first.

Weights of a convolution's output factor by axes only where a coordinate belongs to one axis alone,
so an axis that is no power of two would have to be padded: 56 to 64, and height and width of all
layers of a network for 224x224 by 1.31. Instead 56 are 7 blocks of 8. The numbers of the blocks of
all axes are one index in front, 49 values that are padded to 64 alone, and as they are the highest
bits the padding is behind everything: it is not committed.

    x[h, w, c] = segment[(7 h_1 + w_1, slot, h_2, w_2, c)],  h = 8 h_1 + h_2,  w = 8 w_1 + w_2.

In each row of blocks, a *band*, weights are a tensor product: eq(h_2) by sum_(w_1) F[h_1, w_1]
eq(w_2) by eq(c), F being the eq table of the index in front. So an axis has at most `MOST_BLOCKS`
blocks, where need be the last of them not full. The first axis, the channels, is one block,
padded to a power of two, and so is whatever is used axis by axis.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wmproof._base.threads import for_each
from wmproof.argument.algebra.element import Element
from wmproof.argument.algebra.field import U32
from wmproof.argument.algebra.matrices import extension_product
from wmproof.argument.algebra.multilinear import eq_table
from wmproof.circuit.ir import Shape

MOST_BLOCKS = 8
"""Of an axis: a power of two of blocks is one block, so 1 pads every axis."""


class Axis(NamedTuple):
    """`blocks` times 2^bits places for `size` entries."""

    size: int
    blocks: int
    bits: int

    @property
    def places(self) -> int:
        """Entries, padding included."""
        return self.blocks << self.bits


class Band(NamedTuple):
    """Weights of a height of some rows, from `first` on, as a product of three vectors over K."""

    first: int
    channels: U32
    rows: U32
    columns: U32

    @property
    def tables(self) -> Sequence[U32]:
        """The three."""
        return self[1:]


def cut(size: int, most_blocks: int) -> Axis:
    """The smallest blocks of which there are not too many."""
    bits = max(0, (-(-size // most_blocks) - 1).bit_length())
    blocks = -(-size >> bits)
    odd = blocks & -blocks
    return Axis(size, blocks // odd, bits + odd.bit_length() - 1)


@dataclass(frozen=True)
class TensorLayout:
    """Where the numbers of a tensor are in its segment."""

    shape: Shape
    """Without the batch."""
    most_blocks: int = 1
    """Of each axis but the first."""

    @cached_property
    def axes(self) -> list[Axis]:
        """How each axis is cut."""
        return [cut(size, self.most_blocks if i else 1) for i, size in enumerate(self.shape)]

    @property
    def blocks(self) -> int:
        """How many values the index in front has."""
        return math.prod(axis.blocks for axis in self.axes)

    @property
    def block_bits(self) -> int:
        """Its variables."""
        return (self.blocks - 1).bit_length()

    @property
    def inner_bits(self) -> int:
        """Variables of a place within blocks."""
        return sum(axis.bits for axis in self.axes)

    @property
    def bits(self) -> int:
        """Variables of a place in a slot."""
        return self.block_bits + self.inner_bits

    def place(self, array: NDArray[Any], filling: int = 0) -> NDArray[Any]:
        """(slots, *shape) as (blocks, slots, 2^inner_bits), without a copy where nothing moves."""
        slots, inner = len(array), [1 << axis.bits for axis in self.axes]
        if self.blocks == 1 and tuple(inner) == self.shape:
            return array.reshape(1, slots, -1)
        out = np.empty((self.blocks, slots, 1 << self.inner_bits), array.dtype)
        split = [part for axis in self.axes for part in (axis.blocks, 1 << axis.bits)]
        whole = tuple(axis.places for axis in self.axes) == self.shape

        def move(slot: int) -> None:
            own = array[slot]
            if not whole:
                own = np.full([axis.places for axis in self.axes], filling, array.dtype)
                own[tuple(map(slice, self.shape))] = array[slot]
            into = out[:, slot].reshape(*(axis.blocks for axis in self.axes), *inner)
            into[...] = own.reshape(split).transpose(*self._order)

        for_each(move, range(slots))
        return out

    def taken(self, array: NDArray[Any]) -> NDArray[Any]:
        """The inverse: contiguous (slots, *shape)."""
        inner = [1 << axis.bits for axis in self.axes]
        if self.blocks == 1 and tuple(inner) == self.shape:
            return array.reshape(-1, *self.shape)
        whole = array.reshape(self.blocks, -1, 1 << self.inner_bits)
        out = np.empty((whole.shape[1], *self.shape), array.dtype)
        back = [int(i) for i in np.argsort(self._order)]

        def move(slot: int) -> None:
            own = whole[:, slot].reshape(*(axis.blocks for axis in self.axes), *inner)
            wide = own.transpose(back).reshape([axis.places for axis in self.axes])
            out[slot] = wide[tuple(map(slice, self.shape))]

        for_each(move, range(len(out)))
        return out

    @property
    def _order(self) -> list[int]:
        """Blocks and places in turn, one pair an axis, as all blocks and then all places."""
        count = len(self.axes)
        return [*range(0, 2 * count, 2), *range(1, 2 * count, 2)]

    def placed_weights(self, weights: U32) -> U32:
        """Weights on a tensor, K (4, *shape), on its segment's places for one slot.

        Returns uint32 (4, blocks * 2^inner_bits), zero where the padding is.
        """
        moved = [TensorLayout.place(self, part[None]) for part in weights]
        return np.stack(moved).reshape(4, -1)

    def weights(self, point: Sequence[Element]) -> U32:
        """What every number weighs at a point of the segment without its slots: K (4, *shape).

        `point` has `bits` coordinates.
        """
        table = outer([self._front(point), *self._inner_tables(point[self.block_bits :])])
        return self.taken(table.reshape(4, self.blocks, -1).transpose(1, 0, 2))

    def bands(self, point: Sequence[Element]) -> Iterator[Band]:
        """The same weights of a tensor (channels, height, width) as products, band by band."""
        channels, rows, columns = self._inner_tables(point[self.block_bits :])
        _, high, wide = self.axes
        front = self._front(point)
        for band in range(high.blocks):
            own = front[:, band * wide.blocks : (band + 1) * wide.blocks]
            across = outer([own, columns]).reshape(4, -1)
            first = band << high.bits
            yield Band(
                first,
                np.ascontiguousarray(channels[:, : self.shape[0]]),
                np.ascontiguousarray(rows[:, : high.size - first]),
                np.ascontiguousarray(across[:, : wide.size]),
            )

    def _front(self, point: Sequence[Element]) -> U32:
        return np.ascontiguousarray(eq_table(list(point[: self.block_bits]))[:, : self.blocks])

    def _inner_tables(self, point: Sequence[Element]) -> list[U32]:
        tables, first = [], 0
        for axis in self.axes:
            tables.append(eq_table(list(point[first : first + axis.bits])))
            first += axis.bits
        return tables


def outer(tables: Sequence[U32]) -> U32:
    """Tensor product of vectors.

    `tables` are uint32 (4, n_i) each, in K.

    Returns
    -------
    uint32 array (4, n_1, n_2, ...)
    """
    result = tables[0]
    for table in tables[1:]:
        small = np.ascontiguousarray(result)[:, :, None]
        result = extension_product(small, table[:, None]).reshape(4, -1)
    return np.ascontiguousarray(result).reshape(4, *(table.shape[1] for table in tables))
