"""The output folder: one small JSON file for each finished unit, weights and keys beside it."""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wmproof._base.files import hash_file, make_folder, read_file, write_file
from wmproof._base.locks import locked
from wmproof.errors import FormatError, InputError

if TYPE_CHECKING:
    from torch import nn

_FORMAT = "wmproof-experiment-1"
_MANIFEST = "experiment.json"
_LIMIT = 1 << 26
_WEIGHTS_LIMIT = 1 << 34


def open_folder(folder: Path, preset: str) -> None:
    """Make the output folder of a preset, or see that it is one.

    InputError if it cannot be made, holds something else, or the results of another preset.
    """
    make_folder(folder)
    manifest = folder / _MANIFEST
    facts = {"format": _FORMAT, "preset": preset}
    if not manifest.exists():
        if any(folder.iterdir()):
            raise InputError(
                "holds files that are no experiment's",
                where=str(folder),
                remedy="Name an empty or a new folder",
            )
        write_file(manifest, _encode(facts))
        return
    found = _decode(manifest)
    if found != facts:
        raise InputError(
            f"holds the experiment {found.get('preset')!r}, not {preset!r}",
            where=str(folder),
            remedy="Name another folder",
        )


def is_results(folder: Path) -> bool:
    """Tell whether it is some experiment's folder."""
    return (folder / _MANIFEST).exists()


def held(folder: Path) -> AbstractContextManager[None]:
    """Keep a second run out of the folder; it is told so at once. Errors as `locked`."""
    return locked(folder / _MANIFEST, timeout=0)


class Store:
    """The folder of one setting.

    `folder` is made if it does not exist; InputError if it cannot be.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for part in ("units", "weights", "keys"):
            make_folder(folder / part)

    def key_path(self, name: str) -> Path:
        """Return where a key lies."""
        return self._folder / "keys" / f"{name}.mk"

    def checkpoint(self, name: str) -> Path:
        """Return the folder in which a unit keeps an unfinished training."""
        return self._folder / "checkpoints" / name

    def read(self, name: str, fingerprint: str) -> dict[str, Any] | None:
        """Return what a finished unit found, or None.

        Raises
        ------
        InputError
            The file is of other settings.
        FormatError
            It is damaged.
        """
        path = self._unit_path(name)
        if not path.exists():
            return None
        found = _decode(path)
        if found.get("format") != _FORMAT or not isinstance(found.get("results"), dict):
            raise FormatError("is no result of a unit", where=str(path))
        if found.get("fingerprint") != fingerprint:
            raise InputError(
                "is a result of other settings",
                where=str(path),
                remedy="Name another folder, or remove the file to have it made again",
            )
        return found

    def write(
        self,
        name: str,
        fingerprint: str,
        results: dict[str, Any],
        *,
        seconds: float,
        model: nn.Module | None = None,
    ) -> None:
        """Record a finished unit: first the weights, then the file that says they are complete.

        InputError if the system refuses, for instance because the disk is full.
        """
        fields: dict[str, Any] = {
            "format": _FORMAT,
            "unit": name,
            "fingerprint": fingerprint,
            "results": results,
            "seconds": round(seconds, 3),
        }
        if model is not None:
            from wmproof.training.weights import save_weights

            save_weights(model, self._weights_path(name), overwrite=True)
            fields["weights_sha256"] = hash_file(self._weights_path(name)).hex()
        write_file(self._unit_path(name), _encode(fields), overwrite=True)
        shutil.rmtree(self.checkpoint(name), ignore_errors=True)

    def load_weights(self, name: str, model: nn.Module, fingerprint: str) -> None:
        """Load what a unit left into a network of the same architecture.

        InputError if the unit is not finished, or the weights are not those that it wrote.
        """
        from wmproof.training.weights import load_weights

        found = self.read(name, fingerprint)
        if found is None or "weights_sha256" not in found:
            raise InputError("has left no weights", where=name)
        data = read_file(self._weights_path(name), limit=_WEIGHTS_LIMIT)
        if found["weights_sha256"] != hashlib.sha256(data).hexdigest():
            raise InputError(
                "are not the weights that the unit wrote",
                where=str(self._weights_path(name)),
                remedy=f"Remove {self._unit_path(name)} to have them made again",
            )
        load_weights(model, data)

    def _unit_path(self, name: str) -> Path:
        return self._folder / "units" / f"{name}.json"

    def _weights_path(self, name: str) -> Path:
        return self._folder / "weights" / f"{name}.pt"


def _encode(fields: dict[str, Any]) -> bytes:
    return (json.dumps(fields, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def _decode(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_file(path, limit=_LIMIT))
    except (ValueError, RecursionError) as error:
        raise FormatError(
            "is not JSON", where=str(path), remedy="Remove it to have it made again"
        ) from error
    if not isinstance(found, dict):
        raise FormatError("is not a JSON object", where=str(path))
    return found
