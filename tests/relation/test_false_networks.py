"""Provers who run something else than the circuit, and are consistent about it.

Images and networks are fixed, so every cheat is the same in each run; a false proof passes with
probability below 2^-40, the coins being the hash's.
"""

from dataclasses import replace

import numpy as np
import pytest
from network_claim import NetworkClaim, NetworkProof, run

from wmproof.argument.algebra.field import P
from wmproof.argument.system.prover import prove
from wmproof.argument.system.statement import Security
from wmproof.argument.system.verifier import verify_proof
from wmproof.circuit.ir import ACCUMULATOR_LIMIT, Activation, Circuit, Maximum
from wmproof.circuit.product import Product
from wmproof.circuit.tables import MAX_TABLE_BITS, Table
from wmproof.errors import InputError, ProofError

SECURITY = Security(bits=40, grinding_bits=0)
IMAGES = np.random.default_rng(8).integers(0, 256, (4, 2, 9, 7), dtype=np.uint8)


def check(proof, circuit):
    proof.digest = NetworkClaim(circuit, len(IMAGES)).digest  # a cheat binds what is asked for
    data = prove(proof, proof.witness(), SECURITY)
    verify_proof(NetworkClaim(circuit, len(IMAGES)), data, SECURITY)


def rejected(proof, circuit):
    with pytest.raises(ProofError):
        check(proof, circuit)


def with_table(circuit, number, table):
    tables = list(circuit.tables)
    tables[number] = table
    return Circuit(circuit.nodes, tuple(tables), circuit.output)


def with_values(circuit, number, values):
    """The circuit with other values in one table."""
    old = circuit.tables[number]
    starts = [0, *(np.flatnonzero(np.diff(values.astype(int))) + 1)]
    steps = tuple((int(start) + old.low, int(values[start])) for start in starts)
    return with_table(circuit, number, Table(old.name, old.bits, steps))


def off_by_one(circuit, node, row):
    number = circuit.nodes[node].table
    values = circuit.tables[number].values.copy()
    values[row] = values[row] + 1 if values[row] < 255 else 254
    return with_values(circuit, number, values)


def bound(circuit, node):
    """The largest accumulator of a node that any bytes could give."""
    if isinstance(node, Activation):
        return node.linear.bound(circuit.largest)
    operands = (node.a, node.b)
    sizes = node.sizes(*(circuit.shapes[i] for i in operands))
    return node.bound(sizes, tuple(circuit.largest[i] for i in operands))


@pytest.fixture(scope="module")
def roomy(circuit):
    """The circuit with tables that hold every accumulator that any bytes could give."""
    for number, table in enumerate(circuit.tables):
        bounds = [
            bound(circuit, node)
            for node in circuit.nodes
            if isinstance(node, Activation | Product) and node.table == number
        ]
        bits = max(max(bounds, default=0).bit_length() + 1, table.bits)
        steps = ((-(1 << (bits - 1)), table.steps[0][1]), *table.steps[1:])
        circuit = with_table(circuit, number, Table(table.name, bits, steps))
    return circuit


@pytest.fixture(scope="module", params=["first", "last"])
def node(request, circuit):
    """An activation layer."""
    layers = [i for i, node in enumerate(circuit.nodes) if isinstance(node, Activation)]
    return layers[0 if request.param == "first" else -1]


def test_the_truth_is_accepted(roomy):
    check(NetworkProof(roomy, run(roomy, IMAGES)), roomy)


def some_row(roomy, node):
    """A row of a layer's table that it looks up, not that of 0."""
    z = run(roomy, IMAGES).signed(node)
    return int(z[z != 0][0]) - roomy.tables[roomy.nodes[node].table].low


def test_a_table_value_off_by_one_is_no_row(roomy, node):
    """The lookup: the network was run, and rows counted, with the false value."""
    ran = run(off_by_one(roomy, node, some_row(roomy, node)), IMAGES)
    rejected(NetworkProof(roomy, ran), roomy)


def test_a_prover_has_no_table_of_his_own(roomy, node):
    """The verifier's evaluation of the table: all that the prover says is true of his own."""
    other = off_by_one(roomy, node, some_row(roomy, node))
    proof = NetworkProof(other, run(other, IMAGES))
    check(proof, other)
    rejected(proof, roomy)


