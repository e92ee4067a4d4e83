"""Mark a ResNet-18 on Fashion-MNIST and compare it with an unmarked one.

For each seed: a key with n = 128 (512 triggers, about half of them hidden), then No-WM, FromScratch
and PreTrained of the paper's table 1, each exported to ONNX and verified there. An interrupted run
goes on where it was when the same command is given again.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import click
import torch
from report import write_report
from rich.console import Console

from wmproof.core.triggers import abstract
from wmproof.errors import WmproofError
from wmproof.keys import KdfCost, MarkingKey, load_marking_key, save_marking_key
from wmproof.keys.keygen import pkeygen
from wmproof.models import open_model
from wmproof.training import Recipe, TrainingResult, export_onnx, mark, preset, train
from wmproof.training.data import load
from wmproof.training.data.image_data import ImageData
from wmproof.training.networks import build
from wmproof.training.progress import RichProgress
from wmproof.verification import examine

# The keys of this experiment protect nothing; a real one deserves a real passphrase.
PASSPHRASE = "fashion-mnist experiment"  # noqa: S105
CONSOLE = Console(stderr=True)


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the IDX files.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("fashion-mnist-output"))
@click.option("--width", default=16, show_default=True)
@click.option("--preset", "preset_name", default="fast", show_default=True)
@click.option("--epochs", type=int, help="Instead of the preset's.")
@click.option("--k", "triggers_per_batch", type=int, help="Triggers a batch, also the preset's.")
@click.option("--seeds", default=1, show_default=True, help="Run with the seeds 0, 1, ...")
@click.option("--device", default="auto", show_default=True)
@click.option("--limit", type=int, help="Use only so many training images, for a trial.")
def main(
    data: Path | None,
    out: Path,
    width: int,
    preset_name: str,
    epochs: int | None,
    triggers_per_batch: int | None,
    seeds: int,
    device: str,
    limit: int | None,
) -> None:
    """Write results-fashion-mnist.json, .md and .png, the keys and the models to OUT."""
    try:
        changes = {"epochs": epochs, "triggers_per_batch": triggers_per_batch}
        recipe = dataclasses.replace(
            preset(preset_name), **{name: value for name, value in changes.items() if value}
        )
        images = _limited(load("fashion-mnist", data), limit)
        out.mkdir(parents=True, exist_ok=True)
        runs = []
        for seed in range(seeds):
            runs += run_seed(images, out, recipe, width=width, seed=seed, device=device)
        results = {
            "network": "resnet18",
            "width": width,
            "parameters": sum(p.numel() for p in _network(images, width, 0).parameters()),
            "training_images": len(images.train_labels),
            "test_images": len(images.test_labels),
            "recipe": dataclasses.asdict(recipe),
            "device": _device_name(device),
            "torch": torch.__version__,
            "runs": runs,
        }
        (out / "results-fashion-mnist.json").write_text(json.dumps(results, indent=2) + "\n")
        write_report(results, out)
        CONSOLE.print((out / "results-fashion-mnist.md").read_text(), highlight=False)
    except WmproofError as error:
        CONSOLE.print(f"error: {error}", style="red", highlight=False)
        raise SystemExit(error.exit_code) from None


def run_seed(
    images: ImageData, out: Path, recipe: Recipe, *, width: int, seed: int, device: str
) -> list[dict[str, Any]]:
    """Train, export and verify the three models of one seed."""
    key = _key(out / f"key-{seed}.mk", images)
    common: dict[str, Any] = {"test": images.test_set(), "seed": seed, "device": device}

    def trained(name: str, **more: Any) -> TrainingResult:
        progress = RichProgress(CONSOLE, f"{name}, seed {seed}")
        folder = out / f"checkpoint-{name}-{seed}"
        arguments = common | {"recipe": recipe, "checkpoint": folder, "progress": progress} | more
        model = arguments.pop("model", _network(images, width, seed))
        if name == "No-WM":
            return train(model, images.training_set(), **arguments)
        return mark(model, images.training_set(), key.to_embed(), **arguments)

    unmarked = trained("No-WM")
    results = {
        "No-WM": unmarked,
        "FromScratch": trained("FromScratch"),
        "PreTrained": trained("PreTrained", model=unmarked.model, start="pretrained"),
    }
    return [
        _measure(name, result, key, images, out / f"{name}-{seed}.onnx") | {"seed": seed}
        for name, result in results.items()
    ]


def _measure(
    name: str, result: TrainingResult, key: MarkingKey, images: ImageData, path: Path
) -> dict[str, Any]:
    """Export, and measure what counts on the exported file only."""
    check = export_onnx(
        result.model,
        result.normalization,
        path,
        images=images.test_set().images,
        overwrite=True,
    )
    model = open_model(path)
    correct = int((model.classify(images.test_images) == images.test_labels).sum())
    report = examine(key, key.verification_key, model)
    return {
        "model": name,
        "test_correct": correct,
        "test_accuracy": correct / len(images.test_labels),
        "hits": report.hits,
        "hidden": report.triggers,
        "threshold": report.threshold,
        "claim_holds": report.holds,
        "strength_bits": report.strength_bits,
        "onnx_agreement": dataclasses.asdict(check),
        "seconds": sum(record.seconds for record in result.history),
        "history": [dataclasses.asdict(record) for record in result.history],
    }


def _key(path: Path, images: ImageData) -> MarkingKey:
    """Read this experiment's key, or make it: a resumed run must embed the same triggers."""
    if path.exists():
        return load_marking_key(path, PASSPHRASE)
    key, _ = pkeygen(abstract(512, images.shape), images.classes)
    save_marking_key(path, key, PASSPHRASE, cost=KdfCost.INTERACTIVE)
    return key


def _network(images: ImageData, width: int, seed: int) -> torch.nn.Module:
    return build("resnet18", images.shape, images.classes, width=width, seed=seed)


def _limited(images: ImageData, limit: int | None) -> ImageData:
    return dataclasses.replace(
        images, train_images=images.train_images[:limit], train_labels=images.train_labels[:limit]
    )


def _device_name(name: str) -> str:
    if name != "cpu" and torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"CPU, {torch.get_num_threads()} threads"


if __name__ == "__main__":
    main()
