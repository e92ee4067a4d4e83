"""Fans the units of a plan out over Ray, where one machine is too slow. The extra `experiments`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wmproof.errors import InputError, WmproofError
from wmproof.experiments.plan import Plan
from wmproof.experiments.runner import UNWATCHED, Watcher, begun, finish_named

if TYPE_CHECKING:
    from wmproof.experiments.bench import Means


def run_on_ray(
    plans: Sequence[Plan],
    folder: Path,
    preset: str,
    means: Means,
    watcher: Watcher = UNWATCHED,
    *,
    address: str | None = None,
    cpus: int = 1,
    gpus: float = 0,
) -> None:
    """Finish all units of these plans as Ray tasks; a unit starts when those it needs are done.

    Parameters
    ----------
    plans, preset, means, watcher
        As `wmproof.experiments.runner.run`.
    folder : Path
        All machines see it under this name.
    address : str, optional
        Of a cluster; a cluster of this machine alone is started if absent.
    cpus, gpus
        For each unit. A unit uses as many threads as it has processors.

    Raises
    ------
    InputError
        Ray is not installed or not reached, or as `run`.
    """
    ray = _import_ray()
    with begun(plans, folder, preset, watcher):
        try:
            ray.init(address=address, include_dashboard=False, log_to_driver=False)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise InputError(f"cannot be reached ({error})", where=f"Ray at {address}") from error
        try:
            remote = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=0)(_finish_remotely)
            pending = [
                one for plan in plans for one in _submit(ray, remote, plan, folder, means, cpus)
            ]
            _await(ray, pending, watcher)
        finally:
            ray.shutdown()


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise InputError(
            "this needs the package ray, which is not installed",
            remedy="Install the extra: pip install 'wmproof[experiments]'",
        ) from error
    return ray


def _submit(ray: Any, remote: Any, plan: Plan, folder: Path, means: Means, cpus: int) -> list[Any]:
    references: dict[str, Any] = {}
    for unit in plan.units:
        needed = [references[name] for name in unit.needs]
        references[unit.name] = remote.remote(
            plan, unit.name, folder.absolute(), means, cpus, *needed
        )
    return list(references.values())


def _finish_remotely(
    plan: Plan, name: str, folder: Path, means: Means, cpus: int, *needed: Any
) -> tuple[str, float]:
    """Do one unit where Ray puts it; what it needs has been done, or Ray would not call this."""
    import torch

    torch.set_num_threads(cpus)
    return name, finish_named(plan, name, folder, means)


def _await(ray: Any, pending: list[Any], watcher: Watcher) -> None:
    while pending:
        done, pending = ray.wait(pending)
        for reference in done:
            try:
                name, seconds = ray.get(reference)
            except ray.exceptions.RayTaskError as error:
                cause = error.cause
                while isinstance(cause, ray.exceptions.RayTaskError):
                    cause = cause.cause
                if isinstance(cause, WmproofError):
                    raise cause from None
                raise
            watcher.done(name, seconds)
