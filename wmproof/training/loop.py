"""The training loop: one for marking, for unmarked models, and for whatever trains further."""

import contextlib
import logging
import math
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from wmproof.core.shown import Report
from wmproof.errors import InputError, WmproofError
from wmproof.training.checkpoint import Checkpoint
from wmproof.training.evaluate import accuracy
from wmproof.training.normalization import Normalization, Normalized
from wmproof.training.objective import CrossEntropy, Objective
from wmproof.training.perturbation import perturbed_loss
from wmproof.training.recipe import Recipe
from wmproof.training.reproducible import reproducible_kernels, stream
from wmproof.training.sampling import TriggerRotation, batch_order
from wmproof.training.sources import Source

_log = logging.getLogger(__name__)

Examples = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch did; accuracies are in [0, 1] and measured in evaluation mode."""

    epoch: int
    """From 1."""
    learning_rate: float
    """At the end of the epoch."""
    loss: float
    """Mean of the objective over the training images and the triggers, while learning."""
    test_accuracy: float | None
    trigger_accuracy: float | None
    """test_accuracy and trigger_accuracy: None without a test set, without triggers."""
    seconds: float = field(compare=False)
    """Not compared: two equal runs differ in it."""


@dataclass(frozen=True)
class TrainingResult(Report):
    """A trained network and how it came about."""

    model: nn.Module
    """On the CPU, in evaluation mode; maps normalised images to logits."""
    normalization: Normalization
    """What its images went through."""
    history: tuple[EpochRecord, ...]
    """One record an epoch."""

    @property
    def pixel_model(self) -> nn.Module:
        """The network with its normalisation in front, for pixels of 0 to 255."""
        return Normalized(self.model, self.normalization).eval()

    def to_dict(self) -> dict[str, Any]:
        """Return it as `json.dumps` takes it, without the network."""
        return {
            "parameters": sum(one.numel() for one in self.model.parameters()),
            "normalization": asdict(self.normalization),
            "history": [asdict(record) for record in self.history],
        }


class TrainingInterruptedError(WmproofError):
    """Ctrl-C or a request to end: the state was saved, and the same call goes on from it."""

    exit_code = 130


class Progress(Protocol):
    """Who watches a run."""

    def begin(self, epochs: int, steps_per_epoch: int, done_steps: int) -> None:
        """Take note of a run that starts, or goes on after `done_steps` steps."""

    def step(self) -> None:
        """Take note of one batch."""

    def epoch(self, record: EpochRecord) -> None:
        """Take note of one epoch."""

    def end(self) -> None:
        """Take note of the end, also by an error."""


@dataclass
class Run:
    """All that the loop reads: what is trained, on what, and how."""

    model: Normalized
    """On the device. Only parameters that require a gradient are trained."""
    source: Source
    """The training set."""
    recipe: Recipe
    """The hyper-parameters."""
    seed: int
    """Of orders, triggers, augmentation and dropout."""
    triggers: Examples | None = None
    test: Examples | None = None
    """triggers and test: pairs of uint8 (or normalised float32) images and labels."""
    objective: Objective = field(default_factory=CrossEntropy)
    """What is minimised."""


@dataclass
class _Position:
    """How far a run is: all that a checkpoint holds beside weights and momentum."""

    step: int = 0
    loss: float = 0.0
    seen: int = 0
    seconds: float = 0.0
    history: list[EpochRecord] = field(default_factory=list)


def fit(
    run: Run, *, checkpoint: Checkpoint | None = None, progress: Progress | None = None
) -> tuple[EpochRecord, ...]:
    """Train `run.model` in place, from the checkpoint if there is one.

    Returns one record an epoch, those before an interruption included.

    Raises
    ------
    TrainingInterruptedError
        Ctrl-C, with a checkpoint. Without one, KeyboardInterrupt passes.
    InputError
        The loss is no longer a number, or a checkpoint cannot be used or written.
    """
    device = run.model.mean.device
    stop = threading.Event()
    with _stop_on_interrupt(stop if checkpoint else None), reproducible_kernels(device):
        optimizer = torch.optim.SGD(
            [parameter for parameter in run.model.parameters() if parameter.requires_grad],
            lr=run.recipe.learning_rate,
            momentum=run.recipe.momentum,
            weight_decay=run.recipe.weight_decay,
        )
        position = _restore(run.model, optimizer, checkpoint, device)
        trainer = _Trainer(run, optimizer, position, checkpoint, progress, stop)
        with _announced(trainer, progress):
            trainer.finish()
    return tuple(position.history)


@dataclass
class _Trainer:
    run: Run
    optimizer: torch.optim.SGD
    position: _Position
    checkpoint: Checkpoint | None
    progress: Progress | None
    stop: threading.Event

    def __post_init__(self) -> None:
        run = self.run
        self.steps_per_epoch = len(self._order(0))
        self._clock = time.monotonic()
        device = run.model.mean.device
        self._loss = torch.tensor(self.position.loss, dtype=torch.float64, device=device)
        self._rotation: TriggerRotation | None = None
        if run.triggers is not None:
            self._rotation = TriggerRotation(
                len(run.triggers[1]), run.recipe.triggers_per_batch, run.seed
            )

    def finish(self) -> None:
        """Train to the last epoch."""
        self.run.model.train()
        while len(self.position.history) < self.run.recipe.epochs:
            self._finish_epoch()
        if self.checkpoint is not None:
            self._save()
            self._end_if_asked()

    def _order(self, epoch: int) -> list[Tensor]:
        return batch_order(len(self.run.source), self.run.recipe.batch_size, self.run.seed, epoch)

    def _finish_epoch(self) -> None:
        epoch = len(self.position.history)
        first = self.position.step
        order = self._order(epoch)[first - epoch * self.steps_per_epoch :]
        for images, labels in self.run.source.batches(order, first):
            self._learn(images, labels)
            if self.progress is not None:
                self.progress.step()
            self._save_or_stop()
        self._close_epoch(epoch)

    def _learn(self, images: Tensor, labels: Tensor) -> None:
        model, step = self.run.model, self.position.step
        # Dropout draws from the global generator; a stream for each step makes it resumable.
        torch.manual_seed(stream(self.run.seed, "network", step))
        inputs = model.normalize(images) if images.dtype == torch.uint8 else images
        if self._rotation is not None and self.run.triggers is not None:
            chosen = self._rotation.indices(step).to(labels.device)
            triggers = model.normalize(self.run.triggers[0][chosen])
            inputs = torch.cat([inputs, triggers])
            labels = torch.cat([labels, self.run.triggers[1][chosen]])
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate(step)
        self.optimizer.zero_grad(set_to_none=True)
        with _answers(model.network) as answers:
            loss = self.run.objective(model.network, inputs, labels)
        second = self._second_loss(answers, inputs, labels)
        torch.autograd.backward(loss if second is None else loss + second)
        self.optimizer.step()
        self._loss += loss.detach() * len(labels)
        self.position.seen += len(labels)
        self.position.step += 1

    def _second_loss(self, answers: list[Tensor], inputs: Tensor, labels: Tensor) -> Tensor | None:
        """Give the loss on the batch's triggers once more: of the last answers, or near by."""
        recipe, steps = self.run.recipe, self.steps_per_epoch * self.run.recipe.epochs
        more, step = recipe.perturbation, self.position.step
        if self._rotation is None or more is None or not recipe.perturbs(step, steps):
            return None
        k = len(self._rotation.indices(step))
        if more.size == 0:
            return more.weight * cross_entropy(answers[-1][-k:], labels[-k:])
        return perturbed_loss(self.run.model.network, inputs, labels, k, more)

    def _rate(self, step: int) -> float:
        return self.run.recipe.rate(step, self.steps_per_epoch * self.run.recipe.epochs)

    def _close_epoch(self, epoch: int) -> None:
        position, run = self.position, self.run
        loss = float(self._loss) / position.seen
        if not math.isfinite(loss):
            raise InputError(
                f"training diverged in epoch {epoch + 1}",
                remedy="Use a lower learning rate, or a network with batch normalisation",
            )
        self._read_clock()
        record = EpochRecord(
            epoch + 1,
            self._rate(position.step - 1),
            loss,
            None if run.test is None else _judge(run.model, run.test),
            None if run.triggers is None else _judge(run.model, run.triggers),
            position.seconds - sum(past.seconds for past in position.history),
        )
        position.history.append(record)
        self._loss.zero_()
        position.seen = 0
        _log.info("%s", record)
        if self.progress is not None:
            self.progress.epoch(record)

    def _read_clock(self) -> None:
        now = time.monotonic()
        self.position.seconds += now - self._clock
        self._clock = now

    def _save_or_stop(self) -> None:
        if self.checkpoint is None or not (self.stop.is_set() or self.checkpoint.due()):
            return
        self._save()
        self._end_if_asked()

    def _end_if_asked(self) -> None:
        if self.checkpoint is not None and self.stop.is_set():
            steps = self.steps_per_epoch * self.run.recipe.epochs
            raise TrainingInterruptedError(
                f"interrupted after {self.position.step} of {steps} steps; all of it is saved",
                where=str(self.checkpoint.path),
                remedy="Repeat the same command to go on from there",
            )

    def _save(self) -> None:
        if self.checkpoint is None:
            return
        self._read_clock()
        self.position.loss = float(self._loss)
        self.checkpoint.save(
            {
                "model": self.run.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "position": asdict(self.position),
            }
        )


