"""The one place where messages are bound together and challenges come from.

docs/argument.md says under 'Soundness' what deriving challenges from a hash costs.

A transcript is a sequence of labelled messages and labelled challenges; both parties walk through
it with the same calls, the prover with `ProverTranscript.send`, the verifier with
`VerifierTranscript.receive`. Where challenges come from is a matter of the `Coins` underneath:

- `FiatShamirCoins`: challenges are BLAKE3 of everything before them. The state is a hash chain,

      state <- BLAKE3(key = MESSAGE_KEY, state || le64(|label|) || label || le64(|data|) || data)
      challenge(label, n) = bytes 32..32+n of X, state <- bytes 0..32 of X, where
      X = BLAKE3-XOF(key = CHALLENGE_KEY, state || le64(|label|) || label || le64(n))

  so that each challenge depends on all earlier messages, labels and challenges. In the random
  oracle model this keeps round-by-round soundness, up to the number of hash calls.
- `VerifierCoins` and `ProverCoins`: the interactive argument. The verifier draws the same number of
  bytes from the system's CSPRNG and sends them; the prover reads them.

A challenge in K takes 16 bytes for each coefficient, reduced mod p: within 2^-97 of uniform.
"""

import io
import secrets
from collections.abc import Sequence
from typing import Protocol

from blake3 import blake3

from wmproof.argument import codec
from wmproof.argument.algebra.element import DEGREE, ZERO, Element
from wmproof.argument.algebra.field import U32, P
from wmproof.errors import InputError, ProofError

_COEFFICIENT_COIN = 16
NONCE_BYTES = 8


def _key(purpose: str) -> bytes:
    return blake3(b"", derive_key_context=f"wmproof 2026 transcript v1 {purpose}").digest()


_MESSAGE_KEY = _key("message")
_CHALLENGE_KEY = _key("challenge")
_GRINDING_KEY = _key("grinding")
# Fair coins for all positions of a domain end after its logarithm of draws, and a few.
_MOST_DRAWS = 1000


def _framed(data: bytes) -> bytes:
    return len(data).to_bytes(8, "little") + data


class Sink(Protocol):
    """Where a prover's bytes go."""

    def write(self, data: bytes, /) -> object:
        """Take all of `data`."""


class Source(Protocol):
    """Where a verifier's bytes come from."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; fewer mean that the peer has no more."""


class Coins(Protocol):
    """Where challenges come from."""

    def absorb(self, label: str, data: bytes) -> None:
        """Bind a message."""

    def draw(self, label: str, size: int) -> bytes:
        """Return `size` bytes that nobody could have known before the last `absorb`."""

    def find_nonce(self, bits: int) -> bytes:
        """Prover: do the work that makes each retry of a challenge cost 2^bits times as much."""

    def check_nonce(self, nonce: bytes, bits: int) -> bool:
        """Verifier: was the work done?"""


class FiatShamirCoins:
    """Challenges from a hash of all that was said before.

    Parameters
    ----------
    protocol : str
        Name and version of the protocol; two protocols share no challenge.
    """

    def __init__(self, protocol: str) -> None:
        self._state = bytes(32)
        self.absorb("protocol", protocol.encode())

    def absorb(self, label: str, data: bytes) -> None:
        """Bind a message."""
        hasher = blake3(key=_MESSAGE_KEY)
        hasher.update(self._state + _framed(label.encode()) + len(data).to_bytes(8, "little"))
        hasher.update(data)
        self._state = hasher.digest()

    def draw(self, label: str, size: int) -> bytes:
        """Derive `size` bytes and move on."""
        text = self._state + _framed(label.encode()) + size.to_bytes(8, "little")
        output: bytes = blake3(text, key=_CHALLENGE_KEY).digest(length=32 + size)
        self._state = output[:32]
        return output[32:]

    def find_nonce(self, bits: int) -> bytes:
        """The least nonce whose hash with the state ends in `bits` zero bits (2^bits tries)."""
        # Only provers come here, and only they have the kernels.
        from wmproof.argument.kernels.blake3 import least_nonce

        return least_nonce(self._state, _GRINDING_KEY, bits).to_bytes(NONCE_BYTES, "little")

    def check_nonce(self, nonce: bytes, bits: int) -> bool:
        """Whether the hash of state and nonce ends in `bits` zero bits."""
        digest = blake3(self._state + nonce, key=_GRINDING_KEY).digest(length=8)
        return int.from_bytes(digest, "little") % (1 << bits) == 0


def _no_work() -> InputError:
    return InputError(
        "proof of work adds nothing to an interactive argument, and its bits would be missing",
        remedy="Use Security(grinding_bits=0)",
    )


class VerifierCoins:
    """Interactive: fresh coins from the system's CSPRNG, told to the prover."""

    def __init__(self, to_prover: Sink) -> None:
        self._to_prover = to_prover

    def absorb(self, label: str, data: bytes) -> None:
        """Nothing to bind: the coins do not exist yet."""

    def draw(self, label: str, size: int) -> bytes:
        """Draw and tell."""
        coins = secrets.token_bytes(size)
        self._to_prover.write(coins)
        return coins

    def find_nonce(self, bits: int) -> bytes:
        """Never asked of a verifier."""
        raise NotImplementedError

    def check_nonce(self, nonce: bytes, bits: int) -> bool:
        """Refused: coins that do not exist cannot be searched, so work would buy nothing."""
        raise _no_work()


