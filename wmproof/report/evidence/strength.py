"""The strength of a claim as a picture: bits over the number of hits."""

from __future__ import annotations

import math
import xml.etree.ElementTree as Tree

from wmproof.keys import LabelMode, PublicKey
from wmproof.report.evidence.markup import element
from wmproof.strength import chosen_label_bits, strength_bits

_WIDTH, _HEIGHT = 900, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 74, 36, 24, 56
_POINTS = 64


def draw_strength(key: PublicKey, hidden: int, threshold: int) -> Tree.Element:
    """Draw what a claim about `hidden` triggers is worth for each number of hits.

    Parameters
    ----------
    key : PublicKey
        Says whether labels could be chosen, and the number of classes.
    hidden : int
    threshold : int
        The hits that were proved; marked.
    """
    vk = key.verification_key
    rule = chosen_label_bits if vk.label_mode is LabelMode.SECRET else strength_bits
    hits = sorted({*(round(hidden * i / _POINTS) for i in range(_POINTS + 1)), threshold})
    bits = {k: rule(hidden, k, vk.classes) for k in hits}
    plot = _Plot(hidden, max(bits.values()))
    curve = " ".join(f"{plot.x(k)},{plot.y(b)}" for k, b in bits.items())
    chance = hidden / vk.classes
    return element(
        "svg",
        element("title", "Strength of the claim by number of hits"),
        *plot.axes(),
        element("polyline", points=curve, fill="none", stroke="#3b5b92", stroke_width=2),
        *plot.mark(chance, 0, f"chance: {chance:.0f} hits", "#6b6a66", anchor="start"),
        *plot.mark(
            threshold,
            bits[threshold],
            f"proved: at least {threshold} hits, {bits[threshold]:.0f} bits",
            "#1b6e3c",
            anchor="end",
        ),
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
            made.append(_text(str(value), _LEFT - 8, y + 4, anchor="end"))
        step = _round_step(self._hits / 8)
        for value in range(0, self._hits + 1, step):
            made.append(_text(str(value), self.x(value), _HEIGHT - _BOTTOM + 18, anchor="middle"))
        middle = (_LEFT + _WIDTH - _RIGHT) / 2
        made.append(_text("hits among the hidden triggers", middle, _HEIGHT - 12, anchor="middle"))
        made.append(_text("strength, bits", _LEFT + 6, _TOP + 12, anchor="start"))
        return made

    def mark(
        self, hits: float, bits: float, words: str, colour: str, *, anchor: str
    ) -> list[Tree.Element]:
        x, y = self.x(hits), self.y(bits)
        beside = x + (10 if anchor == "start" else -10)
        return [
            element("circle", cx=x, cy=y, r=5, fill=colour),
            element(
                "text", words, x=beside, y=y - 10, font_size=13, fill=colour, text_anchor=anchor
            ),
        ]


def _text(words: str, x: float, y: float, *, anchor: str) -> Tree.Element:
    return element("text", words, x=x, y=y, font_size=11, fill="#6b6a66", text_anchor=anchor)


def _round_step(least: float) -> int:
    """Return the smallest 1, 2 or 5 times a power of ten that is at least `least`."""
    power: int = 10 ** max(0, math.floor(math.log10(max(least, 1))))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= least)
