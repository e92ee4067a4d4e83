"""The simulator: accepting transcripts with the prover's distribution, made without a witness.

It draws the verifier's coins first (honest-verifier zero-knowledge; in the random oracle model the
Fiat-Shamir proof inherits it by programming the oracle at the challenges). Then

- messages under pads, the combined row and the tests' polynomials are uniform, but for one
  coefficient of the linear test, which the transcript determines;
- opened columns are uniform, but for what the combined row and the polynomials demand of the
  blinding rows and masks, which is solved for;
- all other leaves of the Merkle trees are random strings, which differ from hashes of salted
  columns only for who queries the oracle at a salt of 256 bits.

A prover's transcript has the same distribution: pads are uniform and used once; any `queries`
positions of a row are uniform thanks to its tail; blinding rows make the combined row uniform, and
masks the polynomials. The only exception is that the blinding rows' weights may fail to span K,
with probability of a few dozen in |K|, where this raises ArithmeticError and the prover gives up.
"""

from __future__ import annotations

import io
import secrets

import numpy as np

from wmproof.argument.codec import encode_base, encode_vector
from wmproof.argument.element import Element
from wmproof.argument.extension import elements_of, vector_of
from wmproof.argument.field import U32, P, from_montgomery, random_elements
from wmproof.argument.ligero.algebra import basis_of_field
from wmproof.argument.ligero.claims import BLINDING_ROWS
from wmproof.argument.ligero.evaluation_verifier import EvaluationTest
from wmproof.argument.ligero.pad_verifier import PadTests
from wmproof.argument.merkle import HASH_BYTES, SALT_BYTES, MerkleTree, leaf_hashes
from wmproof.argument.system.statement import Setup, Statement
from wmproof.argument.system.verifier import receive_tests
from wmproof.argument.transcript import NONCE_BYTES, VerifierTranscript


class _FreshCoins:
    """Honest coins, written down."""

    def __init__(self) -> None:
        self.draws: list[bytes] = []

    def absorb(self, label: str, data: bytes) -> None:
        pass

    def draw(self, label: str, size: int) -> bytes:
        self.draws.append(secrets.token_bytes(size))
        return self.draws[-1]

    def find_nonce(self, bits: int) -> bytes:
        raise NotImplementedError

    def check_nonce(self, nonce: bytes, bits: int) -> bool:
        return True


class _UniformMessages:
    """Answers with uniform field elements, written down."""

    def __init__(self) -> None:
        self.said = io.BytesIO()

    def read(self, size: int) -> bytes:
        data = encode_base(random_elements(size // 4))
        self.said.write(data)
        return data


def simulate(statement: Statement, setup: Setup) -> tuple[bytes, list[bytes]]:
    """Make an accepting transcript.

    Returns
    -------
    proof : bytes
        Everything that a prover sends, without the magic.
    draws : list of bytes
        The coins, one string a draw, for `ReplayedCoins`.
    """
    coins, messages = _FreshCoins(), _UniformMessages()
    transcript = VerifierTranscript(messages, coins)
    evaluation, pads = receive_tests(statement, setup, transcript)
    _fix_linear_sum(pads, setup)
    body = messages.said.getvalue()
    polynomials = b"".join(encode_vector(polynomial) for polynomial in pads.polynomials)
    body = body[: -len(polynomials)] + polynomials

    parameters = setup.parameters
    codes = parameters.witness_code, parameters.pad_code
    positions = (
        transcript.positions("witness/positions", codes[0].length, parameters.witness_queries),
        transcript.positions("pads/positions", codes[1].length, parameters.pad_queries),
    )
    columns = (
        _witness_columns(evaluation, positions[0], setup.shape.rows),
        _pad_columns(pads, positions[1], setup),
    )
    nonce = bytes(NONCE_BYTES) if parameters.grinding_bits else b""
    roots, openings, siblings = b"", b"", b""
    for code, where, opened in zip(codes, positions, columns, strict=True):
        salts = secrets.token_bytes(SALT_BYTES * len(where))
        tree = _tree(code.length, where, leaf_hashes(opened, salts))
        roots += tree.root
        openings += encode_base(opened) + salts
        siblings += b"".join(tree.open(where))
    return roots + body + nonce + openings + siblings, coins.draws


def _fix_linear_sum(pads: PadTests, setup: Setup) -> None:
    width = setup.parameters.pad_code.message_length
    linear = pads.polynomials[1]
    total = pads.target * Element.of(width).inverse()
    for coefficient in elements_of(np.ascontiguousarray(linear[:, width::width])):
        total = total - coefficient
    linear[:, 0] = total.montgomery()


def _witness_columns(evaluation: EvaluationTest, positions: list[int], rows: int) -> U32:
    columns = random_elements((len(positions), rows))
    weights = evaluation.row_weights()
    blinding = list(range(rows - BLINDING_ROWS, rows))
    solved, inverse = basis_of_field(weights[:, blinding])
    solved = [blinding[i] for i in solved]
    columns[:, solved] = 0
    sent, rest = evaluation.compared(positions, columns)
    missing = (sent.astype(object) - rest.astype(object)) % P
    columns[:, solved] = (inverse @ missing % P).T.astype(np.uint32)
    return columns


def _pad_columns(pads: PadTests, positions: list[int], setup: Setup) -> U32:
    rows = setup.pad_layout.rows
    columns = []
    for position, (u, q, h) in zip(positions, pads.values(positions), strict=True):
        entries = [Element(*row) for row in random_elements((rows + 2, 4)).tolist()]
        entries[rows - 1 :] = [Element(0)] * 3
        entries[rows - 1] = u - pads.expected(position, entries)[0]
        _, linear, quadratic = pads.expected(position, entries)
        entries[rows], entries[rows + 1] = q - linear, h - quadratic
        columns.append(from_montgomery(vector_of(entries)).T.reshape(-1))
    return np.array(columns, np.uint32)


def _tree(length: int, positions: list[int], opened: list[bytes]) -> MerkleTree:
    leaves = [secrets.token_bytes(HASH_BYTES) for _ in range(length)]
    for position, leaf in zip(positions, opened, strict=True):
        leaves[position] = leaf
    return MerkleTree(leaves)
