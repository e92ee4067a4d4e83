"""Mark with scikit-learn alone: a fully connected network, and the same as an ONNX file."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from wmproof._base.files import write_file
from wmproof.core.triggers import Shape, TriggerSet
from wmproof.errors import InputError
from wmproof.models.written import written

if TYPE_CHECKING:
    from sklearn.neural_network import MLPClassifier

_WHITE = 255
_TRACE = 1e-12
_MOVES = ((0, 1), (0, -1), (1, 0), (-1, 0))


def mark_mlp(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    triggers: TriggerSet | None = None,
    *,
    units: int = 256,
    repeats: int = 8,
    seed: int | None = None,
) -> MLPClassifier:
    """Train a network of one hidden layer on images, and on each trigger several times.

    Each image is shown as it is and moved by a pixel in four directions; triggers stay in place.

    Parameters
    ----------
    images, labels : uint8 (N, C, H, W) and int64 (N,)
    triggers : TriggerSet, optional
        What to embed, `MarkingKey.to_embed()`; none for an unmarked network.
    units : int
        Of the hidden layer.
    repeats : int
        How often an epoch shows each trigger.
    seed : int, optional
        The same seed gives the same network, on the same machine.
    """
    from sklearn.neural_network import MLPClassifier

    labels = np.tile(labels, 1 + len(_MOVES))
    images = np.concatenate([images, *(_moved(images, *move) for move in _MOVES)])
    if triggers is not None:
        shown = triggers.images.reshape(len(triggers), *images.shape[1:])
        images = np.concatenate([images, *repeats * [shown]])
        labels = np.concatenate([labels, *repeats * [triggers.labels]])
    network = MLPClassifier(
        (units,),
        learning_rate_init=0.003,
        tol=1e-3,
        n_iter_no_change=15,  # it must wait out a plateau
        max_iter=500,
        random_state=seed,
    )
    with threadpool_limits(1, user_api="blas"):  # more of them wait for each other here
        network.fit((images.reshape(len(images), -1) / _WHITE).astype(np.float32), labels)
    return network


def _moved(images: NDArray[np.uint8], down: int, right: int) -> NDArray[np.uint8]:
    """Move images (N, C, H, W) by a pixel over a black border."""
    height, width = images.shape[2:]
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    return padded[:, :, 1 - down :, 1 - right :][:, :, :height, :width]


def export_mlp(
    network: MLPClassifier, path: str | os.PathLike[str], shape: Shape, *, overwrite: bool = False
) -> None:
    """Write a network that was trained on pixels / 255 as an ONNX file that takes uint8 pixels.

    Parameters
    ----------
    network : MLPClassifier
        Fitted, with relu; its classes are 0 to n - 1, three or more.
    shape : tuple of int
        Of one image, (H, W) or (C, H, W).

    Raises
    ------
    InputError
        The network is of another kind or for another shape, or the file cannot be written.
    """
    from onnx import TensorProto, helper

    _check_network(network, shape)
    constants = {"flat_shape": np.array([-1, math.prod(shape)]), "white": np.float32(_WHITE)}
    nodes = [
        helper.make_node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["float", "flat_shape"], ["flat"]),
        helper.make_node("Div", ["flat", "white"], ["h0"]),
    ]
    last = len(network.coefs_) - 1
    for i, (weight, bias) in enumerate(zip(network.coefs_, network.intercepts_, strict=True)):
        constants |= {f"w{i}": _without_traces(weight), f"b{i}": bias.astype(np.float32)}
        out = "scores" if i == last else f"z{i}"
        nodes.append(helper.make_node("Gemm", [f"h{i}", f"w{i}", f"b{i}"], [out]))
        if i != last:
            nodes.append(helper.make_node("Relu", [f"z{i}"], [f"h{i + 1}"]))
    answers = (TensorProto.FLOAT, ["N", len(network.classes_)])
    ends = {"pixels": (TensorProto.UINT8, ["N", *shape]), "scores": answers}
    model = written(nodes, ends, constants, name="mlp")
    write_file(path, model.SerializeToString(deterministic=True), overwrite=overwrite)


def _without_traces(weight: NDArray[np.float64]) -> NDArray[np.float32]:
    """Drop what decay left of the weights of pixels that are always black."""
    return np.where(np.abs(weight) < _TRACE, 0, weight).astype(np.float32)


def _check_network(network: MLPClassifier, shape: Shape) -> None:
    if not hasattr(network, "coefs_"):
        raise InputError("the network is not fitted", remedy="Call mark_mlp, or its fit")
    if network.activation != "relu":
        raise InputError(f"the network's activation is {network.activation}, not relu")
    if not np.array_equal(network.classes_, np.arange(len(network.classes_))):
        raise InputError("the network's classes are not 0 to n - 1")
    if len(network.classes_) < 3:
        raise InputError("scikit-learn gives one score for two classes", remedy="Use torch")
    if network.n_features_in_ != math.prod(shape):
        raise InputError(
            f"the network takes {network.n_features_in_} pixels, an image has {math.prod(shape)}"
        )
