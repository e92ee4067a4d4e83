"""Reed-Solomon codes with random coefficients that hide any few positions of a codeword.

A row is the polynomial f = c + Z_H t of degree < 2^m + Q: c interpolates the 2^m message values on
the subgroup H of order 2^m, Z_H = X^(2^m) - 1 vanishes there, and t has Q uniformly random
coefficients, the tail. Its codeword is f on the coset g <w'> of order n = 2^(m + rate_bits).

- *Disjoint*: g = 3 generates F_p^*, so (g w'^i)^n = g^n is not 1 (n < p - 1), whereas x^n = 1 on H.
- *Distance*: two rows agree in fewer than k = 2^m + Q positions, so the distance is n - k + 1 and
  fewer than half as many errors, at most (n - k) / 2, leave the codeword unique.
- *Hiding*: at Q distinct positions x, Z_H(x) is nonzero and the values t(x) are a bijective image
  of the tail. So any Q positions of a codeword are uniform and independent, whatever the message.

Message slots and positions are in the transforms' bit-reversed order: slot j is w^rev(j) on H and
position b is g w'^rev(b). Nothing needs another order, and no permutation is ever done. Encoding is
F_p-linear, so Montgomery rows make Montgomery codewords and rows of K encode by coefficients.

Source: Ames, Hazay, Ishai, Venkitasubramaniam, *Ligero*, section 4; tails as multiples of Z_H are
the usual form of its random evaluation points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import numpy as np
from numba import njit, uint64

from wmproof.argument import ntt
from wmproof.argument.field import (
    GENERATOR,
    MONTGOMERY_R,
    TWO_ADICITY,
    U32,
    P,
    add,
    mont_mul,
    mont_reduce,
    montgomery,
)
from wmproof.errors import InputError

LANES = ntt.LANES
# A codeword is evaluated in blocks, each a sub-coset X^s = d of s = 2^m / 4 positions: four
# products are one reduction, and the lanes of a block stay in the cache.
_QUARTERS = 4
_ONE = np.uint32(MONTGOMERY_R)


@dataclass(frozen=True)
class Code:
    """The code of rows with 2^message_bits message values and `tail` random coefficients.

    Parameters
    ----------
    message_bits : int
        m, at least 2.
    tail : int
        Q, at least 0; any Q positions of a codeword are uniformly distributed.
    rate_bits : int
        The codeword has 2^(message_bits + rate_bits) <= 2^24 positions.

    Raises
    ------
    InputError
        If the dimension 2^m + Q exceeds half the length, or a number is out of range.
    """

    message_bits: int
    tail: int
    rate_bits: int = 2

    def __post_init__(self) -> None:
        if self.message_bits < 2 or self.rate_bits < 1 or self.tail < 0:
            raise InputError(f"no code has the parameters {self}")
        if self.message_bits + self.rate_bits > TWO_ADICITY:
            raise InputError(f"no subgroup of F_p is as long as a codeword of {self}")
        if 2 * self.dimension > self.length:
            raise InputError(
                f"the dimension {self.dimension} exceeds half the length {self.length}",
                where=str(self),
                remedy="Raise rate_bits or shorten the tail",
            )

    @property
    def message_length(self) -> int:
        """2^m."""
        return 1 << self.message_bits

    @property
    def length(self) -> int:
        """n, the number of positions."""
        return 1 << (self.message_bits + self.rate_bits)

    @property
    def dimension(self) -> int:
        """The dimension k = 2^m + Q: a nonzero codeword has fewer than k zeros."""
        return self.message_length + self.tail

    @property
    def distance(self) -> int:
        """The least distance n - k + 1 of two codewords."""
        return self.length - self.dimension + 1

    @property
    def unique_decoding_errors(self) -> int:
        """The most errors that leave a codeword the only nearest one."""
        return (self.distance - 1) // 2

    def points(self) -> U32:
        """The evaluation point of each position, canonical uint32 (n,)."""
        return ntt.bit_reversed_points(self.length, GENERATOR)

    def slots(self) -> U32:
        """The point of H of each message slot, canonical uint32 (2^m,)."""
        return ntt.bit_reversed_points(self.message_length, 1)

    @cached_property
    def _split(self) -> U32:
        return ntt.split_constants(self.length, GENERATOR)

    @cached_property
    def _merge(self) -> U32:
        return ntt.merge_constants(self.message_length)

    @cached_property
    def _folds(self) -> tuple[U32, U32]:
        """For each block X^s = d: d^i for the quarters of c, (d^4 - 1) d^q for each s of t."""
        size = self.message_length // _QUARTERS
        runs = -(-self.tail // size)
        moduli = [pow(int(x), size, P) for x in self.points()[::size]]
        quarters = [[montgomery(pow(d, i, P)) for i in range(_QUARTERS)] for d in moduli]
        tails = [
            [montgomery((pow(d, _QUARTERS, P) - 1) * pow(d, q, P)) for q in range(runs)]
            for d in moduli
        ]
        return np.array(quarters, np.uint32), np.array(tails, np.uint32).reshape(len(moduli), runs)

    @cached_property
    def message_scale(self) -> np.uint32:
        """Factor that `ntt.load_lanes` applies to messages on their way to `interpolate_lanes`."""
        return ntt.inverse_scale(self.message_length)

    def prepare(self) -> None:
        """Make the tables before several threads ask for them."""
        _ = self._split, self._merge, self._folds, self.message_scale

    def new_lanes(self, batches: int) -> tuple[U32, U32]:
        """Room for messages or coefficients, and tails, of batches of 16 rows, all zero."""
        return (
            np.zeros((batches, self.message_length, LANES), np.uint32),
            np.zeros((batches, self.tail, LANES), np.uint32),
        )

    def interpolate_lanes(self, messages: U32) -> None:
        """Make messages (2^m, 16), as `ntt.load_lanes` scales them, coefficients of c."""
        ntt.inverse(messages.reshape(-1), self._merge)

    def evaluate_lanes(
        self, coefficients: U32, tails: U32, out: U32, column: int, start: int = 0
    ) -> None:
        """Write codewords to `out`, as many as it has columns for; releases the GIL.

        Parameters
        ----------
        coefficients, tails : ndarray
            As `new_lanes` made them, and `interpolate_lanes` and `ntt.load_lanes` filled them.
        out : ndarray
            uint32 (positions, any), C-contiguous.
        column : int
            The first column to write; each codeword fills one.
        start : int
            The position that is row 0 of `out`.
        """
        size, stop = self.message_length // _QUARTERS, start + len(out)
        for k in range(start // size, -(-stop // size)):
            low, high = max(start, k * size), min(stop, (k + 1) * size)
            wanted = np.arange(low - k * size, high - k * size)
            part = out[low - start : high - start]
            self._evaluate_block(coefficients, tails, k, wanted, part, column)

    def evaluate_lanes_at(
        self, coefficients: U32, tails: U32, positions: Sequence[int], out: U32, column: int
    ) -> None:
        """Write what `evaluate_lanes` would at increasing positions alone, in less time."""
        size, row = self.message_length // _QUARTERS, 0
        for k, group in groupby(positions, lambda position: position // size):
            wanted = np.array(list(group)) - k * size
            part = out[row : row + len(wanted)]
            self._evaluate_block(coefficients, tails, k, wanted, part, column)
            row += len(wanted)

    def _evaluate_block(
        self,
        coefficients: U32,
        tails: U32,
        k: int,
        wanted: ntt.I64,
        out: U32,
        column: int,
    ) -> None:
        quarters, runs = (folds[k] for folds in self._folds)
        node = (_QUARTERS << self.rate_bits) + k
        _evaluate(coefficients, tails, quarters, runs, self._split, node, wanted, out, column)

    def encode(self, messages: U32, tails: U32) -> U32:
        """Codewords of a few rows, in one thread.

        Parameters
        ----------
        messages : ndarray
            uint8, uint16 or uint32 (R, 2^m), below p, canonical or Montgomery.
        tails : ndarray
            uint32 (R, Q), of the same representation.

        Returns
        -------
        ndarray
            uint32 (R, n).
        """
        rows = self._checked_rows(messages, tails)
        out = np.empty((self.length, rows), np.uint32)
        lanes, tail_lanes = self.new_lanes(1)
        for first in range(0, rows, LANES):
            ntt.load_lanes(messages[first : first + LANES], self.message_scale, lanes[0], 0)
            ntt.load_lanes(tails[first : first + LANES], _ONE, tail_lanes[0], 0)
            self.interpolate_lanes(lanes[0])
            self.evaluate_lanes(lanes, tail_lanes, out, first)
        return np.ascontiguousarray(out.T)

    def encode_extension(self, message: U32, tail: U32) -> U32:
        """Codeword of one row over K.

        Parameters
        ----------
        message : ndarray
            uint32 (4, 2^m).
        tail : ndarray
            uint32 (4, Q).

        Returns
        -------
        ndarray
            uint32 (4, n), in the representation of the inputs.
        """
        if message.shape[0] != 4:
            raise InputError(f"a row over K has 4 coefficient rows, not {message.shape[0]}")
        return self.encode(message, tail)

    def evaluate_extension(self, message: U32, tail: U32, positions: np.ndarray) -> U32:
        """Values of one row over K at some positions, as a verifier needs them.

        Parameters
        ----------
        message, tail : ndarray
            As for `encode_extension`.
        positions : ndarray
            Integers in [0, n), of any shape (k,).

        Returns
        -------
        ndarray
            uint32 (4, k).
        """
        where = np.asarray(positions)
        if where.size and (where.min() < 0 or where.max() >= self.length):
            raise InputError(f"positions of this code lie in [0, {self.length})")
        return np.ascontiguousarray(self.encode_extension(message, tail)[:, where])

    def _checked_rows(self, messages: U32, tails: U32) -> int:
        rows = len(messages)
        if messages.shape != (rows, self.message_length) or tails.shape != (rows, self.tail):
            raise InputError(
                f"messages {messages.shape} and tails {tails.shape} do not fit {self}",
            )
        for name, array in (("message", messages), ("tail", tails)):
            if array.size and int(array.max()) >= P:
                raise InputError(f"a {name} value is not below p = {P}")
        return rows


@njit(nogil=True, cache=True)
def _evaluate(
    coefficients: U32,
    tails: U32,
    quarters: U32,
    runs: U32,
    table: U32,
    node: int,
    wanted: ntt.I64,
    out: U32,
    column: int,
) -> None:
    """Values of batches of rows at places of one block, to the rows of `out`."""
    size = coefficients.shape[1] // _QUARTERS
    work = np.empty((size, LANES), np.uint32)
    for b in range(coefficients.shape[0]):
        _fold(coefficients[b], quarters, work)
        _add_tail(tails[b], runs, work)
        if 4 * wanted.shape[0] < size:
            ntt.forward_at(work.reshape(-1), table, node, wanted)
        else:
            ntt.forward(work.reshape(-1), table, node)
        first = column + b * LANES
        count = min(LANES, out.shape[1] - first)
        for row in range(wanted.shape[0]):
            source, target = work[wanted[row]], out[row, first : first + count]
            if count == LANES:
                for i in range(LANES):
                    target[i] = source[i]
            else:
                for i in range(count):
                    target[i] = source[i]


@njit(nogil=True, cache=True)
def _fold(coefficients: U32, quarters: U32, work: U32) -> None:
    """C mod X^s - d: the sum of d^i times the quarters of c."""
    size = work.shape[0]
    f0, f1 = uint64(quarters[0]), uint64(quarters[1])
    f2, f3 = uint64(quarters[2]), uint64(quarters[3])
    for j in range(size):
        c0, c1 = coefficients[j], coefficients[size + j]
        c2, c3 = coefficients[2 * size + j], coefficients[3 * size + j]
        target = work[j]
        for i in range(LANES):
            total = f0 * uint64(c0[i]) + f1 * uint64(c1[i])
            total += f2 * uint64(c2[i]) + f3 * uint64(c3[i])
            target[i] = mont_reduce(total)


@njit(nogil=True, cache=True)
def _add_tail(tail: U32, runs: U32, work: U32) -> None:
    """Add (X^(2^m) - 1) t mod X^s - d."""
    size = work.shape[0]
    for j in range(tail.shape[0]):
        source, target, factor = tail[j], work[j % size], runs[j // size]
        for i in range(LANES):
            target[i] = add(target[i], mont_mul(source[i], factor))
