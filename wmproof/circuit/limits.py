"""The two ways in which images do not fit a circuit, as one clear error each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof.circuit.ir import Activation, Circuit, Shape
from wmproof.circuit.product import Product
from wmproof.circuit.tables import Table
from wmproof.errors import InputError


def check_images(circuit: Circuit, images: NDArray[Any]) -> None:
    """Raise `InputError` unless `images` is a uint8 array (N, C, H, W) for this circuit, N >= 1."""
    check_image_array(images, circuit.input_shape)


def check_image_array(images: NDArray[Any], shape: Shape) -> None:
    """Raise `InputError` unless `images` is a uint8 array (N, *shape), N >= 1.

    Parameters
    ----------
    shape : tuple of int
        Of one image.

    Raises
    ------
    InputError
        The images are no uint8 array (N, *shape), or there are none.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != shape:
        raise InputError(
            f"images are {images.dtype} {images.shape}; the model takes uint8 {batch_of(shape)}",
            remedy="Resize or convert the images first",
        )
    if not len(images):
        raise InputError("there are no images", remedy="Give at least one")


def batch_of(shape: Shape) -> str:
    """The shape of a batch of tensors, as it is written in messages."""
    return f"(N, {', '.join(map(str, shape))})"


def outside_table(
    node: Activation | Product, table: Table, z: NDArray[Any], first_image: int = 0
) -> InputError:
    """The error for accumulators z (N, ...) that leave their table.

    Parameters
    ----------
    z : integer array (N, ...)
        Accumulators.
    first_image : int
        Number of the first of them.
    """
    flat = z.reshape(len(z), -1)
    bad = np.flatnonzero((flat.min(axis=1) < table.low) | (flat.max(axis=1) > table.high))
    image = int(bad[0])
    worst = max(flat[image].min(), flat[image].max(), key=lambda v: abs(int(v)))
    return InputError(
        f"image {first_image + image} gives the accumulator {int(worst)}, outside table "
        f"{table.name} [{table.low}, {table.high}]; it has no answer in this circuit",
        where=f"layer {node.name}",
        remedy="Compile again with images like this one among the calibration images, "
        "or with more headroom",
    )
