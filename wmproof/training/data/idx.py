"""IDX, the format of MNIST and its kin: big-endian magic 00 00 <type> <dimensions>, sizes, data.

Source: the description of the format with the MNIST database (LeCun, Cortes, Burges).
"""

import gzip
import io
import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from wmproof._base.files import read_file
from wmproof.errors import FormatError, InputError

_UNSIGNED_BYTE = 8
_LIMIT = 1 << 30


def parse_idx(data: bytes, dimensions: int, *, where: str) -> np.ndarray[Any, Any]:
    """Parse one IDX file of unsigned bytes.

    Parameters
    ----------
    data : bytes
        The whole file, not compressed.
    dimensions : int
        How many it must have.
    where : str
        Named in errors.

    Returns
    -------
    np.ndarray
        uint8, read-only, of the sizes that the file states.

    Raises
    ------
    FormatError
        The magic, type or number of dimensions is another one, a size is 0, or there are too few
        or too many bytes.
    """
    header = 4 + 4 * dimensions
    if len(data) < header:
        raise FormatError(f"has {len(data)} bytes, its header alone takes {header}", where=where)
    if data[:2] != b"\0\0":
        raise FormatError(f"starts with {data[:2].hex()}, an IDX file with 0000", where=where)
    if data[2] != _UNSIGNED_BYTE:
        raise FormatError(f"holds type {data[2]:#04x}, not unsigned bytes (0x08)", where=where)
    if data[3] != dimensions:
        raise FormatError(f"has {data[3]} dimensions, not {dimensions}", where=where)
    sizes = struct.unpack(f">{dimensions}I", data[4:header])
    if 0 in sizes:
        raise FormatError(f"is empty: its sizes are {sizes}", where=where)
    if len(data) - header != math.prod(sizes):
        raise FormatError(
            f"has {len(data) - header} bytes of data, its sizes {sizes} make {math.prod(sizes)}",
            where=where,
        )
    return np.frombuffer(data, np.uint8, offset=header).reshape(sizes)


def read_idx(folder: Path, name: str, dimensions: int) -> np.ndarray[Any, Any]:
    """Read `name` or `name`.gz from a folder.

    Raises
    ------
    InputError
        There is neither.
    FormatError
        The file is damaged or something else.
    """
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            data = read_file(path, limit=_LIMIT)
            if path.suffix == ".gz":
                data = _decompress(data, str(path))
            return parse_idx(data, dimensions, where=str(path))
    raise InputError(
        f"has neither {name} nor {name}.gz",
        where=str(folder),
        remedy="Name the folder that holds the IDX files",
    )


def _decompress(data: bytes, where: str) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            plain = file.read(_LIMIT + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise FormatError("is damaged: it cannot be decompressed", where=where) from error
    if len(plain) > _LIMIT:
        raise FormatError(f"decompresses to more than {_LIMIT} bytes", where=where)
    return plain
