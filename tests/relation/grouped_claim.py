"""Claims about groups for tests: three classes, logits below 0, pictures of two pixels."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from toy_claim import SHAPE, distinct, toy_circuit

from wmproof.argument.system.prover import prove
from wmproof.argument.system.statement import Security
from wmproof.argument.system.verifier import verify_proof
from wmproof.circuit.ir import Circuit, Conv, Linear
from wmproof.circuit.reference import evaluate_reference
from wmproof.commitment import Scheme
from wmproof.keys import MarkingKey
from wmproof.keys.keygen import pkeygen
from wmproof.relation.claim.prover import ClaimProof
from wmproof.relation.claim.statement import ClaimStatement

CONTEXT = bytes(32)
SECURITY = Security(bits=40, grinding_bits=0)


def with_logits(rows: list[list[int]], bias: int) -> Circuit:
    """The toy circuit with other logits: rows of weights of its two numbers, and one bias."""
    toy = toy_circuit()
    weight = np.array(rows, np.int32).reshape(len(rows), 1, 1, 2)
    biases = np.full((len(rows), 1, 1), bias, np.int32)
    return replace(toy, output=Linear(biases, (Conv(2, weight, (1, 2)),)))


CIRCUIT = with_logits([[1, 0], [0, 1], [1, -1]], -400)


def by_hand(circuit: Circuit, key: MarkingKey) -> list[bool]:
    """Whether each hidden group's label has more than every other class, in Python's integers."""
    hidden = key.to_embed()
    logits = evaluate_reference(circuit, hidden.images.reshape(-1, *SHAPE))[0].tolist()
    hits = []
    for first in range(0, len(hidden), hidden.group):
        label = int(hidden.labels[first])
        sums = [sum(row) for row in zip(*logits[first : first + hidden.group], strict=True)]
        hits.append(all(sums[label] > other for j, other in enumerate(sums) if j != label))
    return hits


def grouped_key(
    group: int,
    *,
    coins: int = 8,
    circuit: Circuit = CIRCUIT,
    scheme: Scheme = Scheme.SHA256_SIS,
    images: Callable[[int], np.ndarray] = distinct,
    accept: Callable[[MarkingKey, list[bool]], bool] = lambda _, hits: 0 < sum(hits) < len(hits),
) -> MarkingKey:
    """A key of so many groups, half of them hidden, of which some are hit and some are not."""
    while True:
        pictures = images(coins * group)
        given = {"security": coins // 4, "scheme": scheme, "group": group}
        key, _ = pkeygen(pictures, circuit.classes, **given)
        if key.verification_key.hidden_coins and accept(key, by_hand(circuit, key)):
            return key


def claim_of(
    key: MarkingKey, threshold: int = 1, circuit: Circuit = CIRCUIT, **given
) -> ClaimProof:
    return ClaimProof(
        circuit, key.verification_key, threshold, key.embedded(), context=CONTEXT, **given
    )


def check(claim: ClaimProof, **given) -> None:
    """Verify a claim's proof against what its key and its threshold say."""
    stated = ClaimStatement(
        claim.circuit,
        claim.key,
        claim.threshold,
        context=CONTEXT,
        inner=claim.inner,
        chunk_bits=claim.chunk_bits,
        **given,
    )
    verify_proof(stated, prove(claim, claim.witness(), SECURITY), SECURITY)
