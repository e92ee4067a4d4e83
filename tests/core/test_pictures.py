"""Pictures and class folders as cameras, scanners and notebooks leave them, read by all readers."""

import numpy as np
import pytest
from PIL import Image

from wmproof._base.pictures import class_folders, pictures_in, read_picture
from wmproof.circuit.images import read_images
from wmproof.core.triggers import from_folder
from wmproof.errors import InputError

SIDE = 8
RAMP = np.arange(SIDE * SIDE, dtype=np.uint8).reshape(SIDE, SIDE) * 3


def readers():
    """The three readers of commands, each from a folder with one picture to uint8 (C, H, W)."""

    def training(folder, shape):
        from wmproof.training.data.folder import load_folder

        for name in ("0", "1"):
            (folder.parent / "split" / "train" / name).mkdir(parents=True)
            (folder.parent / "split" / "test" / name).mkdir(parents=True)
            for part in ("train", "test"):
                for file in folder.iterdir():
                    (folder.parent / "split" / part / name / file.name).hardlink_to(file)
        return load_folder(folder.parent / "split", shape).training_set().images[0].numpy()

    return {
        "triggers": lambda folder, shape: from_folder(folder, 1, shape)[0],
        "circuit": lambda folder, shape: read_images(folder, shape).images[0],
        "training": training,
    }


@pytest.fixture(params=["triggers", "circuit", "training"])
def read(request, tmp_path):
    """Save a picture by `save` alone in a folder and read it as a command would."""

    def work(name, save, shape):
        folder = tmp_path / "pictures"
        folder.mkdir()
        save(folder / name)
        return readers()[request.param](folder, shape)

    return work


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_16_bit_grey_keeps_its_greys(read, name):
    deep = (RAMP.astype(np.uint16) << 8) + 77
    pixels = read(name, lambda path: Image.fromarray(deep).save(path), (1, SIDE, SIDE))
    assert np.array_equal(pixels, RAMP[None])


def test_16_bit_grey_becomes_grey_in_colour(read):
    deep = RAMP.astype(np.uint16) << 8
    pixels = read("a.png", lambda path: Image.fromarray(deep).save(path), (3, SIDE, SIDE))
    assert np.array_equal(pixels, np.stack([RAMP] * 3))


@pytest.mark.parametrize("turn", [3, 6, 8])
def test_pictures_stand_upright(read, turn):
    def save(path):
        exif = Image.Exif()
        exif[0x0112] = turn
        Image.fromarray(RAMP).save(path, exif=exif)

    quarters = {3: 2, 6: 3, 8: 1}[turn]
    pixels = read("a.png", save, (1, SIDE, SIDE))
    assert np.array_equal(pixels[0], np.rot90(RAMP, quarters))


def test_a_turned_picture_has_the_size_that_people_see(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(RAMP[:4]).save(tmp_path / "a.png", exif=exif)
    assert read_images(tmp_path, (1, SIDE, 4)).images.shape == (1, 1, SIDE, 4)
    with pytest.raises(InputError, match="is 8x4, the model takes 4x8"):
        read_images(tmp_path, (1, 4, SIDE))


def test_a_range_that_nobody_knows_is_refused(read):
    flat = RAMP.astype(np.float32)
    with pytest.raises(InputError, match="range is not known"):
        read("a.tif", lambda path: Image.fromarray(flat).save(path), (1, SIDE, SIDE))


def make(folder, *names):
    for place, name in enumerate(names):
        (folder / name).mkdir()
        for value in range(5):
            Image.fromarray(RAMP + np.uint8(8 * place + value)).save(folder / name / f"{value}.png")


def test_numbered_classes_come_in_the_order_of_their_numbers(tmp_path):
    names = [str(number) for number in range(12)]
    make(tmp_path, *names)
    assert [path.name for path in class_folders(tmp_path)] == names
    from wmproof.training.data.folder import load_folder

    assert list(load_folder(tmp_path, (1, SIDE, SIDE)).class_names) == names
    labels = read_images(tmp_path, (1, SIDE, SIDE)).labels
    assert labels.tolist() == [label for label in range(12) for _ in range(5)]


def test_other_classes_come_in_the_order_of_their_names(tmp_path):
    make(tmp_path, "b10", "b2", "a")
    assert [path.name for path in class_folders(tmp_path)] == ["a", "b10", "b2"]


def test_what_is_hidden_is_no_class_and_no_picture(tmp_path):
    make(tmp_path, "cat", "dog", ".ipynb_checkpoints")
    (tmp_path / "cat" / ".ipynb_checkpoints").mkdir()
    Image.fromarray(RAMP).save(tmp_path / "cat" / ".ipynb_checkpoints" / "x.png")
    (tmp_path / "cat" / "._0.png").write_bytes(b"\0\5\26\7")  # what macOS leaves beside a file
    assert [path.name for path in class_folders(tmp_path)] == ["cat", "dog"]
    assert len(pictures_in(tmp_path)) == 10
    images = read_images(tmp_path, (1, SIDE, SIDE))
    assert images.labels.tolist() == [0] * 5 + [1] * 5
    with pytest.raises(InputError, match="has 5 pictures"):
        from_folder(tmp_path / "cat", 6, (SIDE, SIDE))
    from wmproof.training.data.folder import load_folder

    assert load_folder(tmp_path, (1, SIDE, SIDE)).classes == 2


def test_a_picture_of_too_many_channels_is_refused(tmp_path):
    Image.fromarray(RAMP).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="1, 3 or 4 channels"):
        read_picture(tmp_path / "a.png", 2)


@pytest.mark.parametrize("member", ["images", "labels"])
def test_members_of_an_archive_that_are_no_arrays_are_named(tmp_path, member):
    from zipfile import ZipFile

    path = tmp_path / "a.npz"
    np.savez(path, **{"images": np.zeros((2, 1, 4, 4), np.uint8), member + "_": np.zeros(2)})
    if member == "images":
        np.savez(path, labels=np.zeros(2))
    with ZipFile(path, "a") as archive:
        archive.writestr(f"{member}.npy", b"no magic here")
    with pytest.raises(InputError, match=f"`{member}`"):
        read_images(path, (1, 4, 4))
