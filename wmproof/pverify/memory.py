"""How much memory a proof takes, and the fastest way to make it with less.

Two things can be traded for time. Triggers that share an instance (`chunk_bits`) are run through
the circuit and looked up together, so fewer of them need less at a time; and less can be held of
the code matrix, by far the largest array (`argument.matrix.Storage`). The estimate counts the
prover's arrays; tests compare it with what real proofs took.
"""

from __future__ import annotations

import math
import resource
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wmproof.argument.matrix import FASTEST, Storage
from wmproof.argument.merkle import HASH_BYTES, SALT_BYTES
from wmproof.argument.reed_solomon import LANES
from wmproof.argument.threads import thread_count
from wmproof.circuit.ir import Circuit
from wmproof.errors import InputError
from wmproof.keys import VerificationKey
from wmproof.relation.claim import MOST_CHUNK_BITS, ClaimStatement
from wmproof.relation.sha256.factors_prover import TABLES as SHA256_TABLES
from wmproof.relation.sha256.statement import PLACE_BITS, ROUNDS, WORD_BITS

# The fastest one first.
_STORAGES = (FASTEST, Storage(coefficients=False))
_RATE = 4
_ELEMENT = 16
# Compiled kernels, the threads' own scratch, and what the allocator does not give back.
_FIXED = 200 << 20
# What the same command holds at the same point differs a little from one process to the next.
_SPREAD = 16 << 20


@dataclass(frozen=True)
class MemoryPlan:
    """How a proof is made.

    Attributes
    ----------
    chunk_bits : int
        At most 2^chunk_bits triggers share an instance; the verifier learns it.
    storage : Storage
        Of the code matrix; nobody learns it.
    bytes : int
        Estimate of the largest resident size of the process.
    """

    chunk_bits: int = MOST_CHUNK_BITS
    storage: Storage = FASTEST
    bytes: int = 0


def plan_memory(
    circuit: Circuit,
    key: VerificationKey,
    threshold: int,
    *,
    most_bytes: int,
    chunk_bits: int | None = None,
) -> MemoryPlan:
    """Choose the fastest plan that stays within a limit.

    Parameters
    ----------
    most_bytes : int
        Of the whole process, what it holds now included.
    chunk_bits : int, optional
        If it is not to be chosen.

    Raises
    ------
    InputError
        No plan is small enough.
    """
    held = resident_bytes()
    sizes = range(MOST_CHUNK_BITS, -1, -1) if chunk_bits is None else [chunk_bits]
    plans = []
    for bits in sizes:
        statement = ClaimStatement(circuit, key, threshold, context=bytes(32), chunk_bits=bits)
        plans += [MemoryPlan(bits, s, held + added_bytes(statement, s)) for s in _STORAGES]
    for plan in sorted(plans, key=_slowness):
        if plan.bytes <= most_bytes:
            return plan
    least = min(plan.bytes for plan in plans)
    raise InputError(
        f"the proof needs about {_megabytes(least)} of memory, and {_megabytes(most_bytes)} are "
        "allowed",
        remedy=f"Allow {_megabytes(least + _SPREAD)}, or use a key of fewer or smaller triggers",
    )


def _slowness(plan: MemoryPlan) -> tuple[int, int]:
    """Interpolating again costs about as much time as a twofold cut of the chunks."""
    step = _STORAGES.index(plan.storage)
    return step + MOST_CHUNK_BITS - plan.chunk_bits, step


def _megabytes(size: int) -> str:
    return f"{-(-size // 10**6)} MB"


def resident_bytes() -> int:
    """Memory that this process holds now; where the system does not tell, the most it ever held."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * resource.getpagesize()


def added_bytes(statement: ClaimStatement, storage: Storage) -> int:
    """Estimate what a proof of a statement holds at its worst moment, beside what is there now."""
    layout = statement.layout
    lookups = sum(sum(use.lookup.lengths) for use in statement.network.tables)
    witness = sum(np.dtype(segment.dtype).itemsize << segment.bits for segment in layout.segments)
    columns = _RATE << layout.message_bits
    parts = 2 * columns * 4 * layout.rows // storage.parts
    tree = columns * (3 * HASH_BYTES + SALT_BYTES + 48)
    kept = _FIXED + witness + 4 * lookups + tree
    coefficients = 4 * layout.rows << layout.message_bits if storage.coefficients else 0
    committing = parts + thread_count() * LANES * 4 * (2 << layout.message_bits)
    working = max(
        _lookup_bytes(statement), _openings_bytes(statement), _evaluation_bytes(statement)
    )
    return kept + max(_running_bytes(statement), coefficients + max(committing, working))


def _running_bytes(statement: ClaimStatement) -> int:
    """The circuit on a chunk: z twice as int64, and the bytes that later layers still need."""
    largest = max(math.prod(shape) for shape in statement.circuit.shapes)
    return 24 * largest << max(chunk.bits for chunk in statement.chunks)


def _lookup_bytes(statement: ClaimStatement) -> int:
    """One group's columns and tree; the table's own."""
    uses = statement.network.tables
    largest = _largest(max(use.lookup.lengths) for use in uses)
    return (8 + 2 * _ELEMENT) * largest + _largest(6 * _ELEMENT << use.table.bits for use in uses)


def _openings_bytes(statement: ClaimStatement) -> int:
    """One run's factors, or the signs of all its bits, each with a variable bound."""
    runs = [run for _, _, opening in statement.openings for run in opening.runs]
    instance = max(SHA256_TABLES * ROUNDS << WORD_BITS, 1 << PLACE_BITS) // 2
    return _largest(_ELEMENT * instance << (run.segment.bits - PLACE_BITS) for run in runs)


def _evaluation_bytes(statement: ClaimStatement) -> int:
    """Two rows over K for each claim about the witness, and two for each row."""
    runs = sum(len(opening.runs) for _, _, opening in statement.openings)
    groups = sum(len(use.groups) for use in statement.network.tables)
    claims = 3 * (groups + len(statement.chunks)) + 6 * runs + 16
    layout = statement.layout
    return 2 * _ELEMENT * ((claims << layout.message_bits) + 2 * layout.rows)


def _largest(sizes: Iterable[int]) -> int:
    return max(sizes, default=0)
