"""Export one's own network as a file that claims can be about, checked at once."""

import copy
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from wmproof._base.files import check_target, write_file
from wmproof.circuit.compile import compile_model
from wmproof.circuit.probes import draw_probes
from wmproof.core.shown import Report
from wmproof.core.triggers import Shape
from wmproof.errors import InputError
from wmproof.models import OnnxClassifier
from wmproof.training.export import EXPORTERS, compare_with_torch, to_onnx
from wmproof.training.normalization import Normalization

_PROBES = 64


@dataclass(frozen=True)
class ClaimCheck(Report):
    """What was found about an exported file."""

    exporter: str
    """'dynamo' or 'torchscript': the one whose file was written."""
    images: int
    agreeing: int
    """images and agreeing: images on which torch and ONNX Runtime were compared, and gave the same
    class."""
    provable: bool
    """Whether it compiles, and so can stand in a zero-knowledge claim."""
    why_not: str | None
    """What the compiler says otherwise."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as `json.dumps` takes it."""
        return asdict(self)


def export_for_claims(
    model: nn.Module,
    path: str | os.PathLike[str],
    *,
    mean: Sequence[float],
    std: Sequence[float],
    shape: Shape,
    images: Tensor | None = None,
    exporter: str = "auto",
    overwrite: bool = False,
) -> ClaimCheck:
    """Write a trained network as one ONNX file that takes raw pixels.

    Look at `provable` of what is returned: private verification runs more networks than claims can
    be about.

    InputError if no exporter can express the network, torch and ONNX Runtime disagree, `verify`
    would not take the file, or it cannot be written.

    Parameters
    ----------
    model : nn.Module
        Maps float32 images (N, C, H, W), `(pixels / 255 - mean) / std`, to logits, or to an object
        with `.logits` as transformers' models do.
    path : path
        Where to.
    mean, std : sequence of float
        One a channel, of pixels in [0, 1], as in torchvision's `Normalize`; 0 and 1 for none.
    shape : tuple of int
        (C, H, W).
    images : Tensor, optional
        uint8 (N, C, H, W) to compare torch and ONNX Runtime on; the compiler's probe pictures
        otherwise.
    exporter : str
        torch's 'dynamo', its older 'torchscript', or 'auto': the first whose file can stand in a
        zero-knowledge claim.
    overwrite : bool
        Replace a file that exists.
    """
    if len(shape) != 3 or len(mean) != shape[0] or len(std) != shape[0]:
        raise InputError(
            f"there are {len(mean)} means and {len(std)} deviations for images of {shape}",
            remedy="Give shape=(C, H, W) and one mean and one deviation a channel",
        )
    names = tuple(EXPORTERS) if exporter == "auto" else (exporter,)
    if not set(names) <= set(EXPORTERS):
        raise InputError(f"there is no exporter {exporter!r}", remedy=f"Use {', '.join(EXPORTERS)}")
    check_target(path, overwrite=overwrite)
    normalization = Normalization.of_unit_range(tuple(mean), tuple(std))
    network = _Logits(copy.deepcopy(model)).cpu().eval()
    if images is None:
        images = torch.from_numpy(draw_probes(_PROBES, tuple(shape)))
    found, failure = _try_all(names, network, normalization, images)
    if found is None:
        raise failure or InputError("the network cannot be exported")
    data, check = found
    write_file(path, data, overwrite=overwrite)
    return check


_Found = tuple[bytes, ClaimCheck]


def _try_all(
    names: Sequence[str], network: nn.Module, normalization: Normalization, images: Tensor
) -> tuple[_Found | None, InputError | None]:
    """Return the first file that is provable, else the first that works at all, else the error."""
    found: _Found | None = None
    failure: InputError | None = None
    for name in names:
        try:
            shape = cast("Any", tuple(images.shape[1:]))
            data = to_onnx(network, normalization, shape, exporter=name)
            check = _check(name, data, network, normalization, images)
        except InputError as error:
            failure = failure or error
            continue
        if found is None or check.provable:
            found = data, check
        if check.provable:
            break
    return found, failure


def _check(
    name: str, data: bytes, network: nn.Module, normalization: Normalization, images: Tensor
) -> ClaimCheck:
    OnnxClassifier(data, "the exported network")
    same = compare_with_torch(data, network, normalization, images)
    why_not = None
    try:
        compile_model(data, np.ascontiguousarray(images[:2].numpy()))
    except InputError as error:
        why_not = str(error)
    return ClaimCheck(name, same.images, same.agreeing, why_not is None, why_not)


class _Logits(nn.Module):
    """Takes the logits out of what transformers' models answer with."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        output = self.network(images)
        logits: Tensor = getattr(output, "logits", output)
        return logits
