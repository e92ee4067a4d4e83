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
from numba import njit

from wmproof.argument import ntt
from wmproof.argument.field import (
    GENERATOR,
    MONTGOMERY_R,
    TWO_ADICITY,
    U32,
    P,
    add,
    mont_mul,
    montgomery,
)
from wmproof.errors import InputError

LANES = ntt.LANES
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
    def _folds(self) -> U32:
        """(c - 1) c^q for each sub-coset X^(2^m) = c and each run q of 2^m tail coefficients."""
        runs = -(-self.tail // self.message_length)
        moduli = [
            pow(int(x), self.message_length, P) for x in self.points()[:: self.message_length]
        ]
        values = [[montgomery((c - 1) * pow(c, q, P)) for q in range(runs)] for c in moduli]
        return np.array(values, np.uint32).reshape(len(moduli), runs)

    @cached_property
    def message_scale(self) -> np.uint32:
        """Factor that `ntt.load_lanes` applies to messages on their way to `interpolate_lanes`."""
        return ntt.inverse_scale(self.message_length)

    def prepare(self) -> None:
        """Make the tables before several threads ask for them."""
        _ = self._split, self._merge, self._folds, self.message_scale

    def new_lanes(self) -> tuple[U32, U32, U32]:
        """Messages or coefficients of 16 rows, their tails, and a work area, all zero."""
        n, q = self.message_length, self.tail
        return (
            np.zeros((n, LANES), np.uint32),
            np.zeros((q, LANES), np.uint32),
            np.zeros((n, LANES), np.uint32),
        )

    def interpolate_lanes(self, messages: U32) -> None:
        """Make messages, as `ntt.load_lanes` scales them, coefficients of c; releases the GIL."""
        ntt.inverse(messages.reshape(-1), self._merge)

    def evaluate_lanes(
        self, lanes: tuple[U32, U32, U32], out: U32, column: int, count: int, start: int = 0
    ) -> None:
        """Write codewords of up to 16 rows to columns of `out`; releases the GIL.

        Parameters
        ----------
        lanes : tuple
            As from `new_lanes`: coefficients from `interpolate_lanes` and tails, neither of them
            changed, and the work area.
        out : ndarray
            uint32 (positions, any), C-contiguous: the codewords from position `start` on, of which
            columns column .. column + count - 1 are written.
        """
        work, size, stop = lanes[2], self.message_length, start + len(out)
        for k in range(start // size, -(-stop // size)):
            self._evaluate_coset(lanes, k)
            low, high = max(start, k * size), min(stop, (k + 1) * size)
            own = work[low - k * size : high - k * size]
            _store(own, out[low - start : high - start], column, count)

    def evaluate_lanes_at(
        self,
        lanes: tuple[U32, U32, U32],
        positions: Sequence[int],
        out: U32,
        column: int,
        count: int,
    ) -> None:
        """Write what `evaluate_lanes` would at some positions alone, in less time.

        Parameters
        ----------
        positions : sequence of int
            Increasing, in [0, n); those of the rows of `out`.
        """
        work, size = lanes[2], self.message_length
        row = 0
        for k, group in groupby(positions, lambda position: position // size):
            own = [position - k * size for position in group]
            self._evaluate_coset(lanes, k, own)
            _store(work[own], out[row : row + len(own)], column, count)
            row += len(own)

    def _evaluate_coset(
        self, lanes: tuple[U32, U32, U32], k: int, wanted: Sequence[int] | None = None
    ) -> None:
        coefficients, tails, work = lanes
        work[:] = coefficients
        _add_tail(tails, self._folds[k], work)
        ntt.forward(work.reshape(-1), self._split, (1 << self.rate_bits) + k, wanted)

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
        lanes = self.new_lanes()
        for first in range(0, rows, LANES):
            last = min(first + LANES, rows)
            ntt.load_lanes(messages[first:last], self.message_scale, lanes[0], 0)
            ntt.load_lanes(tails[first:last], _ONE, lanes[1], 0)
            self.interpolate_lanes(lanes[0])
            self.evaluate_lanes(lanes, out, first, last - first)
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
def _add_tail(tails: U32, folds: U32, work: U32) -> None:
    """Add (d - 1) t mod X^(2^m) - d, for the sub-coset on which X^(2^m) = d."""
    wrap = work.shape[0]
    for j in range(tails.shape[0]):
        source, target, factor = tails[j], work[j % wrap], folds[j // wrap]
        for i in range(LANES):
            target[i] = add(target[i], mont_mul(source[i], factor))


@njit(nogil=True, cache=True)
def _store(work: U32, out: U32, column: int, count: int) -> None:
    for j in range(work.shape[0]):
        source, target = work[j], out[j, column : column + count]
        if count == LANES:
            for i in range(LANES):
                target[i] = source[i]
        else:
            for i in range(count):
                target[i] = source[i]
