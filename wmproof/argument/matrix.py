"""The prover's matrix: rows of small integers or field elements, encoded, hashed and opened.

Rows keep the type they come in: a byte of witness costs a byte, and is a field element only inside
a kernel. All sums are delayed: four products fit in 64 bits before one Montgomery reduction, and
the reduced numbers are added in 64 bits. The verifier never imports this module.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
from numba import njit, uint64
from numpy.typing import NDArray

from wmproof.argument import ntt
from wmproof.argument.columns import CommittedMatrix, Entropy
from wmproof.argument.encoded_columns import EncodedColumns
from wmproof.argument.extension import total_of
from wmproof.argument.field import MONTGOMERY_R, U32, P, mont_reduce, to_montgomery
from wmproof.argument.reed_solomon import Code
from wmproof.argument.threads import over_ranges
from wmproof.errors import InputError

U64 = NDArray[np.uint64]
Block = NDArray[Any]

_ONE = np.uint32(MONTGOMERY_R)
_TILE = 2048
_DTYPES = (np.uint8, np.uint16, np.uint32)


@dataclass(frozen=True)
class Storage:
    """How much of a code matrix is held; what is not costs time.

    Attributes
    ----------
    parts : int
        The columns are encoded in so many parts, a power of two; two of them are held.
    coefficients : bool
        Whether the messages' coefficients are kept, 4 bytes an entry: else they are interpolated
        again for each part and for the opened columns.
    """

    parts: int = 16
    coefficients: bool = True


FASTEST = Storage()


class MessageMatrix:
    """R rows of 2^m message values, each with a random tail; secret.

    Parameters
    ----------
    blocks : sequence of ndarray
        Each uint8, uint16 or uint32 (any number of rows, 2^m), C-contiguous, canonical; kept
        without a copy and in order, so the caller must not change them.
    tails : ndarray
        uint32 (R, Q), canonical, from `field.random_elements`.
    code : Code
        Of all rows.

    Raises
    ------
    InputError
        If a shape, type or value does not fit.
    """

    def __init__(self, blocks: Sequence[Block], tails: U32, code: Code) -> None:
        for i, block in enumerate(blocks):
            _check_block(block, code.message_length, f"block {i}")
        self.blocks = tuple(blocks)
        self.code = code
        # (first row, one past the last) of each block.
        ends = list(accumulate(len(block) for block in blocks))
        self.block_rows = list(zip([0, *ends], ends, strict=False))
        self.rows = ends[-1] if ends else 0
        _check_block(tails, code.tail, "tails")
        if tails.dtype != np.uint32 or len(tails) != self.rows or not self.rows:
            raise InputError(
                f"{self.rows} rows cannot have tails {tails.dtype} {tails.shape}", where="tails"
            )
        self.tails = tails

    def commit(self, storage: Storage = FASTEST, entropy: Entropy = os.urandom) -> CommittedMatrix:
        """Encode all rows and hash all columns.

        Parameters
        ----------
        storage : Storage
        entropy : callable
            ``entropy(k)`` gives k uniform bytes for the salts; another only in tests.
        """
        columns = EncodedColumns(self, keep=storage.coefficients)
        return CommittedMatrix(columns, min(storage.parts, self.code.length), entropy)

    def load_messages(self, first: int, last: int, lanes: U32) -> None:
        """As `encoded_columns.Rows` says."""
        for block, low, high, row in self._pieces(first, last):
            ntt.load_lanes(block[low:high], self.code.message_scale, lanes, row - first)

    def load_tails(self, first: int, last: int, lanes: U32) -> None:
        """As `encoded_columns.Rows` says."""
        ntt.load_lanes(self.tails[first:last], _ONE, lanes, 0)

    def _pieces(self, first: int, last: int) -> list[tuple[Block, int, int, int]]:
        """(block, first and last row in it, row in the matrix) that make up rows first .. last."""
        return [
            (block, max(first, begin) - begin, min(last, end) - begin, max(first, begin))
            for block, (begin, end) in zip(self.blocks, self.block_rows, strict=True)
            if begin < last and end > first
        ]

    def combine_rows(self, coefficients: U32) -> U32:
        """Return sum_i c_i (message_i || tail_i).

        Parameters
        ----------
        coefficients : ndarray
            uint32 (4, R), K in Montgomery form.

        Returns
        -------
        ndarray
            uint32 (4, 2^m + Q), K in Montgomery form.
        """
        if coefficients.shape != (4, self.rows):
            raise InputError(f"{self.rows} rows have (4, {self.rows}) coefficients")
        messages = self.combine_messages(coefficients, 0)
        sums = np.zeros((4, self.code.tail), np.uint64)
        _combine(0, self.code.tail, self.tails, to_montgomery(coefficients), sums)
        return np.concatenate([messages, total_of([sums])], axis=1)

    def combine_messages(self, coefficients: U32, row_start: int) -> U32:
        """Return sum_i c_i message_(row_start + i).

        Parameters
        ----------
        coefficients : ndarray
            uint32 (4, any number of rows), K in Montgomery form.
        row_start : int
            The first row.

        Returns
        -------
        ndarray
            uint32 (4, 2^m), K in Montgomery form.
        """
        if len(coefficients) != 4:
            raise InputError(f"coefficients over K have 4 rows, not {len(coefficients)}")
        row_stop = row_start + coefficients.shape[1]
        if not 0 <= row_start <= row_stop <= self.rows:
            raise InputError(f"rows {row_start} .. {row_stop} are not in a matrix of {self.rows}")
        # Products lose one factor 2^32, and the result is to keep one.
        factors = to_montgomery(coefficients)
        sums = np.zeros((4, self.code.message_length), np.uint64)
        for block, low, high, row in self._pieces(row_start, row_stop):
            own = np.ascontiguousarray(factors[:, row - row_start : row - row_start + high - low])
            over_ranges(_combine, sums.shape[1], block[low:high], own, sums, align=_TILE)
        return total_of([sums])

    def project_columns(self, weights: U32, row_start: int = 0, row_stop: int | None = None) -> U32:
        """Return <weights, message_i> for the rows of a range.

        Parameters
        ----------
        weights : ndarray
            uint32 (4, 2^m), K in Montgomery form.
        row_start, row_stop : int
            The range; all rows by default.

        Returns
        -------
        ndarray
            uint32 (4, row_stop - row_start), K in Montgomery form.
        """
        stop = self.rows if row_stop is None else row_stop
        if not 0 <= row_start <= stop <= self.rows:
            raise InputError(f"rows {row_start} .. {stop} are not in a matrix of {self.rows}")
        if weights.shape != (4, self.code.message_length):
            raise InputError(f"weights have the shape (4, {self.code.message_length})")
        factors = to_montgomery(weights)
        sums = np.zeros((4, stop - row_start), np.uint64)
        for block, low, high, row in self._pieces(row_start, stop):
            over_ranges(
                _project, high - low, block[low:high], factors, sums, row - row_start, grain=8
            )
        return total_of([sums])


def weigh_rows(block: Block, weights: U32) -> U32:
    """Return sum_i w_i block[i].

    Parameters
    ----------
    block : ndarray
        uint8, uint16 or uint32 canonical (R, N), C-contiguous.
    weights : ndarray
        uint32 (4, R), K in Montgomery form.

    Returns
    -------
    ndarray
        uint32 (4, N), K in Montgomery form.
    """
    # Products lose one factor 2^32, and the result is to keep one.
    factors = to_montgomery(weights)
    sums = np.zeros((4, block.shape[1]), np.uint64)
    over_ranges(_combine, block.shape[1], block, factors, sums, align=_TILE)
    return total_of([sums])


def _check_block(block: Block, width: int, where: str) -> None:
    if block.ndim != 2 or block.shape[1] != width or block.dtype not in _DTYPES:
        raise InputError(
            f"an array {block.dtype} {block.shape} is no block of rows",
            where=where,
            remedy=f"Give uint8, uint16 or uint32 of the shape (rows, {width})",
        )
    if not block.flags.c_contiguous:
        raise InputError("the rows are not contiguous", where=where)
    if block.dtype == np.uint32 and block.size and int(block.max()) >= P:
        raise InputError(f"a value is not below p = {P}", where=where)


@njit(nogil=True, cache=True)
def _add_four(r0, r1, r2, r3, c, sums):  # type: ignore[no-untyped-def]
    """sums[x] += c0 r0[x] + .. + c3 r3[x], reduced, for c uint32 (4,)."""
    c0, c1, c2, c3 = uint64(c[0]), uint64(c[1]), uint64(c[2]), uint64(c[3])
    for x in range(r0.shape[0]):
        t = c0 * uint64(r0[x]) + c1 * uint64(r1[x]) + c2 * uint64(r2[x]) + c3 * uint64(r3[x])
        sums[x] += uint64(mont_reduce(t))


@njit(nogil=True, cache=True)
def _combine(start, stop, block, factors, sums):  # type: ignore[no-untyped-def]
    """Add sum_i c_i block[i, x] / 2^32 to sums[:, x] for start <= x < stop."""
    last = block.shape[0] - 1
    c = np.zeros(4, np.uint32)
    for low in range(start, stop, _TILE):
        high = min(low + _TILE, stop)
        for i in range(0, last + 1, 4):
            # Past the last row, its coefficient is zero.
            r0, r1 = block[i, low:high], block[min(i + 1, last), low:high]
            r2, r3 = block[min(i + 2, last), low:high], block[min(i + 3, last), low:high]
            for j in range(4):
                for k in range(4):
                    c[k] = factors[j, i + k] if i + k <= last else 0
                _add_four(r0, r1, r2, r3, c, sums[j, low:high])


@njit(nogil=True, cache=True)
def _dot(row, weights):  # type: ignore[no-untyped-def]
    """sum_x weights[x] row[x] / 2^32 as a sum of reduced numbers; the length is a multiple of 4."""
    n = row.shape[0] // 4
    v0, v1, v2, v3 = row[:n], row[n : 2 * n], row[2 * n : 3 * n], row[3 * n :]
    w0, w1, w2, w3 = weights[:n], weights[n : 2 * n], weights[2 * n : 3 * n], weights[3 * n :]
    total = uint64(0)
    for x in range(n):
        t = uint64(w0[x]) * uint64(v0[x]) + uint64(w1[x]) * uint64(v1[x])
        t += uint64(w2[x]) * uint64(v2[x]) + uint64(w3[x]) * uint64(v3[x])
        total += uint64(mont_reduce(t))
    return total


@njit(nogil=True, cache=True)
def _project(start, stop, rows, weights, sums, offset):  # type: ignore[no-untyped-def]
    """sums[:, offset + i] += sum_x weights[:, x] rows[i, x] / 2^32 for start <= i < stop."""
    size = rows.shape[1]
    for low in range(0, size, _TILE):
        high = min(low + _TILE, size)
        for i in range(start, stop):
            for j in range(4):
                sums[j, offset + i] += _dot(rows[i, low:high], weights[j, low:high])
