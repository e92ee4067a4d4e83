"""The witness and the proof of a claim; `claim` has the statement."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof.argument.pcs.claims import Place
from wmproof.argument.prover_channel import ProverChannel
from wmproof.circuit.ir import Circuit
from wmproof.commitment import SCHEMES, Kind, Places, label_messages, open_batch
from wmproof.commitment.scheme import Bytes
from wmproof.core.reading import doubt_of
from wmproof.core.triggers import name_coins
from wmproof.errors import InputError, VerificationError
from wmproof.keys import VerificationKey
from wmproof.keys.opening import OpenedTriggers
from wmproof.relation.claim.statement import MOST_CHUNK_BITS, ClaimStatement, proved_indices
from wmproof.relation.hits import prover as hits_prover
from wmproof.relation.network import prover as network_prover
from wmproof.relation.network.trace import Trace, Tracer
from wmproof.relation.openings.provers import prover_of
from wmproof.relation.tensor_layout import MOST_BLOCKS

Progress = Callable[[str, float], None]


class ClaimProof(ClaimStatement):
    """A claim with its witness.

    Parameters
    ----------
    opened : OpenedTriggers
        The hidden half with labels and randomness, `MarkingKey.embedded`, also for a sample.
    keep_sums : bool
        As `Tracer` has it: without, a proof takes less memory and runs the circuit twice.
    progress : callable
        Called with a phase's name and the share of it that is done.

    Raises
    ------
    VerificationError
        `hits`: fewer than the threshold.
    InputError
        A trigger has no answer in the circuit.
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
        triggers: int | None = None,
        keep_sums: bool = True,
        most_blocks: int = MOST_BLOCKS,
        progress: Progress | None = None,
    ) -> None:
        if not np.array_equal(opened.indices, key.hidden_indices()):
            raise InputError("these are not the hidden triggers of the key")
        proved = proved_indices(circuit, key, context, triggers)
        opened = opened.select(np.searchsorted(opened.indices, proved))
        super().__init__(
            circuit,
            key,
            threshold,
            context=context,
            chunk_bits=chunk_bits,
            inner=self._shown(key, opened),
            triggers=triggers,
            most_blocks=most_blocks,
        )
        self._openings_prover = prover_of(key.scheme, self.openings)
        self._opened = opened
        self._progress: Progress = progress or (lambda _phase, _done: None)
        self._tracer = Tracer(
            circuit,
            lambda done: self._progress("running the circuit", done),
            keep_sums=keep_sums,
            most_blocks=most_blocks,
        )
        self._traces = self._run()
        self.arrays: dict[str, NDArray[Any]] = {}
        self._labels = opened.triggers.labels.astype(np.int64)
        self._logits = np.concatenate([trace.logits for trace in self._traces.values()])
        arrays, self.hits = hits_prover.witness(self.hit_claim, self._logits, self._labels)
        if self.hits < threshold:
            raise VerificationError(
                "hits",
                f"the model answers {self.hits} of {self.hit_claim.coins} hidden "
                f"{name_coins(key.group)} with their labels, fewer than the threshold of "
                f"{threshold}: there is nothing to prove"
                f"{doubt_of(self._logits.argmax(axis=1))}",
                remedy="Check that this model was marked with this key"
                + (", or prove more with --triggers" if self.sampled else ""),
                numbers={"hits": self.hits, "threshold": threshold},
            )
        self.arrays |= arrays
        self._add_network()
        self._add_openings()

    def _shown(self, key: VerificationKey, opened: OpenedTriggers) -> bytes:
        return inner_commitments(key, opened)

    def _run(self) -> dict[int, Trace]:
        images = self._opened.triggers.images.reshape(-1, *self.circuit.input_shape)
        count = len(self.indices)
        return {
            chunk.index: self._tracer(
                np.ascontiguousarray(images[chunk.triggers(count)]), self.network.labels(chunk)
            )
            for chunk in self.chunks
        }

    def _add_network(self) -> None:
        for chunk in self.chunks:
            for node, committed in self._traces[chunk.index].committed.items():
                self.arrays[self.network.segment(chunk, node).name] = committed
        for use in self.network.tables:
            self.arrays[use.multiplicities.name] = self._tracer.counts(use.label)

    def _add_openings(self) -> None:
        secrets_of = messages_of(self._opened)
        self.arrays |= self._openings_prover.witness(secrets_of, self.arrays)

    def witness(self) -> list[NDArray[Any]]:
        """The rows to commit to."""
        self._progress("committing to the witness", 0)
        return self.layout.blocks(self.arrays)

    def prove(self, channel: ProverChannel) -> list[Place]:
        """Prove; return the places of the verifier's claims."""
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
        points += self._openings_prover.prove(
            channel, self.arrays, lambda done: self._progress("proving the openings", done)
        )
        self._progress("opening the witness", 0)
        return [self.layout.place(p.segment, p.point) for p in points]


def messages_of(opened: OpenedTriggers) -> dict[Kind, tuple[Bytes, Bytes]]:
    """Messages and randomness of all that is committed to; secret.

    Returns for each kind of commitment two uint8 arrays: messages (m, message bytes) and randomness
    (m, randomness bytes).
    """
    found = {Kind.TRIGGER: (opened.triggers.messages, opened.trigger_randomness)}
    if opened.label_randomness is not None:
        labels = label_messages(opened.triggers.labels.astype(np.int64))
        found[Kind.LABEL] = (labels, opened.label_randomness)
    return found


def inner_commitments(key: VerificationKey, opened: OpenedTriggers) -> bytes:
    """What a claim shows of the hidden commitments; InputError if one of them does not open."""
    shown = b""
    for kind, (messages, randomness) in messages_of(opened).items():
        places = Places(key.key_id, opened.indices, kind)
        digests = key.committed(kind)[opened.indices]
        inner = SCHEMES[key.scheme].inner(messages, randomness)
        if not open_batch(digests, messages, randomness, places, key.scheme, inner).all():
            raise InputError(
                f"a hidden {kind.name.lower()} does not open its commitment",
                remedy="Use the marking key that belongs to this public key",
            )
        shown += inner.tobytes()
    return shown
