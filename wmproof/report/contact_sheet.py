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

from wmproof.errors import InputError
from wmproof.keys.opening import OpenedTriggers

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


def draw_contact_sheet(
    opened: OpenedTriggers,
    *,
    title: str,
    subtitle: str,
    class_names: Sequence[str] | None = None,
    coincide: NDArray[np.bool_] | None = None,
) -> bytes:
    """Draw opened triggers with their labels.

    Parameters
    ----------
    opened : OpenedTriggers
        At most 2048 are drawn.
    title, subtitle : str
        Two lines at the head.
    class_names : sequence of str, optional
        Written instead of the labels' numbers; one for each class.
    coincide : ndarray of bool, shape (m,), optional
        Triggers to frame in red: their label is a reference model's answer.

    Returns
    -------
    bytes
        A PNG file.

    Raises
    ------
    InputError
        The number of class names is not the number of classes.
    """
    from PIL import Image, ImageDraw

    classes = opened.triggers.classes
    if class_names is not None and len(class_names) != classes:
        raise InputError(f"{len(class_names)} class names for {classes} classes")
    count = min(len(opened), _MAX_TILES)
    layout = _lay_out(count, opened.triggers.image_shape, named=class_names is not None)
    sheet = Image.new("RGB", layout.size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    _draw_header(draw, layout, title, subtitle)
    for position in range(count):
        x, y = layout.corner(position)
        sheet.paste(_tile(opened.triggers.images[position], layout.tile), (x, y))
        alarm = coincide is not None and bool(coincide[position])
        _draw_frame(draw, (x, y), layout.tile, alarm=alarm)
        label = int(opened.triggers.labels[position])
        below = (x, y + layout.tile[1])
        index = f"#{opened.indices[position]}"
        if class_names is None:
            _draw_number(draw, below, layout.tile[0], str(label), index, alarm=alarm)
        else:
            _draw_name(draw, below, layout.tile[0], class_names[label], index, alarm=alarm)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


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
