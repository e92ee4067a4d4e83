"""Weights of a network in a file of their own, to start from or to go on with."""

import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wmproof._base.files import Source, write_file
from wmproof.errors import InputError
from wmproof.training.checkpoint import load_tensors

_STATE_NAMES = ("state_dict", "model_state_dict", "model", "net", "network", "weights")
_PREFIXES = ("module.", "_orig_mod.")


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


def load_weights(model: nn.Module, source: Source) -> None:
    """Load a state dictionary, a file or its content, into a model of the same architecture.

    It may lie in a checkpoint's dictionary, and all its names may begin as `DataParallel` or
    `torch.compile` let them.

    Raises
    ------
    FormatError
        The file is not one that torch saved.
    InputError
        It cannot be read, or its tensors are those of another architecture, width, image shape
        or class count.
    """
    state = _without_prefixes(_state_of(load_tensors(source, torch.device("cpu"))))
    try:
        model.load_state_dict(state, strict=True)
    except (RuntimeError, AttributeError, TypeError) as error:
        raise InputError(
            f"holds the weights of another network: {_first_difference(error)}",
            where="saved weights" if isinstance(source, bytes) else str(source),
            remedy="Name the network, width and data set that it was trained with",
        ) from error


def _state_of(saved: dict[str, Any]) -> dict[str, Any]:
    """Find the weights among what else a training script saves with them."""
    for name in _STATE_NAMES:
        inside = saved.get(name)
        if isinstance(inside, dict) and any(isinstance(v, Tensor) for v in inside.values()):
            return inside
    return saved


def _without_prefixes(state: dict[str, Any]) -> dict[str, Any]:
    while state:
        prefix = next((p for p in _PREFIXES if all(str(k).startswith(p) for k in state)), None)
        if prefix is None:
            break
        state = {name[len(prefix) :]: tensor for name, tensor in state.items()}
    return state


def _first_difference(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines()]
    text = lines[1] if len(lines) > 1 else lines[0]
    return text[:200].rstrip(".")
