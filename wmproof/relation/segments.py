"""The committed witness as named arrays, each an aligned part of one multilinear polynomial W.

A segment has 2^bits entries at an offset that is a multiple of its size, so that it is W with its
leading variables fixed: segment(point) = W(prefix, point). Segments lie in the order of falling
size, which leaves no gaps; those shorter than a row share the last rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from wmproof.argument.algebra.element import Element
from wmproof.argument.algebra.field import P
from wmproof.argument.algebra.multilinear import index_point
from wmproof.argument.channel import Expression
from wmproof.argument.pcs.claims import PointClaim
from wmproof.argument.pcs.schemes import SCHEME
from wmproof.argument.system.statement import row_bits

Value = TypeVar("Value")


@dataclass(frozen=True)
class Segment:
    """A named array of the witness.

    Attributes
    ----------
    name : str
        Unique in a witness.
    batch_bits, inner_bits : int
        Its shape is (2^batch_bits, 2^inner_bits), row-major.
    dtype : str
        'uint8', 'uint16' or 'uint32'; what the prover keeps it in.
    largest : int
        A public number that no entry is above.
    """

    name: str
    batch_bits: int
    inner_bits: int
    dtype: str = "uint8"
    largest: int = P - 1

    @property
    def bits(self) -> int:
        """Logarithm of the number of entries."""
        return self.batch_bits + self.inner_bits

    @property
    def shape(self) -> tuple[int, int]:
        """(2^batch_bits, 2^inner_bits)."""
        return 1 << self.batch_bits, 1 << self.inner_bits


@dataclass(frozen=True)
class SegmentPoint:
    """Where something is said about a segment.

    Parameters
    ----------
    segment : Segment
    point : sequence of Element
        Batch coordinates first, then inner ones.
    """

    segment: Segment
    point: Sequence[Element]


@dataclass(frozen=True)
class SegmentClaim(Generic[Value]):
    """segment(point) = value.

    Parameters
    ----------
    segment : Segment
    point : sequence of Element
        Batch coordinates first, then inner ones.
    value : Element or Expression
        The prover's is an element, the verifier's an expression of pads.
    """

    segment: Segment
    point: Sequence[Element]
    value: Value


class Layout:
    """Where every segment lies.

    Parameters
    ----------
    segments : iterable of Segment
    """

    def __init__(self, segments: Iterable[Segment]) -> None:
        ordered = sorted(segments, key=lambda segment: (-segment.bits, segment.name))
        if len({segment.name for segment in ordered}) != len(ordered):
            raise ValueError("two segments have one name")
        self.segments = tuple(ordered)
        self.offsets: dict[str, int] = {}
        total = 0
        for segment in ordered:
            self.offsets[segment.name] = total
            total += 1 << segment.bits
        self.entries = total
        self.message_bits = SCHEME.message_bits(total)
        self.rows = -(-total >> self.message_bits)

    def point(self, segment: Segment, inner: Sequence[Element]) -> list[Element]:
        """The point of W that is a segment's point."""
        if len(inner) != segment.bits:
            raise ValueError(f"a point of {segment.name} has {segment.bits} coordinates")
        variables = row_bits(self.rows) + self.message_bits
        prefix = self.offsets[segment.name] >> segment.bits
        return [*index_point(prefix, variables - segment.bits), *inner]

    def point_claims(self, claims: Iterable[SegmentClaim[Expression]]) -> list[PointClaim]:
        """Claims about segments as claims about W."""
        return [PointClaim(self.point(c.segment, c.point), c.value) for c in claims]

    @property
    def largest(self) -> list[int]:
        """For each of `blocks` a public number that none in it is above."""
        whole = [s.largest for s in self.segments if s.bits >= self.message_bits]
        return whole + [P - 1] * (len(whole) < len(self.segments))

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
            if array.size != 1 << segment.bits or array.dtype != np.dtype(segment.dtype):
                raise ValueError(f"{segment.name} is {array.dtype} with {array.size} entries")
            flat = np.ascontiguousarray(array).reshape(-1)
            if segment.bits >= self.message_bits:
                blocks.append(flat.reshape(-1, width))
            else:
                shorter.append(flat.astype(np.uint32))
        if shorter:
            packed = np.concatenate(shorter)
            padded = np.zeros(-(-packed.size // width) * width, np.uint32)
            padded[: packed.size] = packed
            blocks.append(padded.reshape(-1, width))
        return blocks
