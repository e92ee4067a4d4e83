import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from wmproof.core.drawing import draw_abstract
from wmproof.core.triggers import (
    TriggerSet,
    abstract,
    check_distinct,
    from_folder,
    noise,
    parse_shape,
)
from wmproof.errors import InputError

shapes = st.one_of(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.tuples(st.integers(1, 4), st.integers(1, 40), st.integers(1, 40)),
    st.tuples(st.integers(1, 40), st.integers(5, 40), st.integers(5, 40)),
)


@given(shapes, st.integers(1, 5))
@settings(max_examples=40)
def test_sources_give_any_shape(shape, count):
    for source in (noise, abstract):
        images = source(count, shape)
        assert images.dtype == np.uint8
        assert images.shape == (count, *shape)


@given(st.binary(min_size=32, max_size=32), shapes)
@settings(max_examples=40)
def test_a_seed_gives_one_picture(seed, shape):
    assert np.array_equal(draw_abstract(seed, shape), draw_abstract(seed, shape))


def test_pictures_are_distinct_and_varied():
    images = abstract(300, (3, 32, 32))
    check_distinct(images)
    spread = images.reshape(300, -1).std(axis=1)
    assert np.median(spread) > 25
    assert images.std(axis=0).min() > 25


def test_noise_uses_every_value():
    assert len(np.unique(noise(100, (28, 28)))) == 256


def test_trigger_sets_cannot_be_changed():
    images, labels = noise(4, (2, 2)).copy(), np.arange(4)
    triggers = TriggerSet(images, labels, 5)
    images[:] = 0
    labels[:] = 0
    assert triggers.images.any()
    assert triggers.labels.tolist() == [0, 1, 2, 3]
    for array in (triggers.images, triggers.labels):
        assert array.flags.c_contiguous
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_a_read_only_view_of_writable_memory_is_copied():
    images = noise(4, (2, 2)).copy()
    view = images[:]
    view.setflags(write=False)
    triggers = TriggerSet(view, np.arange(4), 5)
    before = triggers.images.copy()
    images[:] ^= 255
    assert np.array_equal(triggers.images, before)


def test_representations_show_no_contents():
    triggers = TriggerSet(np.full((1, 2, 2), 237, np.uint8), np.array([41]), 50)
    assert repr(triggers) == "TriggerSet(1 of 2x2, 50 classes)"


@pytest.mark.parametrize(
    ("images", "labels", "classes"),
    [
        (np.zeros((2, 4, 4), np.float32), np.zeros(2, np.int64), 2),
        (np.zeros(2, np.uint8), np.zeros(2, np.int64), 2),
        (np.zeros((2, 4, 4), np.uint8), np.zeros(3, np.int64), 2),
        (np.zeros((2, 4, 4), np.uint8), np.zeros(2, np.float32), 2),
        (np.zeros((2, 4, 4), np.uint8), np.array([0, 2]), 2),
        (np.zeros((2, 4, 4), np.uint8), np.array([0, -1]), 2),
        (np.zeros((2, 4, 4), np.uint8), np.zeros(2, np.int64), 1),
        (np.zeros((2, 0, 4), np.uint8), np.zeros(2, np.int64), 2),
    ],
)
def test_bad_trigger_sets_are_refused(images, labels, classes):
    with pytest.raises(InputError):
        TriggerSet(images, labels, classes)


@pytest.mark.parametrize(
    "text", ["", "3.5", "0", "3x", "axb", "1x2x3x4", "0x3", "-1x3", "99999x99999"]
)
def test_bad_shapes_are_refused(text):
    with pytest.raises(InputError):
        parse_shape(text)


def test_shapes_are_read():
    assert parse_shape("32") == (32,)
    assert parse_shape("28x28") == (28, 28)
    assert parse_shape("3X32x32") == (3, 32, 32)


@pytest.fixture
def pictures(tmp_path):
    rng = np.random.default_rng(5)
    (tmp_path / "below").mkdir()
    for i in range(6):
        pixels = rng.integers(0, 256, (40 + i, 50, 3), dtype=np.uint8)
        where = tmp_path / "below" if i % 2 else tmp_path
        Image.fromarray(pixels).save(where / f"{i}.png")
    (tmp_path / "notes.txt").write_text("not a picture")
    return tmp_path


@pytest.mark.parametrize("shape", [(16, 20), (1, 16, 20), (3, 16, 20), (4, 16, 20)])
def test_a_folder_of_pictures_is_read(pictures, shape):
    images = from_folder(pictures, 6, shape)
    assert images.shape == (6, *shape)
    check_distinct(images)


def test_pictures_of_the_right_size_keep_their_pixels(tmp_path):
    pixels = np.random.default_rng(1).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    images = from_folder(tmp_path, 1, (3, 8, 9))
    assert np.array_equal(images[0], pixels.transpose(2, 0, 1))


def test_a_folder_with_too_few_pictures_is_refused(pictures):
    with pytest.raises(InputError, match="has 6 pictures, and the key needs 7"):
        from_folder(pictures, 7, (8, 8))


def test_a_broken_picture_is_named(pictures):
    broken = pictures / "below" / "1.png"
    broken.write_bytes(broken.read_bytes()[:100])
    with pytest.raises(InputError, match=r"1\.png"):
        from_folder(pictures, 6, (8, 8))


def test_equal_pictures_are_named(pictures):
    (pictures / "copy.png").write_bytes((pictures / "0.png").read_bytes())
    with pytest.raises(InputError, match="the same trigger"):
        from_folder(pictures, 7, (8, 8))


@pytest.mark.parametrize("folder", ["missing", "notes.txt"])
def test_what_is_no_folder_is_refused(pictures, folder):
    with pytest.raises(InputError, match="is not a folder"):
        from_folder(pictures / folder, 1, (8, 8))


def test_other_channel_counts_are_refused(pictures):
    with pytest.raises(InputError, match="channels"):
        from_folder(pictures, 1, (2, 8, 8))


@pytest.mark.parametrize("count", [0, -1, 2**16 + 1])
def test_counts_out_of_range_are_refused(count):
    with pytest.raises(InputError):
        noise(count, (2, 2))