def test_activations_of_another_model_do_not_fit_the_weights(roomy, node):
    """The linear map: all rows are in the tables, bytes and accumulators are the other model's."""
    linear = roomy.nodes[node].linear
    weight = linear.terms[0].weight.copy()
    weight[0, 0, 0, 0] += 1
    terms = (replace(linear.terms[0], weight=weight), *linear.terms[1:])
    nodes = list(roomy.nodes)
    nodes[node] = replace(nodes[node], linear=replace(linear, terms=terms))
    ran = run(Circuit(tuple(nodes), roomy.tables, roomy.output), IMAGES)
    assert not np.array_equal(ran.signed(node), run(roomy, IMAGES).signed(node))
    rejected(NetworkProof(roomy, ran), roomy)


def test_a_maximum_is_no_less_than_either(roomy):
    """The lookup in the table of max(d, 0): one entry says 0, for a difference of its own sign."""
    node = next(i for i, node in enumerate(roomy.nodes) if isinstance(node, Maximum))
    ran = run(roomy, IMAGES)
    place = int(np.flatnonzero(ran.signed(node) > 0)[0])
    ran.trace.committed[node] = ran.trace.committed[node].copy()
    ran.trace.committed[node].reshape(-1)[place] = 0
    rejected(NetworkProof(roomy, ran), roomy)


# Products of two tensors.


@pytest.fixture(scope="module", params=["gate", "matrices"])
def product(request, roomy):
    """A product node: elementwise or of matrices."""
    found = [i for i, node in enumerate(roomy.nodes) if isinstance(node, Product)]
    return found[["gate", "matrices"].index(request.param)]


@pytest.mark.parametrize("part", ["factor", "bias", "a_zero", "b_zero"])
def test_a_product_of_other_numbers_does_not_fit(roomy, product, part):
    """The sumcheck and its operands: all that is committed and looked up is the other product's."""
    nodes = list(roomy.nodes)
    nodes[product] = replace(nodes[product], **{part: getattr(nodes[product], part) + 1})
    ran = run(Circuit(tuple(nodes), roomy.tables, roomy.output), IMAGES)
    assert not np.array_equal(ran.signed(product), run(roomy, IMAGES).signed(product))
    rejected(NetworkProof(roomy, ran), roomy)


@pytest.mark.parametrize("side", [0, 1])
def test_a_product_of_something_else_than_its_operands(roomy, product, side):
    """The linear forms: a byte of one operand is another one where it is multiplied."""
    ran, node = run(roomy, IMAGES), roomy.nodes[product]
    other = ran.trace.value((node.a, node.b)[side]).copy()
    other.reshape(-1)[0] ^= 1
    true = ran.trace.value
    ran.trace.value = lambda index: other if index == (node.a, node.b)[side] else true(index)
    rejected(NetworkProof(roomy, ran), roomy)


# Accumulators outside their table.


@pytest.fixture(scope="module")
def narrow(roomy):
    """The circuit with a table that is too small for some accumulators, and its number."""
    number = roomy.nodes[1].table
    reach = int(np.abs(run(roomy, IMAGES).signed(1)).max())
    return with_table(roomy, number, roomy.tables[number].shrunk((reach - 1).bit_length()))


def test_an_accumulator_outside_its_table_has_no_row(roomy, narrow):
    """The lookup: bytes are what the function says, and every row that there is is counted."""
    with pytest.raises(InputError, match="outside its table"):
        run(narrow, IMAGES)
    rejected(NetworkProof(narrow, run(roomy, IMAGES)), narrow)


def test_an_accumulator_cannot_wrap_into_its_table(roomy, narrow):
    """The linear map: rows are those of z modulo 2^bits, and the network is run on their bytes."""
    number = roomy.nodes[1].table
    small, wide = narrow.tables[number], roomy.tables[number]

    def wrap(z):
        return (z - small.low) % (1 << small.bits) + small.low

    rows = wrap(np.arange(wide.low, wide.high + 1)) - small.low
    wrapping = with_values(roomy, number, small.values[rows])
    ran = run(wrapping, IMAGES)
    check(NetworkProof(wrapping, ran), wrapping)
    for index, node in enumerate(roomy.nodes):
        if isinstance(node, Activation) and node.table == number:
            ran.trace.looked_up[index] = (wrap(ran.signed(index)) % P).astype(np.uint32)
    (use,) = (u for u in NetworkClaim(narrow, len(IMAGES)).network.tables if u.groups[0][1] == 1)
    assert ran.counts(use).sum() == use.lookup.counted
    rejected(NetworkProof(narrow, ran), narrow)


def test_no_accumulator_is_congruent_to_another_row():
    """|z| < 2^30, checked for every circuit, and |row| <= 2^21 differ by less than p."""
    assert ACCUMULATOR_LIMIT + (1 << (MAX_TABLE_BITS - 1)) < P
