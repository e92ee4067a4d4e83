"""What the compiler may choose."""

from __future__ import annotations

from dataclasses import dataclass, replace

from wmproof.circuit.balance import LEAST_BITS, MOST_BITS
from wmproof.circuit.tables import MAX_TABLE_BITS
from wmproof.core.triggers import MAX_TRIGGERS
from wmproof.errors import InputError

USUAL_TABLE_BITS = 20
"""Of the tables of circuits of few lookups; calibration makes some of them up to 4 times longer."""
_MOST_LONGER = 2
_FULL_BITS = USUAL_TABLE_BITS + _MOST_LONGER  # the least that the tables of others have
_MANY_LOOKUPS = 2**20  # of an image; with fewer, longer tables would cost as much as all else
_ENTRIES_A_LOOKUP = 16  # of an image: less than the lookups of a claim, which has 24 or more
ROUNDING_MARGIN = 1 + 2.0**-6
"""How much farther rounded weights may move accumulators than those that calibration has seen."""


@dataclass(frozen=True)
class Settings:
    """What the compiler may choose; part of a claim, since anyone must be able to recompile.

    Parameters
    ----------
    shift : int
        An accumulator is 2^shift times finer than an activation of 9 bits, and 2^S times finer than
        one of A bits, S = shift + 9 - A. 4 to 14.
    headroom : float
        The largest value stands for this times the largest activation seen. At least 1.
    bits : int, optional
        A: activations are numbers below 2^A. 8 to 12; None lets `balance` choose.
    table_headroom : float
        Tables reach at least this times the largest accumulator seen. At least 1.
    channel_floor : float
        Each channel has a scale of its own, at least this part of what its weights ask for beside
        those of its layer; 1 lets only the weights decide. 2^-10 to 1.
    min_table_bits, max_table_bits : int
        Smallest and largest table, 2^bits entries, 12 to 24. Where both are the same, accumulators
        fill it.
    logit_bits : int
        Logits are scaled so that the largest one seen is 2^bits, or less where no image whatever
        could otherwise be sure to stay below 2^28, or no group's sum.
    probes : int
        Probe pictures (see `probes`) among the calibration images, 0 to 1024.
    group : int
        How many pictures' logits a claim adds up, as the key says; 1 to 2^16.
    """

    shift: int = 10
    headroom: float = 3.0
    bits: int | None = None
    table_headroom: float = 2.0
    channel_floor: float = 0.5
    min_table_bits: int = USUAL_TABLE_BITS
    max_table_bits: int = _FULL_BITS
    logit_bits: int = 24
    probes: int = 64
    group: int = 1

    def __post_init__(self) -> None:
        checks = {
            "shift": 4 <= self.shift <= 14,
            "headroom": 1 <= self.headroom <= 64,
            "bits": self.bits is None or LEAST_BITS <= self.bits <= MOST_BITS,
            "table_headroom": 1 <= self.table_headroom <= 64,
            "channel_floor": 2**-10 <= self.channel_floor <= 1,
            "min_table_bits": 12 <= self.min_table_bits <= self.max_table_bits,
            "max_table_bits": self.max_table_bits <= MAX_TABLE_BITS,
            "logit_bits": 8 <= self.logit_bits <= 24,
            "probes": 0 <= self.probes <= 1024,
            "group": 1 <= self.group <= MAX_TRIGGERS,
        }
        for name, fine in checks.items():
            if not fine:
                raise InputError(
                    f"{name} = {getattr(self, name)} is out of range", where="settings"
                )

    @property
    def longer(self) -> int:
        """Bits by which tables grow for finer numbers before accumulators get coarser."""
        return min(_MOST_LONGER, max(0, self.max_table_bits - 10 - self.shift))

    @property
    def roomy(self) -> bool:
        """Whether accumulators fill the largest table, as those of circuits of many lookups do."""
        return self.min_table_bits == self.max_table_bits

    @property
    def finer(self) -> int:
        """Bits that accumulators have more than those of tables of the usual size."""
        return self.max_table_bits - USUAL_TABLE_BITS if self.roomy else 0

    def filled(self, bits: int) -> Settings:
        """The same with tables of 2^bits entries, and accumulators that fill them."""
        shift = max(self.shift, min(self.shift + bits - USUAL_TABLE_BITS, bits - 10))
        return replace(self, shift=shift, min_table_bits=bits, max_table_bits=bits)

    def for_lookups(self, count: int) -> Settings:
        """What is to be tried for a circuit with so many lookups an image."""
        if count < _MANY_LOOKUPS or self.min_table_bits != USUAL_TABLE_BITS:
            return self
        return self.filled(_FULL_BITS)


def bits_for(lookups: int, tables: int) -> int:
    """Binary logarithm of the entries of each of so many tables, 22 to 24.

    A claim about a few images costs not much more for them than it would anyway.

    Parameters
    ----------
    lookups : int
        Of an image.
    tables : int
        How many of them are as long in a trial; other pictures may need another.
    """
    entries = _ENTRIES_A_LOOKUP * lookups // (tables + 1)
    return min(MAX_TABLE_BITS, max(_FULL_BITS, entries.bit_length() - 1))
