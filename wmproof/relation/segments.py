"""The committed witness as named arrays, each an aligned part of one multilinear polynomial W.

A segment of 2^bits entries is at an offset that is a multiple of its size, so that it is W with its
leading variables fixed: segment(point) = W(prefix, point). Segments lie in the order of falling
size, which leaves no gaps; those shorter than a row share the last rows. A segment whose index in
front has no power of two of values is not so many entries, but whole rows of its own, behind those
that are; the last of them may have entries that belong to nobody and are zero.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from wmproof.argument.algebra.element import Element
from wmproof.argument.algebra.field import P
from wmproof.argument.algebra.multilinear import index_point
from wmproof.argument.channel import Expression
from wmproof.argument.pcs.claims import Place, PointClaim
from wmproof.argument.pcs.schemes import SCHEME
from wmproof.argument.system.statement import row_bits

Value = TypeVar("Value")


@dataclass(frozen=True)
class Segment:
    """A named array of the witness."""

    name: str
    """Unique in a witness."""
    batch_bits: int
    inner_bits: int
    """batch_bits and inner_bits: its shape is (blocks, 2^batch_bits, 2^inner_bits), row-major."""
    dtype: str = "uint8"
    """'uint8', 'uint16' or 'uint32'; what the prover keeps it in."""
    largest: int = P - 1
    """A public number that no entry is above."""
    blocks: int = 1
    """How many values the index in front has (`tensor_layout`)."""

    @property
    def block_bits(self) -> int:
        """Variables of the index in front."""
        return (self.blocks - 1).bit_length()

    @property
    def bits(self) -> int:
        """Variables in all."""
        return self.block_bits + self.batch_bits + self.inner_bits

    @property
    def entries(self) -> int:
        """How many numbers it has; those behind them, up to 2^bits, are zero."""
        return self.blocks << (self.batch_bits + self.inner_bits)

    def from_lookup(self, point: Sequence[Element]) -> list[Element]:
        """A point from that of a lookup, where the index in front comes last."""
        first = len(point) - self.block_bits
        return [*point[first:], *point[:first]]

    def joined(self, batch: Sequence[Element], own: Sequence[Element]) -> list[Element]:
        """A point from the coordinates of its slot and of its place in that: blocks, then inner."""
        return [*own[: self.block_bits], *batch, *own[self.block_bits :]]

    def parted(self, point: Sequence[Element]) -> tuple[list[Element], list[Element]]:
        """The inverse: coordinates of the slot, and of the place in it."""
        first, last = self.block_bits, self.block_bits + self.batch_bits
        return [*point[first:last]], [*point[:first], *point[last:]]


@dataclass(frozen=True)
class SegmentPoint:
    """Where something is said about a segment."""

    segment: Segment
    point: Sequence[Element]
    """Coordinates of the index in front, of the batch, and inner ones."""


@dataclass(frozen=True)
class SegmentClaim(Generic[Value]):
    """segment(point) = value."""

    segment: Segment
    point: Sequence[Element]
    """As `SegmentPoint` has it."""
    value: Value
    """The prover's is an element, the verifier's an expression of pads."""


class Layout:
    """Where every segment lies."""

    def __init__(self, segments: Iterable[Segment]) -> None:
        known = list(segments)
        if len({segment.name for segment in known}) != len(known):
            raise ValueError("two segments have one name")
        self.message_bits = SCHEME.message_bits(sum(segment.entries for segment in known))
        self.segments = tuple(sorted(known, key=self._order))
        self.offsets: dict[str, int] = {}
        total = 0
        for segment in self.segments:
            self.offsets[segment.name] = total
            total += self._size(segment)
        self.entries = total
        self.rows = -(-total >> self.message_bits)

    def _has_rows(self, segment: Segment) -> bool:
        return segment.bits >= self.message_bits

    def _is_range(self, segment: Segment) -> bool:
        """Whether it is some rows that no prefix of an index names."""
        return self._has_rows(segment) and segment.entries < 1 << segment.bits

    def _order(self, segment: Segment) -> tuple[bool, bool, int, str]:
        return (not self._has_rows(segment), self._is_range(segment), -segment.bits, segment.name)

    def _size(self, segment: Segment) -> int:
        """Entries of W that it takes."""
        if self._is_range(segment):
            return segment.entries + -segment.entries % (1 << self.message_bits)
        return 1 << segment.bits

    def place(self, segment: Segment, inner: Sequence[Element]) -> Place:
        """Where W is evaluated for a segment's value at a point."""
        if len(inner) != segment.bits:
            raise ValueError(f"a point of {segment.name} has {segment.bits} coordinates")
        offset = self.offsets[segment.name]
        if self._is_range(segment):
            first = offset >> self.message_bits
            return Place(inner, range(first, first + (self._size(segment) >> self.message_bits)))
        variables = row_bits(self.rows) + self.message_bits
        return Place([*index_point(offset >> segment.bits, variables - segment.bits), *inner])

    def point_claims(self, claims: Iterable[SegmentClaim[Expression]]) -> list[PointClaim]:
        """Claims about segments as claims about W."""
        places = [(self.place(claim.segment, claim.point), claim.value) for claim in claims]
        return [PointClaim(place.point, value, place.rows) for place, value in places]

    @property
    def largest(self) -> list[int]:
        """For each of `blocks` a public number that none in it is above."""
        found = []
        for segment in self.segments:
            if self._has_rows(segment):
                found += [segment.largest] * len(self._parts(segment))
        return found + [P - 1] * any(not self._has_rows(segment) for segment in self.segments)

    def _parts(self, segment: Segment) -> list[slice]:
        """Entries that fill rows, and those that begin a last one."""
        whole = segment.entries >> self.message_bits << self.message_bits
        parts = (0, whole), (whole, segment.entries)
        return [slice(first, last) for first, last in parts if first < last]

    def blocks(self, arrays: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """The rows of W as the polynomial commitment takes them.

        Parameters
        ----------
        arrays : mapping
            For each segment's name an array of its type and number of entries; not copied where
            it fills whole rows.
        """
        width = 1 << self.message_bits
        blocks, shorter = [], []
        for segment in self.segments:
            array = arrays[segment.name]
            if array.size != segment.entries or array.dtype != np.dtype(segment.dtype):
                raise ValueError(f"{segment.name} is {array.dtype} with {array.size} entries")
            flat = np.ascontiguousarray(array).reshape(-1)
            if self._has_rows(segment):
                blocks += [_filled(flat[part], width) for part in self._parts(segment)]
            else:
                shorter.append(_filled(flat, 1 << segment.bits).reshape(-1).astype(np.uint32))
        if shorter:
            blocks.append(_filled(np.concatenate(shorter), width))
        return blocks


def _filled(flat: NDArray[Any], width: int) -> NDArray[Any]:
    """Rows of a width, the last one filled up with zeros; not copied if it is full."""
    if flat.size % width == 0:
        return flat.reshape(-1, width)
    out = np.zeros((-(-flat.size // width), width), flat.dtype)
    out.reshape(-1)[: flat.size] = flat
    return out
