"""Where an interrupted run goes on: one file, replaced as a whole."""

import io
import time
from pathlib import Path
from typing import Any

import torch

from wmproof._base.files import Source, make_folder, read_source, write_file
from wmproof.errors import FormatError, InputError

_FORMAT = "wmproof-training-1"
_LIMIT = 1 << 34
_EVERY_SECONDS = 30.0  # how much work an unannounced end may cost


class Checkpoint:
    """The file `training.ckpt` in a folder, for exactly one run.

    InputError if the folder cannot be made.

    Parameters
    ----------
    folder : Path
        Made if it does not exist.
    fingerprint : str
        Tells this run (data, triggers, recipe, seed, first weights) from all others.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        make_folder(folder)
        self.path = folder / "training.ckpt"
        self._fingerprint = fingerprint
        self._last = time.monotonic()

    def due(self) -> bool:
        """Tell whether it is time to save again."""
        return time.monotonic() - self._last >= _EVERY_SECONDS

    def save(self, state: dict[str, Any]) -> None:
        """Replace the file; the old one stays if this fails.

        InputError if the system refuses, for instance because the disk is full.
        """
        buffer = io.BytesIO()
        torch.save({"format": _FORMAT, "run": self._fingerprint, **state}, buffer)
        write_file(self.path, buffer.getvalue(), overwrite=True)
        self._last = time.monotonic()

    def load(self, device: torch.device) -> dict[str, Any] | None:
        """Read the file, if there is one.

        Raises
        ------
        FormatError
            It is damaged or something else.
        InputError
            It belongs to another run.
        """
        if not self.path.exists():
            return None
        state = load_tensors(self.path, device)
        if state.get("format") != _FORMAT:
            raise FormatError("is not a checkpoint of this version", where=str(self.path))
        if state.get("run") != self._fingerprint:
            raise InputError(
                "belongs to a run with other data, triggers, settings or first weights",
                where=str(self.path),
                remedy="Repeat the command that began it, or name another checkpoint folder",
            )
        return state


def load_tensors(source: Source, device: torch.device) -> dict[str, Any]:
    """Read a dictionary that torch saved, a file or its content.

    Only tensors and plain values are accepted.

    Raises
    ------
    FormatError
        The file is damaged, or holds something else.
    InputError
        It cannot be read.
    """
    data, where = read_source(source, limit=_LIMIT, name="saved tensors")
    try:
        state = torch.load(io.BytesIO(data), map_location=device, weights_only=True)
    except Exception as error:  # torch raises nearly anything on a broken file
        raise FormatError("is not a file that torch saved, or is damaged", where=where) from error
    if not isinstance(state, dict):
        raise FormatError("does not hold a dictionary of tensors", where=where)
    return state
