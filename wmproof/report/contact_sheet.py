"""A contact sheet: the opened triggers with their labels, for the human eye to check."""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wmproof.core.triggers import TriggerSet, format_shape
from wmproof.errors import InputError
from wmproof.keys.opening import OpenedTriggers
from wmproof.report.number_sheet import HEADS, SHOWN, is_picture, rows

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

_TILE = 64
_LARGE_TILE = 96
_GAP = 14
_MARGIN = 36
_HEADER = 92
_CAPTION = 22
_NAMED_CAPTION = 36
_MAX_TILES = 2048
_COLUMN = 72
_ROW_WIDTH = 960  # of a table of numbers

_PAPER = (250, 249, 246)
_INK = (32, 33, 36)
_GREY = (138, 138, 134)
_LINE = (222, 220, 214)
_ALARM = (197, 48, 48)


@dataclass(frozen=True)
class _Layout:
    columns: int
    rows: int
    tile: tuple[int, int]
    caption: int

    @property
    def size(self) -> tuple[int, int]:
        width = self.columns * (self.tile[0] + _GAP) - _GAP + 2 * _MARGIN
        height = self.rows * (self.tile[1] + self.caption + _GAP) - _GAP + _HEADER + 2 * _MARGIN
        return width, height

    def corner(self, position: int) -> tuple[int, int]:
        row, column = divmod(position, self.columns)
        x = _MARGIN + column * (self.tile[0] + _GAP)
        return x, _MARGIN + _HEADER + row * (self.tile[1] + self.caption + _GAP)


class ContactSheet(bytes):
    """A PNG file that shows itself in a notebook."""

    def _repr_png_(self) -> bytes:
        return bytes(self)

    def __repr__(self) -> str:
        return f"ContactSheet({len(self)} bytes of PNG)"


def contact_sheet(
    triggers: TriggerSet, *, title: str = "Triggers", class_names: Sequence[str] | None = None
) -> ContactSheet:
    """Draw triggers with their labels; of a secret key's, only for yourself.

    Parameters
    ----------
    triggers : TriggerSet
        At most 2048 are drawn.
    title : str
    class_names : sequence of str, optional
        Written instead of the labels' numbers; one for each class.

    Returns
    -------
    ContactSheet
        The bytes of a PNG file.

    Raises
    ------
    InputError
        The number of class names is not the number of classes.
    """
    shape = format_shape(triggers.image_shape)
    kind = "pictures" if is_picture(triggers.image_shape) else "rows of numbers"
    subtitle = f"{len(triggers)} {kind} of {shape}, {triggers.classes} classes"
    indices = np.arange(len(triggers))
    return _draw(triggers, indices, title, subtitle, class_names, None)


def draw_contact_sheet(
    opened: OpenedTriggers,
    *,
    title: str,
    subtitle: str,
    class_names: Sequence[str] | None = None,
    coincide: NDArray[np.bool_] | None = None,
) -> ContactSheet:
    """Draw opened triggers with their labels; rows of numbers as a table. As `contact_sheet`.

    Parameters
    ----------
    title, subtitle : str
        Two lines at the head.
    coincide : ndarray of bool, shape (m,), optional
        Triggers to frame, or write, in red: their label is a reference model's answer.
    """
    return _draw(opened.triggers, opened.indices, title, subtitle, class_names, coincide)


