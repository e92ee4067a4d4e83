import gzip
import struct

import numpy as np
import pytest

from wmproof.errors import FormatError, InputError
from wmproof.training.data.fashion_mnist import load_fashion_mnist
from wmproof.training.data.idx import parse_idx, read_idx


def idx(array, kind=8):
    header = bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


IMAGES = np.arange(3 * 4 * 5).reshape(3, 4, 5)
GOOD = idx(IMAGES)


def test_round_trip():
    assert np.array_equal(parse_idx(GOOD, 3, where="x"), IMAGES)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "header"),
        (GOOD[:15], "header"),
        (b"\1" + GOOD[1:], "starts with 0100"),
        (GOOD[:1] + b"\1" + GOOD[2:], "starts with 0001"),
        (idx(IMAGES, kind=0x0D), "type 0x0d"),
        (idx(IMAGES[0]) + bytes(8), "2 dimensions"),
        (GOOD[:-1], "59 bytes of data"),
        (GOOD + b"\0", "61 bytes of data"),
        (idx(IMAGES[:0]), "empty"),
        (GOOD[:4] + b"\xff" * 12 + GOOD[16:], "bytes of data"),
    ],
)
def test_malformed_files_are_refused(data, what):
    with pytest.raises(FormatError, match=what) as caught:
        parse_idx(data, 3, where="some/file")
    assert "some/file" in str(caught.value)


def test_plain_and_compressed_files(tmp_path):
    (tmp_path / "plain").write_bytes(GOOD)
    (tmp_path / "small.gz").write_bytes(gzip.compress(GOOD))
    assert np.array_equal(read_idx(tmp_path, "plain", 3), IMAGES)
    assert np.array_equal(read_idx(tmp_path, "small", 3), IMAGES)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="neither"):
        read_idx(tmp_path, "absent", 3)


@pytest.mark.parametrize("damage", ["cut", "flipped", "foreign"])
def test_damaged_compression(tmp_path, damage):
    data = bytearray(gzip.compress(GOOD))
    if damage == "cut":
        data = data[:-6]
    elif damage == "flipped":
        data[-8] ^= 1
    else:
        data = bytearray(b"no gzip at all")
    (tmp_path / "x.gz").write_bytes(data)
    with pytest.raises(FormatError, match="decompressed"):
        read_idx(tmp_path, "x", 3)


def write_fashion(folder, *, train_labels=None):
    for part, count in (("train", 3), ("t10k", 2)):
        images = np.zeros((count, 28, 28), np.uint8)
        labels = np.arange(count) if train_labels is None or part == "t10k" else train_labels
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(np.asarray(labels)))


def test_fashion_mnist_from_a_folder(tmp_path):
    write_fashion(tmp_path)
    data = load_fashion_mnist(tmp_path)
    assert data.shape == (1, 28, 28)
    assert data.classes == 10
    assert data.train_labels.tolist() == [0, 1, 2]


@pytest.mark.parametrize("labels", [[0, 1], [0, 1, 10]])
def test_labels_that_do_not_fit_the_images(tmp_path, labels):
    write_fashion(tmp_path, train_labels=labels)
    with pytest.raises(FormatError, match="do not belong together"):
        load_fashion_mnist(tmp_path)


def test_no_such_folder(tmp_path):
    with pytest.raises(InputError, match="dataset-fashion-mnist"):
        load_fashion_mnist(tmp_path / "absent")


def test_the_real_files(fashion_folder):
    data = load_fashion_mnist(fashion_folder)
    assert data.train_images.shape == (60000, 1, 28, 28)
    assert data.test_images.shape == (10000, 1, 28, 28)
    assert np.bincount(data.train_labels).tolist() == [6000] * 10
    assert np.bincount(data.test_labels).tolist() == [1000] * 10
