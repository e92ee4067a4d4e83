"""Weights of a network in a file of their own, to start from or to go on with."""

from __future__ import annotations

import io
from pathlib import Path

import torch
from torch import nn

from wmproof._files import write_file
from wmproof.errors import InputError
from wmproof.training.checkpoint import load_tensors


def save_weights(model: nn.Module, path: Path, *, overwrite: bool = False) -> None:
    """Write the model's state dictionary.

    Raises
    ------
    InputError
        The file exists and `overwrite` is false, or the system refuses.
    """
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    write_file(path, buffer.getvalue(), overwrite=overwrite)


def load_weights(model: nn.Module, path: Path) -> None:
    """Load a state dictionary into a model of the same architecture.

    Raises
    ------
    FormatError
        The file is not one that torch saved.
    InputError
        It cannot be read, or its tensors are those of another architecture, width, image shape
        or class count.
    """
    state = load_tensors(path, torch.device("cpu"))
    try:
        model.load_state_dict(state, strict=True)
    except (RuntimeError, AttributeError, TypeError) as error:
        raise InputError(
            f"holds the weights of another network: {_first_difference(error)}",
            where=str(path),
            remedy="Name the network, width and data set that it was trained with",
        ) from error


def _first_difference(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines()]
    text = lines[1] if len(lines) > 1 else lines[0]
    return text[:200].rstrip(".")
