"""The units of item 5: any attack of the registry, against what another unit left."""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from wmproof.experiments.bench import Bench, in_memory
from wmproof.experiments.tasks.outcome import Outcome, Task
from wmproof.experiments.tasks.paper import cost_of, length
from wmproof.experiments.unit import Unit
from wmproof.experiments.worth import claim
from wmproof.models.base import Classifier, trigger_hits
from wmproof.training.attacks.registry import Row, Theft, attacks
from wmproof.training.loop import TrainingResult
from wmproof.training.recipe import Recipe


class BenchTheft:
    """The stolen network of a unit on its bench, see `Theft`.

    `unit` needs the stolen network's unit and its key.
    """

    def __init__(self, unit: Unit, bench: Bench) -> None:
        self._unit = unit
        self._bench = bench
        self.model = bench.model(unit.needs[0])
        self.options = unit.options
        self.training = bench.data.training
        self.shape = bench.data.shape
        self.classes = bench.data.classes
        self.normalization = bench.normalization
        self.seed = bench.setting.seed

    def recipe(self) -> Recipe:
        """See `Theft`."""
        return self._bench.recipe(self.options["recipe"])

    def fresh(self) -> nn.Module:
        """See `Theft`."""
        return self._bench.network()

    def training_options(self) -> dict[str, Any]:
        """See `Theft`."""
        return self._bench.training_options(self._unit.name)

    def pixels(self) -> NDArray[np.uint8]:
        """See `Theft`."""
        return in_memory(self.training).images.numpy()

    def measured(self, label: str, model: nn.Module) -> Row:
        """See `Theft`."""
        return {"label": label, "cost": 0.0} | self._bench.measure(model, [self._unit.needs[1]])

    def trained(self, label: str, result: TrainingResult, *, passes: int = 1) -> Row:
        """See `Theft`."""
        images = passes * self.recipe().epochs * length(self.training)
        return self.measured(label, result.model) | cost_of(self._bench, images)

    def answered(self, classifier: Classifier, images: int) -> Row:
        """See `Theft`."""
        test, name = in_memory(self._bench.data.test), self._unit.needs[1]
        pixels, labels = test.images.numpy()[:images], test.labels.numpy()[:images]
        triggers = self._bench.triggers(name)
        hits = int(trigger_hits(classifier, triggers).sum())
        return {
            "label": f"{len(labels)} test images",
            "cost": 0.0,
            "test_accuracy": int((classifier.classify(pixels) == labels).sum()) / len(labels),
            "keys": {name: claim(hits, triggers.coins, triggers.classes)},
        }


@functools.cache
def tasks() -> dict[str, Task]:
    """Return a task for each attack of the registry that does its own work."""

    def task_of(run: Any) -> Task:
        def task(unit: Unit, bench: Bench) -> Outcome:
            theft: Theft = BenchTheft(unit, bench)
            return Outcome({"rows": list(run(theft))})

        return task

    return {attack.task: task_of(attack.run) for attack in attacks() if attack.run is not None}
