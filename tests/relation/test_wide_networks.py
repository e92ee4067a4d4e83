"""Numbers wider than a byte in the relation, and provers who commit to what no table has."""

import numpy as np
import pytest
from network_claim import NetworkClaim, NetworkProof, Run, run
from test_false_networks import check, rejected
from wide_circuit import SHAPE, wide_circuit

from wmproof.argument.algebra.field import P
from wmproof.circuit.ir import Circuit, Maximum
from wmproof.circuit.tables import clamp_table
from wmproof.relation.network.tables import MaximumTable
from wmproof.relation.network.trace import Tracer

IMAGES = np.random.default_rng(8).integers(0, 256, (4, *SHAPE), dtype=np.uint8)
LARGEST = 1023


@pytest.fixture(scope="module")
def circuit() -> Circuit:
    return wide_circuit(LARGEST)


@pytest.mark.parametrize("largest", [255, 256, LARGEST, 2**16 - 1])
def test_the_truth_is_accepted(largest):
    circuit = wide_circuit(largest)
    check(NetworkProof(circuit, run(circuit, IMAGES)), circuit)


@pytest.mark.parametrize("threads", ["1", "3"])
def test_every_lookup_is_counted(circuit, threads, monkeypatch):
    """Of all kinds of nodes, in two runs, with what fills axes up."""
    monkeypatch.setenv("WMPROOF_THREADS", threads)
    network = NetworkClaim(circuit, len(IMAGES)).network
    tracer, labels = Tracer(circuit), network.labels(network.chunks[0])
    runs = [Run(tracer(images, labels)) for images in (IMAGES, IMAGES[::-1] // 2)]
    for use in network.tables:
        expected = sum(ran.counts(use).astype(int) for ran in runs)
        assert (tracer.counts(use.label) == expected).all()
        assert expected.sum() == 2 * use.lookup.counted


def test_as_many_entries_and_lookups_as_with_bytes(circuit):
    """But for the multiplicities of the maximum's table, which is as wide as its operands."""
    wide, byte = (NetworkClaim(c, 4).network for c in (circuit, wide_circuit(255)))
    sizes = [{s.name: s.bits for s in n.segments if "multip" not in s.name} for n in (wide, byte)]
    assert sizes[0] == sizes[1]
    lookups = [[use.lookup.lengths for use in n.tables] for n in (wide, byte)]
    assert lookups[0] == lookups[1]
    assert [s.dtype for s in wide.segments if s.name == "chunk0/node1"] == ["uint16"]
    assert [s.dtype for s in byte.segments if s.name == "chunk0/node1"] == ["uint8"]


def node_of(circuit: Circuit, kind: str) -> int:
    if kind == "activation":
        return 1
    return next(i for i, node in enumerate(circuit.nodes) if isinstance(node, Maximum))


@pytest.mark.parametrize("kind", ["activation", "maximum"])
@pytest.mark.parametrize("more", [1, 2**10, 2**15])
def test_a_value_above_the_largest_has_no_row(circuit, kind, more):
    """The lookup: one committed number is a little, or much, larger than any that the table has."""
    ran, node = run(circuit, IMAGES), node_of(circuit, kind)
    committed = ran.trace.committed[node].copy()
    committed.reshape(-1)[3] = LARGEST + more
    ran.trace.committed[node] = committed
    rejected(NetworkProof(circuit, ran), circuit)


@pytest.mark.parametrize("largest", [255, LARGEST - 1, LARGEST + 1, 2**11 - 1])
def test_a_table_of_another_width(circuit, largest):
    """A prover whose activations are clamped elsewhere, and who is consistent about it."""
    other = Circuit(circuit.nodes, (clamp_table(20, 3, largest),), circuit.output)
    proof = NetworkProof(other, run(other, IMAGES))
    check(proof, other)
    rejected(proof, circuit)


def test_the_table_of_a_maximum_is_as_wide_as_its_operands():
    for largest in (1, 255, 256, LARGEST, 2**16 - 1):
        table = MaximumTable(largest)
        difference, maximum = table.columns().astype(np.int64)
        for d in (-largest, 0, largest):
            assert maximum[d - table.low] == max(d, 0)
            assert difference[d - table.low] % P == d % P
    assert MaximumTable(255).bits == 9
    assert MaximumTable(256).bits == 10
