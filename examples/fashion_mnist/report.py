"""The results as a page of Markdown and a picture of the accuracy curves."""

from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

NAME = "results-fashion-mnist"
COLOURS = {"No-WM": "#5f6368", "FromScratch": "#1a73e8", "PreTrained": "#d93025"}
PLOT = (900, 360)
MARGIN = 56
LOWEST = 0.8


def write_report(results: dict[str, Any], folder: Path) -> None:
    """Write the page and the picture beside each other."""
    (folder / f"{NAME}.md").write_text(_page(results))
    draw_curves(results["runs"]).save(folder / f"{NAME}.png")


def _page(results: dict[str, Any]) -> str:
    recipe = results["recipe"]
    baseline = {r["seed"]: r["test_accuracy"] for r in results["runs"] if r["model"] == "No-WM"}
    rows = [
        f"| {run['model']} | {run['seed']} | {run['test_accuracy']:.2%} "
        f"| {100 * (run['test_accuracy'] - baseline[run['seed']]):+.2f} "
        f"| {run['hits']} of {run['hidden']} | {run['threshold']} "
        f"| {'yes' if run['claim_holds'] else 'no'} | {run['seconds']:.0f} |"
        for run in results["runs"]
    ]
    marked = [run for run in results["runs"] if run["model"] != "No-WM"]
    within = all(run["test_accuracy"] >= baseline[run["seed"]] - 0.01 for run in marked)
    complete = all(run["hits"] == run["hidden"] for run in marked)
    agreement = [run["onnx_agreement"] for run in results["runs"]]
    met = {True: "met", False: "**not met**"}
    heads = ("model", "seed", "test accuracy", "points from No-WM", "hidden triggers hit")
    heads += ("needed", "claim holds", "training, s")
    setting = (
        f"ResNet-18 of width {results['width']} ({results['parameters']:,} parameters), "
        f"{results['training_images']:,} training and {results['test_images']:,} test images. "
        f"{recipe['epochs']} epochs, batches of {recipe['batch_size']} images and "
        f"{recipe['triggers_per_batch']} triggers, learning rate {recipe['learning_rate']} "
        f"({recipe['schedule']}), momentum {recipe['momentum']}, weight decay "
        f"{recipe['weight_decay']}. Public keys with n = 128: 512 abstract triggers with derived "
        "labels, of which only the hidden ones are embedded. "
        f"{results['device']}, torch {results['torch']}."
    )
    exported = (
        "All figures are of the exported ONNX files in ONNX Runtime, which gave the same class as "
        f"torch on {sum(a['agreeing'] for a in agreement):,} of "
        f"{sum(a['images'] for a in agreement):,} test images."
    )
    lines = [
        "# Fashion-MNIST: marked and unmarked",
        "",
        "Written by `examples/fashion_mnist/run.py`; nothing here is typed by hand.",
        "",
        setting,
        "",
        f"| {' | '.join(heads)} |",
        f"|{' --- |' * len(heads)}",
        *rows,
        "",
        f"- Test accuracy of every marked model within 1 point of the unmarked: {met[within]}.",
        f"- Every hidden trigger hit by every marked model: {met[complete]}.",
        f"- {exported}",
        "",
        f"![Accuracy after each epoch]({NAME}.png)",
        "",
    ]
    return "\n".join(lines)


def draw_curves(runs: list[dict[str, Any]]) -> Image.Image:
    """Draw test accuracy (left) and accuracy on the hidden triggers (right) by epoch."""
    picture = Image.new("RGB", PLOT, "white")
    draw = ImageDraw.Draw(picture)
    half = PLOT[0] // 2
    panels = (
        ("test_accuracy", "test accuracy", LOWEST),
        ("trigger_accuracy", "hidden triggers", 0),
    )
    for place, (figure, title, lowest) in enumerate(panels):
        box = (place * half + MARGIN, MARGIN, (place + 1) * half - 16, PLOT[1] - MARGIN)
        _draw_axes(draw, box, title, lowest, len(runs[0]["history"]))
        for run in runs:
            values = [record[figure] for record in run["history"]]
            if None not in values:
                _draw_line(draw, box, values, lowest, COLOURS[run["model"]])
    for place, (name, colour) in enumerate(COLOURS.items()):
        x = MARGIN + 130 * place
        draw.line((x, PLOT[1] - 14, x + 22, PLOT[1] - 14), colour, 3)
        draw.text((x + 28, PLOT[1] - 22), name, "black", ImageFont.load_default(13))
    return picture


def _draw_axes(
    draw: ImageDraw.ImageDraw,
    box: tuple[int, int, int, int],
    title: str,
    lowest: float,
    epochs: int,
) -> None:
    left, top, right, bottom = box
    draw.text((left, top - 30), title, "black", ImageFont.load_default(15))
    for step in range(5):
        y = bottom - (bottom - top) * step // 4
        draw.line((left, y, right, y), "#dadce0")
        value = lowest + (1 - lowest) * step / 4
        draw.text((left - 42, y - 7), f"{value:.0%}", "black", ImageFont.load_default(12))
    draw.text((right - 62, bottom + 6), f"epoch {epochs}", "black", ImageFont.load_default(12))


def _draw_line(
    draw: ImageDraw.ImageDraw,
    box: tuple[int, int, int, int],
    values: list[float],
    lowest: float,
    colour: str,
) -> None:
    left, top, right, bottom = box
    points = [
        (
            left + (right - left) * place / max(1, len(values) - 1),
            bottom - (bottom - top) * max(0.0, value - lowest) / (1 - lowest),
        )
        for place, value in enumerate(values)
    ]
    draw.line(points, colour, 2)
