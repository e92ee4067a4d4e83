"""A statement for tests: a circuit ran on images, nothing being said of its answers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof.argument.algebra.field import P
from wmproof.circuit.format import digest
from wmproof.circuit.ir import Circuit
from wmproof.relation.chunks import chunks_of
from wmproof.relation.network import prover as network_prover
from wmproof.relation.network import verifier as network_verifier
from wmproof.relation.network.statement import NetworkStatement, TableUse
from wmproof.relation.network.trace import Trace, Tracer
from wmproof.relation.segments import Layout


class NetworkClaim:
    """`argument.system.statement.Statement` about a circuit on 2^slot_bits images."""

    def __init__(self, circuit: Circuit, images: int) -> None:
        self.network = NetworkStatement(circuit, chunks_of(images, 8))
        self.layout = Layout(self.network.segments)
        self.rows, self.message_bits = self.layout.rows, self.layout.message_bits
        self.digest = digest(circuit)

    def errors(self):
        return self.network.errors()

    def verify(self, channel):
        return self.layout.point_claims(network_verifier.verify(channel, self.network))


@dataclass
class Run:
    """What a prover says that happened: a trace, which a test may falsify."""

    trace: Trace

    def counts(self, use: TableUse) -> NDArray[np.uint32]:
        """How often each row of a table is looked up, as far as it has the rows."""
        size = 1 << use.table.bits
        total = np.zeros(size, np.uint32)
        for _, node in use.groups:
            rows = self.signed(node) - use.table.low
            inside = rows[(rows >= 0) & (rows < size)]
            total += np.bincount(inside, minlength=size).astype(np.uint32)
        total[-use.table.low] += use.lookup.counted - sum(use.lookup.lengths)
        return total

    def signed(self, node: int) -> NDArray[np.int64]:
        """Accumulators of a node, around 0."""
        z = self.trace.looked_up[node].astype(np.int64)
        return np.where(z > P // 2, z - P, z)


def run(circuit: Circuit, images: NDArray[np.uint8]) -> Run:
    """What really happens."""
    network = NetworkStatement(circuit, chunks_of(len(images), 8))
    return Run(Tracer(circuit)(images, network.labels(network.chunks[0])))


class NetworkProof(NetworkClaim):
    """With a run of this circuit, or of any that has the same nodes, as the witness."""

    def __init__(self, circuit: Circuit, ran: Run) -> None:
        super().__init__(circuit, len(ran.trace.logits))
        self._ran = ran
        (chunk,) = self.network.chunks
        self.arrays: dict[str, NDArray[Any]] = {
            self.network.segment(chunk, node).name: committed
            for node, committed in ran.trace.committed.items()
        }
        for use in self.network.tables:
            self.arrays[use.multiplicities.name] = ran.counts(use)

    def witness(self):
        return self.layout.blocks(self.arrays)

    def prove(self, channel):
        traces = {0: self._ran.trace}
        points = network_prover.prove(channel, self.network, self.arrays, traces)
        return [self.layout.place(p.segment, p.point) for p in points]
