"""The lookup argument's prover."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from wmproof._base.threads import over_ranges
from wmproof.argument.algebra.element import ONE, ZERO, Element
from wmproof.argument.algebra.field import U32, to_montgomery
from wmproof.argument.kernels.extension import TableMemory
from wmproof.argument.kernels.multilinear import evaluate_base
from wmproof.argument.logup.statement import Lookup, powers
from wmproof.argument.logup.tree import (
    D_LEFT,
    LAYER_TERMS,
    N_LEFT,
    UNIT_TERMS,
    Fraction,
    Level,
    UnitLeaves,
    levels_above,
    root_of,
    shift_numerators,
)
from wmproof.argument.prover_channel import ProverChannel
from wmproof.argument.sumcheck import prover as sumcheck_prover
from wmproof.argument.sumcheck.prover import Cube, Missing


@dataclass(frozen=True)
class LookupPoints:
    """Where the verifier will have claims: the prover's counterpart of `LookupClaims`."""

    groups: list[list[Element]]
    """A point for each group."""
    multiplicities: list[Element]
    """The point of the table's multiplicities."""


def count_multiplicities(table_rows: Sequence[U32], table_bits: int) -> U32:
    """Count how often each table row is looked up.

    Parameters
    ----------
    table_rows : sequence of integer arrays
        For each group, the index of the table row that each entry equals, filling included.

    Returns
    -------
    uint32 array (2^table_bits,)
    """
    total = np.zeros(1 << table_bits, np.int64)
    for rows in table_rows:
        total += np.bincount(rows, minlength=1 << table_bits)
    return total.astype(np.uint32)


def prove(
    channel: ProverChannel,
    lookup: Lookup,
    groups: Iterable[U32],
    multiplicities: U32,
    memory: TableMemory | None = None,
) -> LookupPoints:
    """Prove that every row of every group is a row of the table.

    Parameters
    ----------
    channel : ProverChannel
    lookup : Lookup
    groups : iterable of uint32 (width, N_g), canonical
        The columns, committed already; asked for one group at a time.
    multiplicities : uint32 (2^bits,), canonical
        How often each table row occurs, filling included; committed already.
    memory : TableMemory, optional
        That another lookup has used.

    Returns
    -------
    LookupPoints
        Memory: 32 bytes for each entry of the largest group, and for each row of the table.
    """
    channel.grind(f"{lookup.label}/work")
    a, beta = channel.challenges(f"{lookup.label}/compress", 2)
    points = []
    memory = memory or TableMemory()
    total: Fraction | None = None
    for g, columns in enumerate(groups):
        label = f"{lookup.label}/group{g}"
        leaves = _unit_leaves(lookup, g, columns, a, beta)
        root, point = _prove_unit_tree(channel, label, leaves, memory)
        blocks = lookup.blocks_of(g)
        values = [evaluate_base(column, point, blocks) for column in columns[1:]]
        channel.send(f"{label}/columns", values)
        points.append(point)
        total = root if total is None else _add_fractions(channel, label, total, root)
    table_point = _prove_table(channel, lookup, multiplicities, a, beta, memory)
    return LookupPoints(points, table_point)


def _unit_leaves(lookup: Lookup, group: int, columns: U32, a: Element, beta: Element) -> UnitLeaves:
    if columns.shape[1] != lookup.lengths[group]:
        raise ValueError(f"group {group} has {columns.shape[1]} rows, not {lookup.lengths[group]}")
    weights = powers(beta, columns.shape[0])
    fill = ZERO
    for weight, value in zip(weights, lookup.table.fill, strict=True):
        fill = fill + weight * Element(value)
    columns = np.ascontiguousarray(columns, np.uint32)
    cube = Cube(lookup.bits(group), lookup.blocks_of(group))
    if cube.bits < cube.block_bits + 2:  # too small for a level whose blocks can be left out
        columns, cube = _filled(columns, cube, lookup.table.fill), Cube(cube.bits)
    return UnitLeaves(columns, cube, a, weights, fill)


