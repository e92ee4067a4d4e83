"""`wmproof experiment`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wmproof.cli.options import FILE, Number, json_option
from wmproof.cli.output import console, print_json
from wmproof.errors import InputError
from wmproof.experiments.presets import EXPERIMENTS

if TYPE_CHECKING:
    from wmproof.experiments.plan import Plan
    from wmproof.experiments.setting import Setting


@dataclasses.dataclass(frozen=True)
class _Options:
    preset: str
    out: Path
    report_to: Path | None
    data_folder: Path | None
    only: tuple[str, ...]
    item: tuple[int, ...]
    unit: tuple[str, ...]
    full: bool
    epochs: int | None
    device: str
    workers: int
    rehearsal: bool
    report_only: bool
    recorded: Path | None
    plan: bool
    jobs: int
    ray: bool
    ray_address: str | None
    ray_cpus: int
    ray_gpus: float
    as_json: bool


@click.command()
@click.argument("preset", type=click.Choice(EXPERIMENTS))
@click.option(
    "-o", "--out", required=True, type=FILE, metavar="DIR", help="Results, kept to go on."
)
@click.option("--report-to", type=FILE, metavar="DIR", help="Write tables and plots here instead.")
@click.option("--data-folder", type=FILE, metavar="DIR", help="Where the data sets' files are.")
@click.option(
    "--only",
    multiple=True,
    metavar="SETTING",
    help="Only this setting, as --plan names them; may be repeated.",
)
@click.option(
    "--item", multiple=True, type=click.IntRange(1, 7), help="Only this part; may be repeated."
)
@click.option(
    "--unit",
    multiple=True,
    metavar="PATTERN",
    help="Only units of this name, a shell's pattern; may be repeated.",
)
@click.option("--full", is_flag=True, help="Use all images, not the preset's sample.")
@click.option("--epochs", type=click.IntRange(1), help="The owner's, instead of the preset's.")
@click.option("--device", default="auto", help="auto, cpu, cuda, cuda:1, ...")
@click.option("--workers", type=click.IntRange(0), default=0, help="Loader processes (ImageNet).")
@click.option("--rehearsal", is_flag=True, help="One epoch on random images of the right shapes.")
@click.option("--report-only", is_flag=True, help="Write the report of what is finished.")
@click.option(
    "--from",
    "recorded",
    type=FILE,
    metavar="JSON",
    help="Run nothing; report what DIR has, and of this results-PRESET.json the other settings.",
)
@click.option("--plan", is_flag=True, help="List the units and do nothing.")
@click.option("--jobs", type=click.IntRange(1), default=1, help="Units at a time.")
@click.option("--ray", is_flag=True, help="Fan out over Ray.")
@click.option("--ray-address", metavar="ADDRESS", help="Of a Ray cluster; else this machine.")
@click.option("--ray-cpus", type=click.IntRange(1), default=1, help="Processors for each unit.")
@click.option("--ray-gpus", type=Number(0), default=0, help="GPUs for each unit.")
@json_option
def experiment(**given: Any) -> int:
    """Run the paper's experiments and the attacks known since, and write tables and plots.

    The same command goes on where an interrupted run ended, and ends with the same results.
    """
    options = _Options(**given)
    plans = _plans(options)
    if options.plan:
        return _list(options, plans)
    # A rehearsal finds nothing out, so its results must not mix with an experiment's.
    name = f"{options.preset}-rehearsal" if options.rehearsal else options.preset
    if not options.report_only and options.recorded is None:
        _run(options, plans, name)
    return _report(options, plans, name)


def _plans(options: _Options) -> list[Plan]:
    from wmproof.experiments import experiment as settings_of
    from wmproof.experiments import plan_of

    settings = settings_of(options.preset)
    names = [setting.name for setting in settings]
    unknown = [name for name in options.only if name not in names]
    if unknown:
        raise InputError(
            f"{options.preset} has no setting {unknown[0]!r}",
            where="--only",
            remedy=f"Choose of {', '.join(names)}",
        )
    chosen = [one for one in settings if not options.only or one.name in options.only]
    plans = [plan_of(_changed(setting, options)) for setting in chosen]
    kept = [plan.only(options.item, options.unit) for plan in plans]
    if not any(plan.units for plan in kept):
        raise InputError(
            "has no unit of this name and item",
            where=options.preset,
            remedy="List the units with --plan, without --unit and --item",
        )
    return kept


def _changed(setting: Setting, options: _Options) -> Setting:
    if options.full:
        data = dataclasses.replace(setting.data, training=None, test=None)
        setting = dataclasses.replace(setting, data=data)
    if options.epochs is not None:
        recipe = dataclasses.replace(setting.recipe, epochs=options.epochs)
        setting = dataclasses.replace(setting, recipe=recipe)
    return setting


def _run(options: _Options, plans: list[Plan], name: str) -> None:
    from rich.console import Console

    from wmproof.experiments.bench import Means
    from wmproof.experiments.watch import RichWatcher

    means = Means(options.data_folder, options.device, options.workers, options.rehearsal)
    watcher = RichWatcher(Console(stderr=True, quiet=options.as_json))
    if options.ray:
        from wmproof.experiments.cluster import run_on_ray

        run_on_ray(
            plans,
            options.out,
            name,
            means,
            watcher,
            address=options.ray_address,
            cpus=options.ray_cpus,
            gpus=options.ray_gpus,
        )
    elif options.jobs > 1:
        from wmproof.experiments.side_by_side import run_side_by_side

        run_side_by_side(plans, options.out, name, means, watcher, jobs=options.jobs)
    else:
        from wmproof.experiments.runner import run

        run(plans, options.out, name, means, watcher)


def _report(options: _Options, plans: list[Plan], name: str) -> int:
    from wmproof.experiments.report import write_report

    files = write_report(plans, options.out, name, options.report_to, options.recorded)
    if options.as_json:
        print_json({"preset": name, "files": [str(path) for path in files]})
        return 0
    from rich.markdown import Markdown

    console().print(Markdown(files[0].read_text("utf-8")))
    for path in files:
        console().print(str(path), soft_wrap=True)
    return 0


def _list(options: _Options, plans: list[Plan]) -> int:
    units = [(plan.setting.name, unit) for plan in plans for unit in plan.units]
    if options.as_json:
        fields = [
            {"setting": name, "unit": unit.name, "item": unit.item, "needs": unit.needs}
            for name, unit in units
        ]
        print_json({"preset": options.preset, "units": fields})
        return 0
    for name, unit in units:
        needs = f" <- {'; '.join(unit.needs)}" if unit.needs else ""
        line = f"{name}: [{unit.item}] {unit.name}{needs}"
        console().print(line, markup=False, soft_wrap=True)
    return 0
