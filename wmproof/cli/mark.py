"""`wmproof mark`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wmproof._files import check_target
from wmproof.cli.options import (
    FILE,
    ask_passphrase,
    force_option,
    json_option,
    passphrase_option,
)
from wmproof.cli.output import print_fields, print_json, print_verdict
from wmproof.errors import InputError
from wmproof.keys import MarkingKey, load_marking_key
from wmproof.models import OnnxClassifier, classify_triggers, open_model
from wmproof.strength import required_hits, strength_bits
from wmproof.training.data import DATASETS
from wmproof.training.networks import NETWORKS
from wmproof.training.recipe import PRESETS, Recipe, preset
from wmproof.triggers import Shape, format_shape

if TYPE_CHECKING:
    from torch import nn

    from wmproof.training import ExportCheck, TrainingResult
    from wmproof.training.data.image_data import ImageData


@dataclass(frozen=True)
class _Options:
    key: Path
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
@click.option("--key", required=True, type=FILE, metavar="KEY.mk", help="What to embed.")
@click.option(
    "--data",
    type=click.Choice(DATASETS),
    default="digits",
    show_default=True,
    help="What the model is trained on.",
)
@click.option("--data-folder", type=FILE, metavar="DIR", help="Where the data set's files are.")
@click.option("--download", is_flag=True, help="Let torchvision fetch missing files into DIR.")
@click.option(
    "--network",
    type=click.Choice(NETWORKS),
    default="resnet18",
    show_default=True,
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
    show_default=True,
    help="paper: 60 epochs. fast: 20. quick: 40 of small batches, for hundreds of images.",
)
@click.option("--epochs", type=click.IntRange(1), help="Instead of the preset's.")
@click.option("--k", "triggers_per_batch", type=click.IntRange(1), help="Triggers a batch.")
@click.option("--batch-size", type=click.IntRange(1), help="Training images a batch.")
@click.option(
    "--lr", "learning_rate", type=click.FloatRange(0, min_open=True), help="Learning rate."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of all coins.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, ...")
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
    """Train a model, or train it further, so that it carries a key.

    The ONNX file takes uint8 pixels; the normalisation is inside. Of a public key only the hidden
    half is embedded. Exit code 1: the model carries too little of the key for a claim.
    """
    options = _Options(**given)
    if options.pretrained and options.from_scratch:
        raise click.UsageError("choose: --pretrained or --from-scratch")
    for target in (options.out, options.weights_out):
        if target is not None:
            check_target(target, overwrite=options.force)
    key = load_marking_key(options.key, ask_passphrase(options.passphrase_file))
    data = _load_data(options, key)
    result = _train(options, key, data)
    check = _write(options, result, data)
    return _report(options, key, result, check)


def _load_data(options: _Options, key: MarkingKey) -> ImageData:
    """Load the data set, and refuse one that the key is not for before any training."""
    from wmproof.training.data import load

    shape = _with_channels(key.image_shape)
    data = load(options.data, options.data_folder, shape=shape, download=options.download)
    if data.shape != shape:
        raise InputError(
            f"the key is for images of {format_shape(key.image_shape)} and {data.name} has "
            f"{format_shape(data.shape)}",
            where=str(options.key),
            remedy=f"Make one with keygen --shape {format_shape(data.shape)}",
        )
    if data.classes != key.classes:
        raise InputError(
            f"the key is for {key.classes} classes and {data.name} has {data.classes}",
            where=str(options.key),
            remedy=f"Make one with keygen --classes {data.classes}",
        )
    return data


def _with_channels(shape: Shape) -> tuple[int, int, int]:
    return (1, shape[0], shape[1]) if len(shape) == 2 else (shape[0], shape[1], shape[2])


def _train(options: _Options, key: MarkingKey, data: ImageData) -> TrainingResult:
    from rich.console import Console

    from wmproof.training import mark as embed
    from wmproof.training.progress import RichProgress

    return embed(
        _network(options, data),
        data.training_set(),
        key.to_embed(),
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


def _report(options: _Options, key: MarkingKey, result: TrainingResult, check: ExportCheck) -> int:
    """Ask the written file, not the network in memory, about the triggers."""
    model: OnnxClassifier = open_model(options.out)
    triggers = key.to_embed()
    hits = int((classify_triggers(model, triggers) == triggers.labels).sum())
    threshold = required_hits(len(triggers))
    holds = hits >= threshold
    last = result.history[-1]
    if options.as_json:
        print_json(
            {
                "holds": holds,
                "model": str(options.out),
                "model_sha256": model.digest.hex(),
                "hits": hits,
                "triggers": len(triggers),
                "threshold": threshold,
                "observed_bits": strength_bits(len(triggers), hits, key.classes),
                "test_accuracy": last.test_accuracy,
                "recipe": dataclasses.asdict(options.recipe()),
                "seed": options.seed,
                "export": dataclasses.asdict(check),
                "history": [dataclasses.asdict(record) for record in result.history],
            }
        )
        return 0 if holds else 1
    print_fields(
        {
            "model": options.out,
            "test accuracy": "unknown"
            if last.test_accuracy is None
            else f"{last.test_accuracy:.2%}",
            "triggers": f"{hits} of {len(triggers)} hit, {threshold} needed",
            "export": f"ONNX Runtime and torch agree on {check.agreeing} of {check.images} images",
        }
    )
    words = "the model carries the key" if holds else "the model carries too little of the key"
    print_verdict(holds, words)
    return 0 if holds else 1
