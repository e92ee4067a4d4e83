"""The same coins give the same proof, whatever the number of threads."""

import numpy as np
import pytest
from lookup_statement import LookupProof, LookupStatement

from wmproof.argument.algebra.field import random_elements
from wmproof.argument.pcs.ligero.columns import CommittedMatrix
from wmproof.argument.pcs.ligero.matrix import MessageMatrix
from wmproof.argument.system.prover import prove
from wmproof.argument.system.verifier import verify_proof

# Long enough that every kernel has work for several threads.
SIZES = 1 << 15, 6, 8


def test_threads_do_not_change_a_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    proofs = []
    for threads in ("1", "2", "5"):
        coins = np.random.default_rng(1).bytes
        with monkeypatch.context() as patch:
            patch.setattr(random_elements, "__defaults__", (coins,))
            patch.setattr(MessageMatrix.commit, "__defaults__", (coins,))
            patch.setattr(CommittedMatrix.__init__, "__defaults__", (coins,))
            patch.setenv("WMPROOF_THREADS", threads)
            statement = LookupProof(*SIZES).with_rows(np.arange(1 << 15) % 64)
            witness = statement.witness()
            # What is known of numbers changes how they are multiplied, and no product.
            largest = [int(block.max()) for block in witness] if threads == "2" else None
            assert largest is None or min(largest) < 512 <= max(largest)
            proofs.append(prove(statement, witness, largest=largest))
    assert proofs[0] == proofs[1] == proofs[2]
    verify_proof(LookupStatement(*SIZES), proofs[0])
    again = prove(statement, statement.witness())
    assert again != proofs[0], "the system's coins are fresh"
