"""The fidelity report: how well the circuit stands for the float model, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wmproof.circuit.compile import Compilation
from wmproof.circuit.evaluate import Evaluation, Evaluator
from wmproof.circuit.images import ImageSet
from wmproof.circuit.ir import Activation, Circuit, Shape
from wmproof.circuit.plan import Bytes
from wmproof.core.reading import Reading
from wmproof.errors import InputError
from wmproof.models.file import ModelSource, model_file
from wmproof.models.onnx_file import OnnxClassifier


@dataclass(frozen=True)
class Agreement:
    """Answers of both models on one set of images.

    Parameters
    ----------
    name : str
    images : int
    outside : int
        Images that leave a table: the circuit has no answer for them.
    agreeing : int
        Images that both answer alike; none of those outside.
    float_right, integer_right : int or None
        Images answered with their label, if labels are known.
    """

    name: str
    images: int
    outside: int
    agreeing: int
    float_right: int | None
    integer_right: int | None


@dataclass(frozen=True)
class LayerReport:
    """One activation layer over all images of the report.

    Parameters
    ----------
    name, table : str
    shape : tuple of int
        (O, H, W).
    scale : tuple of (float, float)
        Smallest and largest real value of one step of a byte, over the channels.
    lowest, highest : int
        Accumulators seen.
    table_limit : int
        The table reaches from -table_limit to table_limit - 1.
    headroom : float
        table_limit over the largest |accumulator| seen.
    bound : int
        What no accumulator can exceed, whatever the image; below 2^30.
    saturated : float
        Part of the activations that are at their table's largest value.
    """

    name: str
    table: str
    shape: Shape
    scale: tuple[float, float]
    lowest: int
    highest: int
    table_limit: int
    headroom: float
    bound: int
    saturated: float


@dataclass(frozen=True)
class Fidelity:
    """The whole report.

    Parameters
    ----------
    agreements : tuple of Agreement
        One for each set of images.
    layers : tuple of LayerReport
        In order.
    """

    agreements: tuple[Agreement, ...]
    layers: tuple[LayerReport, ...]


def measure_fidelity(
    compilation: Compilation,
    model: ModelSource,
    sets: Sequence[ImageSet],
    *,
    reading: Reading | None = None,
) -> Fidelity:
    """Compare a circuit with its float model in ONNX Runtime.

    Parameters
    ----------
    compilation : Compilation
    model : ModelFile, Path or bytes
        The ONNX model that was compiled.
    sets : sequence of ImageSet
        At least one.
    reading
        As for `compile_model`.

    Raises
    ------
    InputError
        If images do not fit, or all of them leave the tables.
    """
    if not sets:
        raise InputError("a fidelity report needs images")
    evaluator = Evaluator(compilation.circuit)
    shape = compilation.circuit.input_shape
    classifier = OnnxClassifier(model_file(model), input_shape=shape, reading=reading)
    agreements, layers = [], _Layers(compilation)
    for one in sets:
        expected = classifier.classify(one.images)
        answers = np.full(len(one.images), -1, np.int64)
        for rows, evaluation in _evaluate(evaluator, one.images):
            answers[rows] = evaluation.answers
            layers.add(evaluation)
        agreements.append(_agreement(one, expected, answers))
    return Fidelity(tuple(agreements), layers.reports())


def _evaluate(
    evaluator: Evaluator, images: Bytes, batch: int = 64, *, keep: bool = True
) -> list[tuple[slice, Evaluation]]:
    """Evaluations by batch; a batch with an image outside the tables is taken apart."""
    done = []
    waiting = [slice(i, min(i + batch, len(images))) for i in range(0, len(images), batch)]
    while waiting:
        rows = waiting.pop()
        try:
            done.append((rows, evaluator(images[rows], keep=keep)))
        except InputError:
            size = rows.stop - rows.start
            if size > 1:
                middle = rows.start + size // 2
                waiting += [slice(rows.start, middle), slice(middle, rows.stop)]
    return done


def circuit_answers(circuit: Circuit, images: Bytes) -> NDArray[np.int64]:
    """Classes that the circuit answers.

    Parameters
    ----------
    circuit : Circuit
    images : uint8 array (N, C, H, W)

    Returns
    -------
    int64 array (N,)
        -1 where an image leaves a table.
    """
    logits, inside = circuit_logits(circuit, images)
    return np.where(inside, logits.argmax(axis=1), -1)


def circuit_logits(circuit: Circuit, images: Bytes) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Logits of the circuit, and whether each image stays inside all tables.

    Parameters
    ----------
    circuit : Circuit
    images : uint8 array (N, C, H, W)

    Returns
    -------
    logits : int64 array (N, classes)
        0 where an image leaves a table.
    inside : bool array (N,)
    """
    logits = np.zeros((len(images), circuit.classes), np.int64)
    inside = np.zeros(len(images), np.bool_)
    for rows, evaluation in _evaluate(Evaluator(circuit), images, keep=False):
        logits[rows], inside[rows] = evaluation.logits, True
    return logits, inside


def _agreement(one: ImageSet, expected: NDArray[np.int64], answers: NDArray[np.int64]) -> Agreement:
    labelled = one.labels is not None
    return Agreement(
        one.name,
        len(answers),
        int((answers < 0).sum()),
        int((answers == expected).sum()),
        int((expected == one.labels).sum()) if labelled else None,
        int((answers == one.labels).sum()) if labelled else None,
    )


class _Layers:
    """Ranges of the activation layers, widened by each evaluation."""

    def __init__(self, compilation: Compilation) -> None:
        self._compilation = compilation
        nodes = enumerate(compilation.circuit.nodes)
        self._indices = [i for i, node in nodes if isinstance(node, Activation)]
        self._lowest = dict.fromkeys(self._indices, 0)
        self._highest = dict.fromkeys(self._indices, 0)
        self._saturated = dict.fromkeys(self._indices, 0)
        self._images = 0

    def add(self, evaluation: Evaluation) -> None:
        self._images += len(evaluation.logits)
        for index in self._indices:
            seen = evaluation.ranges[index]
            self._lowest[index] = min(self._lowest[index], int(seen[:, 0].min()))
            self._highest[index] = max(self._highest[index], int(seen[:, 1].max()))
            top = self._compilation.circuit.largest[index]
            self._saturated[index] += int((evaluation.committed[index] == top).sum())

    def reports(self) -> tuple[LayerReport, ...]:
        if not self._images:
            raise InputError("all images of the report leave the circuit's tables")
        circuit = self._compilation.circuit
        reports = []
        for index, layer in zip(self._indices, self._compilation.layers, strict=False):
            node = circuit.nodes[index]
            if not isinstance(node, Activation):
                continue
            limit = 2 ** (circuit.tables[node.table].bits - 1)
            shape = circuit.shapes[index]
            largest = max(-self._lowest[index], self._highest[index], 1)
            reports.append(
                LayerReport(
                    layer.name,
                    layer.table,
                    shape,
                    (float(layer.scale.min()), float(layer.scale.max())),
                    self._lowest[index],
                    self._highest[index],
                    limit,
                    limit / largest,
                    node.linear.bound(circuit.largest),
                    self._saturated[index] / (self._images * math.prod(shape)),
                )
            )
        return tuple(reports)
