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

from dataclasses import dataclass

import numpy as np

from wmproof.argument.algebra import ntt
from wmproof.argument.algebra.field import GENERATOR, TWO_ADICITY, U32, P, reduced
from wmproof.errors import InputError


@dataclass(frozen=True)
class Code:
    """The code of rows with 2^message_bits message values and `tail` random coefficients.

    InputError if the dimension 2^m + Q exceeds half the length, or a number is out of range.
    """

    message_bits: int
    """m, at least 2."""
    tail: int
    """Q, at least 0; any Q positions of a codeword are uniformly distributed."""
    rate_bits: int = 2
    """The codeword has 2^(message_bits + rate_bits) <= 2^24 positions."""

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

    def values_at(self, messages: U32, tails: U32, positions: np.ndarray) -> U32:
        """Values of codewords at some positions, as a verifier needs them: uint32 (R, k).

        Parameters
        ----------
        messages : uint32 (R, 2^m), below p, canonical or Montgomery; a row over K is four rows
        tails : uint32 (R, Q), of the same representation
        positions : ndarray
            Integers in [0, n), of any shape (k,).
        """
        where = np.asarray(positions)
        if where.size and (where.min() < 0 or where.max() >= self.length):
            raise InputError(f"positions of this code lie in [0, {self.length})")
        self.check_rows(messages, tails)
        coefficients = row_coefficients(self, messages, tails)
        return ntt.values_at(coefficients, self.points()[where])

    def weights_at(self, positions: np.ndarray) -> tuple[U32, U32]:
        """Weights of message values and of the tail whose sums are a codeword's values.

        `positions` are integers in [0, n), (k,). Returns uint32 (k, 2^m) and (k, Q), canonical.
        """
        points = self.points()[positions]
        vanishing = [(pow(int(x), self.message_length, P) + P - 1) % P for x in points]
        powers = ntt.powers(points, self.tail).astype(np.uint64)
        tails = reduced(powers * np.array(vanishing, np.uint64)[:, None])
        return ntt.interpolation_weights(self.message_length, points), tails.astype(np.uint32)

    def check_rows(self, messages: U32, tails: U32) -> int:
        """Return how many rows these are; InputError if they are none of this code."""
        rows = len(messages)
        if messages.shape != (rows, self.message_length) or tails.shape != (rows, self.tail):
            raise InputError(f"messages {messages.shape} and tails {tails.shape} do not fit {self}")
        for name, array in (("message", messages), ("tail", tails)):
            if array.size and int(array.max()) >= P:
                raise InputError(f"a {name} value is not below p = {P}")
        return rows


def row_coefficients(code: Code, messages: U32, tails: U32) -> U32:
    """Coefficients c + (X^(2^m) - 1) t of rows: uint32 (R, 2^m), (R, Q) to (R, 2^m + Q)."""
    inner = ntt.coefficients(messages)
    size, tail = code.message_length, code.tail
    out = np.zeros((messages.shape[0], code.dimension), np.uint64)
    out[:, :size] = inner
    out[:, size:] = tails
    out[:, :tail] += P - tails.astype(np.uint64)
    return (out % P).astype(np.uint32)
