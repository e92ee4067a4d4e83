"""What a unit works with: its setting's images, networks, keys, and the results before it."""

import functools
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from wmproof.core.triggers import TriggerSet
from wmproof.errors import InputError
from wmproof.experiments.data import TaskData, load_data
from wmproof.experiments.measure import count_right, count_triggers
from wmproof.experiments.setting import DataSpec, KeySpec, Setting
from wmproof.experiments.store import Store
from wmproof.experiments.worth import claim
from wmproof.keys import KdfCost, MarkingKey, load_marking_key, save_marking_key
from wmproof.training.loop import Progress
from wmproof.training.normalization import Normalization
from wmproof.training.recipe import Recipe
from wmproof.training.sources import PixelDataset, measure_normalization

# The keys of an experiment protect nothing; a real one deserves a real passphrase.
PASSPHRASE = "wmproof experiment"  # noqa: S105


@dataclass(frozen=True)
class Means:
    """With what a run is done; nothing here changes what is found, up to rounding."""

    data_folder: Path | None = None
    """Where the data sets' files are."""
    device: str = "auto"
    workers: int = 0
    """Loader processes, for data sets that do not fit into memory."""
    rehearsal: bool = False
    """Draw images of the right shapes and train for one epoch: to see that a plan can run."""


class Bench:
    """One setting's workplace.

    Parameters
    ----------
    setting : Setting
    store : Store
    marks : dict of str to str
        Fingerprints of the setting's units.
    means : Means
    """

    def __init__(self, setting: Setting, store: Store, marks: dict[str, str], means: Means) -> None:
        self.setting = setting
        self.store = store
        self.means = means
        self.progress: Progress | None = None
        self._marks = marks

    @functools.cached_property
    def data(self) -> TaskData:
        """The owner's task."""
        return self.load(self.setting.data)

    @functools.cached_property
    def normalization(self) -> Normalization:
        """Measured on the owner's training images; all networks of the setting share it."""
        return measure_normalization(self.data.training)

    def load(self, spec: DataSpec) -> TaskData:
        """Load another task."""
        folder, rehearsal = self.means.data_folder, self.means.rehearsal
        return load_data(spec, folder, self.setting.seed, rehearsal=rehearsal)

    def recipe(self, fields: dict[str, Any]) -> Recipe:
        """Read a recipe from a unit's options."""
        recipe = Recipe(**fields)
        return Recipe(**(fields | {"epochs": 1})) if self.means.rehearsal else recipe

    def network(self) -> nn.Module:
        """Build the setting's network with weights from its seed."""
        if self.setting.network == "resnet18-imagenet":
            from wmproof.experiments.imagenet import build_resnet18

            return build_resnet18(self.data.classes, self.setting.seed)
        from wmproof.training.networks import build

        setting = self.setting
        return build(
            setting.network,
            self.data.shape,
            self.data.classes,
            width=setting.width,
            seed=setting.seed,
        )

    def model(self, unit: str) -> nn.Module:
        """Return the network that a finished unit left."""
        network = self.network()
        self.store.load_weights(unit, network, self._marks[unit])
        return network.eval()

    def results(self, unit: str) -> dict[str, Any]:
        """Return what a finished unit found; InputError if it is not finished."""
        found = self.store.read(unit, self._marks[unit])
        if found is None:
            raise InputError("is not finished", where=unit)
        results: dict[str, Any] = found["results"]
        return results

    def make_key(self, name: str, spec: KeySpec) -> MarkingKey:
        """Read the key of this name, or make it: a resumed run must embed the same triggers."""
        path = self.store.key_path(name)
        if path.exists():
            return self.key(name)
        from wmproof.keys.keygen import keygen, pkeygen

        images = self._pictures(spec)
        if spec.public:
            security = spec.triggers // spec.group // 4
            key, _ = pkeygen(images, self.data.classes, security=security, group=spec.group)
        else:
            key, _ = keygen(images, self.data.classes, group=spec.group)
        save_marking_key(path, key, PASSPHRASE, cost=KdfCost.INTERACTIVE)
        return key

    def key(self, name: str) -> MarkingKey:
        """Read a key; InputError if it is of other images or classes than the setting."""
        path = self.store.key_path(name)
        key = load_marking_key(path, PASSPHRASE)
        if key.image_shape != self.data.shape or key.classes != self.data.classes:
            raise InputError("is a key for other images or classes", where=str(path))
        return key

    def triggers(self, name: str) -> TriggerSet:
        """Return what is embedded of a key."""
        return self.key(name).to_embed()

    def training_options(self, unit: str) -> dict[str, Any]:
        """Return what every training of the suite is called with."""
        return {
            "normalization": self.normalization,
            "seed": self.setting.seed,
            "device": self.means.device,
            "workers": self.means.workers,
            "checkpoint": str(self.store.checkpoint(unit)),
            "progress": self.progress,
        }

    def measure(
        self, model: nn.Module, keys: list[str], data: TaskData | None = None
    ) -> dict[str, Any]:
        """Measure test accuracy and, for each key, what is left of it."""
        task = data or self.data
        right = count_right(
            model,
            self.normalization,
            task.test,
            device=self.means.device,
            workers=self.means.workers,
        )
        return {
            "test": asdict(right),
            "test_accuracy": right.first / right.images,
            "keys": self.measure_keys(model, keys),
        }

    def measure_keys(self, model: nn.Module, keys: list[str]) -> dict[str, Any]:
        """Measure hits, accuracy and the strength of a claim, for each key."""
        found = {}
        for name in keys:
            triggers = self.triggers(name)
            right = count_triggers(model, self.normalization, triggers, self.means.device)
            found[name] = claim(right.first, triggers.coins, triggers.classes) | {
                "top5": right.fifth
            }
        return found

    def _pictures(self, spec: KeySpec) -> NDArray[np.uint8]:
        from wmproof.core.directions import directions
        from wmproof.core.triggers import abstract, noise

        shape = self.data.shape
        if spec.pictures == "directions":
            images = in_memory(self.data.training).images.numpy()
            return directions(images, spec.triggers // spec.group, group=spec.group)
        if spec.pictures == "abstract":
            return abstract(spec.triggers, shape)
        if spec.pictures == "noise":
            return noise(spec.triggers, shape)
        mixed = abstract(spec.triggers, shape)
        mixed[::2] = noise(len(mixed[::2]), shape)
        return mixed


def in_memory(dataset: Any) -> PixelDataset:
    """Return a data set that holds its images, or raise InputError."""
    if not isinstance(dataset, PixelDataset):
        raise InputError("this needs a data set that fits into memory")
    return dataset
