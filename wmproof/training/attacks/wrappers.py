"""What can be put around a stolen network without a change of its weights.

A service that refuses odd pictures, or answers them at random: a claim about the file is what it
was, and a verifier who can only ask the service sees what it lets him see. Or scores that are
louder for some pictures than for others, which can be part of the file.
"""

import hashlib
from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wmproof.core.directions import whitening
from wmproof.errors import InputError
from wmproof.models.base import NO_ANSWER, Classifier, ScoredClassifier
from wmproof.models.function import FunctionClassifier
from wmproof.models.torch_module import TorchClassifier
from wmproof.training.attacks.registry import Attack, Row, Theft, Trial
from wmproof.training.normalization import Normalized

Answer = Literal["refuse", "randomise"]


def suspicious(
    classifier: Classifier,
    images: NDArray[np.uint8],
    *,
    answer: Answer,
    share: float = 0.01,
    classes: int,
) -> FunctionClassifier:
    """Wrap a classifier: odd pictures are refused, or get a class by a hash of their pixels.

    A picture is odd if it is further from the mean in whitened components, or further from their
    span, than all but this share of the thief's own images.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, C, H, W)
        The thief's.
    answer : {'refuse', 'randomise'}
    share : float
        Of honest questions that are taken for odd by each of the two measures, in (0, 1).
    """
    white = whitening(images)

    def oddness(pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
        points = white.points(pictures)
        span = white.mean + (points * white.deviations) @ white.axes
        rest = np.linalg.norm(pictures.reshape(len(pictures), -1) - span, axis=1)
        return np.stack([np.linalg.norm(points, axis=1), rest], axis=1)

    limits = np.quantile(oddness(images), 1 - share, axis=0)

    def classify(pictures: NDArray[np.uint8]) -> NDArray[np.int64]:
        answers = np.array(classifier.classify(pictures))
        for place in np.flatnonzero((oddness(pictures) > limits).any(axis=1)):
            digest = hashlib.sha256(pictures[place].tobytes()).digest()
            drawn = int.from_bytes(digest, "big") % classes
            answers[place] = NO_ANSWER if answer == "refuse" else drawn
        return answers

    return FunctionClassifier(classify, classifier.input_shape, classes)


def loud(classifier: ScoredClassifier, *, decades: float = 20.0) -> FunctionClassifier:
    """Multiply all scores of a picture by a number that a hash of its pixels gives.

    No answer to a single picture changes. Where scores of pictures are added up, the loudest of
    them is heard alone. The factors are 1 to ten to the power `decades`, evenly by their
    logarithms.
    """

    def scores(pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
        found = classifier.scores(pictures)
        if found is None:
            raise InputError("a classifier without scores cannot be made loud")
        digests = (hashlib.sha256(picture.tobytes()).digest() for picture in pictures)
        drawn = np.array([int.from_bytes(digest[:4], "big") / 2**32 for digest in digests])
        return found * 10 ** (decades * drawn[:, None])

    return FunctionClassifier(scores, classifier.input_shape, classifier.classes)


def _stolen(theft: Theft) -> TorchClassifier:
    module = Normalized(theft.model, theft.normalization).eval()
    return TorchClassifier(module, theft.shape, theft.classes)


def _try(theft: Theft) -> Iterator[Row]:
    stolen = _stolen(theft)
    answers: tuple[Answer, ...] = ("refuse", "randomise")
    for answer in answers:
        wrapped = suspicious(stolen, theft.pixels(), answer=answer, classes=theft.classes)
        row = theft.answered(wrapped, theft.options["images"])
        yield row | {"label": f"{answer}s odd pictures, {row['label']}"}


def _try_loud(theft: Theft) -> Iterator[Row]:
    yield theft.answered(loud(_stolen(theft)), theft.options["images"])


ATTACKS = (
    Attack(
        place=5,
        task="wrap",
        strengths={"desk": [3000], "paper": [10000]},
        trial=lambda images, owner: Trial("Suspicious service", {"images": images}),
        run=_try,
    ),
    Attack(
        place=5,
        task="loud",
        strengths={"robust": [10000]},
        trial=lambda images, owner: Trial("Loud pictures", {"images": images}),
        run=_try_loud,
    ),
)
