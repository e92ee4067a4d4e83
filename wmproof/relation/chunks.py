"""How many triggers share one instance of each part: powers of two, with few dummy slots.

Multilinear claims want 2^n slots. About half of a key's triggers are hidden, rarely a power of
two of them, so they are covered by chunks of falling size: 260 triggers by 256 + 4 slots. Slots
behind the last trigger repeat the first one of their chunk and cannot count as hits.
"""

from dataclasses import dataclass

# What another chunk costs in the transcript, in slots.
_CHUNK_COST = 8


@dataclass(frozen=True)
class Chunk:
    """2^bits slots in a row."""

    index: int
    """Number of the chunk, from 0."""
    first: int
    """First slot, a multiple of 2^bits."""
    bits: int
    """Binary logarithm of the number of slots."""

    @property
    def slots(self) -> int:
        """Number of slots."""
        return 1 << self.bits

    def triggers(self, count: int) -> list[int]:
        """Which of `count` triggers each slot holds."""
        return [self.first + s if self.first + s < count else self.first for s in range(self.slots)]


def cover(count: int, most_bits: int) -> list[int]:
    """Logarithms of falling powers of two, at most `most_bits`, whose sum is at least `count`.

    `count` is at least 0. Returns them from the largest to the smallest.
    """
    if count <= 0:
        return []
    whole = (count - 1).bit_length()
    if whole > most_bits:
        return [most_bits, *cover(count - (1 << most_bits), most_bits)]
    if whole == 0:
        return [0]
    split = [whole - 1, *cover(count - (1 << (whole - 1)), whole - 1)]
    split_cost = sum((1 << bits) + _CHUNK_COST for bits in split)
    return split if split_cost <= (1 << whole) + _CHUNK_COST else [whole]


def chunks_of(count: int, most_bits: int) -> list[Chunk]:
    """The chunks that cover `count` triggers, in the order of their slots, without gaps.

    Parameters
    ----------
    count : int
        Triggers, at least 1.
    most_bits : int
        Logarithm of the largest chunk.
    """
    chunks, first = [], 0
    for index, bits in enumerate(cover(count, most_bits)):
        chunks.append(Chunk(index, first, bits))
        first += 1 << bits
    return chunks


def slot_bits(chunks: list[Chunk]) -> int:
    """Variables that index the slots of all chunks together."""
    return (chunks[-1].first + chunks[-1].slots - 1).bit_length()
