"""The whole statement of PVerify about one model, one public key and one threshold.

*I know triggers, labels and randomness for every hidden position of the key, or for every one of a
sample that I did not choose, such that their commitments open, and the circuit answers at least k
of the triggers with their labels.* Of a key with groups k, hits and samples count groups: a group
is hit if the sum of its logits is larger for its label than for every other class.
"""

import hashlib
import math
from collections.abc import Mapping
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from wmproof.argument.channel import VerifierChannel
from wmproof.argument.pcs.claims import PointClaim
from wmproof.circuit.format import digest as circuit_digest
from wmproof.circuit.ir import Circuit
from wmproof.commitment import LABEL_BYTES, SCHEMES, Kind, Places
from wmproof.core.triggers import as_planes
from wmproof.errors import InputError, VerificationError
from wmproof.keys import LabelMode, VerificationKey
from wmproof.relation.chunks import Chunk, chunks_of
from wmproof.relation.claim.sample import draw_sample
from wmproof.relation.hits import verifier as hits_verifier
from wmproof.relation.hits.statement import HitsStatement
from wmproof.relation.network import verifier as network_verifier
from wmproof.relation.network.statement import NetworkStatement
from wmproof.relation.openings.statement import CommittedSlots, MessageSource
from wmproof.relation.openings.statements import STATEMENTS
from wmproof.relation.segments import Layout, Segment
from wmproof.relation.sources import ImageSource, LabelSource
from wmproof.relation.tensor_layout import MOST_BLOCKS

