"""What the commitments hide, in terms of the witness: images, and labels as one-hot rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wmproof.argument.algebra.element import ONE, ZERO, Element
from wmproof.argument.algebra.field import U32
from wmproof.argument.algebra.multilinear import weighted_rows
from wmproof.commitment import label_messages
from wmproof.relation.chunks import Chunk
from wmproof.relation.linear_form.statement import Term
from wmproof.relation.segments import Segment
from wmproof.relation.tensor_layout import TensorLayout


@dataclass(frozen=True)
class ImageSource:
    """The pixels in C order."""

    segment: Segment
    """Of the circuit's input."""
    layout: TensorLayout
    """Of (C, H, W)."""

    @property
    def unranged(self) -> Segment:
        """Nothing else says that pixels are bytes."""
        return self.segment

    def terms(self, slot_point: Sequence[Element]) -> list[Term]:
        """The input's segment."""
        return [Term(self.segment, slot_point)]

    def weights(self, byte_weights: U32) -> list[U32]:
        """Byte weights where the pixels are."""
        return [self.layout.placed_weights(byte_weights.reshape(4, *self.layout.shape))]


@dataclass(frozen=True)
class LabelSource:
    """The label in 4 bytes, big-endian."""

    one_hot: Segment
    """A row of `classes` bits for each slot."""
    chunk: Chunk
    classes: int

    @property
    def unranged(self) -> None:
        """One-hot rows make labels, which are bytes."""
        return None

    def terms(self, slot_point: Sequence[Element]) -> list[Term]:
        """The chunk's rows."""
        lead = self.one_hot.batch_bits - self.chunk.bits
        place = self.chunk.first >> self.chunk.bits
        prefix = [ONE if place >> (lead - 1 - i) & 1 else ZERO for i in range(lead)]
        return [Term(self.one_hot, [*prefix, *slot_point])]

    def weights(self, byte_weights: U32) -> list[U32]:
        """Each class weighs the weighted bytes of its number."""
        numbers = label_messages(np.arange(self.classes, dtype=np.int64)).astype(np.uint32)
        out = np.zeros((4, 1 << self.one_hot.inner_bits), np.uint32)
        out[:, : self.classes] = weighted_rows(numbers, np.ascontiguousarray(byte_weights))
        return [out]
