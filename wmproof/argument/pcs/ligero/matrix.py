"""The prover's matrix: rows of small integers or field elements, encoded, hashed and opened."""

import os
from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from wmproof._base.threads import for_each
from wmproof.argument.algebra.field import U32, P, reduced
from wmproof.argument.algebra.matrices import product
from wmproof.argument.kernels import ntt
from wmproof.argument.kernels.pairs import pairs_of, products
from wmproof.argument.kernels.rows import Block, project_rows, weigh_rows
from wmproof.argument.pcs.ligero.columns import CommittedMatrix, Entropy
from wmproof.argument.pcs.ligero.encoded_columns import EncodedColumns
from wmproof.argument.pcs.ligero.reed_solomon import Code
from wmproof.errors import InputError

ROWS = 1 << 7  # that a thread weighs at a time
_DTYPES = (np.uint8, np.uint16, np.uint32)


class MessageMatrix:
    """R rows of 2^m message values, each with a random tail; secret.

    Parameters
    ----------
    blocks : sequence of ndarray
        Each uint8, uint16 or uint32 (any number of rows, 2^m), C-contiguous, canonical; kept
        without a copy and in order, so the caller must not change them.
    tails : uint32 (R, Q), canonical, from `field.random_elements`
    code : Code
        Of all rows.
    largest : sequence of int, optional
        For each block a public number that none in it is above; by default that of its type.

    Raises
    ------
    InputError
        If a shape, type or value does not fit.
    """

    def __init__(
        self, blocks: Sequence[Block], tails: U32, code: Code, largest: Sequence[int] | None = None
    ) -> None:
        self.largest = [P - 1] * len(blocks) if largest is None else largest
        for i, (block, most) in enumerate(zip(blocks, self.largest, strict=True)):
            _check_block(block, code.message_length, f"block {i}", most)
        self.blocks = tuple(blocks)
        self.code = code
        # (first row, one past the last) of each block.
        ends = list(accumulate(len(block) for block in blocks))
        self.block_rows = list(zip([0, *ends], ends, strict=False))
        self.rows = ends[-1] if ends else 0
        _check_block(tails, code.tail, "tails", P - 1)
        if tails.dtype != np.uint32 or len(tails) != self.rows or not self.rows:
            raise InputError(
                f"{self.rows} rows cannot have tails {tails.dtype} {tails.shape}", where="tails"
            )
        self.tails = tails

    def commit(self, entropy: Entropy = os.urandom) -> CommittedMatrix:
        """Encode all rows and hash all columns.

        ``entropy(k)`` gives k uniform bytes for the salts; another only in tests.
        """
        return CommittedMatrix(EncodedColumns(self), entropy)

    def load_messages(self, first: int, last: int, lanes: U32) -> None:
        """As `encoded_columns.Rows` says."""
        for block, low, high, row in self._pieces(first, last):
            ntt.load_lanes(block[low:high], lanes, row - first)

    def load_tails(self, first: int, last: int, lanes: U32) -> None:
        """As `encoded_columns.Rows` says."""
        ntt.load_lanes(self.tails[first:last], lanes, 0)

    def weigh_columns(self, messages: U32, tails: U32) -> U32:
        """As `encoded_columns.Rows` says."""
        pairs = pairs_of(messages)
        out = np.empty((self.rows, len(messages)), np.uint32)

        def weigh(part: tuple[Block, int, int]) -> None:
            block, first, most = part
            rows = slice(first, first + len(block))
            sums = product(tails, self.tails[rows].T).T.astype(np.uint64)
            out[rows] = reduced(sums + products(block, pairs, len(messages), most))

        for_each(
            weigh,
            (
                (block[row : row + ROWS], first + row, most)
                for block, (first, _), most in zip(
                    self.blocks, self.block_rows, self.largest, strict=True
                )
                for row in range(0, len(block), ROWS)
            ),
        )
        return out

    def _pieces(self, first: int, last: int) -> list[tuple[Block, int, int, int]]:
        """(block, first and last row in it, row in the matrix) that make up rows first .. last."""
        return [
            (block, max(first, begin) - begin, min(last, end) - begin, max(first, begin))
            for block, (begin, end) in zip(self.blocks, self.block_rows, strict=True)
            if begin < last and end > first
        ]

    def combine_rows(self, coefficients: U32) -> U32:
        """Return sum_i c_i (message_i || tail_i): uint32 (4, 2^m + Q), K in Montgomery form.

        `coefficients` are uint32 (4, R), K in Montgomery form.
        """
        if coefficients.shape != (4, self.rows):
            raise InputError(f"{self.rows} rows have (4, {self.rows}) coefficients")
        messages = self.combine_messages(coefficients, 0)
        return np.concatenate([messages, weigh_rows(self.tails, coefficients)], axis=1)

    def combine_messages(self, coefficients: U32, row_start: int) -> U32:
        """Return sum_i c_i message_(row_start + i): uint32 (4, 2^m), K in Montgomery form.

        Parameters
        ----------
        coefficients : uint32 (4, any number of rows), K in Montgomery form
        row_start : int
            The first row.
        """
        if len(coefficients) != 4:
            raise InputError(f"coefficients over K have 4 rows, not {len(coefficients)}")
        row_stop = row_start + coefficients.shape[1]
        if not 0 <= row_start <= row_stop <= self.rows:
            raise InputError(f"rows {row_start} .. {row_stop} are not in a matrix of {self.rows}")
        parts = []
        for block, low, high, row in self._pieces(row_start, row_stop):
            own = coefficients[:, row - row_start : row - row_start + high - low]
            parts.append(weigh_rows(block[low:high], np.ascontiguousarray(own)))
        if len(parts) == 1:  # as for nearly every claim
            return parts[0]
        sums = np.zeros((4, self.code.message_length), np.uint64)
        for part in parts:
            sums += part
        return reduced(sums).astype(np.uint32)

    def project_columns(self, weights: U32, row_start: int = 0, row_stop: int | None = None) -> U32:
        """Return <weights, message_i> for the rows of a range.

        Returns uint32 (4, row_stop - row_start), K in Montgomery form.

        Parameters
        ----------
        weights : uint32 (4, 2^m), K in Montgomery form
        row_start, row_stop : int
            The range; all rows by default.
        """
        stop = self.rows if row_stop is None else row_stop
        if not 0 <= row_start <= stop <= self.rows:
            raise InputError(f"rows {row_start} .. {stop} are not in a matrix of {self.rows}")
        if weights.shape != (4, self.code.message_length):
            raise InputError(f"weights have the shape (4, {self.code.message_length})")
        parts = [
            project_rows(block[low:high], weights)
            for block, low, high, _ in self._pieces(row_start, stop)
        ]
        return np.concatenate([np.empty((4, 0), np.uint32), *parts], axis=1)


def _check_block(block: Block, width: int, where: str, most: int) -> None:
    if block.ndim != 2 or block.shape[1] != width or block.dtype not in _DTYPES:
        raise InputError(
            f"an array {block.dtype} {block.shape} is no block of rows",
            where=where,
            remedy=f"Give uint8, uint16 or uint32 of the shape (rows, {width})",
        )
    if not block.flags.c_contiguous:
        raise InputError("the rows are not contiguous", where=where)
    if most < np.iinfo(block.dtype).max and int(block.max(initial=0)) > most:
        raise InputError(f"a value is above {most}", where=where)
