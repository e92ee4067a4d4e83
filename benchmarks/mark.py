"""Digits: accuracy and hits of marked models against unmarked ones, over several seeds and keys.

python benchmarks/mark.py --seeds 5 --network mlp --width 512
"""

import json
import statistics
import time
from typing import Any

import click

from wmproof.core.triggers import abstract, noise
from wmproof.keys.keygen import pkeygen
from wmproof.training import mark, preset, train
from wmproof.training.data import load
from wmproof.training.networks import NETWORKS, build


@click.command()
@click.option("--seeds", default=5, show_default=True)
@click.option("--network", type=click.Choice(NETWORKS), default="mlp", show_default=True)
@click.option("--width", default=512, show_default=True)
@click.option("--source", type=click.Choice(["abstract", "noise"]), default="abstract")
@click.option("--device", default="cpu", show_default=True)
def main(seeds: int, network: str, width: int, source: str, device: str) -> None:
    """Print one JSON object."""
    data = load("digits")
    runs = []
    for seed in range(seeds):
        model = build(network, data.shape, data.classes, width=width, seed=seed)
        images = {"abstract": abstract, "noise": noise}[source](512, data.shape)
        triggers = pkeygen(images, data.classes)[0].to_embed()
        common: dict[str, Any] = {
            "start": "pretrained",
            "recipe": preset("quick"),
            "test": data.test_set(),
            "seed": seed,
            "device": device,
        }
        started = time.perf_counter()
        unmarked = train(model, data.training_set(), **common).history[-1]
        between = time.perf_counter()
        marked = mark(model, data.training_set(), triggers, **common).history[-1]
        runs.append(
            {
                "seed": seed,
                "hidden": len(triggers),
                "hits": round((marked.trigger_accuracy or 0) * len(triggers)),
                "unmarked_accuracy": unmarked.test_accuracy,
                "marked_accuracy": marked.test_accuracy,
                "points": 100 * ((marked.test_accuracy or 0) - (unmarked.test_accuracy or 0)),
                "seconds_unmarked": between - started,
                "seconds_marked": time.perf_counter() - between,
            }
        )
    points = [run["points"] for run in runs]
    summary = {
        "network": network,
        "width": width,
        "source": source,
        "all_hit": all(run["hits"] == run["hidden"] for run in runs),
        "points_mean": statistics.mean(points),
        "points_worst": min(points),
        "runs": runs,
    }
    print(json.dumps(summary, indent=2))


if __name__ == "__main__":
    main()
