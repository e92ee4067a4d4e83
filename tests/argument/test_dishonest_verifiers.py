"""A verifier that chooses its coins learns nothing that an honest one does not."""

import io
import secrets

import numpy as np
import pytest
from lookup_statement import LookupProof

from wmproof.argument.algebra.element import ONE, ZERO, Element
from wmproof.argument.pcs.ligero.claims import BLINDING_ROWS
from wmproof.argument.system.prover import ReplayedCoins, prove_to
from wmproof.argument.system.statement import Security, prepare, row_bits
from wmproof.argument.system.verifier import verify
from wmproof.argument.transcript import VerifierTranscript
from wmproof.errors import ProofError

PROOF = LookupProof(200, 4, 4).with_rows(np.arange(200) % 13)
SETUP = prepare(PROOF, Security(bits=40, grinding_bits=0))
ROW_BITS = row_bits(PROOF.rows)
# The rows' coordinates in which the blinding rows agree, and which of them they are.
LEADING = ROW_BITS - (BLINDING_ROWS - 1).bit_length()
BLINDING = (SETUP.shape.rows - 1) // BLINDING_ROWS
X = Element(0, 1)


class ChosenCoins:
    """Honest coins, but for some draws of one label, the row point's by default; written down."""

    def __init__(self, chosen: dict[int, Element], label: str = "evaluation/rows/r") -> None:
        self._chosen, self._label, self._asked = chosen, label, 0
        self.draws: list[bytes] = []

    def absorb(self, label: str, data: bytes) -> None:
        """Nothing that was said matters."""

    def draw(self, label: str, size: int) -> bytes:
        coins = secrets.token_bytes(size)
        if label == self._label:
            value = self._chosen.get(self._asked)
            self._asked += 1
            if value is not None:
                # The first challenge of the draw.
                first = b"".join(c.to_bytes(16, "little") for c in value)
                coins = first + coins[len(first) :]
        self.draws.append(coins)
        return coins

    def find_nonce(self, bits: int) -> bytes:
        """Interactive: no work."""
        return bytes(8)

    def check_nonce(self, nonce: bytes, bits: int) -> bool:
        """Never asked of a prover."""
        raise NotImplementedError


def _corner(row: int) -> dict[int, Element]:
    return {i: Element(row >> (ROW_BITS - 1 - i) & 1) for i in range(ROW_BITS)}


def _elsewhere(i: int) -> dict[int, Element]:
    """The coordinate with which no row of the blinding block has a weight."""
    return {i: ZERO if BLINDING >> (LEADING - 1 - i) & 1 else ONE}


UNMASKING = {
    "a row of the witness": _corner(1),
    "one of the blinding rows": _corner(SETUP.shape.rows - 1),
    **{f"coordinate {i}": _elsewhere(i) for i in range(LEADING)},
    "coordinates in the base field": {i: Element(2 + i) for i in range(ROW_BITS - 3, ROW_BITS)},
    "coordinates in a subfield": {i: Element(1, 0, 2 + i) for i in range(ROW_BITS - 3, ROW_BITS)},
}


@pytest.mark.parametrize("chosen", UNMASKING.values(), ids=UNMASKING)
def test_a_combined_row_that_the_coins_would_unmask_is_not_sent(chosen: dict[int, Element]) -> None:
    sent = io.BytesIO()
    with pytest.raises(ProofError, match=r"unmask|zero"):
        prove_to(PROOF, SETUP, PROOF.witness(), sent, ChosenCoins(chosen))


@pytest.mark.parametrize(
    "chosen",
    [{}, {0: Element(2)}, dict.fromkeys(range(ROW_BITS), X), {ROW_BITS - 1: Element(7)}],
    ids=["none", "one in the base field", "all the same", "the last"],
)
def test_other_chosen_coins_are_served(chosen: dict[int, Element]) -> None:
    coins, sent = ChosenCoins(chosen), io.BytesIO()
    prove_to(PROOF, SETUP, PROOF.witness(), sent, coins)
    heard = VerifierTranscript(io.BytesIO(sent.getvalue()), ReplayedCoins(coins.draws))
    verify(PROOF, SETUP, heard)
    heard.finish()


@pytest.mark.parametrize(
    "label", ["squares/compress", "squares/group0/lambda", "squares/table/r", "pads/challenges"]
)
def test_a_challenge_of_zero_is_refused(label: str) -> None:
    coins = ChosenCoins({0: ZERO}, label)
    with pytest.raises(ProofError, match=f"'{label}' is zero"):
        prove_to(PROOF, SETUP, PROOF.witness(), io.BytesIO(), coins)
