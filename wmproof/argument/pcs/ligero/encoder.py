"""The prover's encoder of `reed_solomon` codes: whole codewords, sixteen rows at a time."""

from functools import cached_property

import numpy as np

from wmproof._base.jit import njit
from wmproof.argument.algebra.field import GENERATOR, U32, P, montgomery
from wmproof.argument.algebra.ntt import merge_constants, split_constants
from wmproof.argument.kernels import blake3, ntt, simd
from wmproof.argument.kernels.simd import LANES, add, load, store
from wmproof.argument.pcs.ligero.merkle import LEAF_KEY
from wmproof.argument.pcs.ligero.reed_solomon import Code

# A codeword is evaluated in blocks, each a sub-coset X^s = d of s = 2^m / 4 positions: four
# products are one reduction, and the lanes of a block stay in the cache.
_QUARTERS = 4
_KEY = blake3.words_of(LEAF_KEY)


class Encoder:
    """Codewords of one code, and the tables that making them takes."""

    def __init__(self, code: Code) -> None:
        self.code = code

    @cached_property
    def _split(self) -> U32:
        return split_constants(self.code.length, GENERATOR)

    @cached_property
    def _merge(self) -> U32:
        return merge_constants(self.code.message_length)

    @cached_property
    def _folds(self) -> tuple[U32, U32]:
        """For each block X^s = d: d^i for the quarters of c, (d^4 - 1) d^q for each s of t."""
        size = self.code.message_length // _QUARTERS
        runs = -(-self.code.tail // size)
        moduli = [pow(int(x), size, P) for x in self.code.points()[::size]]
        # `ntt.inverse` leaves the factor 2^-m to whoever uses the coefficients of c.
        scale = pow(self.code.message_length, -1, P)
        quarters = [[montgomery(scale * pow(d, i, P)) for i in range(_QUARTERS)] for d in moduli]
        tails = [
            [montgomery((pow(d, _QUARTERS, P) - 1) * pow(d, q, P)) for q in range(runs)]
            for d in moduli
        ]
        return np.array(quarters, np.uint32), np.array(tails, np.uint32).reshape(len(moduli), runs)

    def prepare(self) -> None:
        """Make the tables before several threads ask for them."""
        _ = self._split, self._merge, self._folds

    def new_lanes(self, batches: int) -> tuple[U32, U32]:
        """Room for messages or coefficients, and tails, of batches of 16 rows, all zero."""
        return (
            np.zeros((batches, self.code.message_length, LANES), np.uint32),
            np.zeros((batches, self.code.tail, LANES), np.uint32),
        )

    def interpolate_lanes(self, messages: U32) -> None:
        """Make messages (2^m, 16), as `ntt.load_lanes` puts them, 2^m times coefficients of c."""
        ntt.inverse(messages.reshape(-1), self._merge)

    @property
    def block(self) -> int:
        """Positions of a block, which is a sub-coset; blocks follow each other."""
        return self.code.message_length // _QUARTERS

    @property
    def blocks(self) -> int:
        """How many there are."""
        return _QUARTERS << self.code.rate_bits

    def absorb(
        self,
        start: int,
        stop: int,
        coefficients: U32,
        tails: U32,
        chunk: int,
        height: int,
        salts: U32,
        cvs: U32,
        stack: U32,
    ) -> None:
        """Hash what blocks start .. stop - 1 have in one chunk of 256 rows; releases the GIL.

        Parameters
        ----------
        coefficients, tails : ndarray
            Of the chunk's batches.
        chunk : int
            Which chunk of the columns; they are hashed one after the other.
        height : int
            Rows in all.
        salts : uint32 (n, 8), which follow the rows
        cvs, stack : ndarray
            As `kernels.blake3.absorb` and `push` take them, n / 2 rows; in `cvs` the hashes are
            after the last chunk.
        """
        _absorb(
            start, stop, coefficients, tails, *self._folds, self._split, self.blocks,
            chunk, height, salts, _KEY, cvs, stack,
        )  # fmt: skip

    def encode(self, messages: U32, tails: U32) -> U32:
        """Codewords of a few rows, in one thread: uint32 (R, n).

        Parameters
        ----------
        messages : uint8, uint16 or uint32 (R, 2^m), below p, canonical or Montgomery
        tails : uint32 (R, Q), of the same representation
        """
        rows = self.code.check_rows(messages, tails)
        out = np.empty((self.code.length, rows), np.uint32)
        lanes, tail_lanes = self.new_lanes(1)
        work = np.empty((self.block, LANES), np.uint32)
        for first in range(0, rows, LANES):
            count = min(LANES, rows - first)
            ntt.load_lanes(messages[first : first + count], lanes[0], 0)
            ntt.load_lanes(tails[first : first + count], tail_lanes[0], 0)
            self.interpolate_lanes(lanes[0])
            for k, block in enumerate(np.split(out, self.blocks)):
                quarters, runs = (folds[k] for folds in self._folds)
                node = self.blocks + k
                _evaluate(lanes[0], tail_lanes[0], quarters, runs, self._split, node, work)
                block[:, first : first + count] = work[:, :count]
        return np.ascontiguousarray(out.T)


@njit(nogil=True, cache=True)
def _evaluate(
    coefficients: U32, tails: U32, quarters: U32, runs: U32, table: U32, node: int, work: U32
) -> None:
    """Make `work` the values of a batch of rows on one block."""
    _fold(coefficients, quarters, work)
    _add_tail(tails, runs, work)
    ntt.forward(work.reshape(-1), table, node)


@njit(nogil=True, cache=True)
def _absorb(
    start: int,
    stop: int,
    coefficients: U32,
    tails: U32,
    quarters: U32,
    runs: U32,
    table: U32,
    node: int,
    chunk: int,
    height: int,
    salts: U32,
    key: U32,
    cvs: U32,
    stack: U32,
) -> None:
    size, words = coefficients.shape[1] // _QUARTERS, height + salts.shape[1]
    work = np.empty((size, LANES), np.uint32)
    blocks, first = (words + LANES - 1) // LANES, chunk * blake3.CHUNK_BLOCKS
    last = min(blocks, first + blake3.CHUNK_BLOCKS)
    for b in range(first, last):
        length, flags = 4 * min(LANES, words - b * LANES), blake3.block_flags(b, blocks)
        for k in range(start, stop):
            if b * LANES < height:
                own = coefficients[b - first], tails[b - first]
                _evaluate(own[0], own[1], quarters[k], runs[k], table, node + k, work)
            else:
                work[:] = 0
            _add_salts(salts[k * size : (k + 1) * size], height - b * LANES, work)
            blake3.absorb(work, key, cvs, k * size // 2, chunk, length, flags)
    rows = start * size // 2, stop * size // 2
    if last < blocks:
        blake3.push(stack, cvs, rows[0], rows[1], key, chunk)
    else:
        blake3.finish(stack, cvs, rows[0], rows[1], key, chunk)


@njit(nogil=True, cache=True)
def _add_salts(salts: U32, first: int, work: U32) -> None:
    """Put salts in the lanes from `first` on, those that are there."""
    for i in range(max(0, first), min(LANES, first + salts.shape[1])):
        for j in range(work.shape[0]):
            work[j, i] = salts[j, i - first]


@njit(nogil=True, cache=True)
def _fold(coefficients: U32, quarters: U32, work: U32) -> None:
    """Reduce c modulo X^s - d: add up its quarters, the i-th times d^i."""
    size, like = work.shape[0], simd.vector()
    f0, f1 = simd.uniform(quarters[0]), simd.uniform(quarters[1])
    f2, f3 = simd.uniform(quarters[2]), simd.uniform(quarters[3])
    for j in range(size):
        c0, c1 = load(coefficients, (j, 0), like), load(coefficients, (size + j, 0), like)
        c2 = load(coefficients, (2 * size + j, 0), like)
        c3 = load(coefficients, (3 * size + j, 0), like)
        store(work, (j, 0), simd.dot(c0, f0, c1, f1, c2, f2, c3, f3))


@njit(nogil=True, cache=True)
def _add_tail(tail: U32, runs: U32, work: U32) -> None:
    """Add (X^(2^m) - 1) t mod X^s - d."""
    size, like = work.shape[0], simd.vector()
    for j in range(tail.shape[0]):
        factor = runs[j // size]
        product = simd.mul(
            load(tail, (j, 0), like), simd.uniform(factor), simd.uniform(simd.quotient_of(factor))
        )
        store(work, (j % size, 0), add(load(work, (j % size, 0), like), product))