def _draw(
    triggers: TriggerSet,
    indices: NDArray[np.int64],
    title: str,
    subtitle: str,
    class_names: Sequence[str] | None,
    coincide: NDArray[np.bool_] | None,
) -> ContactSheet:
    classes = triggers.classes
    if class_names is not None and len(class_names) != classes:
        raise InputError(f"there are {len(class_names)} class names for {classes} classes")
    if not is_picture(triggers.image_shape):
        return _draw_rows(triggers, indices, title, subtitle, class_names, coincide)
    from PIL import Image, ImageDraw

    count = min(len(triggers), _MAX_TILES)
    layout = _lay_out(count, triggers.image_shape, named=class_names is not None)
    sheet = Image.new("RGB", layout.size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    _draw_header(draw, layout, title, subtitle)
    for position in range(count):
        x, y = layout.corner(position)
        sheet.paste(_tile(triggers.images[position], layout.tile), (x, y))
        alarm = coincide is not None and bool(coincide[position])
        _draw_frame(draw, (x, y), layout.tile, alarm=alarm)
        label = int(triggers.labels[position])
        below = (x, y + layout.tile[1])
        index = f"#{indices[position]}"
        if class_names is None:
            _draw_number(draw, below, layout.tile[0], str(label), index, alarm=alarm)
        else:
            _draw_name(draw, below, layout.tile[0], class_names[label], index, alarm=alarm)
    return _saved(sheet)


def _saved(sheet: Image.Image) -> ContactSheet:
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", compress_level=3)
    return ContactSheet(buffer.getvalue())


def _draw_rows(
    triggers: TriggerSet,
    indices: NDArray[np.int64],
    title: str,
    subtitle: str,
    class_names: Sequence[str] | None,
    coincide: NDArray[np.bool_] | None,
) -> ContactSheet:
    """A table instead of pictures: statistics of each trigger's bytes, and the first of them."""
    from PIL import Image, ImageDraw

    count = min(len(triggers), _MAX_TILES)
    named = [str(c) if class_names is None else class_names[c] for c in triggers.labels[:count]]
    lines = rows(triggers.images[:count], named, indices[:count])
    height = _HEADER + 2 * _MARGIN + _CAPTION * (count + 1)
    layout = _Layout(1, 1, (_ROW_WIDTH, height - _HEADER - 2 * _MARGIN), 0)
    sheet = Image.new("RGB", (_ROW_WIDTH + 2 * _MARGIN, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    _draw_header(draw, layout, title, subtitle)
    heads = (*HEADS, f"the first {SHOWN} bytes")
    for place, cells in enumerate([heads, *lines]):
        alarm = place > 0 and coincide is not None and bool(coincide[place - 1])
        colour = _GREY if place == 0 else _ALARM if alarm else _INK
        for column, cell in enumerate(cells):
            corner = (_MARGIN + column * _COLUMN, _MARGIN + _HEADER + place * _CAPTION)
            width = _COLUMN - 4 if column < len(HEADS) else _ROW_WIDTH
            draw.text(corner, _cut(draw, cell, 12, width), colour, _font(12))
    return _saved(sheet)


def _lay_out(count: int, shape: tuple[int, ...], *, named: bool) -> _Layout:
    height, width = shape[-2:]
    side = _TILE if max(height, width) <= _TILE else _LARGE_TILE
    scale: float = side / max(height, width)
    if scale > 1:
        scale = math.floor(scale)
    tile = (max(1, round(width * scale)), max(1, round(height * scale)))
    columns = max(8, min(24, math.ceil(math.sqrt(count * 1.6))))
    caption = _NAMED_CAPTION if named else _CAPTION
    return _Layout(columns, max(1, -(-count // columns)), tile, caption)


def _tile(image: NDArray[np.uint8], size: tuple[int, int]) -> Image.Image:
    """Show one to four channels as a colour picture; more than that by the first three."""
    from PIL import Image

    if image.ndim == 2:
        picture = Image.fromarray(image)
    elif image.shape[0] < 3:
        picture = Image.fromarray(np.ascontiguousarray(image[0]))
    else:
        picture = Image.fromarray(np.ascontiguousarray(image[:3].transpose(1, 2, 0)))
    grows = size[0] >= picture.width
    method = Image.Resampling.NEAREST if grows else Image.Resampling.LANCZOS
    return picture.convert("RGB").resize(size, method)


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _draw_header(draw: ImageDraw.ImageDraw, layout: _Layout, title: str, subtitle: str) -> None:
    width = layout.size[0] - 2 * _MARGIN
    draw.text((_MARGIN, _MARGIN - 6), _cut(draw, title, 24, width), _INK, _font(24))
    draw.text((_MARGIN, _MARGIN + 30), _cut(draw, subtitle, 14, width), _GREY, _font(14))
    line = _MARGIN + _HEADER - 26
    draw.line((_MARGIN, line, layout.size[0] - _MARGIN, line), _LINE)


def _draw_frame(
    draw: ImageDraw.ImageDraw, corner: tuple[int, int], tile: tuple[int, int], *, alarm: bool
) -> None:
    x, y = corner
    reach = 3 if alarm else 1
    box = (x - reach, y - reach, x + tile[0] - 1 + reach, y + tile[1] - 1 + reach)
    draw.rectangle(box, outline=_ALARM if alarm else _LINE, width=reach)


def _draw_number(
    draw: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    width: int,
    label: str,
    index: str,
    *,
    alarm: bool,
) -> None:
    x, y = corner
    draw.text((x, y + 4), label, _ALARM if alarm else _INK, _font(14))
    draw.text((x + width - draw.textlength(index, _font(10)), y + 7), index, _GREY, _font(10))


def _draw_name(
    draw: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    width: int,
    name: str,
    index: str,
    *,
    alarm: bool,
) -> None:
    x, y = corner
    name = _cut(draw, name, 12, width + _GAP - 4)
    draw.text((x, y + 5), name, _ALARM if alarm else _INK, _font(12))
    draw.text((x, y + 21), index, _GREY, _font(10))


def _cut(draw: ImageDraw.ImageDraw, text: str, size: int, width: float) -> str:
    """Shorten a text to a width in pixels."""
    if draw.textlength(text, _font(size)) <= width:
        return text
    while text and draw.textlength(text + "…", _font(size)) > width:
        text = text[:-1]
    return text + "…"
