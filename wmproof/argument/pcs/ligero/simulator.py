"""Commitments and openings with the prover's distribution, made without a witness.

The messages under pads having been drawn uniformly,

- the combined row and the tests' polynomials are uniform too, except for one coefficient of the
  linear test, which the transcript determines;
- opened columns are uniform, except for what the combined row and the polynomials demand of the
  blinding rows and masks, which is solved for;
- all other leaves of the Merkle trees are random strings, which differ from hashes of salted
  columns only for who queries the oracle at a salt of 256 bits.

A prover's have the same distribution: any `queries` positions of a row are uniform thanks to its
tail; blinding rows make the combined row uniform, and masks the polynomials. The only exception is
that the blinding rows' weights may fail to span K, with probability of a few dozen in |K|, where
this raises ArithmeticError and the prover gives up.
"""

import secrets

import numpy as np

from wmproof.argument.algebra.element import Element
from wmproof.argument.algebra.extension import elements_of, vector_of
from wmproof.argument.algebra.field import U32, P, from_montgomery, random_elements
from wmproof.argument.algebra.vectors import basis_of_field
from wmproof.argument.codec import encode_base, encode_vector
from wmproof.argument.pcs.ligero.claims import BLINDING_ROWS
from wmproof.argument.pcs.ligero.evaluation_verifier import EvaluationTest
from wmproof.argument.pcs.ligero.merkle import HASH_BYTES, SALT_BYTES, leaf_hashes
from wmproof.argument.pcs.ligero.pad_verifier import PadTests
from wmproof.argument.pcs.ligero.tree import MerkleTree, words_of_hashes
from wmproof.argument.pcs.ligero.verifier import LigeroVerifier, draw_positions
from wmproof.argument.transcript import NONCE_BYTES, VerifierTranscript


def simulate(
    side: LigeroVerifier, transcript: VerifierTranscript, said: bytes
) -> tuple[bytes, bytes, bytes]:
    """As `pcs.provers.simulate_openings`."""
    chosen, pads = side.parameters, side.pads
    codes = chosen.witness_code, chosen.pad_code
    _fix_linear_sum(pads, chosen.pad_code.message_length)
    polynomials = b"".join(encode_vector(polynomial) for polynomial in pads.polynomials)
    said = said[: -len(polynomials)] + polynomials
    positions = draw_positions(side.parameters, transcript)
    columns = (
        _witness_columns(side.evaluation, positions[0], side.rows),
        _pad_columns(pads, positions[1], side.layout.rows),
    )
    nonce = bytes(NONCE_BYTES) if chosen.grinding_bits else b""
    roots, openings, siblings = b"", b"", b""
    for code, where, opened in zip(codes, positions, columns, strict=True):
        salts = secrets.token_bytes(SALT_BYTES * len(where))
        tree = _tree(code.length, where, leaf_hashes(opened, salts))
        roots += tree.root
        openings += encode_base(opened) + salts
        siblings += b"".join(tree.open(where))
    return roots, said, nonce + openings + siblings


def _fix_linear_sum(pads: PadTests, width: int) -> None:
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


def _pad_columns(pads: PadTests, positions: list[int], rows: int) -> U32:
    columns = []
    weights = pads.weights_at(positions)
    for own, (u, q, h) in zip(weights, pads.values(positions), strict=True):
        entries = [Element(*row) for row in random_elements((rows + 2, 4)).tolist()]
        entries[rows - 1 :] = [Element(0)] * 3
        entries[rows - 1] = u - pads.expected(own, entries)[0]
        _, linear, quadratic = pads.expected(own, entries)
        entries[rows], entries[rows + 1] = q - linear, h - quadratic
        columns.append(from_montgomery(vector_of(entries)).T.reshape(-1))
    return np.array(columns, np.uint32)


def _tree(length: int, positions: list[int], opened: list[bytes]) -> MerkleTree:
    leaves = [secrets.token_bytes(HASH_BYTES) for _ in range(length)]
    for position, leaf in zip(positions, opened, strict=True):
        leaves[position] = leaf
    return MerkleTree(words_of_hashes(leaves))
