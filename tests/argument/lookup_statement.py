"""A small statement for tests: every (z, y) of a committed pair of columns is a row of a table.

The witness is laid out in aligned blocks of 2^(row bits of a block) rows: z, y, multiplicities.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from wmproof.argument.algebra.element import Element
from wmproof.argument.algebra.multilinear import index_point
from wmproof.argument.channel import VerifierChannel
from wmproof.argument.logup import prover as lookup_prover
from wmproof.argument.logup import verifier as lookup_verifier
from wmproof.argument.logup.statement import ArrayTable, Lookup
from wmproof.argument.pcs.claims import Place, PointClaim
from wmproof.argument.prover_channel import ProverChannel
from wmproof.argument.soundness import lookup_errors
from wmproof.argument.system.statement import row_bits


@dataclass
class LookupStatement:
    """`length` pairs are rows of the table y = (z * z + 1) mod 256 on 2^table_bits values of z."""

    length: int
    table_bits: int
    message_bits: int

    def __post_init__(self) -> None:
        z = np.arange(1 << self.table_bits, dtype=np.uint32)
        self.table = ArrayTable(np.stack([z, (z * z + 1) % 256]))
        self.lookup = Lookup("squares", self.table, [self.length])

    @property
    def digest(self) -> bytes:
        numbers = (self.length, self.table_bits, self.message_bits)
        return hashlib.sha256(repr(numbers).encode()).digest()

    @property
    def block_rows(self) -> int:
        """Rows of one block: the columns' and the multiplicities' are equally large."""
        entries = max(1 << self.lookup.bits(0), 1 << self.table_bits)
        return max(1, entries >> self.message_bits)

    @property
    def rows(self) -> int:
        return 3 * self.block_rows

    def errors(self) -> Mapping[str, Fraction]:
        return lookup_errors("squares", [self.length], self.table_bits, 2)

    def point(self, block: int, inner: Sequence[Element]) -> list[Element]:
        """A block's point among the whole matrix's variables: first entries of the block."""
        variables = row_bits(self.rows) + self.message_bits
        block_bits = (self.block_rows - 1).bit_length() + self.message_bits
        prefix = index_point(block, variables - block_bits)
        return [*prefix, *index_point(0, block_bits - len(inner)), *inner]

    def verify(self, channel: VerifierChannel) -> list[PointClaim]:
        claims = lookup_verifier.verify(channel, self.lookup)
        group = claims.groups[0]
        values = [*group.values, *claims.multiplicities.values]
        points = [group.point, group.point, claims.multiplicities.point]
        return [
            PointClaim(self.point(block, point), value)
            for block, (point, value) in enumerate(zip(points, values, strict=True))
        ]


class LookupProof(LookupStatement):
    """The statement with a witness."""

    def with_rows(self, indices: np.ndarray) -> LookupProof:
        """Take the table rows that are looked up."""
        self.columns = np.ascontiguousarray(self.table.columns()[:, indices])
        padded = np.zeros(1 << self.lookup.bits(0), np.int64)
        padded[: self.length] = indices
        self.multiplicities = lookup_prover.count_multiplicities([padded], self.table_bits)
        return self

    def witness(self) -> list[np.ndarray]:
        width = 1 << self.message_bits
        blocks = []
        for column in (*self.columns, self.multiplicities):
            block = np.zeros((self.block_rows, width), np.uint32)
            block.reshape(-1)[: len(column)] = column
            blocks.append(block)
        return blocks

    def prove(self, channel: ProverChannel) -> list[Place]:
        points = lookup_prover.prove(channel, self.lookup, [self.columns], self.multiplicities)
        inner = [points.groups[0], points.groups[0], points.multiplicities]
        return [Place(self.point(block, point)) for block, point in enumerate(inner)]
