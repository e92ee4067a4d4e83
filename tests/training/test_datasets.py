import pickle

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits as bundled

from wmproof.errors import InputError
from wmproof.training.data import load


def test_digits_scaling_and_split(digits):
    raw = bundled().images.astype(int)
    testing = np.arange(1797) % 4 == 3
    assert digits.train_images.shape == (1348, 1, 8, 8)
    assert digits.test_images.shape == (449, 1, 8, 8)
    assert digits.test_images.max() == 255
    table = {0: 0, 1: 16, 2: 32, 4: 64, 8: 128, 15: 239, 16: 255}
    for value, pixel in table.items():
        assert set(digits.test_images[:, 0][raw[testing] == value].tolist()) == {pixel}
    recovered = np.round(digits.train_images[:, 0] * (16 / 255)).astype(int)
    assert np.array_equal(recovered, raw[~testing])


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "stl10"])
def test_nothing_is_fetched_unasked(tmp_path, name):
    with pytest.raises(InputError, match="download"):
        load(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_needed():
    for name in ("cifar10", "stl10", "folder"):
        with pytest.raises(InputError, match="folder"):
            load(name)
    with pytest.raises(InputError, match="there is no data set"):
        load("imagenet")


def test_cifar_files(tmp_path, monkeypatch):
    """Files of CIFAR-10's own format; only the digests of the published ones are not asked for."""
    import torchvision

    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (5, 2, 3072), dtype=np.uint8)
    for number in range(5):
        batch = {"data": pixels[number], "labels": [number, 9 - number]}
        (folder / f"data_batch_{number + 1}").write_bytes(pickle.dumps(batch))
    (folder / "test_batch").write_bytes(pickle.dumps({"data": pixels[0], "labels": [0, 1]}))
    names = {"label_names": list("abcdefghij")}
    (folder / "batches.meta").write_bytes(pickle.dumps(names))
    monkeypatch.setattr(torchvision.datasets.cifar, "check_integrity", lambda *_: True)
    data = load("cifar10", tmp_path)
    assert data.shape == (3, 32, 32)
    assert np.array_equal(data.train_images.reshape(5, 2, 3072), pixels)
    assert data.train_labels.tolist() == [0, 9, 1, 8, 2, 7, 3, 6, 4, 5]
    assert data.class_names == tuple("abcdefghij")


def picture(path, value, size=(10, 12)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, 0, 255 - value)).save(path)


def test_folder_with_a_split_of_its_own(tmp_path):
    for part, count in (("train", 3), ("test", 1)):
        for label, name in enumerate(("cat", "dog")):
            for number in range(count):
                picture(tmp_path / part / name / f"{number}.png", 10 * label + number)
    data = load("folder", tmp_path, shape=(3, 4, 5))
    assert data.class_names == ("cat", "dog")
    assert data.train_images.shape == (6, 3, 4, 5)
    assert data.train_images[:, 0, 0, 0].tolist() == [0, 1, 2, 10, 11, 12]
    assert data.test_labels.tolist() == [0, 1]


def test_folder_without_one_tests_on_every_fifth(tmp_path):
    for name in ("cat", "dog"):
        for number in range(7):
            picture(tmp_path / name / f"{number}.png", number)
    data = load("folder", tmp_path, shape=(1, 6, 6))
    assert data.train_images.shape == (12, 1, 6, 6)
    assert data.test_labels.tolist() == [0, 1]


def test_folders_that_cannot_be_used(tmp_path):
    with pytest.raises(InputError, match="subfolder"):
        load("folder", tmp_path / "absent", shape=(1, 4, 4))
    picture(tmp_path / "one" / "0.png", 0)
    with pytest.raises(InputError, match="two classes or more"):
        load("folder", tmp_path, shape=(1, 4, 4))
    picture(tmp_path / "two" / "0.png", 0)
    with pytest.raises(InputError, match="testing"):
        load("folder", tmp_path, shape=(1, 4, 4))
    for number in range(5):
        (tmp_path / "two" / f"{number}.png").write_bytes(b"not a picture")
    with pytest.raises(InputError, match="not a picture"):
        load("folder", tmp_path, shape=(1, 4, 4))
    with pytest.raises(InputError, match="1 or 3 channels"):
        load("folder", tmp_path, shape=(2, 4, 4))
