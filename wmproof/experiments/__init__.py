"""The paper's experiments, and the attacks known since, as one resumable suite.

A preset is a list of settings; a setting is expanded into a graph of named units (train a marked
network, attack it, ...), each of which leaves a small JSON file and sometimes weights. The names
below are imported when they are first used, so that the list of presets can be read without torch.
"""

from typing import TYPE_CHECKING

from wmproof._base.lazy import lazy_names

if TYPE_CHECKING:
    from wmproof.experiments.plan import Plan, plan_of
    from wmproof.experiments.presets import EXPERIMENTS, experiment
    from wmproof.experiments.report import write_report
    from wmproof.experiments.runner import run
    from wmproof.experiments.setting import DataSpec, KeySpec, Setting
    from wmproof.experiments.unit import Unit

__all__ = [
    "EXPERIMENTS",
    "DataSpec",
    "KeySpec",
    "Plan",
    "Setting",
    "Unit",
    "experiment",
    "plan_of",
    "run",
    "write_report",
]

__getattr__ = lazy_names(
    __name__,
    {
        "plan": ("Plan", "plan_of"),
        "presets": ("EXPERIMENTS", "experiment"),
        "report": ("write_report",),
        "runner": ("run",),
        "setting": ("DataSpec", "KeySpec", "Setting"),
        "unit": ("Unit",),
    },
)
