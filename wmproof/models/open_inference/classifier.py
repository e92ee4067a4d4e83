"""A model behind an endpoint as a classifier."""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof.core.reading import Reading
from wmproof.core.triggers import Shape
from wmproof.errors import InputError
from wmproof.models.ending import undone
from wmproof.models.function import read_answers
from wmproof.models.interface import Interface, fill_batch
from wmproof.models.open_inference.protocol import (
    PIXEL_TYPES,
    encode_request,
    model_path,
    read_metadata,
    read_reply,
)
from wmproof.models.open_inference.transcript import Attempt, AttemptKind
from wmproof.models.open_inference.transport import Limits, Transport


class OpenInferenceClassifier:
    """Ask a model at an endpoint of the Open Inference Protocol (KServe v2), over REST with JSON.

    Whoever runs the endpoint sees every picture that it is asked about.

    Parameters
    ----------
    endpoint : str
        The address before `/v2`, http or https.
    model_name : str
    model_version : str, optional
        Without one the endpoint chooses.
    input_shape : tuple of int, optional
        Needed where the model leaves dimensions open.
    batch : int
        Pictures in a request where the model leaves it open.
    limits : Limits, optional
    token : str, optional
        A bearer token. It is never recorded.
    reading : Reading
        How the model takes a picture, where its metadata does not say it.
    record : callable, optional
        Gets an `Attempt` for each request sent, also for those that fail: what a transcript holds.

    Raises
    ------
    InputError
        The endpoint cannot be reached or does not have the model, or it is no classifier of images.

    Attributes
    ----------
    classes : int or None
        None where the model does not say.
    where, type, declared, step
        See `models.preparations.Asked`.
    """

    def __init__(
        self,
        endpoint: str,
        model_name: str,
        model_version: str | None = None,
        *,
        input_shape: Shape | None = None,
        batch: int = 16,
        limits: Limits | None = None,
        token: str | None = None,
        reading: Reading = Reading(),  # noqa: B008 - it cannot be changed
        record: Callable[[Attempt], None] | None = None,
    ) -> None:
        self._path = model_path(model_name, model_version)
        self._transport = Transport(
            endpoint, limits or Limits(), record or (lambda _attempt: None), token
        )
        self._name, self._version = model_name, model_version
        self._where = f"model {model_name!r} at {endpoint}"
        self._asked = 0
        self._transport.ask(AttemptKind.HEALTH, "v2/health/ready")
        reply = self._transport.ask(AttemptKind.METADATA, self._path)
        self._metadata = read_metadata(reply, model_name, self._where, reading.output)
        self._metadata.check_batch(input_shape, self._where)
        self._known, self._reading = input_shape, reading
        self.classes = self._metadata.classes
        self._batch = self._metadata.batch or batch
        self.where, self.type = self._where, PIXEL_TYPES[self._metadata.datatype]
        sizes = (self._metadata.batch, *self._metadata.input_dims)
        self.declared: tuple[int | str | None, ...] = sizes
        self.step = batch

    @cached_property
    def _interface(self) -> Interface:
        """How pictures enter; who prepares them himself does not ask."""
        return self._metadata.interface(self._reading, self._known, self._where)

    @property
    def input_shape(self) -> Shape:
        """Of a picture, (C, H, W) or (H, W)."""
        return self._interface.picture_shape

    def classify(self, images: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the class of each image, see `Classifier.classify`.

        Raises
        ------
        InputError
            The endpoint does not answer, or not with classes or scores.
        """
        answers = [answers for _, answers in self._replies(images)]
        return np.concatenate([np.empty(0, dtype=np.int64), *answers])

    def logits(self, images: NDArray[np.uint8]) -> NDArray[np.float64] | NDArray[np.int64]:
        """Return what is added up over groups, see `added_up`.

        Raises
        ------
        InputError
            As `classify`, or it answers now with scores and now with classes.
        """
        replies = list(self._replies(images))
        return added_up([said for said, _ in replies], [a for _, a in replies], self._where)

    def _replies(
        self, images: NDArray[np.uint8]
    ) -> Iterator[tuple[NDArray[Any], NDArray[np.int64]]]:
        """Give what the endpoint says, as it came and as classes, request by request."""
        for start in range(0, len(images), self._batch):
            part = images[start : start + self._batch]
            filled = fill_batch(part, self._metadata.batch)
            output = self._ask(self._interface.feed(filled, self._reading, sent_as(self._reading)))
            answers = answers_of(output, len(filled), self.classes, self._where)
            yield output[: len(part)], answers[: len(part)]

    def outputs(self, inputs: NDArray[Any]) -> tuple[NDArray[Any], None]:
        """Send numbers as they are, as `models.preparations.Asked` says."""
        return self._ask(inputs), None

    def _ask(self, inputs: NDArray[Any]) -> NDArray[Any]:
        number = self._asked
        self._asked += 1
        body = encode_request(self._metadata, inputs, number)
        reply = self._transport.ask(AttemptKind.INFER, f"{self._path}/infer", body)
        return read_reply(reply, self._metadata, self._name, self._version, number, self._where)


def added_up(
    outputs: list[NDArray[Any]], answers: list[NDArray[np.int64]], where: str
) -> NDArray[np.float64] | NDArray[np.int64]:
    """Return what is added up over groups of what an endpoint said, see `LogitsClassifier.logits`.

    What it answers decides, and not what it announces.

    Raises
    ------
    InputError
        It answers now with scores and now with classes, or with scores of several lengths.
    """
    if len({output.shape[1:] for output in outputs}) > 1:
        raise InputError("does not always answer with the same number of scores", where=where)
    if not outputs or outputs[0].ndim == 1:
        return np.concatenate([np.empty(0, dtype=np.int64), *answers])
    return undone(np.concatenate(outputs).astype(np.float64))


def sent_as(reading: Reading) -> Any:
    """The type of the numbers in a request: raw pixels are whole ones, whatever a model takes."""
    return np.uint8 if reading.plain else np.float32


def answers_of(
    output: NDArray[Any], count: int, classes: int | None, where: str
) -> NDArray[np.int64]:
    """Turn an output into classes, with the endpoint named in the error."""
    try:
        return read_answers(output, count, classes)
    except InputError as error:
        raise InputError(error.what, where=where) from None
