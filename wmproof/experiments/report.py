"""A page of Markdown, plots and one JSON file, from whatever units are finished."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wmproof._base.files import make_folder, read_file, write_files
from wmproof.errors import InputError
from wmproof.experiments import marks, plots, seeds, tables
from wmproof.experiments.data import classes_of
from wmproof.experiments.findings import Results, sentences
from wmproof.experiments.plan import Plan
from wmproof.experiments.store import Store, is_results, open_folder
from wmproof.experiments.unit import hanging_together
from wmproof.experiments.worth import judged

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SECTIONS: tuple[tuple[str, int, Callable[[Plan, Results], str]], ...] = (
    ("1. Functionality (tables 1 and 3)", 1, tables.functionality),
    ("2. Unremovability (figure 6)", 2, tables.unremovability),
    ("3. Ownership piracy (figure 7)", 3, tables.piracy),
    ("4. Transfer learning (tables 2 and 4)", 4, tables.transfer),
    ("5. Attacks known since", 5, tables.attacks),
    ("2, 3 and 5. What is left of FromScratch's mark, in bits", 5, tables.left),
    ("6. Capacity", 6, tables.capacity),
    ("6. False claims", 6, tables.false_claims),
    ("7. What helps", 7, tables.helps),
)
_PLOTS = (
    ("figure-6", 2, plots.unremovability),
    ("figure-7", 3, plots.piracy),
    ("pruning", 5, plots.pruning),
    ("bits", 5, plots.bits),
)
_RECORD_LIMIT = 1 << 28
_RECORD = "Give the results-PRESET.json that the experiment wrote"


def write_report(
    plans: Sequence[Plan],
    folder: Path,
    preset: str,
    out: Path | None = None,
    recorded: Path | None = None,
) -> list[Path]:
    """Write results-PRESET.md and .json with their plots from what is finished.

    What hits are worth is computed anew from their counts.

    Parameters
    ----------
    plans : Sequence of Plan
    folder : Path
        Of the results.
    preset : str
    out : Path, optional
        Where the report goes; the folder of the results if absent.
    recorded : Path, optional
        A results-PRESET.json, for the units that hang together with none in the folder, which may
        then also be no folder of results.

    Returns
    -------
    list of Path
        The page first, the JSON last.

    Raises
    ------
    InputError
        The folder is no experiment's, nothing is finished, the record is none or of other settings
        than the plans' or would be overwritten, or the disk is full.
    """
    if recorded is None and not folder.is_dir():
        raise InputError("is not a folder of results", where=str(folder))
    if recorded is None or is_results(folder):
        open_folder(folder, preset)
        collected = {plan.setting.name: _collect(plan, folder) for plan in plans}
    else:
        collected = {plan.setting.name: {} for plan in plans}
    text = {plan.setting.name: _facts(plan, collected[plan.setting.name]) for plan in plans}
    names = {plan.setting.name for plan in plans}
    before = {} if recorded is None else _read_record(recorded, names)
    for plan in plans:
        if recorded is not None and plan.setting.name in before:
            part = _recorded(plan, before, recorded)
            text[plan.setting.name] = both = _joined(plan, text[plan.setting.name], part)
            collected[plan.setting.name] = both["units"]
    if not any(collected.values()):
        raise InputError("holds no finished unit", where=str(folder), remedy="Run it first")
    out = out or folder
    files = _page(plans, collected, preset, out)
    record = out / f"results-{preset}.json"
    if recorded is not None and record.exists() and record.samefile(recorded):
        _check_all_kept(recorded, before, text)
    files[record] = _json(text)
    return _written(files, out)


def _check_all_kept(recorded: Path, before: Mapping[str, Any], text: Mapping[str, Any]) -> None:
    """Refuse to replace a record by one that has fewer settings."""
    if lost := before.keys() - text.keys():
        raise InputError(
            f"would lose its results of {', '.join(sorted(lost))}",
            where=str(recorded),
            remedy="Name another folder with --report-to, or leave out --only",
        )


def _joined(plan: Plan, own: dict[str, Any], recorded: dict[str, Any]) -> dict[str, Any]:
    """Add what was recorded of a setting, but nothing that hangs together with a unit of its own.

    Units that do share a key or a network, and those of two runs are not the same.
    """
    done = own["units"].keys()
    replaced = [group for group in hanging_together(plan.units) if group & done]
    kept = {
        name: unit
        for name, unit in recorded["units"].items()
        if not any(name in group for group in replaced)
    }
    return {"setting": (own if done else recorded)["setting"], "units": kept | own["units"]}


def _read_record(path: Path, settings: Set[str]) -> dict[str, Any]:
    try:
        record = json.loads(read_file(path, limit=_RECORD_LIMIT))
    except ValueError:
        record = None
    if not isinstance(record, dict) or not settings & record.keys():
        raise InputError("is no record of these settings", where=str(path), remedy=_RECORD)
    return record


def _recorded(plan: Plan, record: dict[str, Any], path: Path) -> dict[str, Any]:
    """Read what a record has of a setting."""
    try:
        part = record[plan.setting.name]
        common = _said(json.loads(json.dumps(plan.setting.common())))
        found = _said(part["setting"])
        differ = [name for name in common if found.get(name, common[name]) != common[name]]
        units = {
            name: {"results": unit["results"], "seconds": float(unit["seconds"])}
            for name, unit in part["units"].items()
        }
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        what = f"is no record of results for {plan.setting.name}"
        raise InputError(what, where=str(path), remedy=_RECORD) from error
    if differ:
        raise InputError(f"is of another {differ[0]} than the preset's", where=str(path))
    return {"setting": part["setting"], "units": units}


def _said(value: Any) -> Any:
    """Leave out what is nothing: earlier records do not name it."""
    if not isinstance(value, dict):
        return value
    return {name: _said(inner) for name, inner in value.items() if inner is not None}


def _page(
    plans: Sequence[Plan], collected: dict[str, dict[str, Any]], preset: str, out: Path
) -> dict[Path, bytes]:
    page = [f"# Experiments: {preset}", "", f"Written by `wmproof experiment {preset}`.", ""]
    files: dict[Path, bytes] = {}
    runs = []
    for plan in (one for one in plans if collected[one.setting.name]):
        found, classes = collected[plan.setting.name], classes_of(plan.setting.data)
        results = {name: judged(unit["results"], classes) for name, unit in found.items()}
        runs.append((plan, results))
        pictures = _draw(plan, results, preset)
        page += _setting_page(plan, found, results, list(pictures))
        files |= {out / name: data for name, data in pictures.items()}
    if len(runs) > 1 and (varied := tables.varied(runs)):
        page += ["## The paper's orderings", "", varied, ""]
    for title, family in seeds.families(runs).items():
        lines, pictures = _family(title, family, preset)
        page += lines
        files |= {out / name: data for name, data in pictures.items()}
    return {out / f"results-{preset}.md": "\n".join(page).encode(), **files}


def _family(title: str, runs: seeds.Runs, preset: str) -> tuple[list[str], dict[str, bytes]]:
    """What settings say together that differ in their seed only: kinds of marks, or the spread."""
    name = runs[0][0].setting.name.partition("-seed-")[0]
    lines = ["", marks.innocents(runs), ""]
    if runs[0][0].setting.sweeps.every_attack:
        lines = [f"## Marks against attacks: {title}", *lines, marks.against_attacks(runs), ""]
        pictures = _encoded(plots.frontier(runs), f"results-{preset}-{name}-frontier")
    elif len(runs) > 1 and "FromScratch" in runs[0][1]:
        lines = [f"## Over seeds: {title}", *lines, seeds.accuracies(runs), ""]
        lines += [seeds.left_table(runs), ""]
        pictures = _encoded(plots.bits_over_seeds(runs), f"results-{preset}-{name}-bits")
    else:
        return [], {}
    return [*lines, *_shown(pictures)], pictures


def _encoded(figure: Figure | None, stem: str) -> dict[str, bytes]:
    if figure is None:
        return {}
    return {f"{stem}.{kind}": plots.encoded(figure, kind) for kind in ("svg", "png")}


def _shown(pictures: Iterable[str]) -> list[str]:
    return [f"![{name}]({name})\n" for name in pictures if name.endswith(".svg")]


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def _written(files: dict[Path, bytes], out: Path) -> list[Path]:
    make_folder(out)
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
        if item in plan.setting.items and (figure := draw(plan, results)) is not None:
            pictures |= _encoded(figure, f"results-{preset}-{plan.setting.name}-{name}")
    return pictures


def _setting_page(
    plan: Plan, found: dict[str, dict[str, Any]], results: Results, pictures: list[str]
) -> list[str]:
    done, seconds = len(found), sum(unit["seconds"] for unit in found.values())
    lines = [f"## {plan.setting.name}", "", _sizes(plan), ""]
    lines += [f"{done} of {len(plan.units)} units finished, in {seconds / 60:.0f} minutes.", ""]
    lines += [*(f"- {sentence}" for sentence in sentences(results)), ""]
    for title, item, section in _SECTIONS:
        if any(unit.item == item for unit in plan.units) and not (
            section is tables.helps and plan.setting.sweeps.every_attack
        ):
            lines += [f"### {title}", "", section(plan, results), ""]
    return [*lines, *_shown(pictures)]


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
        "accuracy, and a watermark is dead below 20 bits. Bits are of the exact tail of a claim "
        "about all hidden triggers; a claim holds with 128. Each figure is of one run."
    )
