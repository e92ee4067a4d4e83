"""A recorded transcript as a classifier: it answers what was answered then, and only that."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wmproof.errors import InputError, VerificationError
from wmproof.keys.verification_key import VerificationKey
from wmproof.models.open_inference.classifier import answers_of
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
        self, transcript: QueryTranscript, key: VerificationKey, *, signer: bytes | None = None
    ) -> None:
        transcript.check_signature(signer)
        if transcript.key_digest != key.digest:
            raise VerificationError(
                _CHECK,
                "the transcript is about another verification key",
                numbers={"transcript": transcript.key_digest.hex(), "key": key.digest.hex()},
            )
        try:
            metadata = _metadata(transcript)
            self.input_shape = metadata.image_shape(key.image_shape, transcript.endpoint)
            self.classes = metadata.classes
            self._images, self._answers = _queries(transcript, metadata)
        except InputError as error:
            raise VerificationError(_CHECK, error.what, where=error.where) from None
        self._batch = metadata.batch or 1

    def classify(self, images: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the recorded answers for exactly the recorded pictures.

        Raises
        ------
        VerificationError
            Check ``transcript``: other pictures were asked about.
        """
        count, asked = len(images), len(self._images)
        same = self._images.shape[1:] == images.shape[1:] and count <= asked < count + self._batch
        # A model of a fixed batch was given black pictures to fill the last one.
        if not (
            same and np.array_equal(self._images[:count], images) and not self._images[count:].any()
        ):
            raise VerificationError(
                _CHECK,
                "the transcript does not ask for exactly these pictures in this order",
                numbers={"asked": asked, "pictures": count},
            )
        return self._answers[:count]


def _answered(transcript: QueryTranscript, kind: AttemptKind) -> list[Attempt]:
    return [item for item in transcript.attempts if item.kind is kind and item.status == 200]


def _metadata(transcript: QueryTranscript) -> ModelMetadata:
    replies = _answered(transcript, AttemptKind.METADATA)
    if len(replies) != 1:
        raise InputError(f"the transcript has the model's metadata {len(replies)} times, not once")
    return read_metadata(replies[0].reply, transcript.model_name, transcript.endpoint)


def _queries(
    transcript: QueryTranscript, metadata: ModelMetadata
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return all pictures that were asked for and all answers, in order."""
    images, answers = [], []
    version = transcript.model_version or None
    for number, item in enumerate(_answered(transcript, AttemptKind.INFER)):
        where = f"{transcript.endpoint}, request {number}"
        asked = read_request(item.request, metadata, number, where)
        output = read_reply(item.reply, metadata, transcript.model_name, version, number, where)
        images.append(asked)
        answers.append(answers_of(output, len(asked), metadata.classes, where))
    if not images or len({part.shape[1:] for part in images}) != 1:
        raise InputError("the transcript has no pictures, or pictures of several shapes")
    return np.concatenate(images), np.concatenate(answers)
