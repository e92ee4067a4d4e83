r"""The bytes of a non-interactive proof, checked before anything is computed from them.

    magic       b"wmproof argument 1\\n"
    roots       32 bytes for the witness, 32 for the pads
    protocol    16 bytes for each message in K; 8 for each nonce
    row         the combined row, 16 bytes an element
    pads        three polynomials, 16 bytes a coefficient
    nonce       8 bytes
    columns     of the witness, 4 bytes an element; their salts, 32 bytes each; the pads' likewise
    siblings    of the witness, then of the pads, 32 bytes each

Everything but the number of siblings follows from the setup; that number is bounded by it.
"""

from __future__ import annotations

from wmproof.argument.codec import decode_base
from wmproof.argument.element import BYTES
from wmproof.argument.merkle import HASH_BYTES, SALT_BYTES
from wmproof.argument.system.statement import MAGIC, Setup
from wmproof.argument.transcript import NONCE_BYTES
from wmproof.errors import ProofError

Section = tuple[str, int, bool]


def sections(setup: Setup) -> list[Section]:
    """Name, length in bytes and whether made of field elements, for all but the siblings."""
    parameters, layout = setup.parameters, setup.pad_layout
    nonce = NONCE_BYTES if parameters.grinding_bits else 0
    polynomials = layout.code.dimension + layout.linear_degree + layout.quotient_degree
    witness_bytes = 4 * parameters.witness_queries * setup.shape.rows
    pad_bytes = 4 * parameters.pad_queries * layout.column_height
    return [
        ("magic", len(MAGIC), False),
        ("roots", 2 * HASH_BYTES, False),
        *(("protocol", size or nonce, size > 0) for size in setup.message_sizes),
        ("evaluation/row", BYTES * parameters.witness_code.dimension, True),
        ("pads/polynomials", BYTES * polynomials, True),
        ("positions/work", nonce, False),
        ("witness/columns", witness_bytes, True),
        ("witness/salts", SALT_BYTES * parameters.witness_queries, False),
        ("pads/columns", pad_bytes, True),
        ("pads/salts", SALT_BYTES * parameters.pad_queries, False),
    ]


def length_bounds(setup: Setup) -> tuple[int, int]:
    """Least and greatest length of a proof in bytes."""
    parameters = setup.parameters
    fixed = sum(size for _, size, _ in sections(setup))
    siblings = sum(
        queries * (code.length.bit_length() - 1)
        for code, queries in (
            (parameters.witness_code, parameters.witness_queries),
            (parameters.pad_code, parameters.pad_queries),
        )
    )
    return fixed, fixed + HASH_BYTES * siblings


def check_encoding(setup: Setup, proof: bytes) -> None:
    """ProofError unless magic, length and every field element are as they must be."""
    least, greatest = length_bounds(setup)
    if not proof.startswith(MAGIC):
        raise ProofError("encoding", "this is no wmproof argument, or one of another version")
    if not least <= len(proof) <= greatest or (len(proof) - least) % HASH_BYTES:
        raise ProofError(
            "encoding",
            "the proof has a length that no proof of this statement has",
            numbers={"bytes": len(proof), "least": least, "greatest": greatest},
        )
    offset = 0
    for name, size, is_field in sections(setup):
        if is_field:
            decode_base(proof[offset : offset + size], name)
        offset += size
