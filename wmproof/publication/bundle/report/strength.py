"""The strength of a claim as a picture: bits over the number of hits.

Narrow, so that its words can be read on a phone.
"""

import math
import xml.etree.ElementTree as Tree

from wmproof.core.strength import strength_bits
from wmproof.keys import PublicKey
from wmproof.publication.bundle.report.markup import element
from wmproof.pverify.report import ClaimReport

_WIDTH, _HEIGHT, _FONT = 480, 320, 14
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 16, 34, 54
_POINTS = 64


def draw_strength(key: PublicKey, claim: ClaimReport) -> Tree.Element:
    """Draw what a claim about so many triggers is worth for each number of hits.

    Parameters
    ----------
    key : PublicKey
        Says the number of classes; nobody chose its labels.
    claim : ClaimReport
        The hits that were proved are marked.
    """
    vk, count, threshold = key.verification_key, claim.triggers, claim.header.threshold
    hits = sorted({*(round(count * i / _POINTS) for i in range(_POINTS + 1)), threshold})
    bits = {k: max(0, strength_bits(count, k, vk.classes) - claim.grinding_bits) for k in hits}
    plot = _Plot(count, max(bits.values()))
    curve = " ".join(f"{plot.x(k)},{plot.y(b)}" for k, b in bits.items())
    chance, proved = count / vk.classes, f"{threshold} hits, {int(bits[threshold])} bits"
    return element(
        "svg",
        element("title", "Strength of the claim by number of hits"),
        *plot.axes(),
        element("polyline", points=curve, fill="none", stroke="#3b5b92", stroke_width=2),
        *plot.mark(0, chance, 0, f"by chance: {chance:.0f} hits", "#6b6a66"),
        *plot.mark(1, threshold, bits[threshold], f"proved: at least {proved}", "#1b6e3c"),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        font_family="system-ui, Arial, sans-serif",
    )


class _Plot:
    """Axes from 0 to `most_hits` and from 0 to at least `most_bits`."""

    def __init__(self, most_hits: int, most_bits: float) -> None:
        self._hits, self._step = most_hits, _round_step(most_bits / 5)
        self._bits = self._step * max(1, math.ceil(most_bits / self._step))

    def x(self, hits: float) -> float:
        return round(_LEFT + hits / self._hits * (_WIDTH - _LEFT - _RIGHT), 2)

    def y(self, bits: float) -> float:
        return round(_HEIGHT - _BOTTOM - bits / self._bits * (_HEIGHT - _TOP - _BOTTOM), 2)

    def axes(self) -> list[Tree.Element]:
        made = []
        for value in range(0, self._bits + 1, self._step):
            y = self.y(value)
            made.append(element("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y, stroke="#e8e6e0"))
            made.append(_text(str(value), _LEFT - 8, y + 5, anchor="end"))
        step = _round_step(self._hits / 6)
        for value in range(0, self._hits + 1, step):
            made.append(_text(str(value), self.x(value), _HEIGHT - _BOTTOM + 20, anchor="middle"))
        middle = (_LEFT + _WIDTH - _RIGHT) / 2
        made.append(_text("hits among what was proved", middle, _HEIGHT - 12, anchor="middle"))
        made.append(_text("strength, bits", 2, 18, anchor="start"))
        return made

    def mark(
        self, row: int, hits: float, bits: float, words: str, colour: str
    ) -> list[Tree.Element]:
        """Return a dot, and a line of the legend, in the corner above the curve."""
        x, y = _LEFT + 14, _TOP + 16 + 22 * row
        return [
            element("circle", cx=self.x(hits), cy=self.y(bits), r=5, fill=colour),
            element("circle", cx=x, cy=y, r=5, fill=colour),
            element("text", words, x=x + 12, y=y + 5, font_size=_FONT, fill=colour),
        ]


def _text(words: str, x: float, y: float, *, anchor: str) -> Tree.Element:
    return element("text", words, x=x, y=y, font_size=_FONT, fill="#6b6a66", text_anchor=anchor)


def _round_step(least: float) -> int:
    """Return the smallest 1, 2 or 5 times a power of ten that is at least `least`."""
    power: int = 10 ** max(0, math.floor(math.log10(max(least, 1))))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= least)
