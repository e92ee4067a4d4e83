"""An ONNX file as a classifier, through ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wmproof._base.files import Source
from wmproof.core.images import as_images
from wmproof.core.reading import Reading, as_reading
from wmproof.core.triggers import Shape, format_shape
from wmproof.errors import FormatError, InputError
from wmproof.models.ending import Ending, find_ending
from wmproof.models.file import ModelFile, model_file
from wmproof.models.function import read_answers, read_scores
from wmproof.models.interface import Interface, fill_batch, find_interface, refused_element
from wmproof.models.strict import nodes_of

if TYPE_CHECKING:
    import onnxruntime

DTYPES = {
    "tensor(uint8)": np.uint8,
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
}

NOT_OPTIMISED = ["NhwcTransformer", "DoubleQDQPairsRemover"]
"""What would change answers: for the first see `check_pools`; the second makes one step, with a
scale of its own, of two quantisations one after the other."""


class OnnxClassifier:
    """Run an ONNX model on uint8 pixels.

    Parameters
    ----------
    data : bytes or ModelFile
        A complete ONNX file, or one with the files of weights that it names. One input of uint8 or
        floats, whose layout is found by `find_interface`. The output is scores (N, classes), one
        score (N,) or (N, 1) of two classes, or integer classes (N,); an axis of length 1 more does
        not matter.
    where : str
        Names the model in errors.
    input_shape : tuple of int, optional
        Of the images that will be asked about, (H, W) or (C, H, W), where that is known.
    batch : int
        Images in one call where the file leaves N open.
    pixels : str
        What a float input takes: 'raw' for 0 to 255, 'unit' for 0 to 1.
    reading : Reading, optional
        That and all else that the file does not say.

    Raises
    ------
    FormatError
        The bytes are no ONNX model that ONNX Runtime can load.
    InputError
        The model does not take images, or does not answer with classes.

    Attributes
    ----------
    input_shape : tuple of int
    classes : int or None
        None where the model answers with classes instead of scores.
    digest : bytes
        Of the file, 32 bytes, see `ModelFile.digest`.
    ending : Ending
    """

    def __init__(
        self,
        data: bytes | ModelFile,
        where: str = "model",
        *,
        input_shape: Shape | None = None,
        batch: int = 256,
        pixels: str = "raw",
        reading: Reading | None = None,
    ) -> None:
        file = model_file(data, where)
        self._where, self.digest = file.where, file.digest
        self._reading = as_reading(pixels, reading)
        self._output_name = answering_output(file, self._reading)
        self.ending = find_ending(file.inlined, self._output_name)
        self._session = open_session(file, self.ending.logits)
        self._input, self._dtype = _pixel_input(self._session, self._where)
        self._interface = _interface(self._input, self._reading, input_shape, self._where)
        self.input_shape = self._interface.picture_shape
        self._interface.check(self._reading, self._dtype, self._where)
        self._batch = self._interface.batch or batch
        self.classes = self._probe()

    def classify(self, images: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the class of each image, see `Classifier.classify`.

        Raises
        ------
        InputError
            The images are not uint8, or the model fails on them.
        """
        parts = [self._answers(said, len(said)) for said, _ in self._parts(images)]
        return np.concatenate([np.empty(0, dtype=np.int64), *parts])

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float64] | None:
        """Return the scores of each image, or None if the model gives classes.

        Raises
        ------
        InputError
            As `classify`.
        """
        parts = [self._scores(said, self.ending) for said, _ in self._parts(images)]
        known = [part for part in parts if part is not None]
        return np.concatenate(known) if known and len(known) == len(parts) else None

    def logits(self, images: NDArray[np.uint8]) -> NDArray[np.float64] | NDArray[np.int64]:
        """Return what is added up over groups, see `LogitsClassifier.logits`.

        Raises
        ------
        InputError
            As `classify`.
        """
        parts: list[Any] = []
        for said, before in self._parts(images, self.ending.logits):
            found = self._scores(before, self.ending.of_logits)
            parts.append(self._answers(said, len(said)) if found is None else found)
        return np.concatenate(parts) if parts else np.empty((0, self.classes or 0))

    def _parts(self, images: NDArray[np.uint8], before: str | None = None) -> Iterator[Any]:
        """Give the output, and a tensor of its size beside it, batch by batch."""
        images = as_images(images)
        for start in range(0, len(images), self._batch):
            yield self._run(images[start : start + self._batch], before)

    def _scores(self, output: NDArray[Any], ending: Ending) -> NDArray[np.float64] | None:
        count = len(output)
        try:
            return read_scores(ending(output, count), count, self.classes)
        except InputError as error:
            raise self._named(error) from error

    def _answers(self, output: NDArray[Any], count: int) -> NDArray[np.int64]:
        try:
            return read_answers(self.ending(output, count), count, self.classes)
        except InputError as error:
            raise self._named(error) from error

    def _named(self, error: InputError) -> InputError:
        return InputError(error.what, where=self._where, remedy=error.remedy)

    def _probe(self) -> int | None:
        """Classify one black image, so that a model that cannot run is found here."""
        self.classes = None
        output, _ = self._run(np.zeros((1, *self.input_shape), dtype=np.uint8))
        self._answers(output, 1)
        scores = self.ending(output, 1)
        return scores.shape[1] if scores.ndim == 2 else None

    def _run(
        self, images: NDArray[np.uint8], before: str | None = None
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        count, images = len(images), fill_batch(images, self._interface.batch)
        feed = {self._input.name: self._interface.feed(images, self._reading, self._dtype)}
        names = [self._output_name, before or self._output_name]
        try:
            output, values = run_both(self._session, names, feed)
        except Exception as error:  # ONNX Runtime's errors share no public base class
            raise InputError(
                f"fails on images of {format_shape(self.input_shape)} ({_first_line(error)})",
                where=self._where,
            ) from error
        if output.ndim == 0 or len(output) < count:
            raise InputError("does not answer with an array of classes", where=self._where)
        return output[:count], values[:count]


def run_both(
    session: onnxruntime.InferenceSession, names: list[str], feed: dict[str, NDArray[Any]]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Run a model; return its output and what stands before its last operator, in one shape."""
    found = session.run(list(dict.fromkeys(names)), feed)
    output, values = np.asarray(found[0]), np.asarray(found[-1])
    return output, values.reshape(output.shape)


def open_model(
    path: Source,
    *,
    input_shape: Shape | None = None,
    batch: int = 256,
    pixels: str = "raw",
    reading: Reading | None = None,
) -> OnnxClassifier:
    """Open a model file.

    Parameters
    ----------
    path : path or bytes
        An ONNX file, or its content; see `OnnxClassifier` for what it must take and return. Of a
        path the files of weights that it names are read too.
    input_shape : tuple of int, optional
        Of the images that will be asked about, where that is known.
    batch : int
        Images in one call where the file leaves N open.
    pixels : str
        What a float model takes: 'raw' for 0 to 255, 'unit' for 0 to 1.
    reading : Reading, optional
        That and all else that the file does not say.

    Raises
    ------
    InputError
        The file cannot be read, is no ONNX model, or is no classifier of images.
    """
    file = model_file(path, "model")
    return OnnxClassifier(
        file, input_shape=input_shape, batch=batch, pixels=pixels, reading=reading
    )


def answering_output(file: ModelFile, reading: Reading) -> str:
    """The output of a file that answers, see `choose_output`."""
    return choose_output([value.name for value in file.model.graph.output], reading, file.where)


def choose_output(names: list[str], reading: Reading, where: str) -> str:
    """The output that answers: the one that there is, or the one that the reading names.

    Raises
    ------
    InputError
        There is none of that name, or more than one and none is named.
    """
    listed = ", ".join(names)
    if reading.output is None and len(names) == 1:
        return names[0]
    if reading.output in names:
        return reading.output
    raise InputError(
        f"has the outputs {listed}"
        if reading.output is None
        else f"has no output {reading.output!r}, but {listed}",
        where=where,
        remedy="Say which one answers with --output",
    )


def _interface(
    entry: onnxruntime.NodeArg, reading: Reading, known: Shape | None, where: str
) -> Interface:
    declared = [s if isinstance(s, int) and s > 0 else None for s in entry.shape]
    return find_interface(declared, reading, known, where)


def _pixel_input(
    session: onnxruntime.InferenceSession, where: str
) -> tuple[onnxruntime.NodeArg, Any]:
    inputs = session.get_inputs()
    for entry in inputs:
        if entry.type not in DTYPES:
            raise refused_element(entry.type, where)
    if len(inputs) != 1:
        raise InputError(f"takes {len(inputs)} inputs instead of one", where=where)
    return inputs[0], DTYPES[inputs[0].type]


def open_session(file: ModelFile, asked: str = "") -> onnxruntime.InferenceSession:
    """Give a model to ONNX Runtime, with its weights in memory; it reads no file.

    Parameters
    ----------
    file : ModelFile
    asked : str
        Name of a tensor that is made a further output, unless it is one.

    Raises
    ------
    FormatError
        The runtime refuses the model.
    """
    import onnxruntime

    data, weights = file.content + _further_output(file, asked), _weights(file)
    try:
        return _session(data, weights)
    except Exception:
        # What makes the runtime's sums exact does not know weights that several layers share.
        plain = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    try:
        return _session(data, weights, plain)
    except Exception as error:  # as above
        raise FormatError(
            f"is not a model that ONNX Runtime can load ({_first_line(error)})",
            where=file.where,
            remedy="Export the model again as one ONNX file",
        ) from error


def _weights(file: ModelFile) -> dict[str, onnxruntime.OrtValue]:
    """What stays outside of a model; the runtime knows only what is used."""
    import onnxruntime

    graph = file.inlined.graph
    used = {name for node in graph.node for inner in nodes_of(node) for name in inner.input}
    return {
        name: onnxruntime.OrtValue.ortvalue_from_numpy(array)
        for name, array in file.outside.items()
        if name in used
    }


def _session(
    data: bytes,
    weights: dict[str, onnxruntime.OrtValue],
    level: onnxruntime.GraphOptimizationLevel | None = None,
) -> onnxruntime.InferenceSession:
    """Load a model; at the level of basic optimizations int8 numbers are multiplied as floats."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    # Threads that wait sleep: other work can have the processor.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Bytes can be an ONNX file and one of the runtime's own format, which is another model.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    # Else sums of int8 products saturate on processors that add them up in 16 bits.
    options.add_session_config_entry("session.x64quantprecision", "1")
    if level is not None:
        options.graph_optimization_level = level
    if weights:
        options.add_external_initializers([*weights], [*weights.values()])
    preferred = ("CUDAExecutionProvider", "CPUExecutionProvider")
    available = onnxruntime.get_available_providers()
    session = onnxruntime.InferenceSession(
        data,
        options,
        providers=[name for name in preferred if name in available],
        disabled_optimizers=NOT_OPTIMISED,
    )
    session.weights = weights  # it works on their memory
    return session


def _further_output(file: ModelFile, name: str) -> bytes:
    """What is written behind a model to give it a further output: messages of one field merge."""
    import onnx

    graph = file.inlined.graph
    if name in {"", *(value.name for value in graph.output)}:
        return b""
    added = onnx.GraphProto(output=[onnx.ValueInfoProto(name=name)])
    further: bytes = onnx.ModelProto(graph=added).SerializeToString()
    return further


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    text = lines[0] if lines else type(error).__name__
    return text if len(text) <= 200 else text[:197] + "..."
