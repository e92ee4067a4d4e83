"""The units of what is known since the paper: attacks, capacity, false claims, what helps."""

from __future__ import annotations

from collections.abc import Iterator

from wmproof.experiments.setting import Setting
from wmproof.experiments.unit import Unit


def attack_units(setting: Setting) -> Iterator[Unit]:
    return iter(())


def capacity_units(setting: Setting) -> Iterator[Unit]:
    return iter(())


def help_units(setting: Setting) -> Iterator[Unit]:
    return iter(())
