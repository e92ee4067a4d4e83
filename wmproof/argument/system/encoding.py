r"""The bytes of a non-interactive proof, checked before anything is computed from them.

    magic       b"wmproof argument 1\\n"
    commitments of the witness and of the pads
    protocol    16 bytes for each message in K; 8 for each nonce
    openings    what shows the claims, the pads' constraints and the commitments' openings

`PolynomialCommitment.sections` says how long its parts are. Everything but the very end follows
from the setup, and the length of that is bounded by it.
"""

from wmproof.argument.codec import decode_base
from wmproof.argument.pcs.commitment import Section
from wmproof.argument.system.statement import MAGIC, Setup
from wmproof.argument.transcript import NONCE_BYTES
from wmproof.errors import ProofError


def sections(setup: Setup) -> list[Section]:
    """Every part whose length is known."""
    commitment = setup.commitment.sections()
    nonce = NONCE_BYTES if setup.commitment.grinding_bits else 0
    # Thousands of messages have few lengths.
    said = {size: Section("protocol", size or nonce, size > 0) for size in set(setup.message_sizes)}
    return [
        Section("magic", len(MAGIC), False),
        *commitment.first,
        *(said[size] for size in setup.message_sizes),
        *commitment.last,
    ]


def length_bounds(setup: Setup) -> tuple[int, int]:
    """Least and greatest length of a proof in bytes."""
    fixed, commitment = sum(part.size for part in sections(setup)), setup.commitment.sections()
    return fixed, fixed + commitment.unit * commitment.most_units


def check_encoding(setup: Setup, proof: bytes) -> None:
    """ProofError unless magic, length and every field element are as they must be."""
    least, greatest = length_bounds(setup)
    if not proof.startswith(MAGIC):
        raise ProofError("encoding", "this is no wmproof argument, or one of another version")
    unit = setup.commitment.sections().unit
    if not least <= len(proof) <= greatest or (len(proof) - least) % unit:
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
