"""Arrays that cannot change after they have been checked."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return a C-contiguous array that nobody can write to, copying unless it already is one."""
    if array.flags.c_contiguous and not array.flags.writeable and _owner_is_read_only(array):
        return array
    frozen = np.array(array, order="C", copy=True)
    frozen.setflags(write=False)
    return frozen


def _owner_is_read_only(array: NDArray[Any]) -> bool:
    """Tell whether no other view of the same memory can change it."""
    base = array.base
    while isinstance(base, np.ndarray):
        if base.flags.writeable:
            return False
        base = base.base
    return base is None or isinstance(base, bytes)
