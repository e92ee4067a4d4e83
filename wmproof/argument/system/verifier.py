"""The verifier of the whole argument. It reads nothing whose length it does not know."""

from wmproof.argument.channel import VerifierChannel
from wmproof.argument.pcs.commitment import VerifierSide
from wmproof.argument.system.encoding import check_encoding
from wmproof.argument.system.statement import MAGIC, PROTOCOL, Security, Setup, Statement, prepare
from wmproof.argument.transcript import VerifierTranscript, fiat_shamir_verifier


def verify_proof(statement: Statement, proof: bytes, security: Security | None = None) -> Setup:
    """Check a non-interactive proof.

    Parameters
    ----------
    statement : Statement
    proof : bytes
    security : Security
        What the verifier demands, not what the proof offers.

    Returns
    -------
    Setup
        The sizes and parameters of the accepted proof.

    Raises
    ------
    ProofError
        If any check fails.
    """
    setup = prepare(statement, security or Security())
    check_encoding(setup, proof)
    transcript = fiat_shamir_verifier(PROTOCOL, proof[len(MAGIC) :])
    verify(statement, setup, transcript)
    transcript.finish()
    return setup


def verify(statement: Statement, setup: Setup, transcript: VerifierTranscript) -> None:
    """Run the verifier over any transcript; ProofError if a check fails."""
    transcript.bind("statement", statement.digest)
    transcript.bind("setup", setup.encode())
    side = setup.commitment.verifier()
    side.receive_commitments(transcript)
    receive_protocol(statement, setup, transcript, side)
    side.check_openings(transcript)


def receive_protocol(
    statement: Statement, setup: Setup, transcript: VerifierTranscript, side: VerifierSide
) -> None:
    """Walk through everything between the commitments and their openings."""
    channel = VerifierChannel(transcript, grinding_bits=setup.commitment.grinding_bits)
    side.receive_evaluations(channel, statement.verify(channel))
    side.receive_constraints(transcript, channel.system)
