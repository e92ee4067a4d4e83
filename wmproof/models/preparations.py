"""A foreign model file, asked under every preparation of pixels that people use."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wmproof._base.progress import Report
from wmproof.core.reading import Reading
from wmproof.core.triggers import Shape, TriggerSet, as_planes, format_shape
from wmproof.errors import InputError
from wmproof.models.base import trigger_hits
from wmproof.models.ending import find_ending, undone
from wmproof.models.file import ModelFile
from wmproof.models.function import read_answers
from wmproof.models.onnx_file import DTYPES, answering_output, open_session, run_both

# Two preparations are alike unless a difference like theirs comes by chance more seldom.
_NOISE = 0.01
# Of `Trial.margin`: less is a matter of rounding.
_SLACK = 1e-3
# Name, mean and deviation a channel of pixels in [0, 1]. Large values are last, and win no tie: a
# network of relus hardly minds a factor.
_SCALES: tuple[tuple[str, tuple[float, ...], tuple[float, ...]], ...] = (
    ("pixels 0 to 1", (0.0,), (1.0,)),
    ("pixels -1 to 1", (0.5,), (0.5,)),
    ("ImageNet's mean and deviation", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ("CIFAR-10's mean and deviation", (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    ("pixels 0 to 255", (0.0,), (1 / 255,)),
)


@dataclass(frozen=True)
class Preparation:
    """What pixels may go through before a model."""

    scale: str
    """In words."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    """mean and std: of pixels in [0, 1]; one value, or one a channel."""
    layout: str
    """'NCHW', 'NHWC', 'NHW' or 'flat'."""
    reversed_channels: bool = False
    """Blue first."""
    in_doubt: bool = False
    """Whether the model takes several layouts, so that a command has to name one."""

    def __str__(self) -> str:
        order = ", blue first" if self.reversed_channels else ""
        return f"{self.scale}, {self.layout}{order}"

    @property
    def reading(self) -> Reading:
        """What the other commands call it."""
        obvious = self.layout in ("NCHW", "NHW") and not self.in_doubt
        layout = None if obvious else self.layout
        plain = Reading(layout=layout, blue_first=self.reversed_channels)
        if self.scale == "pixels 0 to 255":
            return plain
        if self.scale == "pixels 0 to 1":
            return replace(plain, pixels="unit")
        return replace(plain, mean=self.mean, std=self.std)

    def apply(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Prepare uint8 images (n, C, H, W) to what the model takes."""
        if self.reversed_channels:
            images = images[:, ::-1]
        # In units of pixels, so that raw ones stay the whole numbers that they are.
        mean, std = (255 * np.asarray(v).reshape(-1, 1, 1) for v in (self.mean, self.std))
        prepared: NDArray[np.float32] = ((images - mean) / std).astype(np.float32)
        if self.layout == "NHWC":
            return np.ascontiguousarray(prepared.transpose(0, 2, 3, 1))
        if self.layout == "NHW":
            return np.ascontiguousarray(prepared[:, 0])
        return prepared.reshape(len(prepared), -1) if self.layout == "flat" else prepared


@dataclass(frozen=True)
class Trial:
    """How many triggers got their labels under one preparation."""

    preparation: Preparation
    hit: NDArray[np.bool_] = field(repr=False, compare=False)
    """bool, shape (coins,): which labels, one for each group of triggers; as secret as the triggers
    are."""
    margin: float | None = None
    """By how much the label's score exceeds the best other one, in standard deviations of the
    picture's scores, on average; None where the model gives classes. No factor on all scores
    changes it."""

    @property
    def hits(self) -> int:
        """How many."""
        return int(self.hit.sum())

    def is_like(self, other: Trial) -> bool:
        """Whether noise explains the difference in hits: the exact test of McNemar, two-sided.

        Only labels count that one of them hit and the other did not; without a difference each
        of these falls to either side like a fair coin.
        """
        sides = (self.hit & ~other.hit, other.hit & ~self.hit)
        fewer, more = sorted(int(np.count_nonzero(side)) for side in sides)
        tail = sum(math.comb(fewer + more, k) for k in range(fewer + 1))
        return bool(2 * tail / 2 ** (fewer + more) >= _NOISE)


