"""The whole statement of PVerify about one model, one public key and one threshold.

*I know triggers, labels and randomness for every hidden position of the key such that their
commitments open, and the circuit answers at least k of the triggers with their labels.*
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from fractions import Fraction

from wmproof.argument.channel import VerifierChannel
from wmproof.argument.ligero.claims import PointClaim
from wmproof.circuit.format import digest as circuit_digest
from wmproof.circuit.ir import Circuit, Shape
from wmproof.commitment import LABEL_BYTES, Kind
from wmproof.errors import InputError
from wmproof.keys import LabelMode, VerificationKey
from wmproof.relation import hits_verifier, network_verifier
from wmproof.relation.chunks import Chunk, chunks_of
from wmproof.relation.hits import HitsStatement
from wmproof.relation.network import NetworkStatement
from wmproof.relation.segments import Layout, Segment
from wmproof.relation.sha256 import verifier as sha256_verifier
from wmproof.relation.sha256.compression import initial_states
from wmproof.relation.sha256.statement import MessageSource, Openings, words_of
from wmproof.relation.sources import ImageSource, LabelSource

MOST_CHUNK_BITS = 8
_TAG = b"wmproof/claim/v1"


class ClaimStatement:
    """What a claim proves; `argument.system` runs it.

    Parameters
    ----------
    circuit : Circuit
        Compiled from the model by whoever checks.
    key : VerificationKey
        Of the public kind.
    threshold : int
        k: hits that are claimed at least.
    context : bytes
        32 bytes: a digest of everything else that is public, such as the model file.
    chunk_bits : int
        At most 2^chunk_bits triggers share an instance; fewer need less memory.

    Raises
    ------
    InputError
        If model and key do not fit each other, or the threshold is impossible.
    """

    def __init__(
        self,
        circuit: Circuit,
        key: VerificationKey,
        threshold: int,
        *,
        context: bytes,
        chunk_bits: int = MOST_CHUNK_BITS,
    ) -> None:
        check_fit(circuit, key)
        if not 0 <= chunk_bits <= MOST_CHUNK_BITS or len(context) != 32:
            raise InputError(f"chunks of 2^{chunk_bits} triggers, context of {len(context)} bytes")
        self.circuit, self.key, self.threshold = circuit, key, threshold
        self.context, self.chunk_bits = context, chunk_bits
        self.indices = key.hidden_indices()
        if not len(self.indices):
            raise InputError("the challenge of this key hides no trigger")
        self.chunks = chunks_of(len(self.indices), chunk_bits)
        self.network = NetworkStatement(circuit, self.chunks)
        derived = key.label_mode is LabelMode.DERIVED
        labels = key.derived_labels()[self.indices] if derived else None
        self.hit_claim = HitsStatement(self.network, len(self.indices), threshold, labels)
        self.openings = self._openings()
        self.layout = Layout(self._segments())

    def _openings(self) -> list[tuple[Chunk, Kind, Openings]]:
        found = []
        for chunk in self.chunks:
            image = ImageSource(self.network.segment(chunk, 0), self.circuit.input_shape)
            size = math.prod(self.circuit.input_shape)
            found.append((chunk, Kind.TRIGGER, self._opening(chunk, Kind.TRIGGER, size, image)))
            if self.hit_claim.secret:
                rows = LabelSource(self.hit_claim.one_hot, chunk, self.circuit.classes)
                opening = self._opening(chunk, Kind.LABEL, LABEL_BYTES, rows)
                found.append((chunk, Kind.LABEL, opening))
        return found

    def _opening(self, chunk: Chunk, kind: Kind, size: int, source: MessageSource) -> Openings:
        indices = self.indices[chunk.triggers(len(self.indices))]
        commitments = {
            Kind.TRIGGER: self.key.trigger_commitments,
            Kind.LABEL: self.key.label_commitments,
        }[kind]
        return Openings(
            f"chunk{chunk.index}/{kind.name.lower()}",
            chunk.bits,
            initial_states(self.key.key_id, indices, kind, size),
            words_of(commitments[indices]),
            size,
            source,
        )

    def _segments(self) -> list[Segment]:
        hashed = [segment for _, _, opening in self.openings for segment in opening.segments]
        return [*self.network.segments, *self.hit_claim.segments, *hashed]

    @property
    def digest(self) -> bytes:
        """SHA-256 over tag, context, circuit, key, threshold and chunk size."""
        fixed = self.threshold.to_bytes(4, "big") + self.chunk_bits.to_bytes(1, "big")
        parts = (_TAG, self.context, circuit_digest(self.circuit), self.key.digest, fixed)
        return hashlib.sha256(b"".join(parts)).digest()

    @property
    def rows(self) -> int:
        """Rows of the witness."""
        return self.layout.rows

    @property
    def message_bits(self) -> int:
        """Logarithm of a row's length."""
        return self.layout.message_bits

    def errors(self) -> Mapping[str, Fraction]:
        """Soundness error of each part."""
        errors = self.network.errors() | self.hit_claim.errors()
        for _, _, opening in self.openings:
            errors |= opening.errors()
        return errors

    def verify(self, channel: VerifierChannel) -> list[PointClaim]:
        """Reduce the statement to claims about the witness."""
        claims = network_verifier.verify(channel, self.network)
        claims += hits_verifier.verify(channel, self.hit_claim)
        for _, _, opening in self.openings:
            claims += sha256_verifier.verify(channel, opening)
        return self.layout.point_claims(claims)


def check_fit(circuit: Circuit, key: VerificationKey) -> None:
    """Raise `InputError` unless a model's images and classes are the key's."""
    shape: Shape = (1, *key.image_shape)[-3:]
    if circuit.input_shape != shape:
        raise InputError(
            f"the model takes images {circuit.input_shape}, the key's triggers are {shape}",
            remedy="Use the key that was made for this model",
        )
    if circuit.classes != key.classes:
        raise InputError(
            f"the model has {circuit.classes} classes, the key {key.classes}",
            remedy="Use the key that was made for this model",
        )
