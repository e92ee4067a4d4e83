"""Pictures and archives of few bytes that stand for many, or that break their decoders."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from wmproof.circuit.images import read_images
from wmproof.errors import InputError

SHAPE = (1, 8, 8)


def picture() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(buffer, "PNG")
    return buffer.getvalue()


def archive() -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, images=np.zeros((2, *SHAPE), np.uint8))
    return buffer.getvalue()


def png_of(width: int, height: int) -> bytes:
    """A picture of zeros, of which deflate leaves little."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(width + 1)) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def test_a_large_picture_is_not_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(Image.Image, "convert", lambda *_: pytest.fail("it was decoded"))
    (tmp_path / "a.png").write_bytes(png_of(4000, 4000))
    with pytest.raises(InputError, match="the model takes"):
        read_images(tmp_path, SHAPE)


def test_an_archive_that_unpacks_to_gibibytes(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("images.npy", b"")
    data = bytearray(path.read_bytes())
    place = data.rindex(b"PK\1\2") + 24  # the size in the directory of the archive
    data[place : place + 4] = (2**32 - 2).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(InputError, match="unpacks to"):
        read_images(path, SHAPE)


@pytest.mark.parametrize(("name", "make"), [("a.png", picture), ("a.npz", archive)])
def test_any_changed_byte_is_an_answer_or_an_input_error(tmp_path, name, make):
    data = make()
    path = tmp_path / name
    for place in range(len(data)):
        for value in (0, 255, data[place] ^ 1):
            changed = bytearray(data)
            changed[place] = value
            path.write_bytes(changed)
            try:
                read_images(path if name.endswith("npz") else tmp_path, SHAPE)
            except InputError:
                continue


def test_a_wrong_shape_is_written_as_a_shape(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.zeros((2, 3, 9, 9), np.uint8))
    with pytest.raises(InputError, match=r"not uint8 \(N, 1, 8, 8\)"):
        read_images(tmp_path / "a.npz", SHAPE)


@pytest.mark.parametrize("content", [b"", b"no array at all", b"\x93NUMPY", b"PK\3\4" + bytes(40)])
def test_a_member_that_is_no_array_is_named(tmp_path, content):
    """NumPy returns the bytes of a member that does not begin as its arrays do."""
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("images.npy", content)
    with pytest.raises(InputError, match=r"a\.npz"):
        read_images(path, SHAPE)
