"""Networks with axes of any size: what was run is proved, and no number may be another."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from network_claim import NetworkClaim, NetworkProof, run
from odd_circuits import OddCircuits

from wmproof.argument.algebra.element import Element
from wmproof.argument.algebra.extension import inner_product
from wmproof.argument.algebra.field import P, random_elements, to_montgomery
from wmproof.argument.pcs.ligero import commitment
from wmproof.argument.system.prover import prove
from wmproof.argument.system.statement import Security
from wmproof.argument.system.verifier import verify_proof
from wmproof.circuit.ir import (
    Circuit,
    Conv,
    Input,
    Linear,
    Maximum,
    Reshape,
    Transpose,
)
from wmproof.errors import InputError, ProofError
from wmproof.relation.pull_back import linear_weights
from wmproof.relation.tensor_layout import MOST_BLOCKS, TensorLayout

SECURITY = Security(bits=40, grinding_bits=0)


@pytest.fixture
def short_rows(monkeypatch):
    """Rows of 32 numbers, of which small tensors have several."""
    monkeypatch.setattr(commitment, "message_bits", lambda entries: 5)


def drawn(seed, slots=2):
    """A circuit and a run of it."""
    circuit = OddCircuits(seed).draw()
    shape = slots, *circuit.input_shape
    images = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return circuit, run(circuit, images)


def check(circuit, proof):
    data = prove(proof, proof.witness(), SECURITY)
    (chunk,) = proof.network.chunks
    verify_proof(NetworkClaim(circuit, chunk.slots), data, SECURITY)


@pytest.mark.parametrize("seed", range(24))
def test_what_was_run_is_proved(seed, short_rows):
    circuit, ran = drawn(seed, 2 << seed % 3)
    check(circuit, NetworkProof(circuit, ran))


class Changed(NetworkProof):
    """One number of the matrix is another one; all that is said agrees with the true one."""

    def __init__(self, circuit, ran, row, column):
        super().__init__(circuit, ran)
        self._row, self._column = row, column

    def witness(self):
        blocks = [block.astype(np.uint32) for block in super().witness()]
        matrix = np.concatenate(blocks)
        matrix[self._row, self._column] += 1
        return [matrix]


@pytest.mark.parametrize("seed", [1, 13])
def test_every_place_of_a_row_is_bound(seed, short_rows):
    """Those behind a segment's numbers too, up to the end of its rows."""
    circuit, ran = drawn(seed)
    layout = NetworkClaim(circuit, 2).layout
    width = 1 << layout.message_bits
    behind = [
        layout.offsets[segment.name] + segment.entries
        for segment in layout.segments
        if segment.entries % width and segment.bits > layout.message_bits
    ]
    assert behind
    places = behind + np.random.default_rng(seed).integers(0, layout.entries, 12).tolist()
    for place in places:
        with pytest.raises(ProofError):
            check(circuit, Changed(circuit, ran, *divmod(int(place), width)))


@pytest.mark.parametrize("seed", [1, 13])
def test_no_number_may_be_another(seed, short_rows):
    """Nor one that no layer reads, as it only fills up an axis: all that is said agrees with it."""
    circuit, _ = drawn(seed)
    random = np.random.default_rng(seed)
    for node in list(circuit.committed())[1:]:
        _, ran = drawn(seed)
        size = ran.trace.committed[node].size
        place = int(random.integers(size))
        changed = ran.trace.committed[node].copy()
        changed.reshape(-1)[place] ^= 1
        ran.trace.committed[node] = changed
        with pytest.raises(ProofError):
            check(circuit, NetworkProof(circuit, ran))


@pytest.mark.parametrize("slots", [2, 8])
def test_tensors_of_many_odd_axes(slots):
    """Their blocks have more numbers than a table of weights at first has."""
    shape, turned = (1, 7, 7, 7, 7), (0, 2, 3, 4, 1)
    nodes = [
        Input("x", (1, 49, 49)),
        Reshape("r", 0, shape),
        Transpose("t", 1, turned),
        Maximum("m", 1, 2),
        Reshape("f", 3, (2401, 1, 1)),
    ]
    ones = np.ones((2, 2401, 1, 1), np.int32)
    output = Linear(np.zeros((2, 1, 1), np.int32), (Conv(4, ones, (1, 1)),))
    circuit = Circuit(tuple(nodes), (), output)
    images = np.random.default_rng(slots).integers(0, 256, (slots, 1, 49, 49), dtype=np.uint8)
    check(circuit, NetworkProof(circuit, run(circuit, images)))


def pairs(least, most):
    return st.tuples(*[st.integers(least, most)] * 2)


@settings(max_examples=60, deadline=None)
@given(pairs(1, 9), pairs(1, 3), pairs(1, 3), pairs(1, 2), pairs(0, 5), pairs(0, 5), st.booleans())
def test_weights_are_pulled_back_through_any_convolution(
    size, kernel, strides, dilations, before, after, apart
):
    """A band of its output may lie in the padding alone."""
    random = np.random.default_rng(size)
    weight = random.integers(-3, 4, (4, 1 if apart else 2, *kernel)).astype(np.int32)
    term = Conv(0, weight, kernel, strides, (*before, *after), dilations, 2 if apart else 1)
    try:
        shape = term.output_shape((2, *size))
    except InputError:
        return
    x = random.integers(0, 256, (2, *size))
    sides = (before[1], after[1], before[0], after[0])
    wide = torch.nn.functional.pad(torch.tensor(x, dtype=torch.float64), sides)
    kernels = torch.tensor(weight, dtype=torch.float64)
    given = {"stride": strides, "dilation": dilations, "groups": term.groups}
    sums = torch.nn.functional.conv2d(wide[None], kernels, **given)[0].numpy().astype(np.int64)
    bias = random.integers(-9, 10, shape).astype(np.int32)
    flat = np.zeros((2, 2 * size[0] * size[1], 1, 1), np.int32)
    nodes = Input("x", (2, *size)), Reshape("f", 0, (flat.shape[1], 1, 1))
    output = Linear(np.zeros((2, 1, 1), np.int32), (Conv(1, flat, (1, 1)),))
    circuit = Circuit(nodes, (), output)
    layout = TensorLayout(shape, MOST_BLOCKS)
    point = [Element(*row) for row in random_elements((layout.bits, 4)).tolist()]
    weights, constant = linear_weights(circuit, Linear(bias, (term,)), [*layout.bands(point)])
    expected = weighed(layout.weights(point), sums + bias)
    assert weighed(weights[0], x) + constant == expected


def weighed(weights, numbers):
    out = np.zeros((4, numbers.size), np.uint32)
    out[0] = to_montgomery((numbers.reshape(-1) % P).astype(np.uint32))
    return inner_product(np.ascontiguousarray(weights).reshape(4, -1), out)
