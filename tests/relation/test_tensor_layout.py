"""Axes that are cut into blocks: where numbers lie, and nothing else is where they are not."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network_claim import NetworkClaim, NetworkProof, run

from wmproof.argument.algebra.element import Element
from wmproof.argument.algebra.extension import inner_product
from wmproof.argument.algebra.field import random_elements, to_montgomery
from wmproof.argument.algebra.multilinear import evaluate_base
from wmproof.argument.logup.statement import Lookup
from wmproof.argument.system.prover import prove
from wmproof.argument.system.statement import Security
from wmproof.argument.system.verifier import verify_proof
from wmproof.errors import ProofError
from wmproof.relation.network import statement as network_statement
from wmproof.relation.tensor_layout import MOST_BLOCKS, TensorLayout, cut, outer

SECURITY = Security(bits=40, grinding_bits=0)
IMAGES = np.random.default_rng(8).integers(0, 256, (4, 2, 9, 7), dtype=np.uint8)
SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 60), st.integers(1, 30))


def embedded(values):
    out = np.zeros((4, values.size), np.uint32)
    out[0] = to_montgomery(values.reshape(-1).astype(np.uint32))
    return out


def draw_point(variables):
    return [Element(*row) for row in random_elements((variables, 4)).tolist()]


@given(st.integers(1, 300), st.integers(1, 20))
def test_an_axis_has_few_blocks_and_little_padding(size, most_blocks):
    axis = cut(size, most_blocks)
    assert size <= axis.places <= 1 << (size - 1).bit_length()
    assert axis.blocks <= most_blocks
    assert axis.blocks == 1 or axis.blocks % 2
    assert axis.places - size < max(1, 2 * size / most_blocks)


@pytest.mark.parametrize("size", [7, 14, 28, 56, 112, 224])
def test_the_axes_of_networks_for_224_pixels_are_not_padded(size):
    assert cut(size, MOST_BLOCKS) == (size, 7, (size // 7).bit_length() - 1)


@settings(max_examples=40, deadline=None)
@given(SHAPES, st.integers(1, 16), st.integers(0, 2**32 - 1))
def test_numbers_lie_where_the_weights_look_for_them(shape, most_blocks, seed):
    layout = TensorLayout(shape, most_blocks)
    x = np.random.default_rng(seed).integers(0, 256, (2, *shape), dtype=np.uint8)
    placed = layout.place(x, 9)
    assert placed.shape == (layout.blocks, 2, 1 << layout.inner_bits)
    assert (layout.taken(placed) == x).all()
    assert (placed == 9).sum() - (x == 9).sum() == placed.size - x.size
    point = draw_point(layout.bits)
    weights = np.ascontiguousarray(layout.weights(point)).reshape(4, *shape)
    value = inner_product(weights.reshape(4, -1), embedded(x[1]))
    flat = layout.place(x[1:]).reshape(-1)
    assert evaluate_base(flat, point) == value
    assert inner_product(layout.placed_weights(weights), embedded(flat)) == value
    whole = np.zeros((4, *shape), np.uint32)
    for band in layout.bands(point):
        whole[:, :, band.first : band.first + band.rows.shape[1]] = outer(band.tables)
    assert (whole == weights).all()


def check(proof, circuit):
    proof.digest = NetworkClaim(circuit, len(IMAGES)).digest
    data = prove(proof, proof.witness(), SECURITY)
    verify_proof(NetworkClaim(circuit, len(IMAGES)), data, SECURITY)


class ProofWithMore(NetworkProof):
    """One entry of the witness more than a segment has, behind its last block."""

    def __init__(self, circuit, ran, segment, extra):
        super().__init__(circuit, ran)
        self._segment, self._extra = segment, extra

    def witness(self):
        blocks = [block.copy() for block in super().witness()]
        place = self.layout.offsets[self._segment.name] + self._segment.entries
        row, column = divmod(place, 1 << self.message_bits)
        for block in blocks:
            if row < len(block):
                assert block[row, column] == 0
                block[row, column] = self._extra
                break
            row -= len(block)
        return blocks


@pytest.fixture(scope="module")
def behind(circuit):
    """A node with T(0) = 0 whose segment ends within a row, and the segment."""
    claim = NetworkClaim(circuit, len(IMAGES))
    for use in claim.network.tables:
        for chunk, node in use.groups:
            segment = claim.network.segment(chunk, node)
            if not any(use.table.fill) and segment.entries % (1 << claim.message_bits):
                assert segment.blocks > 1
                return node, segment
    raise AssertionError("every segment fills its rows")


@pytest.mark.parametrize("extra", [0, 5])
def test_what_is_behind_the_last_block_has_to_be_zero(circuit, behind, extra):
    """The prover looks it up as well, with z = 0, as if there were one block more."""
    node, segment = behind
    ran = run(circuit, IMAGES)
    proof = ProofWithMore(circuit, ran, segment, extra)
    for number, use in enumerate(proof.network.tables):
        for group, (_, looked_up) in enumerate(use.groups):
            if looked_up == node:
                lengths, blocks = [*use.lookup.lengths], [*use.lookup.blocks]
                size = lengths[group] // blocks[group]
                lengths[group] += size
                blocks[group] += 1
                longer = Lookup(use.lookup.label, use.lookup.table, lengths, blocks)
                proof.network.tables[number] = replace(use, lookup=longer)
    trace = ran.trace
    more = np.zeros(size, np.uint32)
    trace.looked_up[node] = np.append(trace.looked_up[node], more)
    more[0] = extra
    column = trace.committed[node].reshape(-1)
    trace.committed[node] = np.append(column, more.astype(column.dtype))
    if extra:
        with pytest.raises(ProofError):
            check(proof, circuit)
    else:
        check(proof, circuit)


def test_an_entry_that_nobody_looks_up_is_seen(circuit, behind):
    with pytest.raises(ProofError):
        check(ProofWithMore(circuit, run(circuit, IMAGES), behind[1], 5), circuit)


@pytest.mark.parametrize("change", [-1, 1, "all"])
def test_what_is_filled_up_is_counted_once(circuit, change):
    """Multiplicities have the rows behind the last block, neither more nor fewer."""
    proof = NetworkProof(circuit, run(circuit, IMAGES))
    use = max(proof.network.tables, key=lambda use: use.lookup.counted - sum(use.lookup.lengths))
    filled = use.lookup.counted - sum(use.lookup.lengths)
    assert filled > 0
    counts = proof.arrays[use.multiplicities.name].copy()
    place = -use.table.low
    counts[place] = int(counts[place]) - (filled if change == "all" else change)
    proof.arrays[use.multiplicities.name] = counts
    with pytest.raises(ProofError):
        check(proof, circuit)


def test_a_proof_about_the_other_layout_is_refused(circuit, monkeypatch):
    ran = run(circuit, IMAGES)
    proof = NetworkProof(circuit, ran)
    data = prove(proof, proof.witness(), SECURITY)
    padded = NetworkClaim(circuit, len(IMAGES))
    padded.network = network_statement.NetworkStatement(circuit, padded.network.chunks, 1)
    verify_proof(NetworkClaim(circuit, len(IMAGES)), data, SECURITY)
    with pytest.raises(ProofError):
        verify_proof(padded, data, SECURITY)
