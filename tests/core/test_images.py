"""Pictures come as people have them: arrays, tensors, lists of PIL images; channels come first."""

import numpy as np
import pytest
from PIL import Image

from wmproof import FunctionClassifier, TriggerSet, abstract, keygen
from wmproof.core.images import as_images, as_labels
from wmproof.errors import InputError

torch = pytest.importorskip("torch")
RANDOM = np.random.default_rng(5)
COLOUR = RANDOM.integers(0, 256, (3, 3, 6, 5), dtype=np.uint8)
GREY = COLOUR[:, 0]


def pictures(images):
    return [
        Image.fromarray(image.transpose(1, 2, 0) if image.ndim == 3 else image) for image in images
    ]


@pytest.mark.parametrize("images", [COLOUR, GREY], ids=["colour", "grey"])
@pytest.mark.parametrize("how", [torch.from_numpy, list, pictures, np.asarray, tuple])
def test_every_kind_is_the_same_pictures(images, how):
    assert np.array_equal(as_images(how(images)), images)
    triggers = TriggerSet(how(images), [0, 1, 2], 3)
    assert np.array_equal(triggers.images, images)
    assert not triggers.images.flags.writeable
    seen = []
    FunctionClassifier(lambda x: seen.append(x) or np.zeros(3, int), images.shape[1:]).classify(
        how(images)
    )
    assert np.array_equal(seen[0], images)


@pytest.mark.parametrize("labels", [[0, 2, 1], torch.tensor([0, 2, 1]), np.array([0, 2, 1], "u1")])
def test_labels_are_any_whole_numbers(labels):
    assert as_labels(labels).dtype == np.int64
    assert as_labels(labels).tolist() == [0, 2, 1]


@pytest.mark.parametrize(
    ("images", "what"),
    [
        (COLOUR / 255, "not of float64"),
        (torch.rand(2, 3, 6, 5), "not of float32"),
        (torch.rand(2, 3, 6, 5).bfloat16(), "no array of numbers"),
        (pictures(COLOUR)[0], "one picture is not a list"),
        (pictures(COLOUR) + pictures(GREY), "differ in shape"),
        ([Image.new("P", (5, 6))], "mode P"),
        ([], "no pictures"),
        ("pictures", "not of <U8"),
        (COLOUR.transpose(0, 2, 3, 1), "channels last"),
        ([image.transpose(1, 2, 0) for image in COLOUR], "channels last"),
    ],
)
def test_what_is_no_set_of_pictures_is_said_in_one_sentence(images, what):
    for use in (as_images, lambda x: keygen(x, 3), lambda x: TriggerSet(x, [0, 1], 3)):
        with pytest.raises(InputError, match=what):
            use(images)


@pytest.mark.parametrize("shape", [(32, 32, 3), (28, 28, 1), (5, 7, 4)])
def test_a_shape_with_channels_last_makes_no_key(shape):
    height, width, channels = shape
    with pytest.raises(InputError, match=f"{channels}x{height}x{width}"):
        abstract(4, shape)


@pytest.mark.parametrize("shape", [(3, 3, 3), (4, 4, 4), (1, 8, 8), (8, 8), (12, 9, 9), (3, 9, 3)])
def test_shapes_that_may_be_meant_are_drawn(shape):
    assert abstract(2, shape).shape == (2, *shape)