@dataclass(frozen=True)
class Ranking:
    """Trials, the best one first."""

    trials: tuple[Trial, ...]
    """By hits, but those that are like the one of most hits by their margins: a network hardly
    minds a factor or a shift, and is surest of the preparation that it was trained with."""
    alike: int
    """How many of the first no hits tell apart, 1 if there is no doubt."""


def rank(trials: Sequence[Trial]) -> Ranking:
    """Put trials in order; on equal terms they stay in the order given."""
    listed = sorted(trials, key=lambda trial: -trial.hits)
    alike = [trial for trial in listed if trial.is_like(listed[0])]
    others = [trial for trial in listed if not trial.is_like(listed[0])]
    best = max(trial.margin or 0.0 for trial in alike)
    alike.sort(key=lambda trial: -min((trial.margin or 0.0) + _SLACK, best))
    return Ranking((*alike, *others), len(alike))


class Asked(Protocol):
    """A model that takes numbers as they are given: a file, or one behind an endpoint."""

    where: str
    """Names it in errors."""
    type: Any
    """NumPy's, of its input."""
    step: int
    """Pictures in a call where the batch is open."""

    @property
    def declared(self) -> tuple[int | str | None, ...]:
        """The input's sizes, the batch first; what is no number above 0 is open."""

    def outputs(self, inputs: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Scores (n, classes) or classes (n,) of n inputs, no more than the batch.

        And what is added up over a group in their place, or None where nobody can look.
        """


class AskedFile:
    """An ONNX file in ONNX Runtime.

    Raises
    ------
    InputError
        The file is no model of one tensor of pixels, or has several outputs.
    """

    step = 64

    def __init__(self, file: ModelFile, output: str | None = None) -> None:
        self.where = file.where
        self._output = answering_output(file, Reading(output=output))
        self._ending = find_ending(file.inlined, self._output)
        self._session = open_session(file, self._ending.logits)
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type not in DTYPES:
            kinds = ", ".join(i.type for i in inputs)
            raise InputError(f"takes {kinds}, not one tensor of pixels", where=self.where)
        self._input = inputs[0].name
        self.type = DTYPES[inputs[0].type]
        self.declared: tuple[int | str | None, ...] = tuple(inputs[0].shape)

    def outputs(self, inputs: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """As `Asked` says."""
        names = [self._output, self._ending.logits]
        try:
            output, values = run_both(self._session, names, {self._input: inputs})
        except Exception as error:  # ONNX Runtime's errors share no public base class
            text = (str(error).splitlines() or ["?"])[0][:200]
            raise InputError(f"fails on the triggers ({text})", where=self.where) from error
        if output.ndim == 0:
            raise InputError("answers with one number for all triggers", where=self.where)
        count = len(inputs)
        return self._ending(output, count), self._ending.of_logits(values, count)


@dataclass(frozen=True)
class _Answered:
    """What a model said, as a classifier."""

    output: NDArray[Any]
    added: NDArray[Any] | None
    input_shape: Shape
    classes: None = None

    def classify(self, images: NDArray[np.uint8]) -> NDArray[np.int64]:
        return read_answers(self.output, len(images))

    def logits(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        answers = self.classify(images)
        if self.output.ndim == 1:
            return answers
        return undone(self.output.astype(np.float64)) if self.added is None else self.added


class Suspect:
    """A classifier of unknown preparation.

    Parameters
    ----------
    asked : Asked
    image_shape : tuple of int
        Of the triggers, (D,), (H, W) or (C, H, W).

    Raises
    ------
    InputError
        The model takes no images of this shape in any layout.
    """

    def __init__(self, asked: Asked, image_shape: Shape) -> None:
        self._asked, self._where = asked, asked.where
        self.type, self.declared = asked.type, asked.declared
        self._shape = as_planes(image_shape)
        self.layouts = self._layouts()
        if not self.layouts:
            raise InputError(
                f"takes images of {self._words()}, and the triggers are "
                f"{format_shape(image_shape)}",
                where=self._where,
                remedy="This is no copy of the network that the key was made for, or it resizes",
            )

    def _words(self) -> str:
        return "x".join(str(size) for size in self.declared[1:])

    def _layouts(self) -> list[str]:
        channels, height, width = self._shape
        known = {
            "NCHW": (channels, height, width),
            "NHWC": (height, width, channels),
            "flat": (channels * height * width,),
        }
        if channels == 1:
            known["NHW"] = (height, width)
        return [name for name, sizes in known.items() if self._fits(sizes)]

    def _fits(self, sizes: tuple[int, ...]) -> bool:
        own = self.declared[1:]
        return len(own) == len(sizes) and all(
            not isinstance(size, int) or size < 1 or size == want
            for size, want in zip(own, sizes, strict=True)
        )

    def preparations(self) -> Iterator[Preparation]:
        """Every one that fits; bytes are always raw."""
        channels = self._shape[0]
        scales = _SCALES[-1:] if self.type is np.uint8 else _SCALES
        orders = (False, True) if channels == 3 else (False,)
        for layout, order, (name, mean, std) in product(self.layouts, orders, scales):
            if len(mean) in (1, channels):
                yield Preparation(name, mean, std, layout, order, len(self.layouts) > 1)

    def trials(self, triggers: TriggerSet, progress: Report = lambda *_: None) -> Ranking:
        """Ask about the triggers under every preparation.

        A layout in which the model fails is left out, unless it fails in all that fit.
        """
        images = triggers.images.reshape(len(triggers), *self._shape)
        trials: list[Trial] = []
        failed: dict[str, InputError] = {}
        preparations = list(self.preparations())
        for done, preparation in enumerate(preparations):
            progress("preparations", done / len(preparations))
            if preparation.layout in failed:
                continue
            try:
                said = self._outputs(preparation.apply(images))
                trials.append(Trial(preparation, *compare(*said, triggers, self._where)))
            except InputError as error:
                failed[preparation.layout] = error
        worked = [trial for trial in trials if trial.preparation.layout not in failed]
        if not worked:
            raise next(iter(failed.values()))
        return rank(worked)

    def _outputs(self, prepared: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any] | None]:
        fixed = self.declared[0]
        step = fixed if isinstance(fixed, int) and fixed > 0 else self._asked.step
        outputs: list[NDArray[Any]] = []
        added: list[NDArray[Any]] = []
        for start in range(0, len(prepared), step):
            part = prepared[start : start + step]
            filler = step - len(part) if step == fixed else 0
            feed = np.pad(part, [(0, filler), *[(0, 0)] * (part.ndim - 1)]).astype(self.type)
            output, values = self._asked.outputs(feed)
            first = outputs[0] if outputs else output
            if output.shape[:1] != (len(feed),) or output.shape[1:] != first.shape[1:]:
                raise InputError(
                    f"answers {len(feed)} pictures with numbers of the shape "
                    f"{list(output.shape[:4])}, which are no answers, or others than before",
                    where=self._where,
                )
            outputs.append(output[: len(part)])
            added += [] if values is None else [values[: len(part)]]
        return np.concatenate(outputs), np.concatenate(added) if added else None


def compare(
    output: NDArray[Any], added: NDArray[Any] | None, triggers: TriggerSet, where: str
) -> tuple[NDArray[np.bool_], float | None]:
    """Return which labels are hit, one for each group, and the `Trial.margin` of scores.

    Raises
    ------
    InputError
        The output is neither scores nor classes.
    """
    try:
        hit = trigger_hits(_Answered(output, added, triggers.image_shape), triggers)
    except InputError as error:
        raise InputError(error.what, where=where) from error
    labels = triggers.labels
    if output.ndim == 1 or int(labels.max()) >= output.shape[1]:
        return hit, None
    scores = output.astype(np.float64)
    if not np.isfinite(scores).all():
        return hit, None
    own = np.arange(len(labels)), labels
    others = scores.copy()
    others[own] = -np.inf
    gap, spread = scores[own] - others.max(axis=1), scores.std(axis=1)
    return hit, float(np.mean(np.divide(gap, spread, out=np.zeros_like(gap), where=spread > 0)))
