"""`wmproof mark`."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wmproof._base.files import check_target
from wmproof.cli.options import (
    FILE,
    Number,
    ask_passphrase,
    force_option,
    json_option,
    passphrase_option,
)
from wmproof.cli.output import print_fields, print_json, print_verdict
from wmproof.core.strength import required_hits, strength_bits
from wmproof.core.triggers import TriggerSet, as_planes, format_shape, name_coins
from wmproof.errors import InputError
from wmproof.keys import MarkingKey, load_marking_key
from wmproof.models import OnnxClassifier, open_model
from wmproof.models.base import trigger_hits
from wmproof.training.data import DATASETS
from wmproof.training.networks import NETWORKS
from wmproof.training.recipe import PRESETS, Recipe, preset

if TYPE_CHECKING:
    from torch import nn

    from wmproof.training import ExportCheck, TrainingResult
    from wmproof.training.data.image_data import ImageData


@dataclass(frozen=True)
class _Options:
    keys: tuple[Path, ...]
    data: str
    data_folder: Path | None
    download: bool
    network: str
    width: int | None
    pretrained: Path | None
    from_scratch: bool
    preset: str
    epochs: int | None
    triggers_per_batch: int | None
    batch_size: int | None
    learning_rate: float | None
    seed: int
    device: str
    checkpoint: Path | None
    out: Path
    weights_out: Path | None
    passphrase_file: Path | None
    force: bool
    as_json: bool

    def recipe(self) -> Recipe:
        """Return the preset with what was said instead of its own values."""
        names = ("epochs", "triggers_per_batch", "batch_size", "learning_rate")
        said = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return dataclasses.replace(preset(self.preset), **said)


@click.command()
@click.option(
    "--key",
    "keys",
    required=True,
    multiple=True,
    type=FILE,
    metavar="KEY.mk",
    help="What to embed; again for one key more.",
)
@click.option(
    "--data",
    type=click.Choice(DATASETS),
    default="digits",
    help="What the model is trained on.",
)
@click.option("--data-folder", type=FILE, metavar="DIR", help="Where the data set's files are.")
@click.option("--download", is_flag=True, help="Let torchvision fetch missing files into DIR.")
@click.option(
    "--network",
    type=click.Choice(NETWORKS),
    default="resnet18",
    help="What is trained.",
)
@click.option("--width", type=click.IntRange(1), help="Units of the network's first layer.")
@click.option("--from-scratch", is_flag=True, help="Start from fresh weights, as is the default.")
@click.option(
    "--pretrained", type=FILE, metavar="M.pt", help="Start from these weights (a state dictionary)."
)
@click.option(
    "--preset",
    type=click.Choice(list(PRESETS)),
    default="quick",
    help="paper: 60 epochs. fast: 20. quick: 40 of small batches, for hundreds of images. "
    "robust: 20, guarded against changed weights. directions: 20, for keys of directions.",
)
@click.option("--epochs", type=click.IntRange(1), help="Instead of the preset's.")
@click.option("--k", "triggers_per_batch", type=click.IntRange(1), help="Triggers a batch.")
@click.option("--batch-size", type=click.IntRange(1), help="Training images a batch.")
@click.option("--lr", "learning_rate", type=Number(0, min_open=True), help="Learning rate.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Of all coins.")
@click.option("--device", default="auto", help="auto, cpu, cuda, cuda:1, ...")
@click.option(
    "--checkpoint",
    type=FILE,
    metavar="DIR",
    help="Keep the state here; the same command then goes on where it was interrupted.",
)
@click.option("-o", "--out", required=True, type=FILE, metavar="MODEL.onnx", help="The model.")
@click.option("--weights-out", type=FILE, metavar="M.pt", help="Also write the torch weights.")
@passphrase_option
@force_option
@json_option
def mark(**given: Any) -> int:
    """Train a model, or train it further, so that it carries a key, or several.

    The ONNX file takes uint8 pixels; the normalisation is inside. Of a public key only the hidden
    half is embedded. Exit code 1: fewer than nine in ten of a key's triggers get their labels.
    """
    options = _Options(**given)
    if options.pretrained and options.from_scratch:
        raise click.UsageError("choose: --pretrained or --from-scratch")
    for target in (options.out, options.weights_out):
        if target is not None:
            check_target(target, overwrite=options.force)
    keys = {
        path: load_marking_key(path, ask_passphrase(options.passphrase_file, path))
        for path in options.keys
    }
    data = _load_data(options, keys)
    result = _train(options, list(keys.values()), data)
    check = _write(options, result, data)
    return _report(options, keys, result, check)


def _load_data(options: _Options, keys: dict[Path, MarkingKey]) -> ImageData:
    """Load the data set, and refuse one that a key is not for before any training."""
    from wmproof.training.data import load

    first = next(iter(keys.values()))
    shape = as_planes(first.image_shape)
    data = load(options.data, options.data_folder, shape=shape, download=options.download)
    for path, key in keys.items():
        group, other = first.verification_key.group, key.verification_key.group
        if group != other:
            raise InputError(
                f"the key is about {name_coins(other)}, and the first one about "
                f"{name_coins(group)}: they cannot be taught together",
                where=str(path),
                remedy="Mark a model with keys of single triggers, or of one size of groups",
            )
        if data.shape != as_planes(key.image_shape):
            raise InputError(
                f"the key is for images of {format_shape(key.image_shape)} and {data.name} has "
                f"{format_shape(data.shape)}",
                where=str(path),
                remedy=f"Make one with keygen --shape {format_shape(data.shape)}",
            )
        if data.classes != key.classes:
            raise InputError(
                f"the key is for {key.classes} classes and {data.name} has {data.classes}",
                where=str(path),
                remedy=f"Make one with keygen --classes {data.classes}",
            )
    return data


def _train(options: _Options, keys: list[MarkingKey], data: ImageData) -> TrainingResult:
    from rich.console import Console

    from wmproof.training import mark as embed
    from wmproof.training.progress import RichProgress

    return embed(
        _network(options, data),
        data.training_set(),
        functools.reduce(TriggerSet.joined, (key.to_embed() for key in keys)),
        start="pretrained",
        recipe=options.recipe(),
        test=data.test_set(),
        seed=options.seed,
        device=options.device,
        checkpoint=options.checkpoint,
        progress=RichProgress(Console(stderr=True, quiet=options.as_json), "marking"),
    )


def _network(options: _Options, data: ImageData) -> nn.Module:
    """Build the network with weights drawn from the seed, or with those of --pretrained."""
    from wmproof.training import load_weights
    from wmproof.training.networks import build

    network = build(
        options.network, data.shape, data.classes, width=options.width, seed=options.seed
    )
    if options.pretrained:
        load_weights(network, options.pretrained)
    return network


def _write(options: _Options, result: TrainingResult, data: ImageData) -> ExportCheck:
    from wmproof.training import export_onnx, save_weights

    if options.weights_out is not None:
        save_weights(result.model, options.weights_out, overwrite=options.force)
    return export_onnx(
        result.model,
        result.normalization,
        options.out,
        images=data.test_set().images,
        overwrite=options.force,
    )


def _report(
    options: _Options, keys: dict[Path, MarkingKey], result: TrainingResult, check: ExportCheck
) -> int:
    """Ask the written file, not the network in memory, about the triggers."""
    model: OnnxClassifier = open_model(options.out)
    found = [_found(path, key, model) for path, key in keys.items()]
    holds = all(row["holds"] for row in found)
    last = result.history[-1]
    if options.as_json:
        worst = min(found, key=lambda row: row["hits"] - row["threshold"])
        print_json(
            {
                **{name: value for name, value in worst.items() if name != "key"},
                "model": str(options.out),
                "model_sha256": model.digest.hex(),
                "keys": found,
                "test_accuracy": last.test_accuracy,
                "recipe": options.recipe().fields(),
                "seed": options.seed,
                "export": dataclasses.asdict(check),
                "history": [dataclasses.asdict(record) for record in result.history],
            }
        )
        return 0 if holds else 1
    accuracy = "unknown" if last.test_accuracy is None else f"{last.test_accuracy:.2%}"
    print_fields({"model": options.out, "test accuracy": accuracy})
    for row in found:
        of = f" of {row['key']}" if len(found) > 1 else ""
        hits = f"{row['hits']} of {row['triggers']} hit, {row['threshold']} wanted"
        print_fields({f"triggers{of}": hits})
    agree = f"ONNX Runtime and torch agree on {check.agreeing} of {check.images} images"
    print_fields({"export": agree})
    what = "the key" if len(found) == 1 else "every key"
    words = f"the model carries {what if holds else 'too little of ' + what}"
    print_verdict(holds, words)
    return 0 if holds else 1


def _found(path: Path, key: MarkingKey, model: OnnxClassifier) -> dict[str, Any]:
    """How much of one key a model carries."""
    triggers = key.to_embed()
    hits, asked = int(trigger_hits(model, triggers).sum()), triggers.coins
    threshold = required_hits(asked)
    return {
        "key": str(path),
        "holds": hits >= threshold,
        "hits": hits,
        "triggers": asked,
        "threshold": threshold,
        "observed_bits": strength_bits(asked, hits, key.classes),
    }
