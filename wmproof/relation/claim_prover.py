"""The witness and the proof of a claim; `claim` has the statement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof.argument.element import Element
from wmproof.argument.prover_channel import ProverChannel
from wmproof.circuit.ir import Circuit
from wmproof.commitment import Kind, label_messages
from wmproof.errors import InputError
from wmproof.keys import VerificationKey
from wmproof.keys.opening import OpenedTriggers
from wmproof.relation import hits_prover, network_prover
from wmproof.relation.claim import MOST_CHUNK_BITS, ClaimStatement
from wmproof.relation.sha256 import prover as sha256_prover
from wmproof.relation.sha256.witness import witness as sha256_witness
from wmproof.relation.trace import Trace, Tracer

Progress = Callable[[str, float], None]


class ClaimProof(ClaimStatement):
    """A claim with its witness.

    Parameters
    ----------
    opened : OpenedTriggers
        The hidden half with labels and randomness: `MarkingKey.embedded`.
    progress : callable
        Called with a phase's name and the share of it that is done.

    Raises
    ------
    InputError
        Fewer hits than the threshold, or a trigger that has no answer in the circuit.
    """

    def __init__(
        self,
        circuit: Circuit,
        key: VerificationKey,
        threshold: int,
        opened: OpenedTriggers,
        *,
        context: bytes,
        chunk_bits: int = MOST_CHUNK_BITS,
        progress: Progress | None = None,
    ) -> None:
        super().__init__(circuit, key, threshold, context=context, chunk_bits=chunk_bits)
        if not np.array_equal(opened.indices, self.indices):
            raise InputError("these are not the hidden triggers of the key")
        self._opened = opened
        self._progress: Progress = progress or (lambda _phase, _done: None)
        self._tracer = Tracer(circuit, lambda done: self._progress("running the circuit", done))
        self._traces = self._run()
        self.arrays: dict[str, NDArray[Any]] = {}
        self._labels = opened.triggers.labels.astype(np.int64)
        self._logits = np.concatenate([trace.logits for trace in self._traces.values()])
        arrays, self.hits = hits_prover.witness(self.hit_claim, self._logits, self._labels)
        if self.hits < threshold:
            raise InputError(
                f"the model answers {self.hits} of {len(self.indices)} hidden triggers with their "
                f"labels, fewer than the threshold of {threshold}: there is nothing to prove",
                remedy="Check that this model was marked with this key",
            )
        self.arrays |= arrays
        self._add_network()
        self._add_openings()

    def _run(self) -> dict[int, Trace]:
        images = self._opened.triggers.images.reshape(-1, *self.circuit.input_shape)
        count = len(self.indices)
        return {
            chunk.index: self._tracer(np.ascontiguousarray(images[chunk.triggers(count)]))
            for chunk in self.chunks
        }

    def _add_network(self) -> None:
        for chunk in self.chunks:
            for node, committed in self._traces[chunk.index].committed.items():
                self.arrays[self.network.segment(chunk, node).name] = committed
        for use in self.network.tables:
            counts = self._tracer.counts[use.label]
            self.arrays[use.multiplicities.name] = counts.astype(np.uint32)

    def _add_openings(self) -> None:
        images = self._opened.triggers.images.reshape(len(self.indices), -1)
        secrets_of = {
            Kind.TRIGGER: (images, self._opened.trigger_randomness),
            Kind.LABEL: (label_messages(self._labels), self._opened.label_randomness),
        }
        for chunk, kind, opening in self.openings:
            slots = chunk.triggers(len(self.indices))
            messages, randomness = secrets_of[kind]
            try:
                bits = sha256_witness(opening, messages[slots], randomness[slots])
            except ValueError:
                raise InputError(
                    f"a hidden {kind.name.lower()} does not open its commitment",
                    remedy="Use the marking key that belongs to this public key",
                ) from None
            self.arrays |= bits

    def witness(self) -> list[NDArray[Any]]:
        """The rows to commit to."""
        self._progress("committing to the witness", 0)
        return self.layout.blocks(self.arrays)

    def prove(self, channel: ProverChannel) -> list[list[Element]]:
        """Prove; return the points of the verifier's claims."""
        points = network_prover.prove(
            channel,
            self.network,
            self.arrays,
            self._traces,
            lambda done: self._progress("proving the network", done),
        )
        points += hits_prover.prove(
            channel, self.hit_claim, self.arrays, self._logits, self._labels
        )
        for i, (_, _, opening) in enumerate(self.openings):
            self._progress("proving the openings", i / len(self.openings))
            points += sha256_prover.prove(channel, opening, self.arrays)
        self._progress("opening the witness", 0)
        return [self.layout.point(p.segment, p.point) for p in points]
