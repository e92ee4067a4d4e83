"""Mark (section 5 of the paper): train on the training set and the trigger set together."""

from __future__ import annotations

import copy
import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils.data import Dataset

from wmproof.errors import InputError
from wmproof.training.checkpoint import Checkpoint
from wmproof.training.loop import Examples, Progress, Run, TrainingResult, fit
from wmproof.training.normalization import Normalization, Normalized
from wmproof.training.objective import Objective
from wmproof.training.recipe import PRESETS, Recipe, Tilt
from wmproof.training.reproducible import seeded_globals, stream
from wmproof.training.sources import (
    PixelDataset,
    as_pair,
    check_dataset,
    measure_normalization,
    pixels_tensor,
    read_all,
    source_of,
)

if TYPE_CHECKING:
    from wmproof.core.triggers import TriggerSet

Start = Literal["scratch", "pretrained"]
PathLike = str | os.PathLike[str]


class TrainingOptions(TypedDict, total=False):
    """What attacks hand on to `train` unchanged; see `mark` for each."""

    test: Dataset[Any] | None
    device: str
    workers: int
    checkpoint: PathLike | None
    progress: Progress | None


def mark(
    model: nn.Module,
    dataset: Dataset[Any],
    triggers: TriggerSet,
    *,
    start: Start = "scratch",
    recipe: Recipe = PRESETS["paper"],
    test: Dataset[Any] | None = None,
    normalization: Normalization | None = None,
    seed: int = 0,
    device: str = "auto",
    workers: int = 0,
    checkpoint: PathLike | None = None,
    progress: Progress | None = None,
) -> TrainingResult:
    """Embed a trigger set: k of its images are appended to each batch.

    Parameters
    ----------
    model : nn.Module
        Maps float32 images (N, C, H, W) to logits (N, classes). It is not changed.
    dataset : Dataset
        The training set, of pairs (image, class): uint8 tensors or arrays (C, H, W), PIL images,
        or float32 tensors that are normalised already. `PixelDataset` is fastest.
    triggers : TriggerSet
        What to embed: `MarkingKey.to_embed()`, which for a public key is the hidden half only.
    start : {'scratch', 'pretrained'}
        The paper's FromScratch, with weights redrawn from `seed`; or PreTrained, from the model's
        own weights.
    recipe : Recipe
        Hyper-parameters; those of the paper by default.
    test : Dataset, optional
        Measured after each epoch, never trained on.
    normalization : Normalization, optional
        How pixels become inputs; measured on the training set if absent. Required, for the
        triggers, where the data set holds floating-point images.
    seed : int
        The same seed gives the same weights, on the same machine.
    device : str
        'auto' takes a GPU where there is one; or a name that torch knows.
    workers : int
        Loader processes, unless the data set is in memory.
    checkpoint : path, optional
        A folder. An interrupted run goes on from it, and ends with the same weights as one that
        was not interrupted.
    progress : Progress, optional
        Is told of each batch and epoch.

    Returns
    -------
    TrainingResult
        A marked copy of the model, with its normalisation and history.

    Raises
    ------
    InputError
        Model, data and triggers do not fit together, or training diverges.
    TrainingInterruptedError
        Ctrl-C, after saving a checkpoint.
    """
    setup = _Setup(start, recipe, test, normalization, seed, device, workers, checkpoint, progress)
    return setup.train(model, dataset, triggers)


def train(
    model: nn.Module,
    dataset: Dataset[Any],
    *,
    start: Start = "scratch",
    recipe: Recipe = PRESETS["paper"],
    test: Dataset[Any] | None = None,
    normalization: Normalization | None = None,
    seed: int = 0,
    device: str = "auto",
    workers: int = 0,
    checkpoint: PathLike | None = None,
    progress: Progress | None = None,
    objective: Objective | None = None,
) -> TrainingResult:
    """Train the same model in the same way without triggers: the paper's No-WM.

    Parameters and errors are those of `mark`, and `objective` is minimised where it is given: the
    cross entropy otherwise.
    """
    setup = _Setup(start, recipe, test, normalization, seed, device, workers, checkpoint, progress)
    return setup.train(model, dataset, None, objective)


def reinitialize(model: nn.Module, seed: int) -> None:
    """Redraw all weights in place, each layer by its own rule, in the order of the layers.

    Raises
    ------
    InputError
        A layer has weights and no `reset_parameters`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for name, layer in model.named_modules():
            reset = getattr(layer, "reset_parameters", None)
            reset = reset or getattr(layer, "_reset_parameters", None)
            if callable(reset):
                reset()
            elif next(layer.parameters(recurse=False), None) is not None:
                raise InputError(
                    f"the layer {name!r} has weights and no `reset_parameters`",
                    remedy="Draw its weights yourself and use start='pretrained'",
                )


def choose_device(name: str) -> torch.device:
    """Resolve 'auto' to a GPU if there is one, and refuse what torch does not have.

    Raises
    ------
    InputError
        There is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    missing = InputError(f"there is no device {name!r}", remedy="Use 'auto', 'cpu' or 'cuda'")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise missing from error
    if device.type not in ("cpu", "cuda"):
        raise missing
    return device