def _filled(columns: U32, cube: Cube, row: Sequence[int]) -> U32:
    """Columns with a row of the table in place of each block that there is not."""
    width = len(columns)
    out = np.empty((width, columns.shape[1] // cube.blocks, 1 << cube.block_bits), np.uint32)
    out[:] = np.array(row, np.uint32)[:, None, None]
    out[:, :, : cube.blocks] = columns.reshape(width, -1, cube.blocks)
    return out.reshape(width, -1)


def _prove_unit_tree(
    channel: ProverChannel, label: str, leaves: UnitLeaves, memory: TableMemory
) -> tuple[Fraction, list[Element]]:
    point: list[Element] = []
    if leaves.cube.bits == 1:
        ends = memory.tables("lowest", 2, 1)
        leaves.denominators(ZERO, ends)
        d0, d1 = (Element.from_montgomery(ends[f, :, 0]) for f in range(2))
        root = d0 + d1, d0 * d1
        channel.send(f"{label}/root", root)
        claim = root
    else:
        first = Cube(leaves.cube.bits - 2, leaves.cube.blocks)
        levels = levels_above(leaves.first_level(memory), first, leaves.behind, memory)
        root = root_of(levels[-1].tables)
        channel.send(f"{label}/root", root)
        claim = root
        while levels:
            point, claim = _layer(channel, label, levels.pop(), point, claim)
    # The level above the leaves is done with: they are made in its place.
    tables = memory.tables("lowest", 2, leaves.half)
    return root, _unit_layer(channel, label, leaves, point, claim, tables)


def _layer(
    channel: ProverChannel, label: str, level: Level, point: list[Element], claim: Fraction
) -> tuple[list[Element], Fraction]:
    weight = channel.challenge(f"{label}/lambda")
    over_ranges(shift_numerators, level.cube.held, level.tables, weight.montgomery())
    target = claim[0] + weight * claim[1]
    n, d = level.behind
    missing = Missing(level.cube, [n + weight * d, n, d, d])
    point, children = sumcheck_prover.prove(
        channel, label, target, point, level.tables, LAYER_TERMS, missing
    )
    channel.send(f"{label}/children", children)
    n0_shifted, n1, d0, d1 = children
    t = channel.challenge(f"{label}/half")
    n0 = n0_shifted - weight * d0
    return [t, *point], (n0 + t * (n1 - n0), d0 + t * (d1 - d0))


def _unit_layer(
    channel: ProverChannel,
    label: str,
    leaves: UnitLeaves,
    point: list[Element],
    claim: Fraction,
    tables: U32,
) -> list[Element]:
    shift = channel.challenge(f"{label}/lambda").inverse()
    target = shift * claim[0] + claim[1] + shift * shift
    leaves.denominators(shift, tables)
    missing = Missing(Cube(len(point), leaves.cube.blocks), [leaves.a - leaves.fill + shift] * 2)
    point, children = sumcheck_prover.prove(
        channel, label, target, point, tables, UNIT_TERMS, missing
    )
    channel.send(f"{label}/children", children)
    return [channel.challenge(f"{label}/half"), *point]


def _add_fractions(channel: ProverChannel, label: str, left: Fraction, right: Fraction) -> Fraction:
    total = left[0] * right[1] + right[0] * left[1], left[1] * right[1]
    channel.send(f"{label}/sum", total)
    return total


def _prove_table(
    channel: ProverChannel,
    lookup: Lookup,
    multiplicities: U32,
    a: Element,
    beta: Element,
    memory: TableMemory,
) -> list[Element]:
    label = f"{lookup.label}/table"
    half = 1 << (lookup.table.bits - 1)
    columns = np.ascontiguousarray(lookup.table.columns())
    bits = lookup.table.bits
    leaves = UnitLeaves(columns, Cube(bits), a, powers(beta, columns.shape[0]), ZERO)
    level = memory.tables("lowest", 4, half)
    leaves.denominators(ZERO, level[D_LEFT:])
    level[N_LEFT:D_LEFT] = 0
    level[N_LEFT:D_LEFT, 0, :half] = to_montgomery(multiplicities).reshape(2, half)
    levels = levels_above(level, Cube(bits - 1), (ZERO, ONE), memory)
    claim = root_of(levels[-1].tables)
    channel.send(f"{label}/root", claim)
    point: list[Element] = []
    while levels:
        point, claim = _layer(channel, label, levels.pop(), point, claim)
    return point
