"""The units of section 5: training, fine-tuning, piracy, transfer learning."""

from typing import Any

from wmproof.experiments.bench import Bench
from wmproof.experiments.setting import DataSpec, KeySpec
from wmproof.experiments.tasks.outcome import Outcome, Task
from wmproof.experiments.unit import Unit
from wmproof.training.attacks.finetuning import fine_tune
from wmproof.training.attacks.transfer import transfer
from wmproof.training.embedding import mark, train
from wmproof.training.loop import TrainingResult
from wmproof.training.recipe import Recipe


def make_key(unit: Unit, bench: Bench) -> Outcome:
    """Make a key and say how many triggers it embeds."""
    key = bench.make_key(unit.name, KeySpec(**unit.options))
    return Outcome({"triggers": len(key.triggers), "embedded": len(key.to_embed())})


def train_unmarked(unit: Unit, bench: Bench) -> Outcome:
    """Train No-WM, from the seed in the options."""
    options = bench.training_options(unit.name) | {"seed": unit.options["seed"]}
    recipe = bench.recipe(bench.setting.recipe.fields())
    result = train(bench.network(), bench.data.training, recipe=recipe, **options)
    return _trained(bench, result, ["TS-Orig"], recipe)


def train_marked(unit: Unit, bench: Bench) -> Outcome:
    """Mark: FromScratch, or PreTrained where the options name a start."""
    start = unit.options.get("start")
    recipe = bench.recipe(unit.options["recipe"])
    key = unit.options["key"]
    result = mark(
        bench.model(start) if start else bench.network(),
        bench.data.training,
        bench.triggers(key),
        start="pretrained" if start else "scratch",
        recipe=recipe,
        **bench.training_options(unit.name),
    )
    return _trained(bench, result, [key], recipe)


def fine_tune_stolen(unit: Unit, bench: Bench) -> Outcome:
    """FTLL, FTAL, RTLL or RTAL on what another unit left."""
    recipe = bench.recipe(unit.options["recipe"])
    result = fine_tune(
        bench.model(unit.needs[0]),
        dataset=bench.data.training,
        method=unit.options["method"],
        recipe=recipe,
        **bench.training_options(unit.name),
    )
    return _trained(bench, result, unit.options["keys"], recipe)


def pirate(unit: Unit, bench: Bench) -> Outcome:
    """Embed TS-New into a network that carries TS-Orig, as an owner does (PreTrained)."""
    recipe = bench.recipe(unit.options["recipe"])
    result = mark(
        bench.model(unit.needs[0]),
        bench.data.training,
        bench.triggers(unit.options["key"]),
        start="pretrained",
        recipe=recipe,
        **bench.training_options(unit.name),
    )
    return _trained(bench, result, unit.options["keys"], recipe)


def transfer_stolen(unit: Unit, bench: Bench) -> Outcome:
    """Teach another task, and verify under the original output layer."""
    target = bench.load(DataSpec(**unit.options["target"]))
    recipe = bench.recipe(unit.options["recipe"])
    moved = transfer(
        bench.model(unit.needs[0]),
        dataset=target.training,
        classes=target.classes,
        recipe=recipe,
        **bench.training_options(unit.name),
    )
    found = bench.measure(moved.result.model, [], target)
    found["keys"] = bench.measure_keys(moved.verified, [unit.needs[1]])
    return Outcome(found | cost_of(bench, recipe.epochs * length(target.training)))


def _trained(bench: Bench, result: TrainingResult, keys: list[str], recipe: Recipe) -> Outcome:
    found = bench.measure(result.model, keys)
    found["history"] = [
        {"epoch": record.epoch, "loss": record.loss, "learning_rate": record.learning_rate}
        for record in result.history
    ]
    found |= cost_of(bench, recipe.epochs * length(bench.data.training))
    return Outcome(found, result.model)


def cost_of(bench: Bench, images: int) -> dict[str, Any]:
    """Express a number of trained images as a share of the owner's training."""
    owner = bench.recipe(bench.setting.recipe.fields()).epochs * length(bench.data.training)
    return {"cost": images / owner}


def length(dataset: Any) -> int:
    """Count a map-style data set."""
    return len(dataset)


TASKS: dict[str, Task] = {
    "key": make_key,
    "train": train_unmarked,
    "mark": train_marked,
    "fine-tune": fine_tune_stolen,
    "pirate": pirate,
    "transfer": transfer_stolen,
}
