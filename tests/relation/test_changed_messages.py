"""Every kind of message of a claim is bound by some equation, even if the coins stay the same.

In a proof with Fiat-Shamir coins a changed message changes all later coins, which hides a message
that nobody checks. Here the coins are an interactive verifier's, drawn already, and one message of
an accepted transcript is changed by a random amount: what is left to notice is the equations. They
are random combinations over K (2^-123) and openings at positions enough for 2^-40.
"""

import io
import random
import re

import pytest
from proof_map import Message
from toy_claim import toy_circuit, toy_key

from wmproof.argument.algebra.field import P
from wmproof.argument.system.prover import ReplayedCoins, prove_to
from wmproof.argument.system.simulator import _FreshCoins
from wmproof.argument.system.statement import Security, prepare
from wmproof.argument.system.verifier import verify
from wmproof.argument.transcript import VerifierTranscript
from wmproof.commitment import Scheme
from wmproof.errors import ProofError
from wmproof.keys import LabelMode
from wmproof.relation.claim.prover import ClaimProof
from wmproof.relation.claim.statement import ClaimStatement

SECURITY = Security(bits=40, grinding_bits=0)
HASHES = ("root", "salts", "siblings")


class Listener(VerifierTranscript):
    """A verifier's transcript that notes every message."""

    def __init__(self, data, draws):
        super().__init__(io.BytesIO(data), ReplayedCoins(draws))
        self.messages = []

    def _read(self, label, size):
        last = self.messages[-1] if self.messages else Message("", 0, 0)
        self.messages.append(Message(label, last.start + last.size, size))
        return super()._read(label, size)


@pytest.mark.parametrize("scheme", Scheme, ids=lambda scheme: scheme.label)
@pytest.mark.parametrize("mode", LabelMode, ids=lambda mode: mode.name.lower())
def test_every_kind_of_message_is_bound(mode, scheme):
    circuit, context = toy_circuit(), bytes(32)
    sampled = mode is LabelMode.DERIVED
    key = toy_key(circuit, mode, scheme, hides=3 if sampled else 2)
    given = {"context": context, "triggers": 2}
    claim = ClaimProof(circuit, key.verification_key, 1, key.embedded(), **given)
    assert claim.sampled == sampled
    statement = ClaimStatement(circuit, key.verification_key, 1, inner=claim.inner, **given)
    setup, coins, buffer = prepare(statement, SECURITY), _FreshCoins(), io.BytesIO()
    prove_to(claim, setup, claim.witness(), buffer, coins)
    data = buffer.getvalue()

    def listen(said):
        transcript = Listener(said, coins.draws)
        verify(statement, setup, transcript)
        transcript.finish()
        return transcript.messages

    kinds = {}
    for message in listen(data):
        if message.size:
            kinds.setdefault(re.sub(r"\d+", "", message.label), []).append(message)
    assert ("labels/bits/sign" in kinds) == (mode is LabelMode.SECRET)
    free = []
    for kind, messages in kinds.items():
        try:
            listen(changed(data, random.Random(kind).choice(messages)))
            free.append(kind)
        except ProofError:
            pass
    assert not free


def changed(data, message):
    """With a bit of one hash, or a word of one element, of a message changed."""
    place = message.start + 4 * random.Random(message.label).randrange(message.size // 4)
    word = int.from_bytes(data[place : place + 4], "little")
    amount = random.Random(message.label).randrange(1, P)
    new = word ^ 1 if message.label.endswith(HASHES) else (word + amount) % P
    return data[:place] + new.to_bytes(4, "little") + data[place + 4 :]
