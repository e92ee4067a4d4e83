"""The simulator: accepting transcripts with the prover's distribution, made without a witness.

It draws the verifier's coins first (honest-verifier zero-knowledge; in the random oracle model the
Fiat-Shamir proof inherits it by programming the oracle at the challenges). Messages under pads are
uniform, as pads are uniform and used once; commitments and openings are the polynomial commitment's
own business (`pcs.provers.simulate_openings`).
"""

import io
import secrets

from wmproof.argument.algebra.field import random_elements
from wmproof.argument.codec import encode_base
from wmproof.argument.pcs.provers import simulate_openings
from wmproof.argument.system.statement import Setup, Statement
from wmproof.argument.system.verifier import receive_protocol
from wmproof.argument.transcript import VerifierTranscript


class _FreshCoins:
    """Honest coins, written down."""

    def __init__(self) -> None:
        self.draws: list[bytes] = []

    def absorb(self, label: str, data: bytes) -> None:
        pass

    def draw(self, label: str, size: int) -> bytes:
        self.draws.append(secrets.token_bytes(size))
        return self.draws[-1]

    def find_nonce(self, bits: int) -> bytes:
        raise NotImplementedError

    def check_nonce(self, nonce: bytes, bits: int) -> bool:
        return True


class _UniformMessages:
    """Answers with uniform field elements, written down."""

    def __init__(self) -> None:
        self.said = io.BytesIO()

    def read(self, size: int) -> bytes:
        data = encode_base(random_elements(size // 4))
        self.said.write(data)
        return data


def simulate(statement: Statement, setup: Setup) -> tuple[bytes, list[bytes]]:
    """Make an accepting transcript.

    Returns
    -------
    proof : bytes
        Everything that a prover sends, without the magic.
    draws : list of bytes
        The coins, one string a draw, for `ReplayedCoins`.
    """
    coins, messages = _FreshCoins(), _UniformMessages()
    transcript = VerifierTranscript(messages, coins)
    side = setup.commitment.verifier()
    receive_protocol(statement, setup, transcript, side)
    parts = simulate_openings(setup.commitment, side, transcript, messages.said.getvalue())
    return b"".join(parts), coins.draws