@contextlib.contextmanager
def _answers(network: nn.Module) -> Iterator[list[Tensor]]:
    """Keep what the network answers meanwhile."""
    kept: list[Tensor] = []
    hook = network.register_forward_hook(lambda module, inputs, answer: kept.append(answer))
    try:
        yield kept
    finally:
        hook.remove()


def _judge(model: Normalized, examples: Examples) -> float:
    """Measure on pixels, or on floating-point images that the data set has normalised."""
    pixels = examples[0].dtype == torch.uint8
    return accuracy(model if pixels else model.network, *examples)


def _restore(
    model: nn.Module,
    optimizer: torch.optim.SGD,
    checkpoint: Checkpoint | None,
    device: torch.device,
) -> _Position:
    state: dict[str, Any] | None = checkpoint.load(device) if checkpoint is not None else None
    if state is None:
        return _Position()
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    position = _Position(**state["position"])
    position.history = [EpochRecord(**record) for record in state["position"]["history"]]
    return position


@contextlib.contextmanager
def _announced(trainer: _Trainer, progress: Progress | None) -> Iterator[None]:
    if progress is None:
        yield
        return
    progress.begin(trainer.run.recipe.epochs, trainer.steps_per_epoch, trainer.position.step)
    try:
        yield
    finally:
        progress.end()


@contextlib.contextmanager
def _stop_on_interrupt(stop: threading.Event | None) -> Iterator[None]:
    """Let Ctrl-C ask for an end after the step; a second one ends at once."""
    if stop is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(number: int, frame: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
