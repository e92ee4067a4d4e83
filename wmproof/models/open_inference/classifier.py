"""A model behind an endpoint as a classifier."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof.errors import InputError
from wmproof.models.function import read_answers
from wmproof.models.open_inference.protocol import (
    encode_request,
    model_path,
    read_metadata,
    read_reply,
)
from wmproof.models.open_inference.transcript import Attempt, AttemptKind
from wmproof.models.open_inference.transport import Limits, Transport
from wmproof.triggers import Shape


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
    record : callable, optional
        Gets an `Attempt` for each request sent, also for those that fail: what a transcript holds.

    Raises
    ------
    InputError
        The endpoint cannot be reached or does not have the model, or it is no classifier of images.

    Attributes
    ----------
    input_shape : tuple of int
    classes : int or None
        None where the model does not say.
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
        self._metadata = read_metadata(reply, model_name, self._where)
        self.input_shape = self._metadata.image_shape(input_shape, self._where)
        self.classes = self._metadata.classes
        self._batch = self._metadata.batch or batch

    def classify(self, images: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the class of each image, see `Classifier.classify`.

        Raises
        ------
        InputError
            The endpoint does not answer, or not with classes or scores.
        """
        answers = [np.empty(0, dtype=np.int64)]
        for start in range(0, len(images), self._batch):
            answers.append(self._ask(images[start : start + self._batch]))
        return np.concatenate(answers)

    def _ask(self, images: NDArray[np.uint8]) -> NDArray[np.int64]:
        number = self._asked
        self._asked += 1
        filled = fill_batch(images, self._metadata.batch)
        body = encode_request(self._metadata, filled, number)
        reply = self._transport.ask(AttemptKind.INFER, f"{self._path}/infer", body)
        output = read_reply(reply, self._metadata, self._name, self._version, number, self._where)
        return answers_of(output, len(filled), self.classes, self._where)[: len(images)]


def fill_batch(images: NDArray[np.uint8], batch: int | None) -> NDArray[np.uint8]:
    """Add black images up to a fixed batch."""
    missing = (batch or len(images)) - len(images)
    filler = np.zeros((missing, *images.shape[1:]), dtype=np.uint8)
    return np.concatenate([images, filler])


def answers_of(
    output: NDArray[Any], count: int, classes: int | None, where: str
) -> NDArray[np.int64]:
    """Turn an output into classes, with the endpoint named in the error."""
    try:
        return read_answers(output, count, classes)
    except InputError as error:
        raise InputError(error.what, where=where) from None
