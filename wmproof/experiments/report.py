"""A page of Markdown, plots and one JSON file, from whatever units are finished."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wmproof._files import write_files
from wmproof.errors import InputError
from wmproof.experiments import plots, tables
from wmproof.experiments.findings import Results, orderings
from wmproof.experiments.plan import Plan
from wmproof.experiments.store import Store, open_folder

_SECTIONS: tuple[tuple[str, int, Callable[[Plan, Results], str]], ...] = (
    ("1. Functionality (tables 1 and 3)", 1, tables.functionality),
    ("2. Unremovability (figure 6)", 2, tables.unremovability),
    ("3. Ownership piracy (figure 7)", 3, tables.piracy),
    ("4. Transfer learning (tables 2 and 4)", 4, tables.transfer),
    ("5. Attacks known since", 5, tables.attacks),
    ("6. Capacity", 6, tables.capacity),
    ("6. False claims", 6, tables.false_claims),
    ("7. What helps", 7, tables.helps),
)
_PLOTS = (
    ("figure-6", 2, plots.unremovability),
    ("figure-7", 3, plots.piracy),
    ("pruning", 5, plots.pruning),
)


def write_report(
    plans: Sequence[Plan], folder: Path, preset: str, out: Path | None = None
) -> list[Path]:
    """Write results-PRESET.md and .json with their plots from what is finished.

    Parameters
    ----------
    plans : Sequence of Plan
    folder : Path
        Of the results.
    preset : str
    out : Path, optional
        Where the report goes; the folder of the results if absent.

    Returns
    -------
    list of Path
        The page first.

    Raises
    ------
    InputError
        The folder is no experiment's, nothing is finished, or the disk is full.
    """
    if not folder.is_dir():
        raise InputError("is not a folder of results", where=str(folder))
    open_folder(folder, preset)
    out = out or folder
    collected = {plan.setting.name: _collect(plan, folder) for plan in plans}
    if not any(collected.values()):
        raise InputError("holds no finished unit", where=str(folder), remedy="Run it first")
    page = [f"# Experiments: {preset}", "", f"Written by `wmproof experiment {preset}`.", ""]
    files: dict[Path, bytes] = {}
    for plan in plans:
        found = collected[plan.setting.name]
        results = {name: unit["results"] for name, unit in found.items()}
        pictures = _draw(plan, results, preset)
        page += _setting_page(plan, found, results, list(pictures))
        files |= {out / name: data for name, data in pictures.items()}
    name = f"results-{preset}"
    text = {plan.setting.name: _facts(plan, collected[plan.setting.name]) for plan in plans}
    files = {
        out / f"{name}.md": "\n".join(page).encode(),
        out / f"{name}.json": (json.dumps(text, indent=1, sort_keys=True) + "\n").encode(),
        **files,
    }
    write_files(files, overwrite=True)
    return list(files)


def _collect(plan: Plan, folder: Path) -> dict[str, dict[str, Any]]:
    store, marks = Store(folder / plan.setting.name), plan.fingerprints()
    read = ((unit.name, store.read(unit.name, marks[unit.name])) for unit in plan.units)
    return {name: found for name, found in read if found is not None}


def _facts(plan: Plan, found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    units = {
        name: {"results": unit["results"], "seconds": unit["seconds"]}
        for name, unit in found.items()
    }
    return {"setting": asdict(plan.setting), "units": units}


def _draw(plan: Plan, results: Results, preset: str) -> dict[str, bytes]:
    pictures: dict[str, bytes] = {}
    for name, item, draw in _PLOTS:
        if item in plan.setting.items and (figure := draw(results)) is not None:
            stem = f"results-{preset}-{plan.setting.name}-{name}"
            pictures |= {f"{stem}.{kind}": plots.encoded(figure, kind) for kind in ("svg", "png")}
    return pictures


def _setting_page(
    plan: Plan, found: dict[str, dict[str, Any]], results: Results, pictures: list[str]
) -> list[str]:
    done, seconds = len(found), sum(unit["seconds"] for unit in found.values())
    lines = [f"## {plan.setting.name}", "", _sizes(plan), ""]
    lines += [f"{done} of {len(plan.units)} units finished, in {seconds / 60:.0f} minutes.", ""]
    lines += [*(f"- {sentence}" for sentence in orderings(results)), ""]
    for title, item, section in _SECTIONS:
        if any(unit.item == item for unit in plan.units):
            lines += [f"### {title}", "", section(plan, results), ""]
    lines += [f"![{name}]({name})\n" for name in pictures if name.endswith(".svg")]
    return lines


def _sizes(plan: Plan) -> str:
    setting = plan.setting
    recipe, data = setting.recipe, setting.data
    width = "" if setting.width is None else f" of width {setting.width}"
    images = "all" if data.training is None else f"a seeded sample of {data.training:,}"
    tests = "all" if data.test is None else f"a seeded sample of {data.test:,}"
    kind = "of which only the hidden half is embedded" if setting.key.public else "all embedded"
    return (
        f"{setting.network}{width} on {images} training images of {data.name}, measured on "
        f"{tests} test images. {recipe.epochs} epochs, batches of {recipe.batch_size} images and "
        f"{recipe.triggers_per_batch} triggers, learning rate {recipe.learning_rate} "
        f"({recipe.schedule}), augmentation {'on' if recipe.augment else 'off'}. Keys of "
        f"{setting.key.triggers} triggers, {kind}. Seed {setting.seed}. Attackers have the owner's "
        "images; FTLL, FTAL, RTLL and RTAL train for as many epochs at the last learning rate, "
        f"{recipe.at_last_rate().learning_rate:g}. An attack's cost is its passes over training "
        "images as a share of the owner's; a model lives if it loses at most five points of test "
        "accuracy, and a watermark is dead below 20 bits. Each figure is of one run."
    )
