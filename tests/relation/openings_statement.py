"""A statement for tests: commitments of some slots open to committed messages."""

import hashlib
import secrets
from collections.abc import Sequence

import numpy as np

from wmproof.argument.algebra.element import Element
from wmproof.argument.algebra.field import U32
from wmproof.commitment import SCHEMES, Kind, Places, Scheme
from wmproof.relation.linear_form.statement import Term
from wmproof.relation.openings.sha256 import prover, verifier
from wmproof.relation.openings.sha256.compression import initial_states
from wmproof.relation.openings.sha256.openings import Openings
from wmproof.relation.openings.sha256.witness import witness
from wmproof.relation.segments import Layout, Segment


class FlatMessages:
    """Messages that are the bytes of one segment."""

    def __init__(self, slot_bits: int, length: int) -> None:
        self.length = length
        self.segment = Segment("messages", slot_bits, (length - 1).bit_length())

    @property
    def unranged(self) -> Segment:
        return self.segment

    def terms(self, slot_point: Sequence[Element]) -> list[Term]:
        return [Term(self.segment, slot_point)]

    def weights(self, byte_weights: U32) -> list[U32]:
        out = np.zeros((4, 1 << self.segment.inner_bits), np.uint32)
        out[:, : self.length] = byte_weights
        return [out]


class OpeningsStatement:
    """`argument.system.statement.Statement` about openings alone."""

    def __init__(self, openings: Openings) -> None:
        self.openings = openings
        source = openings.source
        assert isinstance(source, FlatMessages)
        self.layout = Layout([source.segment, *openings.segments])
        self.rows, self.message_bits = self.layout.rows, self.layout.message_bits
        public = openings.initial_states.tobytes() + openings.digests.tobytes()
        self.digest = hashlib.sha256(public).digest()

    def errors(self):
        return self.openings.errors()

    def verify(self, channel):
        return self.layout.point_claims(verifier.verify(channel, self.openings))


class OpeningsProof(OpeningsStatement):
    """With the bits, which a test may falsify."""

    def __init__(self, openings: Openings, arrays: dict[str, np.ndarray]) -> None:
        super().__init__(openings)
        self.arrays = arrays

    def witness(self):
        return self.layout.blocks(self.arrays)

    def prove(self, channel):
        points = prover.prove(channel, self.openings, self.arrays)
        return [self.layout.place(p.segment, p.point) for p in points]


def sample(slot_bits: int, length: int) -> tuple[Openings, dict[str, np.ndarray]]:
    """Random messages with the commitments that `wmproof.commitment` makes, and their bits."""
    slots = 1 << slot_bits
    generator = np.random.default_rng(length)
    messages = generator.integers(0, 256, (slots, length), dtype=np.uint8)
    randomness = generator.integers(0, 256, (slots, 64), dtype=np.uint8)
    key_id, indices = secrets.token_bytes(32), np.arange(slots, dtype=np.int64) * 3
    places = Places(key_id, indices, Kind.TRIGGER)
    digests = SCHEMES[Scheme.SHA256].commit(messages, randomness, places)
    states = initial_states(places, length)
    words = np.ascontiguousarray(digests).view(">u4").astype(np.uint32)
    source = FlatMessages(slot_bits, length)
    openings = Openings("triggers", slot_bits, states, words, length, source)
    arrays: dict[str, np.ndarray] = dict(witness(openings, messages, randomness))
    padded = np.zeros((slots, 1 << source.segment.inner_bits), np.uint8)
    padded[:, :length] = messages
    arrays["messages"] = padded
    return openings, arrays