class ProverCoins:
    """Interactive: the coins that the verifier sends."""

    def __init__(self, from_verifier: Source) -> None:
        self._from_verifier = from_verifier

    def absorb(self, label: str, data: bytes) -> None:
        """Nothing to bind."""

    def draw(self, label: str, size: int) -> bytes:
        """Read `size` bytes; ProofError if the verifier hung up."""
        coins = self._from_verifier.read(size)
        if len(coins) != size:
            raise ProofError("session", f"the verifier stopped before the challenge '{label}'")
        return coins

    def find_nonce(self, bits: int) -> bytes:
        """Refused, as by the verifier."""
        raise _no_work()

    def check_nonce(self, nonce: bytes, bits: int) -> bool:
        """Never asked of a prover."""
        raise NotImplementedError


class _Transcript:
    def __init__(self, coins: Coins) -> None:
        self._coins = coins

    def bind(self, label: str, data: bytes) -> None:
        """Absorb what both parties know already: parameters, digests of the statement."""
        self._coins.absorb(label, data)

    def challenges(self, label: str, count: int) -> list[Element]:
        """`count` elements of K, none of them zero, each within 2^-95 of uniform.

        Raises
        ------
        ProofError
            One is zero: once in 2^124 times, or because the verifier has chosen it. Provers and
            verifiers may divide by challenges.
        """
        width = _COEFFICIENT_COIN * DEGREE
        data = self._coins.draw(label, width * count)
        coefficients = [
            int.from_bytes(data[i : i + _COEFFICIENT_COIN], "little") % P
            for i in range(0, len(data), _COEFFICIENT_COIN)
        ]
        rows = (coefficients[i : i + DEGREE] for i in range(0, len(coefficients), DEGREE))
        elements = [Element(*row) for row in rows]
        if ZERO in elements:
            raise ProofError("challenge", f"the challenge '{label}' is zero")
        return elements

    def challenge(self, label: str) -> Element:
        """One element of K."""
        return self.challenges(label, 1)[0]

    def positions(self, label: str, domain: int, count: int) -> list[int]:
        """`count` distinct positions below `domain`, a power of two, in increasing order.

        Drawn one after the other, repetitions thrown away, so the set is uniform.

        Raises
        ------
        ProofError
            The coins were chosen by somebody who keeps repeating them.
        """
        if count > domain:
            raise ValueError(f"cannot open {count} of {domain} positions")
        chosen: set[int] = set()
        for _ in range(_MOST_DRAWS):
            if len(chosen) == count:
                return sorted(chosen)
            data = self._coins.draw(label, 8 * count)
            for i in range(0, len(data), 8):
                if len(chosen) < count:
                    chosen.add(int.from_bytes(data[i : i + 8], "little") % domain)
        raise ProofError("challenge", f"the coins for '{label}' repeat themselves without end")


class ProverTranscript(_Transcript):
    """The prover's view: sends messages, learns challenges.

    Parameters
    ----------
    sink : Sink
        Takes what is sent, as it is sent.
    coins : Coins
    """

    def __init__(self, sink: Sink, coins: Coins) -> None:
        super().__init__(coins)
        self._sink = sink

    def send(self, label: str, data: bytes) -> None:
        """Send bytes whose length the verifier knows."""
        self._coins.absorb(label, data)
        self._sink.write(data)

    def send_elements(self, label: str, elements: Sequence[Element]) -> None:
        """Send elements of K."""
        self.send(label, codec.encode_elements(elements))

    def send_vector(self, label: str, vector: U32) -> None:
        """Send a vector over K given in Montgomery form, (4, N)."""
        self.send(label, codec.encode_vector(vector))

    def grind(self, label: str, bits: int) -> None:
        """Do `bits` bits of proof of work and send the nonce."""
        if bits:
            self.send(label, self._coins.find_nonce(bits))


class VerifierTranscript(_Transcript):
    """The verifier's view: receives messages of known length, draws challenges.

    Parameters
    ----------
    source : Source
        The peer's bytes; hostile.
    coins : Coins
    """

    def __init__(self, source: Source, coins: Coins) -> None:
        super().__init__(coins)
        self._source = source

    def receive(self, label: str, size: int) -> bytes:
        """Read exactly `size` bytes; ProofError if there are fewer."""
        data = self._read(label, size)
        self._coins.absorb(label, data)
        return data

    def _read(self, label: str, size: int) -> bytes:
        data = self._source.read(size)
        if len(data) != size:
            raise ProofError(
                "encoding",
                f"the proof ends inside message '{label}'",
                numbers={"expected_bytes": size, "found_bytes": len(data)},
            )
        return data

    def receive_elements(self, label: str, count: int) -> list[Element]:
        """Read `count` elements of K."""
        return codec.decode_elements(self.receive(label, codec.element_bytes(count)), label)

    def receive_vector(self, label: str, count: int) -> U32:
        """Read a vector over K into Montgomery form, (4, count)."""
        return codec.decode_vector(self.receive(label, codec.element_bytes(count)), label)

    def check_grinding(self, label: str, bits: int) -> None:
        """Read a nonce and check the work; ProofError if it was not done."""
        if bits:
            nonce = self._read(label, NONCE_BYTES)
            if not self._coins.check_nonce(nonce, bits):
                raise ProofError("grinding", f"the nonce lacks {bits} bits of proof of work")
            self._coins.absorb(label, nonce)

    def finish(self) -> None:
        """ProofError if anything follows the last message."""
        if self._source.read(1):
            raise ProofError("encoding", "the proof goes on after its last message")


def fiat_shamir_prover(protocol: str) -> tuple[ProverTranscript, io.BytesIO]:
    """Return a non-interactive prover's transcript and the buffer that its proof grows in."""
    buffer = io.BytesIO()
    return ProverTranscript(buffer, FiatShamirCoins(protocol)), buffer


def fiat_shamir_verifier(protocol: str, proof: bytes) -> VerifierTranscript:
    """Return the verifier's transcript over the bytes of a non-interactive proof."""
    return VerifierTranscript(io.BytesIO(proof), FiatShamirCoins(protocol))
