"""The timeline as a picture: one bar an attestation, as wide as its uncertainty.

Narrow, so that its words can be read on a phone.
"""

import xml.etree.ElementTree as Tree
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from wmproof.publication.bundle.attestations import Attestation
from wmproof.publication.bundle.format import Subject
from wmproof.publication.bundle.report.markup import element

_WIDTH, _SIDE, _TOP, _ROW = 480, 16, 8, 46
_FONT, _TICKS = 14, 4
_STEPS = [
    *(timedelta(seconds=s) for s in (1, 2, 5, 15, 30, 60, 120, 300, 900, 1800)),
    *(timedelta(hours=h) for h in (1, 3, 6, 12)),
    *(timedelta(days=d) for d in (1, 2, 7, 14, 30, 60, 120, 365, 730, 1825, 3650)),
]
_COLOURS = {
    Subject.KEY: "#1b6e3c",
    Subject.MODEL: "#b0562a",
    Subject.CLAIM: "#3b5b92",
    Subject.CHECKPOINT: "#6b6a66",
}


def draw_timeline(events: Sequence[Attestation]) -> Tree.Element:
    """Draw attestations, earliest first, numbered from 1; at least one."""
    first = min(item.moment.earliest for item in events)
    last = max(item.moment.latest for item in events)
    margin = max((last - first) * 0.06, timedelta(seconds=2))
    scale = _Scale(first - margin, last + margin)
    bottom = _TOP + _ROW * len(events)
    height = bottom + 34
    children = [_tick(scale, time, bottom) for time in _ticks(scale.start, scale.end)]
    for row, item in enumerate(events):
        children += _event(scale, row, item)
    title = element("title", "When the key and the model were there, by whom attested")
    return element(
        "svg",
        title,
        *children,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_WIDTH} {height}",
        role="img",
        font_family="system-ui, Arial, sans-serif",
    )


class _Scale:
    def __init__(self, start: datetime, end: datetime) -> None:
        self.start, self.end = start, end

    def x(self, time: datetime) -> float:
        share = (time - self.start) / (self.end - self.start)
        return round(_SIDE + share * (_WIDTH - 2 * _SIDE), 2)


def _ticks(start: datetime, end: datetime) -> list[datetime]:
    """Return round times, at most four where a step that long is known."""
    step = next((step for step in _STEPS if (end - start) / step <= _TICKS), _STEPS[-1])
    origin = datetime(1970, 1, 1, tzinfo=UTC)
    time = origin + ((start - origin) // step + 1) * step
    found: list[datetime] = []
    while time < end and len(found) < 50:
        found.append(time)
        time += step
    return found


def _tick(scale: _Scale, time: datetime, bottom: int) -> Tree.Element:
    x, whole = scale.x(time), scale.end - scale.start
    form = "%Y-%m-%d" if whole > timedelta(days=3) else "%m-%d %H:%M"
    form = "%H:%M:%S" if whole < timedelta(minutes=10) else form
    line = element("line", x1=x, x2=x, y1=_TOP, y2=bottom, stroke="#dedcd6")
    room = 44  # for half of the label, which the picture's edges must not cut
    x = min(max(x, room), _WIDTH - room)
    label = element(
        "text", f"{time:{form}}", x=x, y=bottom + 20, font_size=_FONT, fill="#6b6a66",
        text_anchor="middle",
    )  # fmt: skip
    return element("g", line, label)


def _event(scale: _Scale, row: int, item: Attestation) -> list[Tree.Element]:
    y, colour = _TOP + _ROW * row + 34, _COLOURS[item.subject]
    left, right = scale.x(item.moment.earliest), scale.x(item.moment.latest)
    width = max(right - left, 4)
    words = f"{row + 1} {item.what}"
    name = element("text", words, x=_SIDE, y=y - 14, font_size=_FONT, fill=colour)
    line = element("line", x1=_SIDE, x2=_WIDTH - _SIDE, y1=y, y2=y, stroke="#efeeea")
    bar = element("rect", x=left, y=y - 6, width=width, height=12, rx=3, fill=colour)
    return [line, name, bar]