MOST_CHUNK_BITS = 8
MORE_CHUNKS = 32
"""Than are needed, at most: a verifier works on each chunk by itself, and a claimant chooses."""
_TAG, _SAMPLE_TAG, _GROUP_TAG = b"wmproof/claim/v1", b"wmproof/claim/v2", b"wmproof/claim/v3"
_BLOCK_TAG = b"wmproof/claim/v4"


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
    inner : bytes or None
        The inner commitments of all triggers that are proved, then of their labels if those are
        secret, as the claim shows them; none for the scheme sha256. None for a statement that is
        asked for its sizes only, and not verified.
    triggers : int, optional
        s: how many hidden triggers, or groups, it is about; all by default. `sample` says which.
    most_blocks : int, optional
        Of an axis of a tensor, as `NetworkStatement` has it; 1 in claims of before version 3.

    Raises
    ------
    InputError
        If model and key do not fit each other, or the threshold is impossible.
    VerificationError
        The inner commitments are not those of the key's commitments.
    """

    def __init__(
        self,
        circuit: Circuit,
        key: VerificationKey,
        threshold: int,
        *,
        context: bytes,
        chunk_bits: int = MOST_CHUNK_BITS,
        inner: bytes | None = b"",
        triggers: int | None = None,
        most_blocks: int = MOST_BLOCKS,
    ) -> None:
        check_fit(circuit, key)
        if not 0 <= chunk_bits <= MOST_CHUNK_BITS or len(context) != 32:
            raise InputError(f"chunks of 2^{chunk_bits} triggers, context of {len(context)} bytes")
        self.circuit, self.key, self.threshold = circuit, key, threshold
        self.context, self.chunk_bits = context, chunk_bits
        self.indices = proved_indices(circuit, key, context, triggers)
        _check_chunks(len(self.indices), chunk_bits)
        self.chunks = chunks_of(len(self.indices), chunk_bits)
        self.network = NetworkStatement(circuit, self.chunks, most_blocks)
        derived = key.label_mode is LabelMode.DERIVED
        labels = key.derived_labels()[self.indices] if derived else None
        self.hit_claim = HitsStatement(
            self.network, len(self.indices), threshold, labels, key.group
        )
        self.inner = inner
        shown = None if inner is None else _split_inner(key, inner, self.hit_claim.coins)
        self.openings = STATEMENTS[key.scheme](self._committed(), shown)
        self.layout = Layout(self._segments())

    def _committed(self) -> list[CommittedSlots]:
        found = []
        for chunk in self.chunks:
            image = ImageSource(self.network.segment(chunk, 0), self.network.layout(0))
            size = math.prod(self.circuit.input_shape)
            found.append(self._slots(chunk, Kind.TRIGGER, size, image))
            if self.hit_claim.secret:
                rows = LabelSource(self.hit_claim.one_hot, chunk, self.circuit.classes)
                found.append(self._slots(chunk, Kind.LABEL, LABEL_BYTES, rows))
        return found

    def _slots(self, chunk: Chunk, kind: Kind, size: int, source: MessageSource) -> CommittedSlots:
        return CommittedSlots(
            f"chunk{chunk.index}/{kind.name.lower()}",
            chunk.bits,
            np.array(chunk.triggers(len(self.indices)), np.int64),
            Places(self.key.key_id, self.indices, kind),
            self.key.committed(kind)[self.indices],
            size,
            source,
        )

    def _segments(self) -> list[Segment]:
        return [*self.network.segments, *self.hit_claim.segments, *self.openings.segments]

    @property
    def sampled(self) -> bool:
        """Whether it is about some of the hidden triggers only."""
        return len(self.indices) < len(self.key.hidden_indices())

    @property
    def digest(self) -> bytes:
        """SHA-256 over all that is public; of a claim about all triggers what version 1 had.

        The key's digest says how its triggers are grouped; the size of a group is hashed besides.
        Where axes are cut into blocks, that is hashed before everything else.
        """
        fixed = self.threshold.to_bytes(4, "big") + self.chunk_bits.to_bytes(1, "big")
        shown = hashlib.sha256(self.inner).digest() if self.inner else b""
        tag, size = _TAG, b""
        if self.key.group > 1:
            tag = _GROUP_TAG
            size = self.key.group.to_bytes(4, "big") + self.hit_claim.coins.to_bytes(4, "big")
        elif self.sampled:
            tag, size = _SAMPLE_TAG, self.hit_claim.coins.to_bytes(4, "big")
        digests = (self.context, circuit_digest(self.circuit), self.key.digest)
        blocks = self.network.most_blocks
        lead = _BLOCK_TAG + blocks.to_bytes(1, "big") if blocks > 1 else b""
        parts = (lead, tag, *digests, size, fixed, shown)
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
        return self.network.errors() | self.hit_claim.errors() | dict(self.openings.errors())

    def verify(self, channel: VerifierChannel) -> list[PointClaim]:
        """Reduce the statement to claims about the witness.

        Returns
        -------
        list of PointClaim
            Of network, hits and openings, in this order.

        Raises
        ------
        ProofError
            A message is not what the protocol asks for.
        """
        claims = network_verifier.verify(channel, self.network)
        claims += hits_verifier.verify(channel, self.hit_claim)
        claims += self.openings.verify(channel)
        return self.layout.point_claims(claims)


def chunks_allowed(triggers: int, chunk_bits: int) -> bool:
    """Whether chunks of this size are at most `MORE_CHUNKS` more than of the largest size."""
    needed = len(chunks_of(triggers, MOST_CHUNK_BITS))
    return len(chunks_of(triggers, chunk_bits)) <= needed + MORE_CHUNKS


def _check_chunks(triggers: int, chunk_bits: int) -> None:
    """Raise `InputError` unless the chunks are allowed."""
    if not chunks_allowed(triggers, chunk_bits):
        raise InputError(
            f"{triggers} triggers in chunks of {1 << chunk_bits} make a verifier work too much",
            remedy="Let more triggers share an instance",
        )


def proved_indices(
    circuit: Circuit, key: VerificationKey, context: bytes, triggers: int | None
) -> NDArray[np.int64]:
    """Positions in the key of the triggers that a claim is about.

    Parameters
    ----------
    triggers : int or None
        How many are drawn, triggers or groups; None takes every hidden one.

    Returns
    -------
    int64 array (m,)
        Ascending; as `sample.draw_sample` draws them, groups as a whole.

    Raises
    ------
    InputError
        The challenge hides no trigger, or fewer than are wanted.
    """
    if not key.hidden_coins:
        raise InputError("the challenge of this key hides no trigger")
    count = key.hidden_coins if triggers is None else triggers
    return draw_sample(key, count, context=context, circuit_digest=circuit_digest(circuit))


def inner_bytes(key: VerificationKey, triggers: int) -> int:
    """Length of the inner commitments that a claim about so many triggers of a key shows.

    Parameters
    ----------
    key : VerificationKey
    triggers : int
        Or groups.

    Returns
    -------
    int
        0 for schemes of one layer.
    """
    return len(_kinds(key)) * triggers * key.group * SCHEMES[key.scheme].inner_bytes


def _kinds(key: VerificationKey) -> list[Kind]:
    """What a claim opens: labels only where they are secret."""
    return [Kind.TRIGGER] if key.label_mode is LabelMode.DERIVED else [Kind.TRIGGER, Kind.LABEL]


def _split_inner(
    key: VerificationKey, inner: bytes, triggers: int
) -> dict[Kind, NDArray[np.uint8]]:
    """The inner commitments of each kind, uint8 (members of all groups, bytes).

    Raises
    ------
    VerificationError
        They have another length.
    """
    needed = inner_bytes(key, triggers)
    if len(inner) != needed:
        raise VerificationError(
            "inner-commitments", f"there are {len(inner)} bytes of inner commitments, not {needed}"
        )
    kinds, width = _kinds(key), SCHEMES[key.scheme].inner_bytes
    whole = np.frombuffer(inner, np.uint8).reshape(len(kinds), triggers * key.group, width)
    return dict(zip(kinds, whole, strict=True))


def check_fit(circuit: Circuit, key: VerificationKey) -> None:
    """Compare a model's images and classes with the key's; InputError if they differ."""
    shape = as_planes(key.image_shape)
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