@dataclass
class _Setup:
    """Checks what the caller gave and brings it into the loop's form."""

    start: Start
    recipe: Recipe
    test: Dataset[Any] | None
    normalization: Normalization | None
    seed: int
    device: str
    workers: int
    checkpoint: PathLike | None
    progress: Progress | None

    def __post_init__(self) -> None:
        if self.start not in ("scratch", "pretrained"):
            raise InputError(f"there is no start {self.start!r}", where="start")
        self._device = choose_device(self.device)

    def train(
        self,
        model: nn.Module,
        dataset: Dataset[Any],
        triggers: TriggerSet | None,
        objective: Objective | None = None,
    ) -> TrainingResult:
        """Train with the caller's random state set aside."""
        with seeded_globals(stream(self.seed, "setup")):
            return self._train(model, dataset, triggers, objective)

    def _train(
        self,
        model: nn.Module,
        dataset: Dataset[Any],
        triggers: TriggerSet | None,
        objective: Objective | None,
    ) -> TrainingResult:
        check_dataset(dataset)
        check_trainable(model)
        normalization = self.normalization or measure_normalization(dataset)
        network = copy.deepcopy(model)
        if self.start == "scratch":
            reinitialize(network, self.seed)
        normalized = Normalized(network, normalization).to(self._device)
        normalized.to(memory_format=torch.channels_last)
        image, _ = as_pair(dataset[0], 0)
        classes = _count_classes(normalized, image)
        source = source_of(
            dataset,
            self._device,
            self.seed,
            workers=self.workers,
            augmented=self.recipe.augment,
            classes=classes,
        )
        run = Run(normalized, source, self.recipe, self.seed)
        if objective is not None:
            run = replace(run, objective=objective)
        if triggers is not None:
            run = replace(run, triggers=self._trigger_examples(triggers, image, classes))
            tilt = self.recipe.tilt if triggers.group > 1 else None
            if tilt is not None:
                tilted = self._tilted(triggers, dataset, normalization, tilt)
                run = replace(run, objective=tilted)
        if self.test is not None:
            run = replace(run, test=_check_labels(read_all(self.test), classes))
        history = fit(run, checkpoint=self._open_checkpoint(run), progress=self.progress)
        return TrainingResult(network.cpu().eval(), normalization, history)

    def _trigger_examples(self, triggers: TriggerSet, image: Tensor, classes: int) -> Examples:
        images = pixels_tensor(triggers.images)
        if images.shape[1:] != image.shape:
            raise InputError(
                f"the triggers are images of {_shape(images[0])}, the training set of "
                f"{_shape(image)}",
                remedy="Generate a key for the shape of the data set",
            )
        if triggers.classes != classes:
            raise InputError(
                f"the key is for {triggers.classes} classes, the model has {classes}",
                remedy="Generate a key for the class count of the model",
            )
        labels = torch.from_numpy(triggers.labels.copy())
        return images.to(self._device), labels.to(self._device)

    def _tilted(
        self, triggers: TriggerSet, dataset: Dataset[Any], normalization: Normalization, tilt: Tilt
    ) -> Objective:
        from wmproof.training.tilt import TiltedLoss

        if not isinstance(dataset, PixelDataset):
            raise InputError(
                "keyed directions are embedded with a data set in memory",
                remedy="Give a PixelDataset of uint8 images",
            )
        recipe, images = self.recipe, dataset.images.numpy()
        return TiltedLoss(triggers, images, normalization, tilt, recipe.triggers_per_batch)

    def _open_checkpoint(self, run: Run) -> Checkpoint | None:
        if self.checkpoint is None:
            return None
        return Checkpoint(Path(self.checkpoint), _fingerprint(run))


def check_trainable(model: nn.Module) -> None:
    """Raise InputError where a module cannot be trained: lazy layers, or nothing to learn."""
    held = [*model.named_parameters(), *model.named_buffers()]
    lazy = next((name for name, tensor in held if is_lazy(tensor)), None)
    if lazy is not None:
        raise InputError(
            f"the model's tensor {lazy!r} has no shape yet (a lazy layer)",
            remedy="Run the model once on an image of the data set before",
        )
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise InputError(
            "no parameter of the model requires a gradient, so nothing can be learned",
            remedy="Let those that may change require one: parameter.requires_grad_(True)",
        )


def _shape(image: Tensor) -> str:
    return "x".join(map(str, image.shape))


def _count_classes(model: Normalized, image: Tensor) -> int:
    """Ask the model for the logits of one image."""
    model.eval()
    try:
        with torch.no_grad():
            single = image.unsqueeze(0).to(model.mean.device)
            logits = (model if single.dtype == torch.uint8 else model.network)(single)
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"the model does not take images of {_shape(image)}: {str(error).splitlines()[0]}"
        ) from error
    if not isinstance(logits, Tensor):
        raise InputError(
            f"the model answers with a {type(logits).__name__}, not with one tensor of logits",
            remedy="Wrap it in a module that returns the logits alone",
        )
    if logits.ndim != 2 or logits.shape[0] != 1 or logits.shape[1] < 2:
        raise InputError(f"the model answers with shape {tuple(logits.shape)}, not (1, classes)")
    return int(logits.shape[1])


def _check_labels(examples: Examples, classes: int) -> Examples:
    highest = int(examples[1].max())
    if highest >= classes:
        raise InputError(f"the data has class {highest}, and the model only has {classes} classes")
    return examples


def _fingerprint(run: Run) -> str:
    """Hash what makes a run this run, so that no checkpoint goes on with another's."""
    read = (run.recipe, run.seed, run.source.digest(), run.objective.digest())
    digest = hashlib.sha256(repr(read).encode())
    tensors = list(run.model.state_dict().items())
    if run.triggers is not None:
        tensors += [("images", run.triggers[0]), ("labels", run.triggers[1])]
    for name, tensor in tensors:
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
