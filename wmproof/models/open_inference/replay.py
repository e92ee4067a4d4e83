"""A recorded transcript as a classifier: it answers what was answered then, and only that."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof.core.reading import Reading
from wmproof.errors import InputError, VerificationError
from wmproof.keys.verification_key import VerificationKey
from wmproof.models.open_inference.classifier import added_up, answers_of, sent_as
from wmproof.models.open_inference.protocol import (
    ModelMetadata,
    read_metadata,
    read_reply,
    read_request,
)
from wmproof.models.open_inference.transcript import Attempt, AttemptKind, QueryTranscript

_CHECK = "transcript"


class TranscriptClassifier:
    """Answer from a transcript. Feed it to `verification.verify_batch` with the batch's opening.

    All queries count: the pictures asked for, in their order, must be exactly those that are
    classified, so nobody can record more queries and show the better ones.

    Parameters
    ----------
    transcript : QueryTranscript
    key : VerificationKey
        That the claim is about.
    signer : bytes, optional
        Ed25519 public key, 32 bytes, that must have signed the transcript.
    reading : Reading
        How the model takes a picture; by another one other numbers would have been sent.

    Raises
    ------
    VerificationError
        Check ``signature`` or ``transcript``: it is about another key, or what it holds is no
        complete run of queries.

    Attributes
    ----------
    input_shape : tuple of int
    classes : int or None
    """

    def __init__(
        self,
        transcript: QueryTranscript,
        key: VerificationKey,
        *,
        signer: bytes | None = None,
        reading: Reading = Reading(),  # noqa: B008 - it cannot be changed
    ) -> None:
        transcript.check_signature(signer)
        if transcript.key_digest != key.digest:
            raise VerificationError(
                _CHECK,
                "the transcript is about another verification key",
                numbers={"transcript": transcript.key_digest.hex(), "key": key.digest.hex()},
            )
        try:
            metadata = _metadata(transcript, reading)
            where = transcript.endpoint
            self._interface = metadata.interface(reading, key.image_shape, where)
            self.input_shape, self.classes = self._interface.picture_shape, metadata.classes
            self._inputs, self._outputs, self._answers = _queries(transcript, metadata, reading)
        except InputError as error:
            raise VerificationError(_CHECK, error.what, where=error.where) from None
        self._batch, self._reading = metadata.batch or 1, reading
        self._where = where

    def classify(self, images: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the recorded answers for exactly the recorded pictures.

        Raises
        ------
        VerificationError
            Check ``transcript``: other pictures were asked about.
        """
        self._check_pictures(images)
        return np.concatenate(self._answers)[: len(images)]

    def logits(self, images: NDArray[np.uint8]) -> NDArray[np.float64] | NDArray[np.int64]:
        """Return what is added up over groups of exactly the recorded pictures, as live.

        Raises
        ------
        VerificationError
            As `classify`, or the recorded answers are now scores and now classes.
        """
        self._check_pictures(images)
        count, outputs, answers = len(images), list(self._outputs), list(self._answers)
        filler = sum(map(len, answers)) - count
        if filler:
            outputs[-1], answers[-1] = outputs[-1][:-filler], answers[-1][:-filler]
        try:
            return added_up(outputs, answers, self._where)
        except InputError as error:
            raise VerificationError(_CHECK, error.what, where=error.where) from None

    def _check_pictures(self, images: NDArray[np.uint8]) -> None:
        count, asked = len(images), len(self._inputs)
        same = count <= asked < count + self._batch
        if same:
            # A model of a fixed batch was given black pictures to fill the last one.
            filler = np.zeros((asked - count, *images.shape[1:]), dtype=np.uint8)
            whole = np.concatenate([images, filler])
            sent = self._interface.feed(whole, self._reading, sent_as(self._reading))
            same = np.array_equal(self._inputs, sent)
        if not same:
            raise VerificationError(
                _CHECK,
                "the transcript does not ask for exactly these pictures in this order, prepared "
                f"as you say: {self._reading}",
                numbers={"asked": asked, "pictures": count},
            )


def _answered(transcript: QueryTranscript, kind: AttemptKind) -> list[Attempt]:
    return [item for item in transcript.attempts if item.kind is kind and item.status == 200]


def _metadata(transcript: QueryTranscript, reading: Reading) -> ModelMetadata:
    replies = _answered(transcript, AttemptKind.METADATA)
    if len(replies) != 1:
        raise InputError(f"the transcript has the model's metadata {len(replies)} times, not once")
    where = transcript.endpoint
    return read_metadata(replies[0].reply, transcript.model_name, where, reading.output)


def _queries(
    transcript: QueryTranscript, metadata: ModelMetadata, reading: Reading
) -> tuple[NDArray[Any], list[NDArray[Any]], list[NDArray[np.int64]]]:
    """Return all inputs that were asked about, what was said, and the answers, in order."""
    inputs, outputs, answers = [], [], []
    version = transcript.model_version or None
    for number, item in enumerate(_answered(transcript, AttemptKind.INFER)):
        where = f"{transcript.endpoint}, request {number}"
        asked = read_request(item.request, metadata, number, where, raw=reading.plain)
        output = read_reply(item.reply, metadata, transcript.model_name, version, number, where)
        inputs.append(asked)
        outputs.append(output)
        answers.append(answers_of(output, len(asked), metadata.classes, where))
    if not inputs or len({part.shape[1:] for part in inputs}) != 1:
        raise InputError("the transcript has no pictures, or pictures of several shapes")
    return np.concatenate(inputs), outputs, answers
