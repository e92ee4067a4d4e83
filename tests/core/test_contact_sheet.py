import io

import numpy as np
import pytest
from PIL import Image

from wmproof.core.triggers import noise
from wmproof.errors import InputError
from wmproof.keys.keygen import keygen
from wmproof.report import draw_contact_sheet

RED = (197, 48, 48)


def sheet(shape, count=20, **options):
    key, _ = keygen(noise(count, shape), 3)
    data = draw_contact_sheet(key.opened, title="Title", subtitle="Subtitle", **options)
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.format == "PNG"
        return key, np.asarray(picture.convert("RGB"))


def contains(page, tile) -> bool:
    height, width = tile.shape[:2]
    starts = np.argwhere((page == tile[0, 0]).all(axis=-1))
    return any(np.array_equal(page[y : y + height, x : x + width], tile) for y, x in starts)


@pytest.mark.parametrize("shape", [(8, 8), (28, 28), (1, 28, 28), (3, 32, 32)])
def test_every_trigger_is_shown_pixel_for_pixel(shape):
    key, page = sheet(shape)
    scale = 64 // shape[-1]
    for image in key.triggers.images:
        colour = image if image.ndim == 2 else image.transpose(1, 2, 0).squeeze()
        colour = np.stack([colour] * 3, axis=-1) if colour.ndim == 2 else colour
        assert contains(page, colour.repeat(scale, axis=0).repeat(scale, axis=1))


@pytest.mark.parametrize(
    "shape", [(2, 9, 7), (4, 16, 16), (7, 5, 5), (3, 300, 200), (1, 1), (1, 90)]
)
def test_any_shape_can_be_drawn(shape):
    sheet(shape, count=3)


def test_coinciding_labels_are_framed_in_red():
    marks = np.zeros(20, dtype=bool)
    _, clean = sheet((8, 8), coincide=marks)
    marks[4] = True
    _, page = sheet((8, 8), coincide=marks)
    assert not (clean == RED).all(axis=-1).any()
    assert (page == RED).all(axis=-1).sum() > 4 * 64


def test_class_names_must_fit():
    sheet((8, 8), class_names=["cat", "dog", "a name that is far too long for its place"])
    with pytest.raises(InputError, match="2 class names for 3"):
        sheet((8, 8), class_names=["cat", "dog"])
