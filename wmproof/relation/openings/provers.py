"""All schemes' provers by the byte that names them."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from wmproof.argument.prover_channel import ProverChannel
from wmproof.commitment.scheme import Bytes, Kind, Scheme
from wmproof.relation.openings.sha256.prover import Sha256Prover
from wmproof.relation.openings.sha256_sis.prover import SisProver
from wmproof.relation.openings.statement import OpeningsStatement
from wmproof.relation.segments import SegmentPoint

Arrays = Mapping[str, NDArray[Any]]


class OpeningsProver(Protocol):
    """The prover of a scheme's statement."""

    def witness(
        self, opened: Mapping[Kind, tuple[Bytes, Bytes]], arrays: Arrays
    ) -> dict[str, NDArray[Any]]:
        """Entries of the statement's segments.

        Parameters
        ----------
        opened : mapping
            For each kind messages and randomness of all hidden triggers; secret.
        arrays : mapping
            The rest of the witness, messages included.
        """

    def prove(
        self, channel: ProverChannel, arrays: Arrays, progress: Callable[[float], None]
    ) -> list[SegmentPoint]:
        """Prove; the points of the verifier's claims."""

    def working_bytes(self) -> int:
        """Estimate the memory that `prove` takes at its worst moment."""

    def claims(self) -> int:
        """How many claims about the witness the proof ends in, at most."""


PROVERS: dict[Scheme, Callable[[Any], OpeningsProver]] = {
    Scheme.SHA256: Sha256Prover,
    Scheme.SHA256_SIS: SisProver,
}


def prover_of(scheme: Scheme, statement: OpeningsStatement) -> OpeningsProver:
    """The prover of a scheme's statement.

    `statement` is of that scheme.
    """
    return PROVERS[scheme](statement)
