"""Provers that cheat at one step and are honest at all others: every one is rejected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from lookup_statement import LookupProof, LookupStatement
from pad_cheats import TamperedPads

from wmproof.argument.element import ZERO, Element
from wmproof.argument.prover_channel import ProverChannel
from wmproof.argument.system import prover as system_prover
from wmproof.argument.system.prover import prove
from wmproof.argument.system.statement import Security
from wmproof.argument.system.verifier import verify_proof
from wmproof.errors import ProofError

SECURITY = Security(bits=40, grinding_bits=4)


def test_no_mask_makes_up_for_a_false_lookup(monkeypatch: pytest.MonkeyPatch) -> None:
    # Table rows (0, 1) and (16, 1) against the rows (3, 1) and (13, 1), which are none: the sums of
    # the denominators agree, their products differ by 39 whatever the challenges are. The prover
    # sends the table's product, commits to a pad product that is off by 39, and to a quadratic mask
    # that is off by as much.
    statement = LookupStatement(2, 5, 4)
    proof = LookupProof(2, 5, 4).with_rows(np.array([0, 16]))
    proof.columns = np.ascontiguousarray(proof.columns)
    proof.columns[0] = [3, 13]
    gap = Element(39)

    def root(label: str, messages: list[Element]) -> list[Element]:
        if label == "squares/group0/root":
            return [messages[0], messages[1] - gap]
        return messages

    monkeypatch.setattr(
        system_prover,
        "PadMatrix",
        lambda layout, pads, products: TamperedPads(
            layout, pads, products, {layout.cell(~0): ZERO - gap}, quadratic={0: ZERO - gap}
        ),
    )
    _change_messages(monkeypatch, root)
    _assert_rejected(statement, proof)


def _change_messages(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[str, list[Element]], list[Element]]
) -> None:
    send = ProverChannel.send

    def patched(self: ProverChannel, label: str, messages: Any) -> None:
        send(self, label, change(label, list(messages)))

    monkeypatch.setattr(ProverChannel, "send", patched)


def _assert_rejected(statement: LookupStatement, proof: LookupProof) -> None:
    data = prove(proof, proof.witness(), SECURITY)
    with pytest.raises(ProofError):
        verify_proof(statement, data, SECURITY)
