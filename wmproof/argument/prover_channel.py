"""The prover's side of an encrypted transcript; `channel` explains it."""

from collections.abc import Iterator, Sequence

from wmproof.argument.algebra.element import Element
from wmproof.argument.transcript import ProverTranscript
from wmproof.errors import WmproofError


class ProverChannel:
    """What a protocol's prover talks to.

    Parameters
    ----------
    transcript : ProverTranscript
        Where bytes go.
    pads : Sequence[Element] or None
        The committed one-time pads, one a message; None sends messages in the clear.
    grinding_bits : int
        Proof of work that `grind` does.

    Attributes
    ----------
    known : dict of str to Element
        What the prover has computed of `VerifierChannel.public`, by label.
    """

    def __init__(
        self,
        transcript: ProverTranscript,
        pads: Sequence[Element] | None,
        *,
        grinding_bits: int = 0,
    ) -> None:
        self.transcript = transcript
        self.known: dict[str, Element] = {}
        self._grinding_bits = grinding_bits
        self._pads: Iterator[Element] | None = None if pads is None else iter(pads)

    def send(self, label: str, messages: Sequence[Element]) -> None:
        """Send messages in K, each under its own pad."""
        if not messages:
            return
        if self._pads is not None:
            messages = [message + _next(self._pads) for message in messages]
        self.transcript.send_elements(label, messages)

    def know(self, label: str, value: Element) -> None:
        """Remember a public number, so that walking through the proof again spares computing it."""
        if label in self.known:
            raise WmproofError(f"two public numbers are called {label}")
        self.known[label] = value

    def grind(self, label: str) -> None:
        """Work before a challenge whose error is large."""
        self.transcript.grind(label, self._grinding_bits)

    def challenge(self, label: str) -> Element:
        """One challenge in K."""
        return self.transcript.challenge(label)

    def challenges(self, label: str, count: int) -> list[Element]:
        """`count` challenges in K."""
        return self.transcript.challenges(label, count)


def _next(pads: Iterator[Element]) -> Element:
    try:
        return next(pads)
    except StopIteration:
        # A pad used twice would leak; running out means prover and verifier disagree.
        raise WmproofError("the prover speaks more than its rehearsal announced") from None
