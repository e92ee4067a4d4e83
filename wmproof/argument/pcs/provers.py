"""The prover's side of the polynomial commitment in use; verifiers do not import this module."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from wmproof.argument.algebra.element import Element
from wmproof.argument.channel import ConstraintSystem
from wmproof.argument.pcs.claims import Place
from wmproof.argument.pcs.commitment import Memory, PolynomialCommitment, VerifierSide
from wmproof.argument.pcs.ligero.commitment import Ligero
from wmproof.argument.pcs.ligero.memory import memory as ligero_memory
from wmproof.argument.pcs.ligero.prover import LigeroProver
from wmproof.argument.pcs.ligero.simulator import simulate
from wmproof.argument.prover_channel import ProverChannel
from wmproof.argument.transcript import ProverTranscript, VerifierTranscript


class ProverSide(Protocol):
    """One prover's walk, in step with `VerifierSide`; secret."""

    @property
    def pads(self) -> Sequence[Element]:
        """The committed pads, uniform, each to be used once."""

    def commit(
        self,
        transcript: ProverTranscript,
        witness: Sequence[NDArray[Any]],
        largest: Sequence[int] | None = None,
    ) -> None:
        """Draw pads, and commit to them and to the witness.

        Parameters
        ----------
        witness : sequence of uint8, uint16 or uint32 arrays (rows, 2^message_bits)
            Canonical; the statement's rows in all. Kept without a copy.
        largest : sequence of int, optional
            For each array a public number that none in it is above.
        """

    def prove_evaluations(self, channel: ProverChannel, places: Sequence[Place]) -> None:
        """Prove the witness's values at places."""

    def prove_constraints(self, transcript: ProverTranscript, system: ConstraintSystem) -> None:
        """Prove that the pads satisfy what the verifier derived from the transcript."""

    def open(self, transcript: ProverTranscript) -> None:
        """Open the commitments where the transcript says."""


Simulator = Callable[[Any, VerifierTranscript, bytes], tuple[bytes, bytes, bytes]]

MEMORY: Callable[[int, int, int], Memory] = ligero_memory
"""Estimates what the prover holds of a witness of `rows` rows of 2^`message_bits` values, about
which there are so many claims."""
PROVERS: dict[type[PolynomialCommitment], Callable[[Any], ProverSide]] = {Ligero: LigeroProver}
SIMULATORS: dict[type[PolynomialCommitment], Simulator] = {Ligero: simulate}


def prover_of(commitment: PolynomialCommitment) -> ProverSide:
    """Begin a prover's walk."""
    return PROVERS[type(commitment)](commitment)


def simulate_openings(
    commitment: PolynomialCommitment,
    side: VerifierSide,
    transcript: VerifierTranscript,
    said: bytes,
) -> tuple[bytes, bytes, bytes]:
    """Make commitments and openings that fit a transcript of uniform messages.

    Parameters
    ----------
    side : VerifierSide
        Has received evaluations and constraints.
    transcript : VerifierTranscript
        Draws the challenges that follow.
    said : bytes
        What was received.

    Returns
    -------
    commitments, said, openings : bytes
        Together an accepting transcript; `said` may differ where the transcript determines it.
    """
    return SIMULATORS[type(commitment)](side, transcript, said)
