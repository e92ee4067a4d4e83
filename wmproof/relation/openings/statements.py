"""All schemes' statements by the byte that names them: what verifiers need of a scheme."""

from collections.abc import Callable, Sequence

from wmproof.commitment.scheme import Scheme
from wmproof.relation.openings.sha256.statement import Sha256Openings
from wmproof.relation.openings.sha256_sis.verifier import SisOpenings
from wmproof.relation.openings.statement import CommittedSlots, Inner, OpeningsStatement

STATEMENTS: dict[Scheme, Callable[[Sequence[CommittedSlots], Inner | None], OpeningsStatement]] = {
    Scheme.SHA256: Sha256Openings,
    Scheme.SHA256_SIS: SisOpenings,
}
"""Each raises `VerificationError` unless the inner commitments are those of the commitments."""
