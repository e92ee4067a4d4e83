"""How much memory a proof takes, and the fastest way to make it with less.

Two things can be traded for time. Triggers that share an instance (`chunk_bits`) are run through
the circuit and looked up together, so fewer of them need less at a time; and the numbers that are
looked up can be computed again when they are (`relation.network.trace.Tracer`). The plan is made
from the circuit's shapes before a trigger is run. The estimate counts the prover's arrays; tests
compare it with what real proofs took.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from wmproof._base.memory import available_bytes, resident_bytes
from wmproof.argument.pcs.provers import MEMORY
from wmproof.circuit.ir import Circuit
from wmproof.core.triggers import name_coins
from wmproof.errors import InputError
from wmproof.keys import LabelMode, VerificationKey
from wmproof.relation.claim.statement import MOST_CHUNK_BITS, ClaimStatement, chunks_allowed
from wmproof.relation.openings.provers import prover_of

_ELEMENT = 16
# Of a product's operand in its wider forms.
_WIDE_BLOCK = 64 << 20
# Compiled kernels, the threads' own scratch, and what the allocator does not give back; and about
# what interpreter and libraries hold, where the system does not tell.
_FIXED = 200 << 20
# What the same command holds at the same point differs a little from one process to the next.
_SPREAD = 16 << 20


@dataclass(frozen=True)
class MemoryPlan:
    """How a proof is made."""

    chunk_bits: int = MOST_CHUNK_BITS
    """At most 2^chunk_bits triggers share an instance; the verifier learns it."""
    keep_sums: bool = True
    """Whether what is looked up is held; nobody learns it."""
    bytes: int = 0
    """Estimate of the largest resident size of the process."""

    def __str__(self) -> str:
        slower = [] if self.keep_sums else ["accumulators computed twice"]
        words = f"instances of up to {1 << self.chunk_bits} triggers"
        return ", ".join([words, *slower, f"about {_megabytes(self.bytes)} of memory"])


def plan_memory(
    circuit: Circuit,
    key: VerificationKey,
    triggers: int,
    *,
    most_bytes: int | None = None,
    chunk_bits: int | None = None,
) -> MemoryPlan:
    """Choose the fastest plan that stays within a limit.

    Parameters
    ----------
    triggers : int
        That are proved; groups, of a key that has them.
    most_bytes : int, optional
        Of the whole process, what it holds now included; by default what the machine can give.
    chunk_bits : int, optional
        If it is not to be chosen.

    Raises
    ------
    InputError
        No plan is small enough.
    """
    limit = available_bytes() if most_bytes is None else most_bytes
    plans = _plans(circuit, key, triggers, chunk_bits)
    for _, plan in sorted(plans, key=lambda pair: pair[0]):
        if limit is None or plan.bytes <= limit:
            return plan
    least = min(plan.bytes for _, plan in plans)
    allowed = "are allowed" if most_bytes is not None else "are free"
    remedy = f"Allow {_megabytes(least + _SPREAD)} with --max-memory"
    fewer = _fewer(circuit, key, triggers, limit or 0, chunk_bits)
    if fewer:
        asked = name_coins(key.group)
        remedy += f", or prove at most {fewer} of the {triggers} {asked} with --triggers"
    else:
        remedy += ", or use a key of fewer or smaller triggers"
    raise InputError(
        f"the proof needs about {_megabytes(least)} of memory, and {_megabytes(limit or 0)} "
        f"{allowed}",
        remedy=remedy,
    )


def _plans(
    circuit: Circuit, key: VerificationKey, triggers: int, chunk_bits: int | None
) -> list[tuple[tuple[int, int], MemoryPlan]]:
    """All plans, each with how slow it is."""
    held = resident_bytes() or _FIXED
    members = triggers * key.group
    allowed = (b for b in range(MOST_CHUNK_BITS, -1, -1) if chunks_allowed(members, b))
    plans, refused = [], None
    for bits in allowed if chunk_bits is None else [chunk_bits]:
        try:
            statement = ClaimStatement(
                circuit, key, 1, context=bytes(32), chunk_bits=bits, inner=None, triggers=triggers
            )
        except InputError as error:
            refused = error  # more to count in one instance than the field can; smaller ones may do
            continue
        slots = sum(chunk.slots for chunk in statement.chunks)
        # Computing them twice costs about as much more time as halving the chunks would.
        for cost, keep in enumerate((True, False)):
            need = held + added_bytes(statement, keep_sums=keep)
            # Dummy slots are work as well; on equal terms, the fewest instances.
            slowness = cost + MOST_CHUNK_BITS - bits + 8 * (slots - members) // slots, cost
            plans.append((slowness, MemoryPlan(bits, keep, need)))
    if refused is not None and not plans:
        raise refused
    return plans


def _fewer(
    circuit: Circuit, key: VerificationKey, triggers: int, limit: int, chunk_bits: int | None
) -> int:
    """The largest sample that fits, or 0."""
    if key.label_mode is LabelMode.SECRET:
        return 0
    low, high = 0, triggers - 1
    while low < high:
        middle = (low + high + 1) // 2
        plans = _plans(circuit, key, middle, chunk_bits)
        fits = min(plan.bytes for _, plan in plans) <= limit
        low, high = (middle, high) if fits else (low, middle - 1)
    return low


def _megabytes(size: int) -> str:
    return f"{-(-size // 10**6)} MB"


def added_bytes(statement: ClaimStatement, *, keep_sums: bool) -> int:
    """Estimate what a proof of a statement holds at its worst moment, beside what is there now."""
    layout = statement.layout
    lookups = sum(sum(use.lookup.lengths) for use in statement.network.tables)
    witness = sum(np.dtype(segment.dtype).itemsize * segment.entries for segment in layout.segments)
    commitment = MEMORY(layout.rows, layout.message_bits, _claims(statement))
    working = max(
        _lookup_bytes(statement),
        _product_bytes(statement),
        prover_of(statement.key.scheme, statement.openings).working_bytes(),
        commitment.proving,
        commitment.committing,
    )
    kept = _FIXED + witness + (4 * lookups if keep_sums else 0) + commitment.lasting
    return kept + max(_running_bytes(statement), working)


def _running_bytes(statement: ClaimStatement) -> int:
    """The circuit on a chunk: z twice as int64, and the bytes that later layers still need."""
    largest = max(math.prod(shape) for shape in statement.circuit.shapes)
    return 24 * largest << max(chunk.bits for chunk in statement.chunks)


def _lookup_bytes(statement: ClaimStatement) -> int:
    """One group's columns and tree; the table's own."""
    uses = statement.network.tables
    largest = _largest(max(use.lookup.lengths) for use in uses)
    return (8 + 2 * _ELEMENT) * largest + _largest(6 * _ELEMENT << use.table.bits for use in uses)


def _product_bytes(statement: ClaimStatement) -> int:
    """Two multilinears over K, and a block of an operand in its wider forms."""
    network = statement.network
    products = [
        found
        for chunk in statement.chunks
        for node in statement.circuit.committed()
        if (found := network.product(chunk, node)) is not None
    ]
    if not products:
        return 0
    return _WIDE_BLOCK + _largest(2 * _ELEMENT << product.variables for product in products)


def _claims(statement: ClaimStatement) -> int:
    """About the witness, a few too many."""
    groups = sum(len(use.groups) for use in statement.network.tables)
    openings = prover_of(statement.key.scheme, statement.openings).claims()
    return 3 * (groups + len(statement.chunks)) + openings + 16


def _largest(sizes: Iterable[int]) -> int:
    return max(sizes, default=0)
