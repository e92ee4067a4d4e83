"""The errors that a claim adds up cover every challenge that its verifier draws."""

from collections.abc import Mapping
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from grouped_claim import CIRCUIT, grouped_key
from openings_statement import FlatMessages
from toy_claim import toy_circuit, toy_key

from wmproof.argument.algebra.element import BYTES, Element
from wmproof.argument.channel import VerifierChannel
from wmproof.argument.soundness import FIELD_SIZE
from wmproof.argument.transcript import FiatShamirCoins, VerifierTranscript
from wmproof.commitment import Scheme
from wmproof.errors import InputError
from wmproof.keys import LabelMode
from wmproof.relation.chunks import Chunk
from wmproof.relation.claim.statement import ClaimStatement
from wmproof.relation.hits import verifier as hits_verifier
from wmproof.relation.hits.statement import HitsStatement
from wmproof.relation.network.statement import NetworkStatement
from wmproof.relation.openings.sha256 import verifier as sha256_verifier
from wmproof.relation.openings.sha256.openings import Openings


class _Zeros:
    def read(self, size: int) -> bytes:
        return bytes(size)


class _Counting(VerifierTranscript):
    """Hears zeros; counts the bad values that each challenge has, powers as in `degrees`."""

    def __init__(self, degrees: Mapping[str, int]) -> None:
        super().__init__(_Zeros(), FiatShamirCoins("count"))
        self._degrees, self.bad = degrees, 0

    def receive(self, label: str, size: int) -> bytes:
        if label.endswith("/round"):
            # A round of degree d with its eq factor: d + 1, of which `challenges` counts one.
            self.bad += size // BYTES
        return super().receive(label, size)

    def challenges(self, label: str, count: int) -> list[Element]:
        if not label.endswith("/compress"):
            self.bad += self._degrees.get(label.split("/")[-1], count)
        return super().challenges(label, count)


def _counted(verify, degrees: Mapping[str, int] = {}) -> int:
    transcript = _Counting(degrees)
    verify(VerifierChannel(transcript, rehearsal=True))
    return transcript.bad


def _stated(errors: Mapping[str, Fraction]) -> Fraction:
    return FIELD_SIZE * sum(
        (error for name, error in errors.items() if not name.endswith(" compression")), Fraction(0)
    )


@pytest.mark.parametrize("scheme", list(Scheme))
@pytest.mark.parametrize("mode", list(LabelMode))
def test_every_challenge_of_a_claim_is_counted(mode, scheme):
    circuit = toy_circuit()
    key = toy_key(circuit, mode, scheme).verification_key
    claim = ClaimStatement(circuit, key, 1, context=bytes(32), inner=None)
    assert _stated(claim.errors()) >= _counted(claim.verify)


@pytest.mark.parametrize("group", [2, 5])
def test_every_challenge_of_a_claim_about_groups_is_counted(group):
    key = grouped_key(group).verification_key
    claim = ClaimStatement(CIRCUIT, key, 1, context=bytes(32), inner=None)
    assert "sums" in claim.errors()
    assert _stated(claim.errors()) >= _counted(claim.verify)


@pytest.mark.parametrize("length", [1, 64, 3 * 32 * 32, 3 * 224 * 224])
@pytest.mark.parametrize("slot_bits", [0, 2, 8])
def test_every_challenge_of_an_opening_is_counted(slot_bits, length):
    states = np.zeros((1 << slot_bits, 8), np.uint32)
    source = FlatMessages(slot_bits, length)
    openings = Openings("some", slot_bits, states, states, length, source)
    # Six half equations; 17 factors and four more identities, 16 halves of a state.
    degrees = {"lambda": 5, "gamma": 20 + 15}
    counted = _counted(lambda channel: sha256_verifier.verify(channel, openings), degrees)
    # The chain of states and the message are compared at instances that the sumcheck has drawn.
    counted += sum(slot_bits + run.bits for run in openings.runs)
    assert _stated(openings.errors()) >= counted


def test_every_challenge_of_one_slots_hits_is_counted():
    network = NetworkStatement(toy_circuit(), [Chunk(0, 0, 0)])
    hits = HitsStatement(network, 1, 1, np.zeros(1, np.int64))
    stated = _stated(hits.errors())
    assert stated >= _counted(lambda channel: hits_verifier.verify(channel, hits))


def test_more_margins_than_the_field_counts_are_refused():
    """A limb outside the table, p times, would count as none."""
    output = SimpleNamespace(bound=lambda _largest: 1)
    circuit = SimpleNamespace(classes=1 << 16, largest=[], output=output)
    labels = np.zeros(1 << 14, np.int64)
    fine = SimpleNamespace(circuit=circuit, slot_bits=13)
    HitsStatement(fine, len(labels) // 2, 1, labels[::2])
    many = SimpleNamespace(circuit=circuit, slot_bits=14)
    with pytest.raises(InputError, match="cannot be counted"):
        HitsStatement(many, len(labels), 1, labels)
